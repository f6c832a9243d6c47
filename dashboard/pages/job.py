"""Job `/job/<id>`: how much energy did it take, and was that used well?"""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import address, queries
from dashboard.components import charts, frame, jobevents, jobhead, jobhistory, jobtables, parts
from dashboard.components.charts import Chart
from dashboard.components.jobhead import Seen
from dashboard.markup import Children, filled, tag
from dashboard.problems import Level
from dashboard.services import Services
from dashboard.timerange import View, parse
from wattstat.api.energy import JobDetail, JobRow, LedgerUnavailable
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import QueryError

_HEAT = {
    "sm": ("SM active", queries.gpus_sm_active, "%"),
    "busy": ("Busy", queries.gpus_utilization, "%"),
    "tensor": ("Tensor", queries.gpus_tensor_active, "%"),
    "power": ("Power", queries.gpus_power, "W"),
}
_HEAT_LABEL = "Each GPU of the run over its time; the table below ranks them"
_LEAST_SECONDS = 120.0
# A run is shown with a little before and after it, so that its edges are seen.
_MARGIN = 0.01


def layout(job_id: str) -> Component:
    """The frame, filled by the callbacks."""
    power = dmc.SegmentedControl(
        id="job-power-kind", value="all", size="sm", persistence=False,
        data=[{"value": "all", "label": "Together"}, {"value": "each", "label": "Each GPU"}],
    )  # fmt: skip
    heat = dmc.SegmentedControl(
        id="job-heat-metric", value="sm", size="sm", persistence=False,
        data=[{"value": key, "label": words_of[0]} for key, words_of in _HEAT.items()],
    )  # fmt: skip

    def panel(title: str, panel_id: str) -> Component:
        return frame.panel(title, html.Div(frame.skeleton(), id=f"{panel_id}-body"), panel_id=panel_id)

    return html.Div(
        [
            dcc.Interval(id="job-tick", interval=10_000),
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
        Input("job-tick", "n_intervals"),
        Input("url", "search"),
        State("job-id", "data"),
    )
    async def present(_tick: int | None, search: str | None, job_id: str) -> tuple[dict[str, str], Any]:
        now = services.clock()
        try:
            detail = await services.ledger.job(job_id, instance(search))
            alive, zone = await asyncio.gather(services.alive(), services.zone())
        except CoreUnavailable as error:
            return filled({"job-notice": parts.blind(error)}), no_update
        except (LedgerUnavailable, ValueError) as error:
            return filled({"job-notice": parts.notice("No ledger.", str(error))}), no_update
        if detail is None:
            text = f"The ledger knows no job “{job_id}”" + (f" with the run “{instance(search)}”." if instance(search) else ".")
            return filled({"job-notice": parts.notice("Unknown job.", text, Level.WARNING)}), no_update
        job = detail.job
        chart = await chart_of(services, job, search or "")
        watts = alive.watts_of(job.scheduler, job.job_id)
        seen = Seen(now=now, zone=zone, search=search or "", watts=watts, span=(chart.span.start, chart.span.end))
        return filled(bodies(detail, seen)), {"figure": jobhistory.hour_figure(detail.hours, chart), "fill": {}}

    _register_history(app, services)
    _register_events(app, services)


def _register_history(app: Dash, services: Services) -> None:
    @app.callback(
        Output("job-power-data", "data"),
        Input("job-tick", "n_intervals"),
        Input("url", "search"),
        Input("job-power-kind", "value"),
        State("job-id", "data"),
    )
    async def power(_tick: int | None, search: str | None, kind: str, job_id: str) -> Any:
        found = await known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        try:
            drawn = await _each(services, detail, chart) if kind == "each" else await _together(services, detail, chart)
        except QueryError as error:
            return charts.failed(error, chart, "job-power-panel-age")
        return {"figure": drawn, "fill": {}}

    @app.callback(
        Output("job-heat-data", "data"),
        Input("job-tick", "n_intervals"),
        Input("url", "search"),
        Input("job-heat-metric", "value"),
        State("job-id", "data"),
    )
    async def heat(_tick: int | None, search: str | None, metric: str, job_id: str) -> Any:
        found = await known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        _, expression, unit = _HEAT[metric]
        coarse = chart.with_points(jobhistory.MOST_CELLS // max(1, len(detail.gpus)))
        try:
            answer = await services.range(expression(detail.job.nodes, coarse.window), coarse.span) if detail.gpus else None
        except QueryError as error:
            return charts.failed(error, coarse, "job-heat-panel-age")
        series = jobhistory.ranked(answer.series if answer else (), detail.gpus)
        return {"figure": jobhistory.heat_map(series, detail.gpus, coarse, unit=unit), "fill": {}}


def _register_events(app: Dash, services: Services) -> None:
    @app.callback(
        Output("job-events-fill", "data"),
        Input("job-tick", "n_intervals"),
        Input("url", "search"),
        State("job-id", "data"),
    )
    async def events(_tick: int | None, search: str | None, job_id: str) -> Any:
        found = await known(services, job_id, search)
        if found is None:
            return no_update
        detail, chart = found
        try:
            history = await _history(services, detail, chart)
        except QueryError as error:
            return filled({"job-events-body": tag("p", f"History does not answer: {error}", class_="empty")})
        listed = jobevents.listed(jobevents.events(history, detail.gpus), chart.now, chart.zone)
        return filled({"job-events-body": listed})


async def _history(services: Services, detail: JobDetail, chart: Chart) -> jobevents.History:
    """What the store says of the run's servers. Raises `QueryError`."""
    nodes = detail.job.nodes
    coarse = chart.with_points(jobhistory.MOST_CELLS // max(1, len(detail.gpus)))
    span = coarse.span
    if not nodes:
        return jobevents.History(span=span)
    throttled, xids, lost, limits, caps = [
        (await services.range(expression, span)).series
        for expression in (
            queries.gpus_throttled(nodes, coarse.window), queries.gpus_xids(nodes, coarse.window), queries.gpus_lost(nodes),
            queries.gpus_limit(nodes), queries.nodes_cap(nodes),
        )
    ]  # fmt: skip
    return jobevents.History(span=span, throttled=throttled, xids=xids, lost=lost, limits=limits, caps=caps)


def instance(search: str | None) -> str | None:
    """Which run of the job an address means; None for the newest."""
    return address.given(search or "").get("instance") or None


async def known(services: Services, job_id: str, search: str | None) -> tuple[JobDetail, Chart] | None:
    """The run and its chart; None while neither ledger nor core says anything of it."""
    try:
        detail = await services.ledger.job(job_id, instance(search))
        return None if detail is None else (detail, await chart_of(services, detail.job, search or ""))
    except (LedgerUnavailable, CoreUnavailable, ValueError):
        return None  # the page's notice says so


async def chart_of(services: Services, job: JobRow, search: str) -> Chart:
    """The chosen time, or the run's own where none is chosen. Raises `CoreUnavailable`."""
    now = services.clock()
    zone = await services.zone()
    given = address.given(search)
    if "from" in given or "to" in given:
        view = parse(search, now)
        revision = f"{view.from_text} {view.to_text}"
        return Chart(span=view.span(now, zone), zone=zone, revision=revision, now=now, is_live=view.to_text == "now")
    end = now if job.end is None else job.end
    margin = max(_LEAST_SECONDS, (end - job.start) * _MARGIN)
    until = now if job.end is None else min(now, end + margin)
    view = View(from_text=address.stamp(job.start - margin), to_text=address.stamp(max(until, job.start + _LEAST_SECONDS)))
    return Chart(span=view.span(now, zone), zone=zone, revision="run", now=now, is_live=job.end is None)


async def _together(services: Services, detail: JobDetail, chart: Chart) -> charts.Figure:
    job = detail.job
    own = (await services.range(queries.job_power(job.scheduler, job.job_id, chart.window), chart.span)).series
    coarse = chart.with_points(jobhistory.MOST_CELLS // max(1, len(detail.gpus)))
    if not detail.gpus:
        return jobhistory.power_figure(own[0] if own else None, None, chart)
    fractions = [each.fraction for each in detail.gpus]
    limits = (await services.range(queries.gpus_limit(job.nodes), coarse.span)).series
    limit = jobhistory.total(jobhistory.ranked(limits, detail.gpus), fractions)
    if own:
        return jobhistory.power_figure(own[0], limit, chart)
    # before core told the job's power there was only that of its GPUs
    series = (await services.range(queries.gpus_power(job.nodes, coarse.window), coarse.span)).series
    return jobhistory.power_figure(jobhistory.total(jobhistory.ranked(series, detail.gpus), fractions), limit, coarse)


async def _each(services: Services, detail: JobDetail, chart: Chart) -> charts.Figure:
    if not detail.gpus:
        return jobhistory.each_figure((), (), chart)
    coarse = chart.with_points(jobhistory.MOST_CELLS // len(detail.gpus))
    series = (await services.range(queries.gpus_power(detail.job.nodes, coarse.window), coarse.span)).series
    return jobhistory.each_figure(jobhistory.ranked(series, detail.gpus), detail.gpus, coarse)


def bodies(detail: JobDetail, seen: Seen) -> dict[str, Children]:
    """What each panel holds."""
    job = detail.job
    return {
        "job-notice": None,
        "job-head": jobhead.head(job, seen),
        "job-figures": jobhead.figures(job, seen),
        "job-split-body": jobhead.split(job, seen),
        "job-findings-body": jobhead.findings(detail),
        "job-gpus-body": jobtables.gpus(detail.gpus, seen.search),
        "job-more": [
            jobtables.section("What it served", jobtables.inference(detail.inference)) if detail.inference else None,
            jobtables.section("Other runs of this job", jobtables.other_runs(detail.other_runs, seen))
            if detail.other_runs
            else None,
        ],
    }
