"""The Dash app inside the web process: header, routing, services."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import dash_mantine_components as dmc
import structlog
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse

from dashboard import alertbell
from dashboard.components import frame
from dashboard.index import FIRST_OVERVIEW, INDEX, Page
from dashboard.pages import alerts as alerts_page
from dashboard.pages import energy, fabric, job, jobs, node, nodes, overview, policies
from dashboard.pages import health as health_page
from dashboard.pages import power as power_page
from dashboard.pages import runbook as runbook_page
from dashboard.pages import storage as storage_page
from dashboard.services import Services
from dashboard.timerange import parse
from wattstat.api.alerts import AlertDesk
from wattstat.api.energy import EnergyReports
from wattstat.api.live import Live
from wattstat.api.power_calls import PowerCalls
from wattstat.api.power_routes import Rehearse
from wattstat.store.protocol import Store

log = structlog.get_logger(__name__)

RANGES = {
    "now-15m": "Last 15 minutes", "now-1h": "Last hour", "now-3h": "Last 3 hours", "now-6h": "Last 6 hours",
    "now-12h": "Last 12 hours", "now-24h": "Last 24 hours", "now-2d": "Last 2 days", "now-7d": "Last 7 days",
    "now-30d": "Last 30 days",
}  # fmt: skip
# Mantine's dark greys in the bluish tone of the stylesheet, lightest first.
_DARK = ["#e8edf3", "#b0bac6", "#919dab", "#5c6775", "#3b4654", "#262f3a", "#151b23", "#11161d", "#0d1117", "#090c11"]
REFRESHES = {"off": "Off", "2s": "2 s", "5s": "5 s", "10s": "10 s", "30s": "30 s", "1m": "1 min"}


def create(
    server: FastAPI,
    store: Store,
    live: Live,
    *,
    reports: EnergyReports | None = None,
    power: PowerCalls | None = None,
    rehearse: Rehearse | None = None,
    alerts: AlertDesk | None = None,
    clock: Callable[[], float] = time.time,
) -> Dash:
    """Mount the dashboard in the web process. Call it after every other route: it answers all paths that nobody else does.

    Without `reports` the pages of jobs and energy say that there is no ledger; without `power` nobody steers it here, without
    `alerts` nothing is evaluated.
    """
    app = Page(
        __name__,
        server=server,  # type: ignore[arg-type]  # Dash annotates what Flask is
        backend="fastapi",
        title="Wattstat",
        update_title="",
        index_string=INDEX,
        assets_folder=str(Path(__file__).parent / "assets"),
        suppress_callback_exceptions=True,  # pages bring their own components
        serve_locally=True,
        enable_mcp=False,
        on_error=_tell,
    )
    # Dash answers every path that nobody else does with its page; a script that mistypes a call must still be told so.
    server.add_api_route("/api/{rest:path}", _no_such_call, include_in_schema=False)
    services = Services(store, live, clock, reports, power, rehearse=rehearse, alerts=alerts)

    server.add_api_route("/jobs/{job_id:path}", _to_job, include_in_schema=False)

    async def first_overview(request: Request) -> dict[str, Any]:
        fill, hall_map = await overview.now(services, f"?{request.url.query}" if request.url.query else "")
        return {"fill": fill, "map": hall_map}

    server.add_api_route(FIRST_OVERVIEW, first_overview, include_in_schema=False, response_model=None)
    app.layout = shell()
    _register(app, services)
    overview.register(app, services)
    node.register(app, services)
    nodes.register(app, services)
    jobs.register(app, services)
    job.register(app, services)
    energy.register(app, services)
    power_page.register(app, services)
    policies.register(app, services)
    storage_page.register(app, services)
    fabric.register(app, services)
    alerts_page.register(app, services)
    health_page.register(app, services)
    runbook_page.register(app, services)
    alertbell.register(app, services)
    # Dash prepares itself at the first request of `/`; who came by a deep link before got a page without scripts and styles.
    app._setup_server()  # type: ignore[no-untyped-call]  # noqa: SLF001
    return app


async def _no_such_call(rest: str) -> None:
    raise HTTPException(404, f"There is no call /api/{rest}; /api/docs lists them.")


async def _to_job(job_id: str, request: Request) -> RedirectResponse:
    """Who writes a job's address by hand takes it for a part of the list's."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse((f"/job/{quote(job_id, safe='/+')}" if job_id else "/jobs") + query)


def shell() -> Component:
    """What stands on every page."""
    provider: Component = dmc.MantineProvider(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="visible", data=True),
            html.A("Skip to content", href="#page", className="skip"),
            header(),
            html.Main(id="page", tabIndex=-1),
            html.Div(id="tip", className="tip", role="tooltip"),
        ],
        defaultColorScheme="auto",
        theme={
            "primaryColor": "blue",
            "fontFamily": "Inter, system-ui, sans-serif",
            "defaultRadius": "sm",
            "colors": {"dark": _DARK},
        },
    )
    return provider


def header() -> Component:
    """Name, pages, time range, refresh, colour scheme."""
    return html.Header(
        [
            dcc.Link([html.Span(className="logo"), "Wattstat"], href="/", className="brand", id="home"),
            html.Nav(id="crumbs", className="crumbs", **frame.aria(label="Pages")),
            html.Div(className="spring"),
            *alertbell.layout(),
            dmc.Select(
                id="range", value="now-6h", data=[{"value": value, "label": label} for value, label in RANGES.items()],
                allowDeselect=False, size="sm", w="11rem", persistence=False, comboboxProps={"shadow": "md"},
                **frame.aria(label="Time range"),
            ),
            dmc.Select(
                id="refresh", value="10s", data=[{"value": value, "label": label} for value, label in REFRESHES.items()],
                allowDeselect=False, size="sm", w="6rem", persistence=False, **frame.aria(label="Refresh every"),
            ),
            dmc.ColorSchemeToggle(
                id="scheme", lightIcon=html.Span(className="icon sun"), darkIcon=html.Span(className="icon moon"),
                variant="default", size="lg", **frame.aria(label="Dark or light"),
            ),
        ],
        className="top",
    )  # fmt: skip


def _register(app: Dash, services: Services) -> None:
    @app.callback(Output("page", "children"), Input("url", "pathname"), State("url", "search"))
    def route(pathname: str | None, search: str | None) -> Component:
        parts = [unquote(part) for part in (pathname or "/").split("/") if part]
        return _page(parts, search or "", services.clock()) or _nothing_here(pathname or "")

    for function, outputs, inputs in _CLIENTSIDE:
        app.clientside_callback(ClientsideFunction("wattstat", function), *outputs, *inputs)  # type: ignore[no-untyped-call]


def _page(parts: list[str], search: str, now: float) -> Component | None:
    """The page of a path; None where there is none."""
    whole: dict[tuple[str, ...], Callable[[], Component]] = {
        (): lambda: overview.layout(parse(search, now)),
        ("nodes",): nodes.layout,
        ("jobs",): lambda: jobs.layout(search),
        ("energy",): energy.layout,
        ("power",): power_page.layout,
        ("policies",): policies.layout,
        ("storage",): storage_page.layout,
        ("fabric",): fabric.layout,
        ("alerts",): alerts_page.layout,
        ("health",): health_page.layout,
    }
    if tuple(parts) in whole:
        return whole[tuple(parts)]()
    if len(parts) == 2 and parts[0] in _OF_ONE:
        return _OF_ONE[parts[0]](parts[1])
    # an id may hold slashes: a pod's is namespace/pod
    return job.layout("/".join(parts[1:])) if parts[0] == "job" and len(parts) > 1 else None


_OF_ONE: dict[str, Callable[[str], Component]] = {"node": node.layout, "runbooks": runbook_page.layout}
_PAGES_WITH_TICKS = (
    "overview",
    "node",
    "nodes",
    "jobs",
    "job",
    "energy",
    "power",
    "policies",
    "storage",
    "fabric",
    "alerts",
    "health",
    "runbook",
    "bell",
)
_FILLED = (*_PAGES_WITH_TICKS, "job-events", "job-alerts", "power-whatif")
_CHARTS = (
    "power-chart",
    "power-where",
    "power-over-time",
    "power-duration",
    "node-power",
    "node-gpus",
    "jobs-scatter",
    "job-power",
    "job-hours",
    "job-heat",
    "storage-path",
    "fabric-errors",
    "alert-evidence",
)

# What the browser works out by itself: a function of assets/, what it sets, what it depends on.
_CLIENTSIDE: list[tuple[str, Sequence[Output], Sequence[Input | State]]] = [
    (
        "controls",
        [Output("range", "value"), Output("range", "data"), Output("refresh", "value")],
        [Input("url", "pathname"), Input("url", "search"), Input("range", "value"),
         Input("refresh", "value"), State("range", "data")],
    ),
    ("crumbs", [Output("crumbs", "children"), Output("home", "href")], [Input("url", "pathname"), Input("url", "search")]),
    ("map", [Output("map-legend", "children")], [Input("map-data", "data"), Input("map-metric", "value")]),
    *[
        ("tick", [Output(f"{page}-tick", "interval"), Output(f"{page}-tick", "disabled")],
         [Input("visible", "data"), Input("url", "search")])
        for page in _PAGES_WITH_TICKS
    ],
    *[("beat", [Output(f"{page}-beat", "data")], [Input(f"{page}-tick", "n_intervals")]) for page in _PAGES_WITH_TICKS],
    ("filters", [Output("jobs-q", "value"), Output("jobs-state", "value")],
     [Input("url", "search"), Input("jobs-q", "value"), Input("jobs-state", "value")]),
    ("open", [], [Input("jobs-scatter", "clickData")]),
    *[("policySaid", [], [Input(f"{page}-said", "data")]) for page in ("policies", "alerts")],
    ("policyAddress", [Output("policies-opened", "data")], [Input("policies-beat", "data"), Input("url", "search")]),
    *[("fill", [], [Input(f"{page}-fill", "data")]) for page in _FILLED],
    *[("draw", [Output(chart, "figure")], [Input(f"{chart}-data", "data")]) for chart in _CHARTS],
]  # fmt: skip


def _nothing_here(pathname: str) -> Component:
    return html.Div(
        [html.H1("There is no such page"), html.P([html.Code(pathname), " is none of Wattstat's pages."]),
         dcc.Link("To the overview", href="/")],
        className="page lost",
    )  # fmt: skip


def _tell(error: Exception) -> None:
    """Say what failed: Dash answers 500 and keeps the reason to itself. The page keeps what it shows and its age grows."""
    log.error("a page could not be drawn", exc_info=error)
    raise error
