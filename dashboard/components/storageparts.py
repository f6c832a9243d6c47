"""The nodes of a storage cluster: up, supplies, drives, sensors, watts; and its pools. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dashboard import markup, words
from dashboard.components import parts
from dashboard.markup import Children, Markup, tag
from dashboard.problem import Level
from dashboard.storagestate import Cluster, Member, fullness_level, health_level, is_good_drive

_HEADINGS = ("Node", "State", "Supplies", "Drives", "CPU", "Network", "Heat", "Power")


def table(cluster: Cluster) -> Markup:
    """A line for each node."""
    if not cluster.members:
        return tag("p", f"Neither the inventory nor {cluster.name} names a node of it.", class_="empty")
    rows = [_row(each) for each in cluster.members]
    return markup.table(_HEADINGS, rows, class_="table members", aria_label=f"Nodes of {cluster.name}")


def _row(member: Member) -> Markup:
    cells: list[Children] = [
        _state(member),
        _supplies(member.supplies),
        _two(drives(member.drives), "" if member.busy_ratio is None else f"busy {words.percent(member.busy_ratio)}"),
        words.percent(member.cpu_ratio),
        _network(member),
        _two(_hottest(member.celsius), _slowest(member.rpm)),
        _power(member),
    ]
    below = tag("span", member.rack, class_="below") if member.rack else None
    name = tag("th", [member.name, below], scope="row", title=member.model or None)
    return tag("tr", [name, *(tag("td", cell) for cell in cells)], class_=member.level.name.lower())


def _state(member: Member) -> Markup:
    if member.is_up is None:
        return tag("span", "not told", class_="quiet")
    if not member.is_up:
        return parts.badge(Level.CRITICAL, "Down")
    if member.states:
        return parts.badge(Level.WARNING, ", ".join(member.states))
    level = health_level(member.health)
    return parts.badge(level, ("Up", "Needs attention", "Bad")[level])


def _supplies(supplies: Mapping[str, bool]) -> Children:
    if not supplies:
        return tag("span", "not told", class_="quiet")
    bad = [name for name, ok in supplies.items() if not ok]
    if not bad:
        return f"{len(supplies)} good"
    return parts.badge(Level.WARNING, f"{len(bad)} of {len(supplies)} bad: {', '.join(bad)}")


def drives(found: Mapping[str, int]) -> Children:
    """By state; those that are not good first, in the device's own words."""
    if not found:
        return tag("span", "not told", class_="quiet")
    bad = [f"{count} {state.lower()}" for state, count in found.items() if not is_good_drive(state)]
    good = sum(count for state, count in found.items() if is_good_drive(state))
    return [parts.badge(Level.WARNING, ", ".join(bad)), f" {good} good"] if bad else f"{good} good"


def _two(first: Children, below: Children) -> Markup:
    """A value, and a smaller one below it."""
    return tag("span", [tag("span", first), tag("span", below, class_="below") if below else None])


def _network(member: Member) -> Children:
    if member.receive is None and member.transmit is None:
        return words.NOTHING
    return _two(f"{words.throughput(member.receive)} in", f"{words.throughput(member.transmit)} out")


def _hottest(celsius: Mapping[str, float]) -> Children:
    if not celsius:
        return words.NOTHING
    sensor = max(celsius, key=lambda name: celsius[name])
    return tag("span", f"{words.celsius(celsius[sensor])} {sensor}", title=f"hottest of {len(celsius)}")


def _slowest(rpm: Mapping[str, float]) -> Children:
    """The slowest fan says whether one stands still."""
    if not rpm:
        return None
    least = min(rpm.values())
    return parts.badge(Level.WARNING, "a fan stands still") if least <= 0 else f"fans ≥ {least:,.0f}{words.THIN}rpm"


def _power(member: Member) -> Markup:
    if member.watts is None:
        return tag("span", "no power sensor", class_="quiet")
    return tag("span", [words.watts(member.watts), tag("span", member.watts_source, class_="below")])


def summary(cluster: Cluster) -> Markup:
    """What all nodes come to, in a line."""
    up = [member for member in cluster.members if member.is_up]
    told = [member for member in cluster.members if member.is_up is not None]
    measured = [member.watts for member in cluster.members if member.watts is not None]
    of_all: Counter[str] = Counter()
    for member in cluster.members:
        of_all.update(member.drives)
    facts: list[Children] = [
        f"{len(up)} of {words.plural(len(cluster.members), 'node')} up" if told else "no node is told of",
        ["drives: ", tag("span", drives(cluster.drives or of_all))],
        _watts(measured, len(cluster.members)),
    ]
    return tag("p", [tag("span", fact) for fact in facts], class_="facts")


def _watts(measured: list[float], count: int) -> str:
    if not measured:
        return "no node has a power sensor that is read"
    bound = "≥ " if len(measured) < count else ""
    gap = f", {count - len(measured)} of {words.plural(count, 'node')} not measured" if bound else ""
    return f"{bound}{words.watts(sum(measured))}{gap}"


def pools(cluster: Cluster) -> Markup | None:
    """How full each pool is, where there are several."""
    if len(cluster.pools) < 2:
        return None
    rows = [_pool(name, used, size) for name, (used, size) in sorted(cluster.pools.items(), key=lambda one: -_share(*one[1]))]
    return markup.table(("Pool", "Used", "Of", ""), rows, class_="table", aria_label=f"Pools of {cluster.name}")


def _share(used: float, size: float) -> float:
    return used / size if size else 0.0


def _pool(name: str, used: float, size: float) -> Markup:
    level = fullness_level(_share(used, size))
    share = tag(
        "div", [tag("span", words.percent(_share(used, size))), parts.bar(_share(used, size), level=level)], class_="barred"
    )
    mark = parts.shape(level) if level else None
    cells = (words.capacity(used), words.capacity(size), share)
    return tag("tr", [tag("th", [name, " ", mark], scope="row"), *(tag("td", cell) for cell in cells)])
