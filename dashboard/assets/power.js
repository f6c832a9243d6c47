// The question of the page of power: a handle and a field, and what is chosen goes into the address.
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const own = (clientside.wattstat = clientside.wattstat || {});

  // Who has typed into a field would else keep it as it was, whatever the next answer says.
  function settle(form, watts) {
    for (const input of form.querySelectorAll("input")) input.setAttribute("value", watts);
    form.reset();
  }

  function ask(form, text) {
    settle(form, text);
    own.setParameters({ watts: text });
  }

  document.addEventListener("input", (event) => {
    if (!event.target.matches("form[data-whatif] input[type=range]")) return;
    event.target.form.elements.watts.value = event.target.value;
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("form[data-whatif] input[type=range]")) ask(event.target.form, event.target.value);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-whatif]")) return;
    event.preventDefault();
    const text = event.target.elements.watts.value.trim();
    if (text) ask(event.target, text);
  });
})();
