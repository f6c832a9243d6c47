"""What stands still on a page: panels, charts, and what is shown before the first answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

Child = Component | str | None
Children = Sequence[Child] | Child


def aria(**values: str) -> dict[str, Any]:
    """`aria-` attributes, as keyword arguments that Python's names do not allow."""
    return {f"aria-{name}": value for name, value in values.items()}


def panel(title: str, body: Children, *, panel_id: str, aside: Children = None, tools: Children = None) -> Component:
    """A titled area. `aside` (its age) stands at the right end of the heading, `tools` before it."""
    listed = list(body) if isinstance(body, Sequence) and not isinstance(body, str) else [body]
    heading = html.Header(
        [
            html.H2(title, id=f"{panel_id}-title"),
            html.Div(tools, className="tools"),
            html.Div(aside, className="aside", id=f"{panel_id}-age"),
        ],
        className="panel-head",
    )
    return html.Section([heading, *listed], className="panel", id=panel_id, **aria(labelledby=f"{panel_id}-title"))


def graph(graph_id: str, label: str) -> Component:
    """A chart that fills its panel."""
    return html.Div(
        [dcc.Store(id=f"{graph_id}-data"), dcc.Graph(
            id=graph_id,
            figure={"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False},
                                           "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}},
            config={"displayModeBar": False, "responsive": True, "scrollZoom": False},
            responsive=True,
        )],
        className="chart",
        role="img",
        **aria(label=label),
    )  # fmt: skip


def skeleton() -> Component:
    """Stands where the first answer has not come yet."""
    return html.Div(className="skeleton", **aria(hidden="true"))
