// Cells of the table of servers.
(function () {
  "use strict";
  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const functions = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  const CLASSES = { OK: "ok", Warning: "warning", Critical: "critical" };

  cells.WattstatNodeLink = function (props) {
    const href = props.data.href + location.search;
    const follow = (event) => window.dash_clientside.wattstat.follow(event, href);
    return React.createElement("a", { href, onClick: follow, className: "row-link" }, props.value);
  };

  cells.WattstatState = function (props) {
    const name = CLASSES[props.value];
    const shape = name ? React.createElement("span", { className: "shape " + name }) : null;
    return React.createElement("span", { className: "badge " + (name || "") }, shape, props.value);
  };

  // worst last, so that the second click on the heading shows it first
  functions.wattstatStates = (a, b) => Object.keys(CLASSES).indexOf(a) - Object.keys(CLASSES).indexOf(b);
})();
