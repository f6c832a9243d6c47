"""Servers and what holds their caps: wanted against confirmed, power, who decides; and what is wrong with caps. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from dashboard import address, powerproblems, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problem import Level

Device = Mapping[str, Any]

_OFF_WATTS = 5.0
"""Confirmed and wanted caps that are no further apart are the same: boards round."""
_LEVELS = {"uncontrolled": Level.CRITICAL, "foreign": Level.WARNING, "unknown": Level.WARNING}
STATES = {
    "uncontrolled": "takes no cap", "foreign": "capped by somebody else", "unknown": "not read yet", "pending": "being written",
    "controlled": "as wanted",
}  # fmt: skip
_MOST_FINDINGS = 40
_HEADINGS = (
    ("Server", ""), ("Rack", ""), ("GPU power", "number"), ("GPU caps wanted", "number"), ("confirmed", "number"),
    ("Server power", "number"), ("Server cap wanted", "number"), ("confirmed", "number"), ("State", ""), ("Decided by", ""),
)  # fmt: skip

_HEADINGS_OF_ONE = (
    ("Device", ""), ("Power", "number"), ("Cap wanted", "number"), ("confirmed", "number"), ("takes", "number"),
    ("State", ""), ("Decided by", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and where findings are told."""

    now: float
    zone: tzinfo
    search: str = ""


def table(devices: Sequence[Device], *, only: str, search: str, mode: str = "enforce") -> Markup:
    """A line for each server: its GPUs together, and its own cap. `only` is `all` or `wrong`."""
    by_node: defaultdict[str, list[Device]] = defaultdict(list)
    for device in devices:
        by_node[device["node"]].append(device)
    rows = [_row(node, mine, search, mode) for node, mine in by_node.items() if only != "wrong" or any(map(is_wrong, mine))]
    if not rows:
        text = "Every cap is as it was wanted, by read-back." if by_node else "No device that takes caps is known yet."
        return tag("p", text, class_="empty")
    head = [tag("th", tag("button", text, type="button"), scope="col", class_=kind or None) for text, kind in _HEADINGS]
    whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table sortable caps", aria_label="Caps")
    return tag("div", whole, class_="table-box servers cap-box")


def is_wrong(device: Device) -> bool:
    """Not controlled, or its confirmed cap is not the wanted one."""
    return bool(device["state"] != "controlled" or _differs(device))


def _differs(device: Device) -> bool:
    target, confirmed = device["target_watts"], device["confirmed_watts"]
    return target is not None and (confirmed is None or abs(target - confirmed) > _OFF_WATTS)


def _row(node: str, mine: Sequence[Device], search: str, mode: str) -> Markup:
    gpus, server = [each for each in mine if each["gpu"]], next((each for each in mine if not each["gpu"]), None)
    who = Counter(each["binding_policy"] for each in mine if each["binding_policy"])
    drawn = [each["power_watts"] for each in gpus if each["power_watts"] is not None]
    lower = "≥ " if drawn and len(drawn) < len(gpus) else ""
    return tag("tr", [
        tag("th", tag("a", node, href=address.to_node(node, search), data_link=True, class_="row-link"), scope="row"),
        tag("td", mine[0]["rack"]),
        tag("td", lower + words.watts(sum(drawn)) if drawn else words.NOTHING, class_="number", data_by=_by(drawn)),
        _spanned(each["target_watts"] for each in gpus),
        _spanned(each["confirmed_watts"] for each in gpus),
        _spanned([server["power_watts"]] if server else []),
        _spanned([server["target_watts"]] if server else []),
        _spanned([server["confirmed_watts"]] if server else [], none="none" if server else words.NOTHING),
        tag("td", state(mine, mode)),
        tag("td", _deciders(who, len(mine))),
    ])  # fmt: skip


def _by(values: Sequence[float]) -> str:
    """What a column is sorted by; absent at the end."""
    return f"{sum(values):.6g}" if values else ""


def _spanned(values: Iterable[float | None], none: str = words.NOTHING) -> Markup:
    known = [value for value in values if value is not None]
    return tag("td", words.span(known) if known else none, class_="number", data_by=_by(known))


def _deciders(who: Counter[str], count: int) -> str:
    listed = [name if times == count else f"{name} ({times})" for name, times in who.most_common(2)]
    more = [f"{len(who) - 2} more"] if len(who) > 2 else []
    return ", ".join([*listed, *more]) or words.NOTHING


def state(mine: Sequence[Device], mode: str = "enforce") -> Markup:
    """The worst of several devices, in words."""
    states = Counter(each["state"] for each in mine)
    wrong = [name for name in states if name in _LEVELS]
    if wrong:
        level = max(_LEVELS[name] for name in wrong)
        said = ", ".join(f"{states[name]} of {len(mine)} {STATES[name]}" if len(mine) > 1 else STATES[name] for name in wrong)
        return parts.badge(level, said)
    if states.get("pending"):
        return tag("span", STATES["pending"], class_="quiet")
    if any(map(_differs, mine)):
        return tag("span", "about to change" if mode == "enforce" else "would change", class_="quiet")
    return tag("span", STATES["controlled"], class_="quiet")


def findings(found: Sequence[Mapping[str, Any]], devices: Sequence[Device], moment: Moment) -> Markup:
    """What is wrong with caps, in words, since when; the newest first."""
    if not found:
        return tag("p", [parts.shape(Level.OK), tag("span", "Nothing is wrong with any cap.")], class_="check")
    listed = sorted(powerproblems.by_server(found, devices), key=lambda each: str(each["since"]), reverse=True)
    rows = [_finding(each, moment) for each in listed[:_MOST_FINDINGS]]
    if len(listed) > _MOST_FINDINGS:
        rows.append(tag("li", [tag("span"), tag("span", f"and {len(listed) - _MOST_FINDINGS} more", class_="quiet")]))
    return tag("ul", rows, class_="findings")


def _finding(each: Mapping[str, Any], moment: Moment) -> Markup:
    since = powerproblems.unix(each["since"])
    node = (
        tag("a", each["node"], href=address.to_node(each["node"], moment.search), data_link=True)
        if each["node"]
        else "everywhere"
    )
    when = f"since {words.clock(since, moment.now, moment.zone)}, {words.duration(max(0.0, moment.now - since))}"
    which = f" · GPU {each['gpu']}" if each["gpu"] else f" · {each['count']} GPUs" if each["count"] > 1 else ""
    what = powerproblems.WHY.get(each["why"], str(each["why"]).replace("_", " "))
    return tag("li", [
        parts.shape(Level.OK if each["why"] == "adopted" else Level.WARNING),
        tag("div", [
            tag("strong", [node, which, f": {what}"]),
            tag("span", when, class_="quiet when"),
            tag("span", each["detail"], class_="below") if each["detail"] else None,
        ]),
    ])  # fmt: skip


def of_node(status: Mapping[str, Any] | None, name: str, moment: Moment) -> list[Markup]:
    """The caps of one server for its own page: GPUs that are alike on one line, then the server's own."""
    if status is None:
        return [tag("p", "Nobody steers power here, or core does not say how caps stand.", class_="empty")]
    mine = [each for each in status["devices"] if each["node"] == name]
    if not mine:
        return [tag("p", "No device of this server is known to take caps.", class_="empty")]
    alike: defaultdict[tuple[Any, ...], list[Device]] = defaultdict(list)
    for each in mine:
        alike[_likeness(each)].append(each)
    head = [tag("th", text, scope="col", class_=kind or None) for text, kind in _HEADINGS_OF_ONE]
    rows = [_alike(group, status["mode"]) for group in alike.values()]
    whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table caps", aria_label="Caps")
    wrong = [each for each in status["findings"] if each["node"] == name]
    out = [tag("div", whole, class_="table-box")]
    return [*out, findings(wrong, mine, moment)] if wrong else out


def _likeness(each: Device) -> tuple[Any, ...]:
    rounded = (
        None if each[name] is None else round(each[name])
        for name in ("target_watts", "confirmed_watts", "min_watts", "max_watts")
    )
    return (bool(each["gpu"]), *rounded, each["state"], each["binding_policy"])


def _gpus(numbers: Sequence[str]) -> str:
    """`GPU 3`, `GPUs 0 to 7`, `GPUs 0, 2, 5`."""
    if len(numbers) == 1:
        return f"GPU {numbers[0]}"
    in_a_row = all(each.isdecimal() for each in numbers) and int(numbers[-1]) - int(numbers[0]) == len(numbers) - 1
    return f"GPUs {numbers[0]} to {numbers[-1]}" if in_a_row and len(numbers) > 2 else f"GPUs {', '.join(numbers)}"


def _alike(group: Sequence[Device], mode: str) -> Markup:
    first = group[0]
    name = _gpus([each["gpu"] for each in group]) if first["gpu"] else "server"
    lowest, highest = first["min_watts"], first["max_watts"]
    takes = words.NOTHING if lowest is None or highest is None else words.span((lowest, highest))
    return tag("tr", [
        tag("th", name, scope="row"),
        tag("td", words.span(each["power_watts"] for each in group), class_="number"),
        tag("td", words.watts(first["target_watts"]), class_="number"),
        tag("td", "none" if first["confirmed_watts"] is None and not first["gpu"] else words.watts(first["confirmed_watts"]),
            class_="number"),
        tag("td", takes, class_="number"),
        tag("td", state(group, mode)),
        tag("td", first["binding_policy"] or words.NOTHING),
    ])  # fmt: skip
