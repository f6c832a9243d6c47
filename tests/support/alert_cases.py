"""The cases of promtool's test files: which alert each tests, and whether it must fire, is innocent, or has no data.

Above each case stands a comment, `# GpuLost: fires`, `# GpuLost: innocent` or `# GpuLost: missing`. A comment that does not say
what the file then expects is an error here, so that none of the three can be claimed without being tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_MARK = re.compile(r"^\s*# (\w+): ((?:fires|innocent|missing)(?:, (?:fires|innocent|missing))*)")


@cache
def cases_of(path: Path) -> frozenset[tuple[str, str]]:
    """Each (alert, `fires`, `innocent` or `missing`) of a file, checked against what the next case of that alert expects."""
    text = path.read_text(encoding="utf-8")
    expected = list(_expected(yaml.compose(text)))
    found = set()
    for number, line in enumerate(text.splitlines()):
        mark = _MARK.match(line)
        if mark is None:
            continue
        name, kinds = mark[1], mark[2].split(", ")
        fires = next((fires for at, alert, fires in expected if at > number and alert == name), None)
        assert fires is not None, f"{path.name}:{number + 1}: no case of {name} follows"
        for kind in kinds:
            assert fires == (kind == "fires"), f"{path.name}:{number + 1}: {name} is called {kind}, its case expects otherwise"
            found.add((name, kind))
    return frozenset(found)


def _expected(node: Any) -> Iterator[tuple[int, str, bool]]:
    """Line, alert and whether it must fire, of each entry of `alert_rule_test`."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _expected(each)
    if isinstance(node, yaml.MappingNode):
        members = {key.value: value for key, value in node.value}
        if "alertname" in members:
            alerts = members.get("exp_alerts")
            yield node.start_mark.line, members["alertname"].value, bool(alerts is not None and alerts.value)
        for value in members.values():
            yield from _expected(value)
