"""Panels, badges, ages: what every page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard import words
from dashboard.problems import Level

Child = Component | str | None
Children = Sequence[Child] | Child

_WORDS = {Level.OK: "OK", Level.WARNING: "Warning", Level.CRITICAL: "Critical"}


def aria(**values: str) -> dict[str, Any]:
    """`aria-` attributes, as keyword arguments that Python's names do not allow."""
    return {f"aria-{name}": value for name, value in values.items()}


def shape(level: Level) -> Component:
    """Colour and shape of a level; the word stands beside it or in its label."""
    return html.Span(className=f"shape {level.name.lower()}", role="img", **aria(label=_WORDS[level]))


def badge(level: Level, text: str = "") -> Component:
    """Colour, shape and word."""
    return html.Span([shape(level), text or _WORDS[level]], className=f"badge {level.name.lower()}")


def age(seconds: float | None, stamp: float, *, late_after: float = 30) -> Component:
    """How old what a panel shows is. The browser counts on from here and marks the panel when it is late."""
    if seconds is None:
        return html.Span("no data", className="age late")
    attributes: dict[str, Any] = {"data-age": f"{seconds:.1f}", "data-stamp": f"{stamp:.1f}", "data-late": f"{late_after:.0f}"}
    return html.Span(f"{words.duration(seconds)} ago", className="age", **attributes)


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


def bar(ratio: float | None, *, level: Level = Level.OK, mark: float | None = None) -> Component:
    """A thin bar from 0 to 1; hatched without a value."""
    if ratio is None:
        return html.Span(className="bar none")
    style = {"--f": f"{min(1.0, max(0.0, ratio)):.3f}"}
    parts = [html.Span(className="fill", style=style)]
    if mark is not None:
        parts.append(html.Span(className="mark", style={"--f": f"{min(1.0, max(0.0, mark)):.3f}"}))
    return html.Span(parts, className=f"bar {level.name.lower()}")


def key_figure(
    label: str, number: tuple[str, str], note: Children, *, level: Level = Level.OK, extra: Child = None, bound: str = ""
) -> Component:
    """One of the big numbers: label, number and unit, what it means. `bound` (≥) marks a lower bound."""
    value, unit = number
    return html.Div(
        [
            html.Div([label, badge(level) if level else None], className="label"),
            html.Div(
                [html.Span(bound, className="bound") if bound else None, html.Span(value, className="number"),
                 html.Span(unit, className="unit") if unit else None],
                className="value",
            ),
            html.Div(extra, className="extra"),
            html.Div(note, className="note"),
        ],
        className=f"figure {level.name.lower()}",
    )  # fmt: skip


def skeleton(lines: int = 3) -> Component:
    """Stands where the first answer has not come yet."""
    return html.Div([html.Span(className="skeleton") for _ in range(lines)], className="skeletons", **aria(hidden="true"))


def notice(title: str, text: str, level: Level = Level.CRITICAL) -> Component:
    """A line across the page: what is not as it should be, and what to do."""
    return html.Div([shape(level), html.Strong(title), html.Span(text)], className=f"notice {level.name.lower()}", role="alert")
