"""Charts one above the other on one time axis, so that what happens at the same time stands in one line. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10

from dashboard.components import charts
from dashboard.components.charts import Chart, Figure, Line

_BELOW = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.12, "yanchor": "top", "bgcolor": "rgba(0,0,0,0)"}
_HEADROOM = 1.1
"""Above the highest level."""
_GAP = 0.13
"""Of the height, between two panes: their heading and legend stand there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """One of them. `levels` are lines across it with a name; `is_log` shows powers of ten, where zero has none."""

    lines: Sequence[Line]
    title: str
    unit: str
    levels: Sequence[tuple[float, str]] = ()
    is_log: bool = False


def stacked(panes: Sequence[Pane], chart: Chart, *, below: bool = False) -> Figure:
    """The panes from the top down; a hover shows the values of all of them at that time.

    Their lines are listed beside each heading, or, where names are long, in one list `below` all of them.
    """
    drawn = charts.plain(chart)
    layout = drawn["layout"]
    layout |= {"hoversubplots": "axis", "showlegend": True, "annotations": [], "shapes": []}
    layout["margin"] = layout["margin"] | {"t": 30}
    height = (1 - _GAP * (len(panes) - 1)) / len(panes)
    for number, pane in enumerate(panes):
        top = 1 - number * (height + _GAP)
        suffix = "" if number == 0 else str(number + 1)
        layout[f"yaxis{suffix}"] = _axis(pane) | {"domain": [max(0.0, top - height), top]}
        layout[f"legend{suffix}"] = {
            "orientation": "h", "x": 1, "xanchor": "right", "y": top, "yanchor": "bottom", "itemwidth": 30,
            "bgcolor": "rgba(0,0,0,0)",
        }  # fmt: skip
        if below:
            layout["legend"] = _BELOW
        layout["annotations"].append(_heading(pane, top))
        drawn["data"] += [
            charts.trace(line, chart, pane.unit)
            | {"yaxis": f"y{suffix}", "legend": "legend" if below else f"legend{suffix}", "showlegend": line.named}
            for line in pane.lines
        ]
        if not any(line.series.times for line in pane.lines):
            layout["annotations"].append(_nothing(top - height / 2))
        for value, name in pane.levels:
            layout["shapes"].append(_level(value, suffix))
            if pane.is_log:
                layout["annotations"].append(_level_name(value, name, suffix))
    layout["xaxis"]["anchor"] = f"y{len(panes)}" if len(panes) > 1 else "y"
    return drawn


def _axis(pane: Pane) -> Figure:
    common: Figure = {"automargin": True, "nticks": 4, "zeroline": False}
    if pane.is_log:
        return common | {"type": "log", "tickformat": "~e" if pane.unit == "" else "~g", "dtick": _step(pane)}
    axis = common | {"rangemode": "tozero", **charts.axis_unit(pane.unit)}
    if pane.levels:
        # a level above all the data would else be cut off
        axis["range"] = [0, _HEADROOM * max(_highest(pane), *(value for value, _ in pane.levels))]
    return axis


def _step(pane: Pane) -> int:
    """Decades between two ticks: four or five of them in all."""
    known = [value for line in pane.lines for value in line.series.values if value > 0] + [value for value, _ in pane.levels]
    decades = log10(max(known) / min(known)) if known else 0.0
    return max(1, ceil(decades / 4))


def _highest(pane: Pane) -> float:
    return max((value for line in pane.lines for value in line.series.values), default=0.0)


def _heading(pane: Pane, top: float) -> Figure:
    """Names of levels stand here: beside its dashed line a name would lie over the data."""
    levels = "" if pane.is_log or not pane.levels else f"  dashed: {', '.join(name for _, name in pane.levels)}"
    return {"text": f"<b>{pane.title}</b>{levels}", "xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "y": top,
            "yanchor": "bottom", "yshift": 4, "showarrow": False, "font": {"size": 14}}  # fmt: skip


def _nothing(middle: float) -> Figure:
    return {"text": "not recorded in this time", "xref": "paper", "yref": "paper", "x": 0.5, "y": middle, "showarrow": False}


def _level(value: float, suffix: str) -> Figure:
    line = {"color": charts.GREY, "width": 1.5, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": f"y{suffix}", "y0": value, "y1": value, "line": line,
            "layer": "below"}  # fmt: skip


def _level_name(value: float, name: str, suffix: str) -> Figure:
    return {
        "text": name, "xref": "paper", "x": 0.01, "xanchor": "left", "yref": f"y{suffix}", "y": log10(value),
        "yanchor": "bottom", "showarrow": False,
    }  # fmt: skip
