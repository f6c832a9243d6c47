"""What the store says of one run: the questions behind its figures, over the run's own time or the one that was chosen."""

from __future__ import annotations

from dashboard import address, queries
from dashboard.components import jobevents, jobhistory
from dashboard.components.charts import Chart, Figure
from dashboard.services import Services
from dashboard.timerange import View, parse
from wattstat.api.energy import JobDetail, JobRow, LedgerUnavailable
from wattstat.api.live import CoreUnavailable
from wattstat.store.protocol import Series

HEAT = {
    "sm": ("SM active", queries.gpus_sm_active, "%"),
    "busy": ("Busy", queries.gpus_utilization, "%"),
    "tensor": ("Tensor", queries.gpus_tensor_active, "%"),
    "power": ("Power", queries.gpus_power, "W"),
}
_LEAST_SECONDS = 120.0
# A run is shown with a little before and after it, so that its edges are seen.
_MARGIN = 0.01


def instance(search: str | None) -> str | None:
    """Which run of the job an address means; None for the newest."""
    return address.given(search or "").get("instance") or None


def scheduler(search: str | None) -> str:
    """Whose job the address names; empty where one scheduler alone knows the id."""
    return address.given(search or "").get("scheduler", "")


async def known(services: Services, job_id: str, search: str | None) -> tuple[JobDetail, Chart] | None:
    """The run and its chart; None while neither ledger nor core says anything of it."""
    try:
        detail = await services.ledger.job(job_id, instance(search), scheduler(search))
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


def _coarse(chart: Chart, detail: JobDetail) -> Chart:
    """The same time with fewer points where the run has many GPUs: nobody sees a hundred thousand cells."""
    return chart.with_points(jobhistory.MOST_CELLS // max(1, len(detail.gpus)))


async def _ranked(services: Services, detail: JobDetail, expression: str, chart: Chart) -> list[Series | None]:
    return jobhistory.ranked(await _of_run(services, detail, expression, chart), detail.gpus)


async def _of_run(services: Services, detail: JobDetail, expression: str, chart: Chart) -> list[Series]:
    job = detail.job
    series = (await services.range(expression, chart.span)).series
    return jobhistory.within(series, job.start, chart.span.end if job.end is None else job.end)


async def heat(services: Services, detail: JobDetail, chart: Chart, metric: str) -> Figure:
    """Each GPU over time. Raises `QueryError`."""
    _, expression, unit = HEAT[metric]
    coarse = _coarse(chart, detail)
    series = await _ranked(services, detail, expression(detail.job.nodes, coarse.window), coarse) if detail.gpus else []
    return jobhistory.heat_map(series, detail.gpus, coarse, unit=unit)


async def power(services: Services, detail: JobDetail, chart: Chart) -> Figure:
    """All GPUs together, and the sum of their limits. Raises `QueryError`."""
    job = detail.job
    own = (await services.range(queries.job_power(job.scheduler, job.job_id, chart.window), chart.span)).series
    if not detail.gpus:
        return jobhistory.power_figure(own[0] if own else None, None, chart)
    coarse = _coarse(chart, detail)
    fractions = [each.fraction for each in detail.gpus]
    limit = jobhistory.total(await _ranked(services, detail, queries.gpus_limit(job.nodes), coarse), fractions)
    if own and own[0].times[0] <= max(job.start, chart.span.start) + _LEAST_SECONDS:
        return jobhistory.power_figure(own[0], limit, chart)
    # before core told the job's power there was only that of its GPUs
    series = await _ranked(services, detail, queries.gpus_power(job.nodes, coarse.window), coarse)
    whole = jobhistory.total(series, fractions)
    return jobhistory.power_figure(jobhistory.continued(whole, own[0]) if own else whole, limit, coarse)


async def each_power(services: Services, detail: JobDetail, chart: Chart) -> Figure:
    """A line a GPU. Raises `QueryError`."""
    coarse = _coarse(chart, detail)
    expression = queries.gpus_power(detail.job.nodes, coarse.window)
    series = await _ranked(services, detail, expression, coarse) if detail.gpus else []
    return jobhistory.each_figure(series, detail.gpus, coarse)


async def events(services: Services, detail: JobDetail, chart: Chart) -> jobevents.History:
    """What happened on the run's servers. Raises `QueryError`."""
    nodes = detail.job.nodes
    coarse = _coarse(chart, detail)
    span = coarse.span
    if not nodes:
        return jobevents.History(span=span)
    throttled, xids, lost, limits, caps = [
        await _of_run(services, detail, expression, coarse)
        for expression in (
            queries.gpus_throttled(nodes, coarse.window), queries.gpus_xids(nodes, coarse.window), queries.gpus_lost(nodes),
            queries.gpus_limit(nodes), queries.nodes_cap(nodes),
        )
    ]  # fmt: skip
    return jobevents.History(span=span, throttled=throttled, xids=xids, lost=lost, limits=limits, caps=caps)
