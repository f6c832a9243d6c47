// The dialogue of pages that act: a button asks, the answer is filled in, and nothing is done without one press more.
// Which page it is says the dialogue itself: `data-asked` is the store of its questions, `data-otherwise` the command to use instead.
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const own = (clientside.wattstat = clientside.wattstat || {});
  const SILENT_AFTER = 12000, REHEARSAL_SILENT_AFTER = 180000, EMERGENCY_BEAT = 2000;
  const byId = (id) => document.getElementById(id);
  let latest = 0, silence = 0, opened = "";

  function ask(given) {
    latest = Date.now();
    clearTimeout(silence);
    own.fill({ "act-dialog-error": "" });
    busy(true);
    const isRehearsal = given.act === "rehearse" || given.step === "rehearse";
    silence = setTimeout(tellSilence, isRehearsal ? REHEARSAL_SILENT_AFTER : SILENT_AFTER);
    clientside.set_props(byId("act-dialog").dataset.asked, { data: { ...given, at: latest } });
  }

  // Whoever presses the red button must not look at a page that waits for ever and says nothing.
  function tellSilence() {
    own.fill({ "act-dialog-error": '<div class="notice critical" role="alert"><strong>No answer yet.</strong><span>It is not known ' +
      "whether anything was done. Try again, or use <code>" + byId("act-dialog").dataset.otherwise + "</code> on core's own machine.</span></div>" });
    busy(false);
  }

  function busy(is) {
    const form = document.querySelector("#act-dialog form");
    if (!form) return;
    form.setAttribute("aria-busy", is);
    for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = is;
  }

  function show(given, title) {
    const dialog = byId("act-dialog"), body = byId("act-dialog-body");
    if (!dialog) return;
    body.replaceChildren();
    body.filled = undefined;
    own.fill({ "act-dialog-body": '<form class="dialogue"><h2 id="act-dialog-title"></h2><p class="empty">Asking …</p>' +
      '<div id="act-dialog-error"></div><div class="dialog-buttons"><button type="button" class="step" data-close>Cancel</button></div></form>' });
    byId("act-dialog-title").textContent = title;
    if (!dialog.open) dialog.showModal();
    ask(given);
  }

  // An answer to an older question must not overwrite a newer one.
  own.policySaid = function (said) {
    if (!said || +said.to !== latest) return;
    clearTimeout(silence);
    if (said.fresh) {
      const body = byId("act-dialog-body");
      body.replaceChildren();
      body.filled = undefined;
    }
    own.fill(said.fill);
    busy(false);
    const dialog = byId("act-dialog");
    if (said.fresh && dialog && dialog.open) {
      const first = dialog.querySelector("[autofocus]") || dialog.querySelector("input:not([type=hidden]), select, textarea, button");
      if (first) first.focus();
      const where = dialog.querySelector("[data-look]");
      if (where && where.value) {
        look(where);
        where.form.elements.reason.focus();
      }
    }
  };

  function look(where) {
    const chosen = where.selectedOptions[0], confirm = where.form.querySelector("[data-confirm]");
    const word = (chosen && chosen.dataset.word) || "";
    confirm.dataset.word = word;
    check(confirm);
    byId("policy-confirm-word").textContent = word || "the name";
    own.fill({ "policy-difference": where.value ? '<p class="empty">Asking core what would change …</p>' : "" });
    if (where.value) ask({ act: "emergency", step: "look", scope: where.value });
    // The difference is worth waiting for, but nobody has to.
    busy(false);
  }

  function check(confirm) {
    const word = confirm.dataset.word || "";
    const fits = word && confirm.value.trim() === word;
    confirm.setCustomValidity(fits ? "" : word ? "Type " + word : "Choose where first");
  }

  document.addEventListener("click", (event) => {
    const asking = event.target.closest("[data-act]");
    if (asking) {
      const { act, ...rest } = asking.dataset;
      show({ act, ...rest }, asking.firstChild.textContent.replace(" …", ""));
    }
    if (event.target.closest("[data-close]")) byId("act-dialog").close();
    const line = event.target.closest("[data-line]");
    if (line) goTo(+line.dataset.line);
  });

  function goTo(number) {
    const area = document.querySelector("[data-editor]"), lines = area.value.split("\n");
    const start = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[number - 1] || "").length);
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#act-dialog form")) return;
    event.preventDefault();
    if (!event.target.matches("[data-act-form]") || event.target.getAttribute("aria-busy") === "true") return;
    ask(Object.fromEntries(new FormData(event.target, event.submitter)));
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-confirm]")) check(event.target);
    // What was checked is not what stands there any more.
    if (event.target.matches("[data-editor]")) own.fill({ "policy-editor-save": "" });
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-look]")) look(event.target);
  });
  // `close` does not bubble.
  document.addEventListener("close", (event) => {
    if (event.target.id !== "act-dialog") return;
    latest = 0;
    clearTimeout(silence);
    if (opened) own.setParameters({ draft: null, scope: null, watts: null, basis: null, emergency: null });
  }, true);

  // An address may open a dialogue: ?emergency=rack/r01, ?draft=limit&scope=rack:r01&watts=16500.
  own.policyAddress = function (beat, search) {
    const given = new URLSearchParams(search || ""), what = ["draft", "emergency"].find((name) => given.has(name));
    const wanted = what ? what + given.get(what) + given.get("scope") + given.get("watts") : "";
    if (wanted === opened || !byId("act-dialog")) return clientside.no_update;
    opened = wanted;
    if (what === "draft") show({ act: "draft", draft: given.get("draft"), scope: given.get("scope"), watts: given.get("watts"),
      basis: given.get("basis") }, "New policy");
    if (what === "emergency") show({ act: "emergency", scope: given.get("emergency") }, "Emergency");
    return opened;
  };

  // While an emergency is on, its progress is what everybody looks at.
  setInterval(() => {
    if (!document.querySelector("[data-emergency-on]") || document.hidden || !clientside.set_props) return;
    const beat = own.beat(Date.now());
    if (beat !== clientside.no_update) clientside.set_props("policies-beat", { data: beat });
  }, EMERGENCY_BEAT);
})();
