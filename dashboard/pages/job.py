"""Job `/job/<id>`: how much energy did it take, and was that used well?"""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import alertsof, runhistory
from dashboard.components import charts, frame, jobevents, jobhead, jobhistory, jobtables, parts
from dashboard.components.jobhead import Seen
from dashboard.markup import Children, filled, tag
from dashboard.problems import Level
from dashboard.services import Services
from wattstat.api.energy import JobDetail, LedgerUnavailable
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import QueryError

_HEAT_LABEL = "Each GPU of the run over its time; the table below ranks them"


def layout(job_id: str) -> Component:
    """The frame, filled by the callbacks."""
    power = dmc.SegmentedControl(
        id="job-power-kind", value="all", size="sm", persistence=False,
        data=[{"value": "all", "label": "Together"}, {"value": "each", "label": "Each GPU"}],
    )  # fmt: skip
    heat = dmc.SegmentedControl(
        id="job-heat-metric", value="sm", size="sm", persistence=False,
        data=[{"value": key, "label": words_of[0]} for key, words_of in runhistory.HEAT.items()],
    )  # fmt: skip

    def panel(title: str, panel_id: str) -> Component:
        return frame.panel(title, html.Div(frame.skeleton(), id=f"{panel_id}-body"), panel_id=panel_id)

    return html.Div(
        [
            dcc.Interval(id="job-tick", interval=10_000),
            dcc.Store(id="job-beat"),
            dcc.Store(id="job-id", data=job_id),
            dcc.Store(id="job-fill"),
            html.Div(id="job-notice", className="notices"),
            html.Div([html.H1(job_id)], id="job-head", className="page-head"),
            html.Div([frame.skeleton() for _ in range(5)], id="job-figures", className="figures five"),
            html.Div([panel("Where the energy went", "job-split"), panel("Findings", "job-findings")], className="pair"),
            html.Div(
                [
                    frame.panel("Power over time", frame.graph("job-power", "Power of the run's GPUs over its time"),
                                panel_id="job-power-panel", tools=power),
                    frame.panel("Energy by hour", frame.graph("job-hours", "Energy of each hour of the run by part"),
                                panel_id="job-hours-panel"),
                ],
                className="pair charts",
            ),
            frame.panel("By rank over time", frame.graph("job-heat", _HEAT_LABEL),
                        panel_id="job-heat-panel", tools=heat),
            panel("GPUs", "job-gpus"),
            frame.panel("Alerts during the run",
                        [dcc.Store(id="job-alerts-fill"), html.Div(frame.skeleton(), id="job-alerts-body")],
                        panel_id="job-alerts"),
            frame.panel("During the run", [dcc.Store(id="job-events-fill"), html.Div(frame.skeleton(), id="job-events-body")],
                        panel_id="job-events"),
            html.Div(id="job-more", className="page-more"),
        ],
        className="page job-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """The callbacks: what the ledger says, and history."""

    @app.callback(
        Output("job-fill", "data"),
        Output("job-hours-data", "data"),
        Input("job-beat", "data"),
        Input("url", "search"),
        State("job-id", "data"),
    )
    async def present(_beat: int | None, search: str | None, job_id: str) -> tuple[dict[str, str], Any]:
        now = services.clock()
        try:
            detail = await services.ledger.job(job_id, runhistory.instance(search), runhistory.scheduler(search))
            alive, zone = await asyncio.gather(services.alive(), services.zone())
        except CoreUnavailable as error:
            return filled({"job-notice": parts.blind(error)}), no_update
        except (LedgerUnavailable, ValueError) as error:
            return filled(refusal("No ledger.", str(error), Level.CRITICAL)), no_update
        if detail is None:
            which = runhistory.instance(search)
            text = f"The ledger knows no job “{job_id}”" + (f" with the run “{which}”." if which else ".")
            return filled(refusal("Unknown job.", text, Level.WARNING)), no_update
        job = detail.job
        chart = await runhistory.chart_of(services, job, search or "")
        watts = alive.watts_of(job.scheduler, job.job_id)
        seen = Seen(now=now, zone=zone, search=search or "", watts=watts, span=(chart.span.start, chart.span.end))
        return filled(bodies(detail, seen)), {"figure": jobhistory.hour_figure(detail.hours, chart), "fill": {}}

    _register_history(app, services)
    _register_events(app, services)


def _register_history(app: Dash, services: Services) -> None:
    @app.callback(
        Output("job-power-data", "data"),
        Input("job-beat", "data"),
        Input("url", "search"),
        Input("job-power-kind", "value"),
        State("job-id", "data"),
    )
    async def power(_beat: int | None, search: str | None, kind: str, job_id: str) -> Any:
        found = await runhistory.known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        try:
            drawn = await (runhistory.each_power if kind == "each" else runhistory.power)(services, detail, chart)
        except QueryError as error:
            return charts.failed(error, chart, "job-power-panel-age")
        return {"figure": drawn, "fill": {}}

    @app.callback(
        Output("job-heat-data", "data"),
        Input("job-beat", "data"),
        Input("url", "search"),
        Input("job-heat-metric", "value"),
        State("job-id", "data"),
    )
    async def heat(_beat: int | None, search: str | None, metric: str, job_id: str) -> Any:
        found = await runhistory.known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        try:
            drawn = await runhistory.heat(services, detail, chart, metric)
        except QueryError as error:
            return charts.failed(error, chart, "job-heat-panel-age")
        return {"figure": drawn, "fill": {}, "heights": {"job-heat-panel": jobhistory.height(len(detail.gpus))}}


def _register_events(app: Dash, services: Services) -> None:
    @app.callback(
        Output("job-events-fill", "data"),
        Input("job-beat", "data"),
        Input("url", "search"),
        State("job-id", "data"),
    )
    async def events(_beat: int | None, search: str | None, job_id: str) -> Any:
        found = await runhistory.known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        try:
            history = await runhistory.events(services, detail, chart)
        except QueryError as error:
            return filled({"job-events-body": tag("p", f"History does not answer: {error}", class_="empty")})
        listed = jobevents.listed(jobevents.events(history, detail.gpus), chart.now, chart.zone)
        return filled({"job-events-body": listed})

    @app.callback(
        Output("job-alerts-fill", "data"),
        Input("job-beat", "data"),
        Input("url", "search"),
        State("job-id", "data"),
    )
    async def alerts(_beat: int | None, search: str | None, job_id: str) -> Any:
        found = await runhistory.known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        return filled({"job-alerts-body": await alertsof.of_run(services, detail, search or "", chart.zone)})


def refusal(title: str, text: str, level: Level) -> dict[str, Children]:
    """The page where there is nothing to show."""
    blank = tag("p", "Nothing to show.", class_="empty")
    found: dict[str, Children] = {"job-notice": parts.notice(title, text, level), "job-figures": None, "job-more": None}
    return found | {f"{panel}-body": blank for panel in ("job-split", "job-findings", "job-gpus", "job-alerts", "job-events")}


def bodies(detail: JobDetail, seen: Seen) -> dict[str, Children]:
    """What each panel holds."""
    job = detail.job
    return {
        "job-notice": None,
        "job-head": jobhead.head(job, seen),
        "job-figures": jobhead.figures(detail, seen),
        "job-split-body": jobhead.split(detail, seen),
        "job-findings-body": jobhead.findings(detail),
        "job-gpus-body": jobtables.gpus(detail, seen.search),
        "job-more": [
            jobtables.section("What it served", jobtables.inference(detail.inference)) if detail.inference else None,
            jobtables.section("Other runs of this job", jobtables.other_runs(detail.other_runs, seen))
            if detail.other_runs
            else None,
        ],
    }
