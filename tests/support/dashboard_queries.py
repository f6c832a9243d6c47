"""The variables of a dashboard, chosen as a viewer would: each offers what its own query finds in a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.monitored_hall import Server

_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),\s*)?(?P<label>\w+)\)$", re.DOTALL)


def choices(board: Mapping[str, Any], server: Server, *, most: int = 8) -> Iterator[dict[str, str]]:
    """Values of all variables that queries use: everything where that is offered, else one after the other."""
    queried = [each for each in board["templating"]["list"] if each["type"] == "query"]
    yield from _choices(queried, {}, server, most)


def _choices(left: list[dict[str, Any]], chosen: dict[str, str], server: Server, most: int) -> Iterator[dict[str, str]]:
    if not left:
        yield chosen
        return
    variable, *others = left
    found = _LABEL_VALUES.match(_with(chosen, variable["definition"]))
    assert found, f"{variable['name']} asks for something else than values of a label: {variable['definition']}"
    values = server.label_values(found["label"], found["selector"] or "")
    if variable.get("includeAll"):
        # What matches everything would also hide that a variable offers nothing.
        values = ["|".join(map(_literal, values))] if values else []
    for value in values[:most]:
        yield from _choices(others, {**chosen, variable["name"]: value}, server, most)


def _literal(value: str) -> str:
    """A value among several, as Grafana writes it into a regular expression within quotes."""
    return re.sub(r"([\\$^*{}\[\]+?.()|])", r"\\\\\1", value)


def _with(chosen: Mapping[str, str], text: str) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: chosen[found[1]], text)
