"""A row for each storage cluster: is it there, is it full, is it saturated, how long does it take. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from dashboard import address, words
from dashboard.components import parts
from dashboard.devices import Answering
from dashboard.markup import Children, Markup, tag
from dashboard.problem import Level
from dashboard.storagestate import SATURATED, Cluster, fullness_level, health_level, saturation_level

GROWTH_SECONDS, PACE_SECONDS = 7 * 86_400, 6 * 3600
"""Over how much history the growth is drawn, and the pace of the last hours beside it."""
USUAL_SECONDS = 86_400
SLOW, LEAST_LATENCY = 2.0, 0.001
_LEAST_SECONDS = 1800
_SOON, _VERY_SOON, _FAR = 7 * 86_400, 86_400, 3 * 365 * 86_400
_TICK = "The tick stands at 80 % of what the cluster was bought for: from there on it is called saturated."
_KINDS = {"powerscale": "PowerScale", "ecs": "ECS", "objectscale": "ObjectScale"}
_SEVERITIES = ("emergency", "critical", "error", "warning", "information", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a cluster fills: bytes a second by regression, over so many seconds that history knows."""

    bytes_per_second: float
    over_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a viewer chose, when, and what history knows of growth: of the last days, and at the pace of the last hours."""

    now: float
    zone: tzinfo
    search: str = ""
    chosen: str = ""
    growth: Mapping[str, Growth] = field(default_factory=dict)
    pace: Mapping[str, Growth] = field(default_factory=dict)
    usual: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """The usual latency by cluster and protocol."""


def chosen(clusters: Sequence[Cluster], asked: str, usual: Mapping[tuple[str, str], float]) -> Cluster | None:
    """The cluster that an address names; else the slowest beside its usual, the one in the worst state that answers."""
    named = next((each for each in clusters if each.name == asked), None)

    def pressing(each: Cluster) -> tuple[bool, float, Level]:
        factor = slowness(each, usual)[1]
        return each.age_seconds is not None, factor if factor >= SLOW else 0.0, each.level

    return named or max(clusters, key=pressing, default=None)


def slowness(cluster: Cluster, usual: Mapping[tuple[str, str], float]) -> tuple[str, float]:
    """The protocol that is slowest beside its usual, and how many times that; nothing below a millisecond is slow."""
    factors = {
        protocol: value / usual[cluster.name, protocol]
        for protocol, value in cluster.latency.items()
        if usual.get((cluster.name, protocol)) and value >= LEAST_LATENCY
    }
    return max(factors.items(), key=lambda one: one[1], default=("", 0.0))


def cards(clusters: Sequence[Cluster], shown: Shown) -> list[Markup]:
    """All of them, in the inventory's order."""
    return [_card(each, shown) for each in clusters]


def _card(cluster: Cluster, shown: Shown) -> Markup:
    is_chosen = cluster.name == shown.chosen
    href = "/storage" + address.changed(shown.search, cluster=cluster.name)
    link = tag("a", cluster.name, href=href, data_link=True, class_="row-link", aria_current="true" if is_chosen else None)
    name = tag("h3", link)
    what = " · ".join(filter(None, (_KINDS[cluster.entry.kind], cluster.model, cluster.version)))
    is_slow = slowness(cluster, shown.usual)[1] >= SLOW
    head = tag(
        "header", [name, state(cluster, is_slow=is_slow), tag("span", what, class_="below"), _since(cluster.answer, shown)]
    )
    cells = [
        _capacity(cluster, shown), _flow(cluster, "read"), _flow(cluster, "write"), _latency(cluster, shown),
        _operations(cluster), _clients(cluster), _events(cluster),
    ]  # fmt: skip
    level = max(cluster.level, Level.WARNING if is_slow else Level.OK).name.lower()
    silent = " silent" * (cluster.answer.level is Level.CRITICAL)
    kinds = f"cluster {level}{' chosen' * is_chosen}{silent}"
    return tag("section", [head, *cells], class_=kinds, aria_label=f"Storage {cluster.name}")


def state(cluster: Cluster, *, is_slow: bool = False) -> Markup:
    """In one word: what is known of whether it works."""
    if not cluster.answer.is_read:
        return tag("span", "Not read", class_="badge")
    if cluster.answer.level is Level.CRITICAL:
        return parts.badge(Level.CRITICAL, "No answer")
    if cluster.health is not None and health_level(cluster.health):
        word = "Down" if cluster.health == 0 else "Needs attention"
        return parts.badge(health_level(cluster.health), word)
    if cluster.answer.level:
        return parts.badge(Level.WARNING, "Answers in part")
    if is_slow:
        return parts.badge(Level.WARNING, "Good, but slow" if cluster.health is not None else "Answers slowly")
    return parts.badge(Level.OK, "Good" if cluster.health is not None else "Answers")


def _since(answer: Answering, shown: Shown) -> Markup | None:
    if not answer.level:
        return None
    when = "" if answer.since is None else f" since {words.clock(answer.since, shown.now, shown.zone)}"
    error = answer.error or "see Collectors"
    what = "No answer" if answer.level is Level.CRITICAL else f"{', '.join(answer.parts)}: no answer"
    return tag("span", f"{what}{when}: {error}", class_="below trouble", title=error)


def _cell(label: str, number: str, note: Children = None, *, level: Level = Level.OK, bar: Markup | None = None) -> Markup:
    """A number with its label; a deviation has a shape and a word, not only a colour."""
    mark = parts.shape(level) if level else None
    return tag("div", [
        tag("div", [label, mark], class_="label"), tag("strong", number), bar, tag("span", note, class_="below"),
    ], class_=f"fact {level.name.lower()}")  # fmt: skip


def _capacity(cluster: Cluster, shown: Shown) -> Markup:
    ratio = cluster.fullness
    when, soon = days_to_full(cluster, shown)
    level = max(fullness_level(ratio), soon)
    number = f"{words.capacity(cluster.used)} of {words.capacity(cluster.size)}" if ratio is not None else words.NOTHING
    note = when if ratio is None else f"{words.percent(ratio)} · {when}"
    return _cell("Capacity", number, note, level=level, bar=parts.bar(ratio, level=fullness_level(ratio)))


def days_to_full(cluster: Cluster, shown: Shown) -> tuple[str, Level]:
    """When it is full, at which pace that is said, and whether that is soon."""
    if cluster.fullness is None:
        return "capacity not told", Level.OK
    long, short = (_until_full(cluster, paces.get(cluster.name)) for paces in (shown.growth, shown.pace))
    growth, pace = shown.growth.get(cluster.name), shown.pace.get(cluster.name)
    if growth is None:
        return "growth not known yet", Level.OK
    if growth.over_seconds < _LEAST_SECONDS:
        return f"growth known for {words.roughly(growth.over_seconds)} only", Level.OK
    # a burst of the last hours is said when it would fill the cluster soon, and much sooner than the days before it
    if pace and short is not None and short < _SOON and (long is None or short < long / 2):
        return f"full in {words.roughly(short)} at the pace of the last {words.roughly(pace.over_seconds)}", _soon(short)
    over = f"over the last {words.roughly(growth.over_seconds)}"
    if long is None or long > _FAR:
        return f"not growing {over}", Level.OK
    return f"full in {words.roughly(long)} by the growth {over}", _soon(long)


def _soon(seconds: float) -> Level:
    return Level.CRITICAL if seconds < _VERY_SOON else Level.WARNING if seconds < _SOON else Level.OK


def _until_full(cluster: Cluster, growth: Growth | None) -> float | None:
    """Seconds; None where it does not grow."""
    if growth is None or cluster.size is None or cluster.used is None or growth.bytes_per_second <= 0:
        return None
    return max(0.0, cluster.size - cluster.used) / growth.bytes_per_second


def _flow(cluster: Cluster, direction: str) -> Markup:
    ratio, design = cluster.saturation(direction), cluster.design.get(direction)
    level = saturation_level(ratio)
    note = "no design limit in the inventory" if design is None else f"design {words.throughput(design)}"
    if ratio is not None:
        note = f"{words.percent(ratio)} of {words.throughput(design)}" + (", saturated" if level else "")
    bar = None if design is None else tag("span", parts.bar(ratio, level=level, mark=SATURATED), title=_TICK)
    return _cell(direction.capitalize(), words.throughput(cluster.throughput.get(direction)), note, level=level, bar=bar)


def _latency(cluster: Cluster, shown: Shown) -> Markup:
    if not cluster.latency:
        return _cell("Latency", words.NOTHING, "not told")
    protocol, factor = slowness(cluster, shown.usual)
    if factor >= SLOW:
        note = f"{protocol}, {factor:.0f} times its usual {words.latency(shown.usual[cluster.name, protocol])}"
        return _cell("Latency", words.latency(cluster.latency[protocol]), note, level=Level.WARNING)
    slowest = max(cluster.latency, key=lambda protocol: cluster.latency[protocol])
    return _cell("Latency", words.latency(cluster.latency[slowest]), _listed(cluster.latency, words.latency, first=slowest))


def _operations(cluster: Cluster) -> Markup:
    if not cluster.operations:
        return _cell("Operations", words.NOTHING, "not told")
    total = sum(cluster.operations.values())
    return _cell("Operations", f"{words.rate(total)}/s", _listed(cluster.operations, lambda value: f"{words.rate(value)}/s"))


def _listed(values: Mapping[str, float], written: object, *, first: str = "") -> str:
    order = sorted((name for name in values if values[name]), key=lambda name: (name != first, -values[name]))
    return " · ".join(f"{name} {written(values[name])}" for name in order[:3])  # type: ignore[operator]


def _clients(cluster: Cluster) -> Markup:
    told = {state: sum(by_protocol.values()) for state, by_protocol in cluster.clients.items()}
    if not told:
        return _cell("Clients", words.NOTHING, "not told")
    state, count = ("connected", told["connected"]) if "connected" in told else next(iter(told.items()))
    active = "" if "active" not in told or state == "active" else f", {told['active']:,.0f} active"
    return _cell("Clients", f"{count:,.0f}", f"{state}{active}")


def _events(cluster: Cluster) -> Markup:
    """What nobody has resolved, by severity."""
    if not cluster.events:
        return _cell("Open events", words.NOTHING if cluster.age_seconds is None else "none", "")
    order = sorted(cluster.events, key=lambda name: _SEVERITIES.index(name) if name in _SEVERITIES else len(_SEVERITIES))
    level = severity_level(order[0])
    listed = ", ".join(f"{cluster.events[name]} {name}" for name in order)
    return _cell("Open events", f"{sum(cluster.events.values())}", listed, level=level)


def severity_level(word: str) -> Level:
    """How bad an open event is."""
    if word in {"emergency", "critical"}:
        return Level.CRITICAL
    return Level.WARNING if word in {"error", "warning"} else Level.OK
