// Sorts the rows of tables by a click on a heading, and filters those of the table of servers. Without a choice rows stand as sent.
(function () {
  "use strict";
  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const own = (clientside.wattstat = clientside.wattstat || {});
  const words = new Intl.Collator("en", { numeric: true });
  // By the element that the table is filled into: a refresh brings a new table, and the choice stays.
  const orders = new Map();
  let wanted = "";

  // Absent numbers stand at the end, whichever way the others go.
  function compare(a, b, { column, descending }) {
    const left = a.cells[column], right = b.cells[column], way = descending ? -1 : 1;
    if (left.dataset.by === undefined) return way * words.compare(left.textContent, right.textContent);
    if (left.dataset.by === "" || right.dataset.by === "") return (left.dataset.by === "") - (right.dataset.by === "");
    return way * (left.dataset.by - right.dataset.by);
  }

  // Markup that has just arrived is put in order before it is shown, so that a refresh moves nothing that stays where it is.
  own.arrange = function (content, id) {
    const table = content.querySelector("table.sortable");
    if (!table) return;
    const rows = [...table.tBodies[0].rows], order = orders.get(id);
    rows.forEach((row, i) => {
      if (row.dataset.place === undefined) row.dataset.place = i;
      if (id === "servers") row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    });
    rows.sort((a, b) => (order && compare(a, b, order)) || a.dataset.place - b.dataset.place);
    table.tBodies[0].append(...rows);
    [...table.tHead.rows[0].cells].forEach((cell, i) => {
      if (order && i === order.column) cell.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  };

  // A click on a heading: upwards, downwards, as it was.
  document.addEventListener("click", (event) => {
    const heading = event.target.closest(".sortable thead button");
    if (!heading) return;
    const column = heading.parentElement.cellIndex, place = heading.closest("[id]"), order = orders.get(place.id);
    if (!order || order.column !== column) orders.set(place.id, { column, descending: false });
    else if (!order.descending) orders.set(place.id, { column, descending: true });
    else orders.delete(place.id);
    own.arrange(place, place.id);
  });

  document.addEventListener("input", (event) => {
    if (event.target.id !== "servers-filter") return;
    wanted = event.target.value.trim().toLowerCase();
    own.arrange(document.getElementById("servers"), "servers");
  });

  // The box is empty on every visit to the page.
  own.forgetFilter = () => { wanted = ""; };
})();
