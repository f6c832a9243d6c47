"""What speaks for an alert, drawn: each thing that was measured with the line that it crossed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard import words
from dashboard.components import charts
from dashboard.components.charts import Chart, Line
from dashboard.components.panes import Pane, stacked
from wattstat.api.alerts import AlertView, EvidenceLine
from wattstat.store.protocol import Series

MOST_PANES = 3
MOST_LINES = 8
MOST_TITLE = 48
_UNITS = {"watts": "W", "celsius": "°C", "ratio": "%", "seconds": "s", "bytes": "B", "joules": "J", "hertz": "Hz"}
_SAME = 1e-9
_LEAST_BEFORE_SECONDS, _TIMES_BEFORE = 900.0, 4
_FINEST_STEP, _MOST_POINTS = 10, 360


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One line of evidence with what history has of it; `limit` is empty where it is compared with nothing."""

    line: EvidenceLine
    measured: Sequence[Series] = ()
    limit: Sequence[Series] = ()


def near(alert: AlertView, chart: Chart, now: float) -> Chart:
    """A chart of less time where an alert is young or short in it: what it saw would be less than one of the points.

    It shows a few times as long before as the alert holds, and to the end of the chosen time or a little behind the alert's.
    """
    lasting = (now if alert.ended_at is None else alert.ended_at) - alert.active_at
    before = max(_LEAST_BEFORE_SECONDS, _TIMES_BEFORE * lasting)
    start = max(chart.span.start, alert.active_at - before)
    end = min(max(chart.span.end, now) if alert.ended_at is None and chart.is_live else chart.span.end,
              now if alert.ended_at is None else alert.ended_at + before / 2)  # fmt: skip
    if not chart.span.start <= alert.active_at <= end or end - start > (chart.span.end - chart.span.start) / 2:
        return chart
    span = replace(chart.span, start=start, end=end, step=_FINEST_STEP).with_points(_MOST_POINTS)
    return replace(chart, span=span, revision=f"{chart.revision} {alert.fingerprint}")


def figure(found: Sequence[Drawn], alert: AlertView, chart: Chart) -> charts.Figure:
    """A pane for each thing measured, its limit dashed, and the time in which the alert held marked in all of them."""
    known = [one for one in found if one.measured][:MOST_PANES]
    if not known:
        return charts.message("Nothing was recorded of this in the shown time.", chart)
    built = stacked([_pane(one, len(known)) for one in known], chart)
    for number, one in enumerate(known):
        suffix = "" if number == 0 else str(number + 1)
        built["layout"][f"yaxis{suffix}"] |= _range(one)
    built["layout"]["shapes"] += _held(alert, chart)
    return built


def _pane(one: Drawn, count: int) -> Pane:
    unit = _UNITS.get(one.line.unit, "")
    level = constant(one.limit)
    lines = [
        Line(series=series, name=_name(series, one.measured, number), named=len(one.measured) > 1,
             colour=charts.LINES[number % len(charts.LINES)],
             shape="hv" if _is_state(series) else "linear")
        for number, series in enumerate(one.measured[:MOST_LINES])
    ]  # fmt: skip
    if level is None:
        lines += [
            Line(series=series, name="limit" if len(one.limit) == 1 else f"limit {_labels(series, one.limit)}",
                 colour=charts.MAGENTA, width=1.5, dash="dash")
            for series in one.limit[:MOST_LINES]
        ]  # fmt: skip
    levels = () if level is None else ((level, f"limit {written(level, one.line.unit)}"),)
    title = _short(one.line.text) if count > 1 else ""
    return Pane(lines=lines, unit=unit or " ", title=title, levels=levels)


def _short(text: str) -> str:
    """What is measured, without what explains it: the whole sentence stands above."""
    what = re.sub(r" \([^)]*\)", "", text.rpartition(": fires")[0] or text).rstrip(".")
    return what if len(what) <= MOST_TITLE else what[: MOST_TITLE - 1].rstrip() + "…"


def constant(limit: Sequence[Series]) -> float | None:
    """The limit as one number, where it is one and stays."""
    values = {value for one in limit for value in one.values}
    if not values or len(limit) > 1 or max(values) - min(values) > _SAME * max(1.0, abs(max(values))):
        return None
    return max(values)


def written(value: float, unit: str) -> str:
    """A value with its unit."""
    if unit == "watts":
        return words.watts(value)
    if unit == "ratio":
        return f"{value * 100:.3g}{words.THIN}%"
    if unit == "seconds":
        return words.latency(value) if abs(value) < 1 else words.duration(value)
    if unit == "celsius":
        return words.celsius(value)
    if unit == "bytes":
        return words.capacity(value)
    return f"{value:.6g}"


def _name(series: Series, among: Sequence[Series], number: int) -> str:
    return _labels(series, among) or (f"series {number + 1}" if len(among) > 1 else "measured")


def _labels(series: Series, among: Sequence[Series]) -> str:
    """What tells it from the others."""
    differing = {
        name
        for one in among
        for name in one.labels
        if name != "__name__" and len({other.labels.get(name) for other in among}) > 1
    }
    return " ".join(series.labels[name] for name in sorted(differing) if name in series.labels)


def _is_state(series: Series) -> bool:
    """Whole numbers are states and counts: nothing lies between two of them."""
    return all(value == int(value) for value in series.values if abs(value) < 1e9) and len(series.values) > 0


def _range(one: Drawn) -> charts.Figure:
    """Room for the measured and for its limit, from zero unless something is below it."""
    values = [value for series in (*one.measured, *one.limit) for value in series.values]
    low, high = min(0.0, *values), max(0.0, *values)
    if high - low < _SAME:
        high = low + 1
    room = 0.1 * (high - low)
    return {"range": [low - room if low < 0 else low, high + room], "rangemode": "normal"}


def _held(alert: AlertView, chart: Chart) -> list[charts.Figure]:
    """Pending lightly, firing more: since when, and until when."""
    end = alert.ended_at if alert.ended_at is not None else chart.span.end
    fired = alert.fired_at if alert.fired_at is not None else end
    spans = ((alert.active_at, min(fired, end), 0.05), (fired, end, 0.12))
    return [
        {
            "type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0},
            "x0": charts.axis_time(max(start, chart.span.start), chart.zone),
            "x1": charts.axis_time(min(stop, chart.span.end), chart.zone),
            "fillcolor": charts.MAGENTA, "opacity": opacity,
        }
        for start, stop, opacity in spans
        if stop > start and stop > chart.span.start and start < chart.span.end
    ]  # fmt: skip
