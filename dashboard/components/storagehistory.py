"""A cluster over time above the GPUs that read from it, on one time axis, and what both together say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from dashboard import words
from dashboard.components import charts, storageslow
from dashboard.components.charts import Chart, Line
from dashboard.components.panes import Pane, stacked
from dashboard.components.storageslow import Pace
from dashboard.problem import Level
from dashboard.storagestate import SATURATED, Cluster
from wattstat.store.protocol import Series

_NOW_SECONDS = 60
_STARVING = 0.15
_LEAST_POINTS = 20
_OPPOSITE = -0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageHistory:
    """What history has of one cluster and its readers; what is empty was not recorded."""

    throughput: Sequence[Series] = ()
    latency: Sequence[Series] = ()
    classes: Sequence[Series] = ()
    readers: Sequence[Series] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Is this storage the reason that its readers' GPUs are idle? In a word and a sentence of evidence."""

    level: Level
    word: str
    why: str


def figure(found: StorageHistory, cluster: Cluster, chart: Chart) -> charts.Figure:
    """Three panes on one time axis: what flows, how long it takes, how busy the readers are."""
    if not found.throughput and not found.latency and not found.readers:
        return charts.message("Nothing was recorded of this cluster in this time.", chart)
    design = [(value, f"design {direction} {words.throughput(value)}") for direction, value in cluster.design.items()]
    busy = [Line(series=one, name="GPUs of its readers", colour=charts.GREY, fill=True) for one in found.readers[:1]]
    panes = [
        Pane(lines=_flows(found.throughput), unit="B/s", title="Throughput", levels=design),
        Pane(lines=_latencies(found.latency), unit="s", title="Latency"),
        Pane(lines=busy, unit="%", title="GPU utilization of its readers"),
    ]
    return stacked(panes, chart)


def _flows(series: Sequence[Series]) -> list[Line]:
    colours = {"read": charts.BLUE, "write": charts.AMBER}
    return [
        Line(series=one, name=direction, colour=colours.get(direction, charts.GREY))
        for one in sorted(series, key=lambda each: each.labels.get("direction", ""))
        if (direction := one.labels.get("direction", ""))
    ]


def _latencies(series: Sequence[Series]) -> list[Line]:
    ordered = sorted(series, key=lambda one: one.labels.get("protocol", ""))
    colours = (charts.TEAL, charts.MAGENTA, *charts.LINES[3:])
    return [
        Line(series=one, name=one.labels.get("protocol", ""), colour=colours[number % len(colours)])
        for number, one in enumerate(ordered)
    ]


def verdict(found: StorageHistory, cluster: Cluster, *, is_live: bool = False) -> Verdict:
    """By what is unusual now against the median of the shown time; where nothing is recorded nothing is said.

    `is_live`: the shown time ends now, so that what the cluster tells this moment is the present, as on its card.
    """
    busy = next((one for one in found.readers if one.values), None)
    known = [one for one in found.latency if one.values]
    if busy is None or not known:
        missing = "utilization of the readers' GPUs" if busy is None else "latency"
        return Verdict(level=Level.OK, word="Cannot be said", why=f"the {missing} is not recorded in this time.")
    end = max(one.times[-1] for one in (busy, *known))
    ratio, usual = _now(busy, end), median(busy.values)
    if ratio is None:
        return Verdict(level=Level.OK, word="Cannot be said", why="the readers' GPUs are not recorded now.")
    starving = ratio < usual - _STARVING
    gpus = f"its readers' GPUs run at {words.percent(ratio)}" + (f", usually {words.percent(usual)}" if starving else "")
    present = cluster if is_live else None
    slow = [storageslow.pace(one, _present(one, end, present), end) for one in known]
    classes = [storageslow.pace(one, _present(one, end, present), end) for one in found.classes if one.values]
    trouble, burden = _troubles([each for each in slow if each], [each for each in classes if each], found, cluster)
    if not trouble and not burden:
        was = storageslow.was([each for each in (*classes, *slow) if each])
        return _over(was, gpus, starving=starving) if was else _not_storage(gpus, starving=starving)
    why = "; ".join([*trouble, *burden, gpus])
    if not starving:
        return Verdict(level=Level.WARNING, word="Strained, yet nobody starves", why=f"{why}.")
    if not trouble:
        return Verdict(level=Level.WARNING, word="Perhaps", why=f"{why}.")
    return Verdict(level=Level.WARNING, word="Likely", why=f"{why}{_together(known, busy)}.")


def _not_storage(gpus: str, *, starving: bool) -> Verdict:
    if starving:
        why = f"{gpus}, but latency is as usual and no limit is near. See Fabric, or the jobs."
        return Verdict(level=Level.OK, word="Not by this cluster", why=why)
    return Verdict(level=Level.OK, word="No", why=f"latency is as usual, no limit is near, {gpus}.")


def _over(was: str, gpus: str, *, starving: bool) -> Verdict:
    """What was slow and is not any more."""
    tail = "; if they stay there, see Fabric, or the jobs" if starving else ""
    return Verdict(level=Level.OK, word="Not any more", why=f"latency is as usual now; {was}; {gpus}{tail}.")


def _troubles(
    slow: Sequence[Pace], classes: Sequence[Pace], found: StorageHistory, cluster: Cluster
) -> tuple[list[str], list[str]]:
    """What is worse than usual, what rose most first; and what is near its limit as it always is."""
    rose = sorted((each for each in slow if each.is_slow), key=lambda each: -each.factor)
    inside = sorted((each for each in classes if each.is_slow), key=lambda each: -each.factor) if rose else []
    said = [*map(storageslow.of_class, inside[:1]), *map(storageslow.of_protocol, rose)]
    full = [told for direction in ("read", "write") if (told := _fullness(direction, cluster, found.throughput))]
    return [*said, *(text for text, is_new in full if is_new)], [text for text, is_new in full if not is_new]


def _present(one: Series, end: float, cluster: Cluster | None) -> float | None:
    """What the cluster tells this moment; where it does not, or the past is shown, the last minute of history."""
    protocol, kind = one.labels.get("protocol", ""), one.labels.get("class", "")
    told = None
    if cluster is not None and cluster.answer.level is not Level.CRITICAL:
        told = cluster.classes.get((protocol, kind)) if kind else cluster.latency.get(protocol)
    return _now(one, end) if told is None else told


def _fullness(direction: str, cluster: Cluster, flows: Sequence[Series]) -> tuple[str, bool] | None:
    """That a direction is near its limit, and whether that is unusual in the shown time."""
    ratio, design = cluster.saturation(direction), cluster.design.get(direction)
    if ratio is None or not design or ratio < SATURATED:
        return None
    values = [value for one in flows if one.labels.get("direction") == direction for value in one.values]
    is_new = not values or median(values) / design < SATURATED
    return f"{direction} at {words.percent(ratio)} of its design" + ("" if is_new else ", as usual"), is_new


def _now(one: Series, end: float) -> float | None:
    """The mean of the last minute, or of the newest point where they are farther apart."""
    step = one.times[-1] - one.times[-2] if len(one.times) > 1 else 0.0
    newest = one.times[-1]
    if newest <= end - max(_NOW_SECONDS, 1.5 * step):
        return None
    return fmean(value for at, value in zip(one.times, one.values, strict=True) if at > newest - _NOW_SECONDS)


def _together(latencies: Sequence[Series], busy: Series) -> str:
    """Whether both move against each other over the shown time."""
    least = min((correlation(one, busy) or 0.0 for one in latencies), default=0.0)
    return "; over the shown time these GPUs idled whenever latency rose" if least <= _OPPOSITE else ""


def correlation(one: Series, other: Series) -> float | None:
    """Pearson's r of the points that both have; None where there are too few, or nothing moves."""
    values = dict(zip(other.times, other.values, strict=True))
    pairs = [(value, values[at]) for at, value in zip(one.times, one.values, strict=True) if at in values]
    if len(pairs) < _LEAST_POINTS:
        return None
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    spread = pstdev(left) * pstdev(right)
    if not spread:
        return None
    mean_left, mean_right = fmean(left), fmean(right)
    return fmean((a - mean_left) * (b - mean_right) for a, b in pairs) / spread
