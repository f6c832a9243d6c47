"""Servers and what holds their caps: wanted against confirmed, power, who decides; and what is wrong with caps. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dashboard import address, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import Level

Device = Mapping[str, Any]

_OFF_WATTS = 5.0
"""Confirmed and wanted caps that are no further apart are the same: boards round."""
_LEVELS = {"uncontrolled": Level.CRITICAL, "foreign": Level.WARNING, "unknown": Level.WARNING}


def table(devices: Sequence[Device], *, only: str, search: str) -> Markup:
    """A line for each server: its GPUs together, and its own cap. `only` is `all` or `wrong`."""
    by_node: defaultdict[str, list[Device]] = defaultdict(list)
    for device in devices:
        by_node[device["node"]].append(device)
    rows = [_row(node, mine, search) for node, mine in by_node.items() if only != "wrong" or any(map(is_wrong, mine))]
    if not rows:
        text = "Every cap is as it was wanted, by read-back." if by_node else "No device that takes caps is known yet."
        return tag("p", text, class_="empty")
    headings = (("Server", ""), ("GPU caps", "number"), ("confirmed", "number"), ("GPU power", "number"),
                ("Server cap", "number"), ("confirmed", "number"), ("State", ""), ("Decided by", ""))  # fmt: skip
    head = [tag("th", tag("button", text, type="button"), scope="col", class_=kind or None) for text, kind in headings]
    whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table sortable caps", aria_label="Caps")
    return tag("div", whole, class_="table-box servers")


def is_wrong(device: Device) -> bool:
    """Not controlled, or its confirmed cap is not the wanted one."""
    target, confirmed = device["target_watts"], device["confirmed_watts"]
    differs = target is not None and (confirmed is None or abs(target - confirmed) > _OFF_WATTS)
    return bool(device["state"] != "controlled" or differs)


def _row(node: str, mine: Sequence[Device], search: str) -> Markup:
    gpus, server = [each for each in mine if each["gpu"]], next((each for each in mine if not each["gpu"]), None)
    who = Counter(each["binding_policy"] for each in mine if each["binding_policy"])
    drawn = [each["power_watts"] for each in gpus if each["power_watts"] is not None]
    return tag("tr", [
        tag("th", tag("a", node, href=address.to_node(node, search), data_link=True, class_="row-link"), scope="row"),
        tag("td", _span(each["target_watts"] for each in gpus), class_="number"),
        tag("td", _span(each["confirmed_watts"] for each in gpus), class_="number"),
        tag("td", words.watts(sum(drawn)) if drawn else words.NOTHING, class_="number"),
        tag("td", words.watts(server["target_watts"]) if server else words.NOTHING, class_="number"),
        tag("td", words.watts(server["confirmed_watts"]) if server else words.NOTHING, class_="number"),
        tag("td", _state(mine)),
        tag("td", [name if count == len(mine) else f"{name} ({count})" for name, count in who.most_common(2)] or words.NOTHING),
    ])  # fmt: skip


def _span(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return words.NOTHING
    low, high = min(known), max(known)
    return words.watts(low) if high - low < 1 else f"{low:.0f} to {words.watts(high)}"


def _state(mine: Sequence[Device]) -> Markup:
    states = Counter(each["state"] for each in mine)
    wrong = [state for state in states if state in _LEVELS]
    if not wrong:
        return tag("span", "pending" if states.get("pending") else "controlled", class_="quiet")
    level = max(_LEVELS[state] for state in wrong)
    return parts.badge(level, ", ".join(f"{states[state]} {state}" for state in wrong))


def findings(found: Sequence[Mapping[str, Any]], now: float, search: str) -> Markup:
    """What is wrong with caps, in words, since when."""
    if not found:
        return tag("p", [parts.shape(Level.OK), tag("span", "Nothing is wrong with any cap.")], class_="check")
    rows = [
        tag("li", [
            parts.shape(Level.WARNING),
            tag("div", [
                tag("strong", [tag("a", each["node"], href=address.to_node(each["node"], search), data_link=True)
                               if each["node"] else "everywhere", f" · {each['why'].replace('_', ' ')}"]),
                tag("span", each["detail"], class_="below"),
                tag("span", f"since {words.duration(max(0.0, now - _unix(each['since'])))}", class_="below"),
            ]),
        ])
        for each in found
    ]  # fmt: skip
    return tag("ul", rows, class_="findings")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
