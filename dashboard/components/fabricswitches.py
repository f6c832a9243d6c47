"""The switches: do they answer, supplies, fans, heat, watts, ports. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from dashboard import address, words
from dashboard.components import parts
from dashboard.fabricstate import POWER_WORDS, SwitchState
from dashboard.markup import Children, Markup, tag
from dashboard.problem import Level

_HEADINGS = ("Switch", "State", "Ports", "Supplies", "Fans", "Hottest", "CPU", "Power", "Up for")
MOST = 60


def table(switches: Sequence[SwitchState], search: str, now: float, zone: tzinfo) -> Markup:
    """A line for each, those in trouble first."""
    if not switches:
        return tag("p", "The inventory names no switch: see switches in inventory.yaml.", class_="empty")
    ordered = sorted(switches, key=lambda each: -each.level)[:MOST]
    head = tag("tr", [tag("th", text, scope="col") for text in _HEADINGS])
    rows = [_row(each, search, now, zone) for each in ordered]
    whole = tag("table", [tag("thead", head), tag("tbody", rows)], class_="table members", aria_label="Switches")
    more = (
        None
        if len(switches) <= MOST
        else tag("p", f"and {len(switches) - MOST:,} more, in no trouble worse than these", class_="quiet")
    )
    return tag("div", [whole, more], class_="table-box")


def _row(switch: SwitchState, search: str, now: float, zone: tzinfo) -> Markup:
    href = "/fabric" + address.changed(search, leaf=switch.name)
    what = " · ".join(filter(None, (switch.model, switch.system, switch.entry.rack)))
    name = tag("th", [
        tag("a", switch.name, href=href, data_link=True, class_="row-link", title=f"If {switch.name} fails"),
        tag("span", what, class_="below"),
    ], scope="row")  # fmt: skip
    if switch.answer.level is Level.CRITICAL:
        return tag("tr", [name, *(tag("td", cell) for cell in _silent(switch, now, zone))], class_="silent")
    cells: list[Children] = [
        _state(switch, now, zone), _ports(switch), _supplies(switch), _fans(switch.fans), _hottest(switch.celsius),
        words.percent(switch.cpu_ratio), _power(switch), _uptime(switch.uptime_seconds),
    ]  # fmt: skip
    return tag("tr", [name, *(tag("td", cell) for cell in cells)], class_=switch.level.name.lower())


def _silent(switch: SwitchState, now: float, zone: tzinfo) -> list[Children]:
    """What it said last is not shown as if it were present; what its outlets measure is."""
    unknown: list[Children] = [words.NOTHING] * (len(_HEADINGS) - 4)
    is_metered = switch.watts_source == POWER_WORDS["pdu"]
    return [_state(switch, now, zone), *unknown, _power(switch) if is_metered else words.NOTHING, words.NOTHING]


def _uptime(seconds: float | None) -> str:
    return words.NOTHING if seconds is None else words.duration(seconds)


def _state(switch: SwitchState, now: float, zone: tzinfo) -> Children:
    answer = switch.answer
    if not answer.is_read:
        return tag("span", "not read", class_="quiet")
    if not answer.level:
        return parts.badge(Level.OK, "Answers")
    since = "" if answer.since is None else f" since {words.clock(answer.since, now, zone)}"
    word = "No answer" if answer.level is Level.CRITICAL else "Answers in part"
    return [parts.badge(answer.level, word + since), tag("span", answer.error, class_="below")]


def _ports(switch: SwitchState) -> str:
    if switch.ports_up is None:
        return words.NOTHING
    return f"{switch.ports_up}" if switch.ports is None else f"{switch.ports_up} of {switch.ports} up"


def _supplies(switch: SwitchState) -> Children:
    bad = [name for name, ok in switch.supplies.items() if not ok]
    empty = f", {words.plural(len(switch.empty_slots), 'slot')} empty" if switch.empty_slots else ""
    if not switch.supplies:
        return tag("span", f"not told{empty}", class_="quiet")
    if bad:
        return parts.badge(Level.WARNING, f"{len(bad)} of {len(switch.supplies)} bad: {', '.join(bad)}{empty}")
    return f"{len(switch.supplies)} good{empty}"


def _fans(fans: Mapping[str, bool]) -> Children:
    if not fans:
        return tag("span", "not told", class_="quiet")
    bad = [name for name, ok in fans.items() if not ok]
    return parts.badge(Level.WARNING, f"{len(bad)} of {len(fans)} bad: {', '.join(bad)}") if bad else f"{len(fans)} good"


def _hottest(celsius: Mapping[str, float]) -> Children:
    if not celsius:
        return words.NOTHING
    sensor = max(celsius, key=lambda name: celsius[name])
    return tag(
        "span", [words.celsius(celsius[sensor]), tag("span", sensor, class_="below")], title=f"hottest of {len(celsius)}"
    )


def _power(switch: SwitchState) -> Markup:
    if switch.watts is None:
        return tag("span", "no power reading", class_="quiet")
    return tag("span", [words.watts(switch.watts), tag("span", switch.watts_source, class_="below")])
