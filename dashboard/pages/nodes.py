"""Servers `/nodes`: every server as a row, to sort, to filter and to go to."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import dash_ag_grid as dag
from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.components import frame, parts
from dashboard.markup import filled
from dashboard.problems import Level, Problem, by_node, problems
from dashboard.services import Services
from dashboard.state import HallState, NodeState
from dashboard.timerange import parse
from wattstat.api.live import CoreUnavailable

_WORDS = {Level.OK: "OK", Level.WARNING: "Warning", Level.CRITICAL: "Critical"}

# Colours by the stylesheet's variables: one theme for dark and light (the old class names have no effect any more).
_THEME = """themeQuartz.withParams({
  backgroundColor: 'var(--panel)', foregroundColor: 'var(--ink)', headerBackgroundColor: 'var(--panel)',
  headerTextColor: 'var(--ink-3)', borderColor: 'var(--line)', accentColor: 'var(--accent)', rowHoverColor: 'var(--sunken)',
  browserColorScheme: 'inherit', fontFamily: 'inherit', fontSize: '0.9375rem', headerFontWeight: 500,
  wrapperBorder: false, oddRowBackgroundColor: 'var(--panel)', rowHeight: '2.4rem', headerHeight: '2.4rem'})"""


def _number(field: str, name: str, unit: str, digits: int = 0) -> dict[str, Any]:
    """A column of numbers; an absent number is written as a dash and sorts last."""
    text = f"params.value == null ? '\u2013' : d3.format(',.{digits}f')(params.value) + '\u202f{unit}'"
    return {"field": field, "headerName": name, "type": "rightAligned", "valueFormatter": {"function": text},
            "filter": False}  # fmt: skip


_COLUMNS = [
    {"field": "name", "headerName": "Server", "cellRenderer": "WattstatNodeLink", "pinned": "left", "minWidth": 140},
    {"field": "state", "headerName": "State", "cellRenderer": "WattstatState", "comparator": {"function": "wattstatStates"}},
    {"field": "trouble", "headerName": "Trouble", "flex": 3, "minWidth": 260},
    {"field": "rack", "headerName": "Rack", "minWidth": 90},
    {"field": "model", "headerName": "Model", "minWidth": 160},
    _number("power", "Power", "kW", 2),
    {"field": "gpus", "headerName": "Usable GPUs", "type": "rightAligned", "filter": False},
    _number("utilization", "Utilization", "%"),
    _number("margin", "Nearest limit", "°C"),
    _number("age", "Data age", "s"),
]


def layout() -> Component:
    """The frame, filled by the callback."""
    grid = dag.AgGrid(
        id="servers",
        columnDefs=_COLUMNS,
        rowData=[],
        getRowId="params.data.name",
        defaultColDef={"filter": True, "sortable": True, "resizable": True, "flex": 1, "minWidth": 90, "wrapHeaderText": True},
        dashGridOptions={
            "theme": {"function": _THEME},
            "animateRows": False,
            "suppressCellFocus": False,
        },
        className="servers",
        style={"height": None},
    )
    return html.Div(
        [
            dcc.Interval(id="nodes-tick", interval=10_000),
            dcc.Store(id="nodes-fill"),
            html.Div(id="nodes-notice", className="notices"),
            frame.panel("Servers", grid, panel_id="servers-panel"),
        ],
        className="page servers-page",
    )


def register(app: Dash, services: Services) -> None:
    """The one callback."""

    @app.callback(
        Output("nodes-fill", "data"),
        Output("servers", "rowData"),
        Input("nodes-tick", "n_intervals"),
        Input("url", "search"),
    )
    async def present(_tick: int | None, search: str | None) -> tuple[Any, ...]:
        now = services.clock()
        try:
            hall = await services.hall()
        except CoreUnavailable as error:
            return filled({"nodes-notice": parts.blind(error)}), no_update
        age = parts.age(
            max(0.0, now - hall.taken_at), now, late_after=max(30.0, 3.0 * parse(search or "", now).refresh_seconds)
        )
        return filled({"nodes-notice": None, "servers-panel-age": age}), rows(hall, problems(hall))


def rows(hall: HallState, found: list[Problem]) -> list[dict[str, Any]]:
    """A row for each server of the inventory."""
    levels = by_node(found)
    first: dict[str, str] = {}
    for problem in found:
        first.setdefault(problem.node, problem.what if not problem.gpu else f"{problem.part}: {problem.what}")
    return [_row(server, levels.get(server.name, Level.OK), first.get(server.name, "")) for server in hall.nodes]


def _row(server: NodeState, level: Level, trouble: str) -> dict[str, Any]:
    busy = [entry.utilization_ratio for entry in server.gpus if entry.utilization_ratio is not None]
    margins = [entry.margin_celsius for entry in server.gpus if entry.margin_celsius is not None]
    if not margins and server.hottest_sensor:
        margins = [server.hottest_sensor.margin_celsius]
    installed = server.installed_gpus
    return {
        "name": server.name,
        "href": f"/node/{quote(server.name)}",
        "state": "No data" if server.age_seconds is None and not level else _WORDS[level],
        "trouble": trouble,
        "rack": server.entry.rack,
        "model": server.entry.model,
        "power": None if server.power_watts is None else server.power_watts / 1000,
        "gpus": f"{sum(entry.is_usable for entry in server.gpus)} of {installed}" if installed else "",
        "utilization": 100 * sum(busy) / len(busy) if busy else None,
        "margin": min(margins, default=None),
        "age": server.age_seconds,
    }
