"""Figures as plain dictionaries for Plotly.

Colours of text, grid and paper come from the stylesheet, so a change between dark and light needs no new figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from dashboard.components import parts
from dashboard.markup import filled
from dashboard.timerange import Span
from wattstat.store.protocol import QueryError, Series

Figure = dict[str, Any]

# Legible on dark and on light paper (at least 3:1), distinguishable with deuteranopia by hue and by lightness.
BLUE, TEAL, GREY, AMBER, MAGENTA = "#3d86d6", "#1c9a94", "#7d8794", "#c77e0a", "#d1478f"
LINES = (BLUE, AMBER, TEAL, "#8f6fd1", "#3f8db5", MAGENTA, "#8a8f2e", GREY)

MOST_LINES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Time and place of a chart. While `revision` stays the same a viewer's zoom survives; `is_live`: it ends now."""

    span: Span
    zone: tzinfo = UTC
    revision: str = ""
    now: float = 0
    is_live: bool = True

    @property
    def window(self) -> int:
        """Seconds between its points."""
        return int(self.span.step)

    def with_points(self, most: int) -> Chart:
        """The same time with at most so many points."""
        return replace(self, span=self.span.with_points(most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series to draw. `fill` shades down to zero; `dash` is Plotly's (solid, dot, dash)."""

    series: Series
    name: str
    colour: str
    width: float = 2
    fill: bool = False
    dash: str = "solid"
    shape: str = "linear"
    named: bool = True
    """Whether it stands in the legend of panes."""


def figure(lines: Sequence[Line], chart: Chart, *, unit: str, zero: bool = True) -> Figure:
    """Lines over time. `unit` stands behind each number (`W`, `°C`, `%`); `zero` begins the axis at zero."""
    drawn = plain(chart)
    drawn["data"] = [trace(line, chart, unit) for line in lines]
    drawn["layout"]["showlegend"] = len(lines) > 1
    drawn["layout"]["yaxis"] = {
        "rangemode": "tozero" if zero else "normal",
        "automargin": True,
        "nticks": 5,
        "zeroline": False,
        **axis_unit(unit),
    }
    return drawn


def plain(chart: Chart) -> Figure:
    """A figure over time with nothing in it yet."""
    layout: Figure = {
        "uirevision": chart.revision,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 4, "pad": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "Inter, system-ui, sans-serif", "size": 14},
        "hovermode": "x unified",
        "hoverlabel": {"align": "left", "font": {"size": 14}},
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "itemwidth": 30},
        "xaxis": {
            "type": "date",
            "range": [axis_time(chart.span.start, chart.zone), axis_time(chart.span.end, chart.zone)],
            "showgrid": False,
            "automargin": True,
            "nticks": 7,
            "tickformatstops": _TICKS,
            "ticks": "",
            "showspikes": False,
            "hoverformat": "%d %b %H:%M:%S",
        },
    }
    return {"data": [], "layout": layout}


_TICKS = [
    {"dtickrange": [None, 60_000], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, 43_200_000], "value": "%H:%M"},
    {"dtickrange": [43_200_000, None], "value": "%d %b"},
]


def message(text: str, chart: Chart) -> Figure:
    """An empty figure that says why it is empty."""
    empty = figure([], chart, unit="")
    empty["layout"]["yaxis"]["visible"] = False
    empty["layout"]["annotations"] = [
        {"text": text, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False, "font": {"size": 15}}
    ]
    return empty


def drawn(built: Figure, chart: Chart, age_id: str, series: Sequence[Series]) -> Figure:
    """What goes into a chart's store: the figure, and its age by the newest point where it reaches until now."""
    newest = max((one.times[-1] for one in series if one.times), default=None)
    age = None
    if newest is not None and chart.is_live:
        age = parts.age(max(0.0, chart.now - newest), chart.now, late_after=max(60.0, 3 * chart.span.step))
    return {"figure": built, "fill": filled({age_id: age})}


def failed(error: QueryError, chart: Chart, age_id: str) -> Figure:
    """The same where history does not answer."""
    fill = filled({age_id: parts.age(None, chart.now)})
    return {"figure": message(f"History does not answer: {error}", chart), "fill": fill}


def with_limit(drawn: Figure, watts: float, text: str) -> Figure:
    """The figure with a level line and its name: a budget, a limit."""
    layout = drawn["layout"]
    line = {"color": GREY, "width": 1.5, "dash": "dash"}
    layout["shapes"] = [*layout.get("shapes", []), _level(watts, line)]
    layout["annotations"] = [
        *layout.get("annotations", []),
        {"text": text, "xref": "paper", "x": 1, "xanchor": "right", "y": watts, "yanchor": "bottom", "showarrow": False},
    ]
    # a level above all the data would else be cut off
    layout["yaxis"]["range"] = [0, max(watts, _highest(drawn)) * 1.12]
    layout["yaxis"].pop("rangemode", None)
    return drawn


def _level(value: float, line: Figure) -> Figure:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line, "layer": "below"}


def _highest(drawn: Figure) -> float:
    return max((value for trace in drawn["data"] for value in trace["y"] if value is not None), default=0.0)


_HOVERS = {
    "%": "%{y:.0%}",
    **{unit: f"%{{y:.4~s}}{unit}" for unit in ("W", "B/s")},
    "s": "%{y:.3~s}s",
    "a second": "%{y:.3~g} a second",
    "": "%{y:.1e}",
}


def axis_unit(unit: str) -> Figure:
    """How an axis writes its numbers."""
    if unit == "%":
        return {"tickformat": ".0%", "range": [0, 1.02]}
    if unit in {"W", "J", "B", "B/s", "s"}:
        return {"tickformat": "~s", "ticksuffix": unit}
    return {"ticksuffix": f" {unit}"}


def trace(line: Line, chart: Chart, unit: str) -> Figure:
    """A line as Plotly has it."""
    zone = chart.zone
    times, values = with_gaps(line.series.times, line.series.values, chart.span.step)
    drawn: Figure = {
        "type": "scatter",
        "mode": "lines" if len(times) != 1 else "lines+markers",  # of one point no line can be drawn
        "name": line.name,
        "x": [None if at is None else axis_time(at, zone) for at in times],
        "y": values,
        "line": {"color": line.colour, "width": line.width, "dash": line.dash, "shape": line.shape},
        "connectgaps": False,
        "hovertemplate": f"{_HOVERS.get(unit, '%{y:.1f} ' + unit)}<extra>{line.name}</extra>",
    }
    if line.fill:
        drawn |= {"fill": "tozeroy", "fillcolor": line.colour + "24"}
    return drawn


def with_gaps(times: Sequence[float], values: Sequence[float], step: float) -> tuple[list[float | None], list[float | None]]:
    """Times and values with a None wherever points are missing, so that no line is drawn through what was not measured."""
    spaced_times: list[float | None] = []
    spaced_values: list[float | None] = []
    before: float | None = None
    for at, value in zip(times, values, strict=True):
        if before is not None and at - before > 1.5 * step:
            spaced_times.append(before + step)
            spaced_values.append(None)
        spaced_times.append(at)
        spaced_values.append(value)
        before = at
    return spaced_times, spaced_values


def axis_time(at: float, zone: tzinfo) -> float:
    """Milliseconds that Plotly, which knows only UTC, shows as the site's own time."""
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return (at + (offset.total_seconds() if offset else 0)) * 1000


def band(series: Iterable[Series]) -> dict[str, Series]:
    """Lowest, median, 95th percentile and highest over many series: what is drawn instead of more than 64 lines."""
    by_time: dict[float, list[float]] = {}
    for one in series:
        for at, value in zip(one.times, one.values, strict=True):
            by_time.setdefault(at, []).append(value)
    times = sorted(by_time)
    ranked = [sorted(by_time[at]) for at in times]
    return {
        name: Series(labels={}, times=times, values=[values[_rank(quantile, len(values))] for values in ranked])
        for name, quantile in (("p5", 0.05), ("median", 0.5), ("p95", 0.95), ("max", 1.0))
    }


def _rank(quantile: float, count: int) -> int:
    return min(count - 1, round(quantile * (count - 1)))


def lines_or_band(series: Sequence[Series], label: str = "gpu", prefix: str = "GPU ") -> list[Line]:
    """A line for each series; above 64 of them lowest to highest as bands, because nobody can follow so many lines."""
    if len(series) > MOST_LINES:
        styles = {
            "p5": (GREY, 1.25, "dot"),
            "median": (BLUE, 2.5, "solid"),
            "p95": (GREY, 1.25, "dash"),
            "max": (AMBER, 1.5, "solid"),
        }
        return [
            Line(series=one, name=name, colour=styles[name][0], width=styles[name][1], dash=styles[name][2])
            for name, one in band(series).items()
        ]
    ordered = sorted(series, key=lambda one: (len(one.labels.get(label, "")), one.labels.get(label, "")))
    return [
        Line(series=one, name=f"{prefix}{one.labels.get(label, '')}", colour=LINES[number % len(LINES)], width=1.25)
        for number, one in enumerate(ordered)
    ]
