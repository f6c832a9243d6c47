// Sorts and filters the rows of the table of servers. Without a choice they stand in the inventory's order.
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const own = (clientside.wattstat = clientside.wattstat || {});
  const words = new Intl.Collator("en", { numeric: true });
  let column = -1, descending = false, wanted = "";

  // Absent numbers stand at the end, whichever way the others go.
  function compare(a, b) {
    const left = a.cells[column], right = b.cells[column], way = descending ? -1 : 1;
    if (left.dataset.by === undefined) return way * words.compare(left.textContent, right.textContent);
    if (left.dataset.by === "" || right.dataset.by === "") return (left.dataset.by === "") - (right.dataset.by === "");
    return way * (left.dataset.by - right.dataset.by);
  }

  // Markup that has just arrived is put in order before it is shown, so that a refresh moves nothing that stays where it is.
  own.arrange = function (content) {
    const table = content.querySelector("table.sortable");
    if (!table) return;
    const rows = [...table.tBodies[0].rows];
    rows.forEach((row, i) => {
      if (row.dataset.place === undefined) row.dataset.place = i;
      row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    });
    rows.sort((a, b) => (column < 0 ? 0 : compare(a, b)) || a.dataset.place - b.dataset.place);
    table.tBodies[0].append(...rows);
    [...table.tHead.rows[0].cells].forEach((cell, i) => {
      if (i === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  };

  // A click on a heading: upwards, downwards, as it was.
  document.addEventListener("click", (event) => {
    const heading = event.target.closest(".sortable thead button");
    if (!heading) return;
    const chosen = heading.parentElement.cellIndex;
    if (chosen !== column) [column, descending] = [chosen, false];
    else if (!descending) descending = true;
    else [column, descending] = [-1, false];
    own.arrange(document);
  });

  document.addEventListener("input", (event) => {
    if (event.target.id !== "servers-filter") return;
    wanted = event.target.value.trim().toLowerCase();
    own.arrange(document);
  });

  // The box is empty on every visit to the page.
  own.forgetFilter = () => { wanted = ""; };
})();
