"""Where the watts go: GPUs, the rest of the servers, what takes no cap, and what is left, rack by rack. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.components import charts
from dashboard.timerange import Span

PARTS = (
    ("gpus", "GPUs", charts.BLUE),
    ("rest", "rest of the servers", charts.TEAL),
    ("fixed", "takes no cap (charged)", charts.GREY),
    ("left", "left", "rgba(125,135,148,.22)"),
)
_NAMED = 30
"""With more racks than this their names are thinned out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One rack: watts by part; `left` None where nobody set a limit, `over` what is drawn above it."""

    name: str
    gpus: float
    rest: float
    fixed: float
    left: float | None
    over: float = 0.0
    unseen: int = 0
    """GPUs whose power nobody knows: theirs counts with the rest of their server."""


def places(status: Mapping[str, Any]) -> list[Place]:
    """Every rack; every row or the site where the inventory has no racks."""
    gpu_watts: defaultdict[str, float] = defaultdict(float)
    unseen: defaultdict[str, int] = defaultdict(int)
    for device in status["devices"]:
        if device["gpu"]:
            gpu_watts[device["rack"]] += device["power_watts"] or 0.0
            unseen[device["rack"]] += device["power_watts"] is None
    budgets: Sequence[Mapping[str, Any]] = status["budgets"]
    racks = [each for each in budgets if each["kind"] == "rack"]
    if not racks:
        whole = [each for each in budgets if each["kind"] == "site"]
        return [_place(each, sum(gpu_watts.values()), sum(unseen.values())) for each in whole]
    return [_place(each, gpu_watts[each["name"]], unseen[each["name"]]) for each in racks]


def _place(budget: Mapping[str, Any], gpu_watts: float, unseen: int) -> Place:
    power, fixed, left = budget["power_watts"], budget["fixed_watts"], budget["headroom_watts"]
    servers = max(0.0, power - fixed)
    # read at other moments than the server: training swings by kilowatts within a second
    gpus = min(gpu_watts, servers)
    return Place(
        name=budget["name"], gpus=gpus, rest=servers - gpus, fixed=fixed, left=None if left is None else max(0.0, left),
        over=0.0 if left is None else max(0.0, -left), unseen=unseen,
    )  # fmt: skip


def figure(found: Sequence[Place], search: str = "") -> charts.Figure:
    """Stacked columns, a rack each. Those over their limit say so above them."""
    chart = charts.Chart(span=Span(start=0, end=1, step=1), revision=f"where {search}")
    if not found:
        return charts.message("Nothing is known of any rack yet.", chart)
    drawn = charts.figure([], chart, unit="W")
    names = [each.name for each in found]
    for part, title, colour in PARTS:
        values = [getattr(each, part) for each in found]
        if any(values):
            drawn["data"].append(
                {
                    "type": "bar", "name": title, "x": names, "y": values, "marker": {"color": colour, "line": {"width": 0}},
                    "hovertemplate": f"%{{y:.4~s}}W<extra>{title}</extra>",
                }
            )  # fmt: skip
    layout = drawn["layout"]
    layout |= {"barmode": "stack", "bargap": 0.25, "showlegend": True}
    layout["legend"]["traceorder"] = "normal"
    layout["xaxis"] = {"type": "category", "automargin": True, "showgrid": False, "ticks": "", "fixedrange": True}
    if len(found) > _NAMED:
        layout["xaxis"]["nticks"] = _NAMED // 2
    layout["annotations"] = [
        {"text": "over", "x": each.name, "y": each.gpus + each.rest + each.fixed, "yanchor": "bottom", "showarrow": False}
        for each in found
        if each.over
    ]
    return drawn


def note(found: Sequence[Place]) -> str:
    """What must be known of the columns; empty where nothing must."""
    unseen = sum(each.unseen for each in found)
    if not unseen:
        return ""
    told = "GPU does not tell its power" if unseen == 1 else "GPUs do not tell their power"
    return f"{unseen} {told}: counted with the rest"
