"""Figures of a run over time: power, and activity by rank. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.components import charts
from dashboard.components.charts import Chart, Figure
from wattstat.api.energy import GpuOfJob
from wattstat.store.protocol import Series

MOST_CELLS = 120_000
_ROW_PIXELS, _LEAST_PIXELS, _MOST_PIXELS = 20, 120, 640
_FRAME_PIXELS = 110  # heading, axis and margins
_LABEL_PIXELS = 20
_MOST_GAPS = 32
# Grey where little is done, blue where much is; nothing where nothing was measured. Both schemes' papers suit it.
_SCALE = [[0.0, "rgba(125,135,148,0.16)"], [0.5, "#5b8cc4"], [1.0, "#1d5fae"]]


def ranked(series: Sequence[Series], gpus: Sequence[GpuOfJob]) -> list[Series | None]:
    """The series of each GPU of the run, in the order of its ranks; None where there is none."""
    by_uuid = {one.labels.get("uuid", ""): one for one in series}
    return [by_uuid.get(each.uuid) for each in gpus]


def within(series: Sequence[Series], start: float, end: float) -> list[Series]:
    """Only the points of a time: before and after its run a GPU is somebody else's."""
    found = []
    for one in series:
        points = [(at, value) for at, value in zip(one.times, one.values, strict=True) if start <= at <= end]
        if points:
            found.append(Series(labels=one.labels, times=[at for at, _ in points], values=[value for _, value in points]))
    return found


def names(gpus: Sequence[GpuOfJob]) -> list[str]:
    """What each rank is called: by server and index, the part of a GPU included."""
    return [f"{each.node} · {each.index}" + (f" {each.instance}" if each.instance else "") for each in gpus]


def total(series: Sequence[Series | None], fractions: Sequence[float]) -> Series:
    """The sum at each time at which all that ever answered did, parts of GPUs by their fraction."""
    known = [(one, fraction) for one, fraction in zip(series, fractions, strict=True) if one is not None]
    sums: dict[float, float] = {}
    counts: dict[float, int] = {}
    for one, fraction in known:
        for at, value in zip(one.times, one.values, strict=True):
            sums[at] = sums.get(at, 0.0) + value * fraction
            counts[at] = counts.get(at, 0) + 1
    times = [at for at in sorted(sums) if counts[at] == len(known)]
    return Series(labels={}, times=times, values=[sums[at] for at in times])


def continued(first: Series, then: Series) -> Series:
    """One series up to where the other begins, and then that."""
    before = [(at, value) for at, value in zip(first.times, first.values, strict=True) if at < then.times[0]]
    return Series(
        labels={},
        times=[*(at for at, _ in before), *then.times],
        values=[*(value for _, value in before), *then.values],
    )


def power_figure(whole: Series | None, limits: Series | None, chart: Chart) -> Figure:
    """All GPUs together, and the sum of their limits."""
    if whole is None or not whole.times:
        return charts.message("No power of this run's GPUs was recorded in this time.", chart)
    lines = [charts.Line(series=whole, name="GPUs", colour=charts.BLUE, width=2.25, fill=True)]
    if limits is not None and limits.times:
        lines.append(charts.Line(series=limits, name="their limits", colour=charts.AMBER, width=1.75, dash="dash", shape="hv"))
    return charts.figure(lines, chart, unit="W")


def each_figure(series: Sequence[Series | None], gpus: Sequence[GpuOfJob], chart: Chart) -> Figure:
    """A line a GPU; bands where there are too many to tell apart."""
    named = [
        Series(labels={"gpu": name}, times=one.times, values=one.values)
        for one, name in zip(series, names(gpus), strict=True)
        if one is not None
    ]
    if not named:
        return charts.message("No power of this run's GPUs was recorded in this time.", chart)
    return charts.figure(charts.lines_or_band(named, prefix=""), chart, unit="W")


def heat_map(series: Sequence[Series | None], gpus: Sequence[GpuOfJob], chart: Chart, *, unit: str) -> Figure:
    """Time across, ranks down; what was not measured stays empty."""
    if not any(one is not None for one in series):
        return charts.message("No GPU of this run told this in this time.", chart)
    span = chart.span
    count = round((span.end - span.start) / span.step) + 1
    moments = [span.start + number * span.step for number in range(count)]
    place = {at: number for number, at in enumerate(moments)}
    rows = [_row(one, place, count) for one in series]
    drawn = charts.plain(chart)
    drawn["data"] = [_trace(rows, moments, names(gpus), chart, unit)]
    drawn["layout"] |= {
        "hovermode": "closest",
        "yaxis": {"type": "category", "autorange": "reversed", "automargin": True, "ticks": "", "showgrid": False,
                  "nticks": (height(len(gpus)) - _FRAME_PIXELS) // _LABEL_PIXELS},
    }  # fmt: skip
    return drawn


def _row(one: Series | None, place: Mapping[float, int], count: int) -> list[float | None]:
    row: list[float | None] = [None] * count
    for at, value in zip(one.times, one.values, strict=True) if one is not None else ():
        number = place.get(at)
        if number is not None:
            row[number] = round(value, 3)
    return row


def _trace(rows: list[list[float | None]], moments: Sequence[float], ranks: Sequence[str], chart: Chart, unit: str) -> Figure:
    scale: dict[str, Any] = {"zmin": 0, "zmax": 1} if unit == "%" else {"zmin": 0}
    value = "%{z:.0%}" if unit == "%" else "%{z:.4~s}" + unit
    return {
        "type": "heatmap",
        "x": [charts.axis_time(at, chart.zone) for at in moments],
        "y": list(ranks),
        "z": rows,
        "colorscale": _SCALE,
        "hoverongaps": False,
        "ygap": 1 if len(ranks) <= _MOST_GAPS else 0,
        "hovertemplate": f"%{{y}}<br>%{{x|%d %b %H:%M}}: {value}<extra></extra>",
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": ".0%" if unit == "%" else "~s",
                     "ticksuffix": "" if unit == "%" else unit, "nticks": 5, "tickfont": {"size": 14}},
        **scale,
    }  # fmt: skip


def height(ranks: int) -> int:
    """Pixels that the panel of a heat map of so many ranks wants, at a root size of 16."""
    return _FRAME_PIXELS + max(_LEAST_PIXELS, min(_MOST_PIXELS, ranks * _ROW_PIXELS))


def hour_figure(hours: Sequence[Any], chart: Chart) -> Figure:
    """Energy of each hour by part."""
    if not hours:
        return charts.message("No hour is settled yet.", chart)
    drawn = charts.plain(chart)
    parts = (("gpu", "GPUs", charts.BLUE), ("cpu", "processors", charts.TEAL), ("rest", "rest", charts.GREY),
             ("allocated_idle", "held idle", charts.AMBER))  # fmt: skip
    times = [charts.axis_time(hour.start, chart.zone) for hour in hours]
    drawn["data"] = [
        {"type": "bar", "name": name, "x": times, "y": [getattr(hour.energy, key) / 3.6e6 for hour in hours],
         "offset": 0, "width": 3_240_000, "marker": {"color": colour},
         "hovertemplate": f"%{{y:,.3f}} kWh<extra>{name}</extra>"}
        for key, name, colour in parts
        if any(getattr(hour.energy, key) for hour in hours)
    ]  # fmt: skip
    zone_hours = {"range": [charts.axis_time(hours[0].start, chart.zone), charts.axis_time(hours[-1].start + 3600, chart.zone)]}
    drawn["layout"] |= {
        "barmode": "stack",
        "showlegend": True,
        "xaxis": {**drawn["layout"]["xaxis"], **zone_hours, "hoverformat": "%d %b %H:%M"},
        "yaxis": {"rangemode": "tozero", "automargin": True, "nticks": 5, "zeroline": False, "ticksuffix": " kWh"},
    }
    return drawn
