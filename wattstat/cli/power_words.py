"""What commands about power read and print: policies from files, differences, watts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wattstat import units
from wattstat.cli.output import WRONG_USE, fail, table

MOST_LINES = 30


def read_policies(file: Path) -> list[dict[str, Any]]:
    """The policies of a file as the API takes them. What is wrong with them ends the command, with the lines."""
    from wattstat import document

    found = document.read(file)
    problems = [str(problem) for problem in found.problems]
    given = found.data.get("policies") if isinstance(found.data, dict) else None
    if problems or not isinstance(given, list) or not given:
        fail("\n".join(problems) or f"{file}: holds no policies; expected a list under `policies:`", WRONG_USE)
    try:
        from power.policies import reader
    except ImportError:  # a machine with the client alone: the site says what is wrong, without lines
        items: list[dict[str, Any]] = json.loads(json.dumps(given, default=str))
        return items
    try:
        return [policy.to_json() for policy in reader.load(file)]
    except document.InvalidDocument as err:
        fail(str(err), WRONG_USE)


def read_number(text: str) -> tuple[str, Any]:
    """`percent=70` as its name and its value: a number, a list, or else the words themselves."""
    name, equals, value = text.partition("=")
    if not equals:
        fail(f"--set {text!r}: has no value; expected such as percent=70", WRONG_USE)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def differences(preview: Mapping[str, Any]) -> Iterator[str]:
    """What would be different, in lines: how many devices, how many watts, which, whose jobs, what lacks."""
    if not preview["total_changes"]:
        yield "no cap would change now"
    else:
        yield f"{units.count(preview['lowered'], 'cap')} lower, {preview['raised']:,} higher"
    before, after = preview["watts_before"], preview["watts_after"]
    if before is not None and after is not None and before != after:
        yield f"the most that could be drawn: {watts(before)} -> {watts(after)} ({watts(after - before, sign=True)})"
    groups = Counter(
        (each["node"], bool(each["uuid"]), each["before_watts"], each["after_watts"], each["why"])
        for each in preview["changes"]
    )
    rows = [
        [node, units.count(count, "GPU") if is_gpu else "server", watts(old) or "none", watts(new) or "none", why]
        for (node, is_gpu, old, new, why), count in groups.items()
    ]
    if rows:
        yield from table(("node", "caps", "before", "after", "bound_by"), rows[:MOST_LINES], right=("before", "after"))
    hidden = preview["total_changes"] - sum(list(groups.values())[:MOST_LINES])
    if hidden > 0:
        yield f"... and {units.count(hidden, 'cap')} more; --json shows them"
    if preview["jobs"]:
        shown = ", ".join(preview["jobs"][:20])
        yield f"jobs touched: {shown}{' ...' if len(preview['jobs']) > 20 else ''}"
    for each in preview["deficits"]:
        why = f" ({each['why']})" if each["why"] else ""
        yield f"! {each['limit']} lacks {watts(each['deficit_watts'])}{why}"
    for note in preview["notes"]:
        yield f"! {note}"


def watts(value: float | None, *, sign: bool = False) -> str | None:
    """Watts as people read them; None for what is not known, which is an empty cell."""
    if value is None:
        return None
    plus = "+" if sign else ""
    return f"{value:{plus},.0f} W" if abs(value) < 10_000 else f"{value / 1000:{plus},.1f} kW"


def scope_and_devices(each: Mapping[str, Any]) -> str:
    """For which devices a hold is."""
    return f"{each['scope']} ({'servers' if each['of'] == 'node' else 'GPUs'})"
