"""What Grafana would ask for a dashboard: variables by their own queries, macros as Grafana fills them in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.monitored_hall import Refused, Server

# What Grafana's macros stand for on a short window of a fast scrape.
MACROS = {
    "__rate_interval": "1m",
    "__interval": "10s",
    "__range": "5m",
    "__range_s": "300",
    "__rate_interval_ms": "60000",
    "__interval_ms": "10000",
}
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query of a dashboard, as it stands in its file."""

    where: str
    """Title of its panel, or `annotation NAME`."""
    expression: str


def asked(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """Every query of a dashboard: of its panels, those of collapsed rows included, and of its annotations."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            if target.get("expr"):
                yield Asked(where=panel["title"], expression=target["expr"])
    for annotation in dashboard.get("annotations", {}).get("list", ()):
        if annotation.get("expr"):
            yield Asked(where=f"annotation {annotation['name']}", expression=annotation["expr"])


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels, rows opened."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def filled(expression: str, values: Mapping[str, str]) -> str:
    """An expression with its variables filled in. Raises `KeyError` for one that the dashboard does not have."""

    def value(found: re.Match[str]) -> str:
        name = next(filter(None, found.groups()))
        return MACROS[name] if name in MACROS else values[name]

    return _VARIABLE.sub(value, expression)


def choices(dashboard: Mapping[str, Any], server: Server, *, most: int = 8) -> Iterator[dict[str, str]]:
    """Values of all variables, as a viewer would choose them: everything where that is offered, else one after the other."""
    yield from _choices(dashboard.get("templating", {}).get("list", []), {}, server, most)


def _choices(left: list[dict[str, Any]], chosen: dict[str, str], server: Server, most: int) -> Iterator[dict[str, str]]:
    if not left:
        yield chosen
        return
    variable, *others = left
    name = variable["name"]
    if variable["type"] != "query":
        yield from _choices(others, {**chosen, name: _constant(variable)}, server, most)
        return
    values = variable_values(variable, chosen, server)
    if variable.get("includeAll"):
        every = variable.get("allValue") or "(" + "|".join(map(re.escape, values)) + ")"
        yield from _choices(others, {**chosen, name: every}, server, most)
        return
    for value in values[:most]:
        yield from _choices(others, {**chosen, name: value}, server, most)


def variable_values(variable: Mapping[str, Any], chosen: Mapping[str, str], server: Server) -> list[str]:
    """What a variable of type query offers."""
    query = variable["query"]
    text = filled(query if isinstance(query, str) else query["query"], chosen)
    found = _LABEL_VALUES.match(text)
    if found is None:
        raise Refused(f"a variable's query is not label_values(): {text}")
    values = server.label_values(found["label"], found["selector"] or "")
    pattern = re.compile(variable["regex"].strip("/")) if variable.get("regex") else None
    return [value for value in values if pattern is None or pattern.search(value)]


def _constant(variable: Mapping[str, Any]) -> str:
    current = variable.get("current", {}).get("value") or variable.get("query") or ""
    return str(current[0] if isinstance(current, list) else current)


def load(path: Path) -> dict[str, Any]:
    """A dashboard's file."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
