"""The HTML that every page begins with: what the browser does before any of Dash's scripts runs."""

from __future__ import annotations

from typing import Any

from dash import Dash

FIRST_OVERVIEW = "/_overview"

# The colour scheme is set before the first paint, from ?theme=, the last choice or the system: no white flash at night.
# What Dash's scripts will ask for once they run, and the overview's first numbers, are asked for while those still load.
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>{%title%}</title>
<script>
(function () {
  var key = "mantine-color-scheme-value", given = new URLSearchParams(location.search).get("theme"), stored = null;
  try {
    if (given === "dark" || given === "light") localStorage.setItem(key, given);
    stored = localStorage.getItem(key);
  } catch (blocked) { stored = given; }
  var dark = stored === "dark" || (stored !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  if (location.pathname === "/") {
    window.wattstatFirst = fetch("FIRST_OVERVIEW" + location.search)
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .catch(function () { return null; });
  }
})();
</script>
<link rel="preload" href="/_dash-layout" as="fetch" crossorigin>
<link rel="preload" href="/_dash-dependencies" as="fetch" crossorigin>
<link rel="preload" href="/assets/fonts/inter-latin.woff2" as="font" type="font/woff2" crossorigin>
{%favicon%}
{%css%}
</head>
<body>
{%app_entry%}
<footer>
{%config%}
{%scripts%}
{%renderer%}
</footer>
</body>
</html>""".replace("FIRST_OVERVIEW", FIRST_OVERVIEW)

# Dash sends the script of its own table with every page; no page has one.
_UNUSED = "/dash/dash_table/"


class Page(Dash):
    """Dash with our HTML: without a script that nobody needs, and without a word before there is something to say."""

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]
        """The page as it is sent."""
        scripts = [line for line in parts["scripts"].splitlines() if _UNUSED not in line]
        entry = '<div id="react-entry-point"></div>'
        ours = parts | {"scripts": "\n".join(scripts), "app_entry": entry}
        return str(super().interpolate_index(**ours))  # type: ignore[no-untyped-call]
