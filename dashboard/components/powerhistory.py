"""A budget over time, and its load-duration curve: for which share of the time more than so much was drawn. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard import words
from dashboard.components import charts
from dashboard.components.charts import Chart, Line
from wattstat.store.protocol import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetHistory:
    """What history has of one limit; what is empty was not recorded."""

    power: Sequence[Series] = ()
    peak: Sequence[Series] = ()
    worst: Sequence[Series] = ()
    limit: Sequence[Series] = ()
    trip: Sequence[Series] = ()


def over_time(found: BudgetHistory, chart: Chart) -> charts.Figure:
    """Power and its peak under the worst case, the limit and what never trips the breaker."""
    if not found.power:
        return charts.message("Nothing was recorded of this budget in this time.", chart)
    table = (
        (found.power, "power", charts.BLUE, 2.5, "solid", "linear", True),
        (found.peak, "peak", charts.BLUE, 1.25, "dot", "linear", False),
        (found.worst, "worst case", charts.GREY, 1.75, "dot", "hv", False),
        (found.limit, "limit", charts.GREY, 2.5, "solid", "hv", False),
        (found.trip, "trip-safe", charts.MAGENTA, 1.75, "solid", "hv", False),
    )
    lines = [
        Line(series=series[0], name=name, colour=colour, width=width, dash=dash, shape=shape, fill=fill)
        for series, name, colour, width, dash, shape, fill in table
        if series
    ]
    if found.limit and found.trip and found.limit[0].values == found.trip[0].values:
        lines = [each for each in lines if each.name != "limit"]
    return charts.figure(lines, chart, unit="W")


def duration(values: Sequence[float]) -> list[tuple[float, float]]:
    """Share of the recorded time and the watts that were drawn at least so long, from the highest down."""
    ranked = sorted(values, reverse=True)
    return [(place / len(ranked), watts) for place, watts in enumerate([ranked[0], *ranked])] if ranked else []


def duration_figure(found: BudgetHistory, limit_watts: float | None, chart: Chart) -> charts.Figure:
    """The curve, and the limit across it."""
    if not found.power:
        return charts.message("Nothing was recorded of this budget in this time.", chart)
    series = found.power[0]
    curve = duration(series.values)
    drawn = charts.figure([], chart, unit="W")
    drawn["data"] = [
        {
            "type": "scatter", "mode": "lines", "name": "power", "x": [share for share, _ in curve],
            "y": [watts for _, watts in curve], "line": {"color": charts.BLUE, "width": 2.5, "shape": "vh"},
            "fill": "tozeroy", "fillcolor": charts.BLUE + "24",
            "hovertemplate": "%{x:.1%} of the time at least %{y:.4~s}W<extra></extra>",
        }
    ]  # fmt: skip
    drawn["layout"] |= {"showlegend": False, "hovermode": "x"}
    drawn["layout"]["xaxis"] = {
        "type": "linear", "range": [0, 1], "tickformat": ".0%", "showgrid": False, "automargin": True, "nticks": 6, "ticks": "",
        "showspikes": False,
    }  # fmt: skip
    return charts.with_limit(drawn, limit_watts, f"limit {words.watts(limit_watts)}") if limit_watts else drawn


def recorded(found: BudgetHistory, chart: Chart) -> float:
    """Which share of the chosen time is recorded."""
    if not found.power:
        return 0.0
    expected = (chart.span.end - chart.span.start) / chart.span.step + 1
    return min(1.0, len(found.power[0].values) / expected)
