"""Servers `/nodes`: every server as a row, to sort, to filter and to go to."""

from __future__ import annotations

from urllib.parse import quote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import frame, parts
from dashboard.markup import Markup, filled, tag
from dashboard.problems import Level, Problem, by_node, problems
from dashboard.services import Services
from dashboard.state import HallState, NodeState
from dashboard.timerange import parse
from wattstat.api.live import CoreUnavailable

# What each column is called, and whether it holds numbers.
_HEADINGS = {
    "Server": False, "State": False, "Trouble": False, "Rack": False, "Model": False, "Power": True, "Usable GPUs": True,
    "Utilization": True, "Nearest limit": True, "Data age": True,
}  # fmt: skip


def layout() -> Component:
    """The frame, filled by the callback."""
    search = dmc.TextInput(
        id="servers-filter", size="sm", w="16rem", persistence=False, placeholder="Filter",
        **frame.aria(label="Show only servers with this text"),
    )  # fmt: skip
    body = html.Div(frame.skeleton(), id="servers", className="servers")
    return html.Div(
        [
            dcc.Interval(id="nodes-tick", interval=10_000),
            dcc.Store(id="nodes-beat"),
            dcc.Store(id="nodes-fill"),
            html.Div(id="nodes-notice", className="notices"),
            frame.panel("Servers", body, panel_id="servers-panel", tools=search),
        ],
        className="page servers-page",
    )


def register(app: Dash, services: Services) -> None:
    """The one callback."""

    @app.callback(Output("nodes-fill", "data"), Input("nodes-beat", "data"), Input("url", "search"))
    async def present(_beat: int | None, search: str | None) -> dict[str, str]:
        now = services.clock()
        try:
            hall = await services.hall()
        except CoreUnavailable as error:
            return filled({"nodes-notice": parts.blind(error)})
        age = parts.age(
            max(0.0, now - hall.taken_at), now, late_after=max(30.0, 3.0 * parse(search or "", now).refresh_seconds)
        )
        return filled({
            "nodes-notice": None, "servers-panel-age": age, "servers": servers_table(hall, problems(hall), search or ""),
        })  # fmt: skip


def servers_table(hall: HallState, found: list[Problem], search: str) -> Markup:
    """A row for each server of the inventory; assets/servers.js sorts them by what stands in `data-by`, and filters them."""
    levels = by_node(found)
    first: dict[str, str] = {}
    for problem in found:
        first.setdefault(problem.node, problem.what if not problem.gpu else f"{problem.part}: {problem.what}")
    rows = [_row(server, levels.get(server.name, Level.OK), first.get(server.name, ""), search) for server in hall.nodes]
    head = [
        tag("th", tag("button", name, type="button"), scope="col", class_="number" if is_number else None)
        for name, is_number in _HEADINGS.items()
    ]
    return tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table sortable")


def _row(server: NodeState, level: Level, trouble: str, search: str) -> Markup:
    busy = [entry.utilization_ratio for entry in server.gpus if entry.utilization_ratio is not None]
    margins = [entry.margin_celsius for entry in server.gpus if entry.margin_celsius is not None]
    if not margins and server.hottest_sensor:
        margins = [server.hottest_sensor.margin_celsius]
    is_silent = server.age_seconds is None and not level
    state = tag("span", "No data", class_="badge") if is_silent else parts.badge(level)
    link = tag("a", server.name, href=f"/node/{quote(server.name)}{search}", data_link=True, class_="row-link")
    usable = sum(entry.is_usable for entry in server.gpus) if server.installed_gpus else None
    kilowatts = None if server.power_watts is None else server.power_watts / 1000
    return tag("tr", [
        tag("th", link, scope="row"),
        tag("td", state, data_by=-1 if is_silent else int(level)),
        tag("td", trouble, class_="trouble"),
        tag("td", server.entry.rack),
        tag("td", server.entry.model),
        _number(kilowatts, "kW", 2),
        tag("td", "" if usable is None else f"{usable} of {server.installed_gpus}", class_="number",
            data_by="" if usable is None else usable),
        _number(100 * sum(busy) / len(busy) if busy else None, "%"),
        _number(min(margins, default=None), "°C"),
        _number(server.age_seconds, "s"),
    ], class_="server-row")  # fmt: skip


def _number(value: float | None, unit: str, digits: int = 0) -> Markup:
    """A number with its unit; an absent one is a dash and sorts last."""
    if value is None:
        return tag("td", words.NOTHING, class_="number", data_by="")
    return tag("td", f"{value:,.{digits}f}\u202f{unit}", class_="number", data_by=f"{value:.6g}")
