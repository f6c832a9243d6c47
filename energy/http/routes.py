"""The public calls about energy: jobs, reports, the balance of the books, and plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse

from energy.http import plan_routes, shapes, wire
from energy.http.asked import asked, only_known
from wattstat.api.energy import By, EnergyReports, JobQuery, Report
from wattstat.api.problems import Problem
from wattstat.api.times import EXPECTED, BadTime, Span, moment, span
from wattstat.config.energy import Energy

CSV_PAGE = 20_000
"""Lines of a report that are read at once while CSV is written."""

Sort = Literal[
    "start", "end", "energy", "cost", "carbon", "gpus", "duration", "sm_active", "idle", "name", "user", "account",
    "-start", "-end", "-energy", "-cost", "-carbon", "-gpus", "-duration", "-sm_active", "-idle", "-name", "-user", "-account",
]  # fmt: skip

_BEGINNING = f"Beginning: {EXPECTED}."
From = Annotated[str | None, Query(alias="from", description=f"{_BEGINNING} Seven days ago unless given.")]
To = Annotated[str | None, Query(description="End, itself not included; written like `from`. Now unless given.")]
Month = Annotated[str | None, Query(description="A whole month instead of from and to: 2026-11, this-month or last-month.")]
Cursor = Annotated[str, Query(description="The `next` of the page before.")]


def router(
    reports: EnergyReports,
    settings: Energy | None = None,
    *,
    learn_from: EnergyReports | None = None,
    zone: tzinfo = UTC,
    clock: Callable[[], float] = time.time,
) -> APIRouter:
    """All routes. Their functions are plain ones, so that FastAPI calls them in threads: the reports block.

    `zone` is the site's, in which dates and months begin; `settings` hold prices and PUE for plans. Plans learn from dozens of
    jobs of `learn_from`, where `reports` ask more for each job than the books know.
    """
    routes = APIRouter(tags=["energy"], dependencies=[Depends(only_known)])
    routes.include_router(plan_routes.router(learn_from or reports, settings or Energy(), clock))

    def spanned(start: str | None, end: str | None, month: str | None = None) -> Span:
        try:
            return span(start, end, month=month, now=clock(), zone=zone)
        except BadTime as err:
            raise Problem(400, "No such time", str(err)) from err

    @routes.get("/api/jobs", summary="Runs of jobs with their energy, cost and carbon", responses=shapes.JOBS)
    def jobs(
        *,
        start: Annotated[str | None, Query(alias="from", description=_BEGINNING)] = None,
        to: Annotated[str | None, Query(description="End, itself not included; written like `from`.")] = None,
        user: Annotated[str, Query(description="Only this user's.")] = "",
        account: Annotated[str, Query(description="Only this account's.")] = "",
        partition: Annotated[str, Query(description="Only of this partition (or namespace).")] = "",
        scheduler: Annotated[str, Query(description="Only this scheduler's, such as slurm or slurm:cluster.")] = "",
        node: Annotated[str, Query(description="Only those that held this node.")] = "",
        state: Annotated[str, Query(description="Only in this state, such as running, completed or failed.")] = "",
        search: Annotated[str, Query(description="Only with this in id, name, user or account.")] = "",
        sort: Annotated[Sort, Query(description="By what; `-` in front descends.")] = "-start",
        limit: Annotated[int, Query(ge=1, le=1000, description="How many on a page.")] = 50,
        cursor: Cursor = "",
    ) -> Response:
        """A run belongs to a span when it was alive in it; without `from` and `to` all runs are listed.

        A job that was requeued has several runs, told apart by `instance`.
        """
        query = JobQuery(
            start=_moment(start, "from", clock, zone),
            end=_moment(to, "to", clock, zone),
            user=user,
            account=account,
            partition=partition,
            scheduler=scheduler,
            node=node,
            state=state,
            search=search,
            sort=sort,
            limit=limit,
            cursor=cursor,
        )
        return JSONResponse(wire.jobs(asked(lambda: reports.jobs(query))))

    # An id may hold slashes: a pod's is namespace/pod.
    @routes.get("/api/jobs/{job_id:path}", summary="Everything about one run of a job", responses=shapes.JOB)
    def job(
        job_id: str,
        instance: Annotated[str | None, Query(description="Which run of the job; the newest unless given.")] = None,
        scheduler: Annotated[str, Query(description="Whose job, where several schedulers know the id.")] = "",
    ) -> Response:
        """The job's row, and under `detail` each GPU, each hour, findings with their evidence, other runs, inference."""
        found = asked(lambda: reports.job(job_id, instance, scheduler))
        if found is None:
            which = f"job {job_id!r}" if instance is None else f"run {instance!r} of job {job_id!r}"
            raise Problem(404, "No such job", f"the ledger knows no {which}; GET /api/jobs?search= finds ids")
        return JSONResponse(wire.detail(found))

    @routes.get("/api/energy/report", summary="Who used how much", responses=shapes.REPORT)
    def report(
        *,
        by: Annotated[By, Query(description="One line for each of these.")] = "account",
        start: From = None,
        to: To = None,
        month: Month = None,
        form: Annotated[Literal["json", "csv"], Query(alias="format", description="csv is always the whole report.")] = "json",
        limit: Annotated[int, Query(ge=1, le=10000, description="How many lines on a page.")] = 1000,
        cursor: Cursor = "",
    ) -> Response:
        """Lines for jobs, and for `(idle)` and `(overhead)`, so that all of them add up to what the meters counted.

        `total` is over the whole span, whichever page this is. Energies are joules; `facility_joules` has the PUE in it.
        """
        wanted = spanned(start, to, month)
        if form == "csv":
            return _as_csv(reports, by, wanted, zone)
        found = asked(lambda: reports.report(by, wanted.start, wanted.end, limit=limit, cursor=cursor))
        return JSONResponse(wire.report(found))

    @routes.get("/api/energy/balance", summary="Whether the books agree with the meters", responses=shapes.BALANCE)
    def balance(
        *,
        start: From = None,
        to: To = None,
        month: Month = None,
        node: Annotated[str, Query(description="Only this node.")] = "",
        by: Annotated[Literal["node", "day"], Query(description="One line for each of these.")] = "node",
    ) -> Response:
        """`measured_joules` comes from the meters' readings, the rest from the postings; the residual is the difference."""
        wanted = spanned(start, to, month)
        return JSONResponse(wire.balance(asked(lambda: reports.balance(wanted.start, wanted.end, node=node, by=by)), by))

    return routes


def _moment(text: str | None, name: str, clock: Callable[[], float], zone: tzinfo) -> float | None:
    if not text:
        return None
    try:
        return moment(text, name=name, now=clock(), zone=zone)
    except BadTime as err:
        raise Problem(400, "No such time", str(err)) from err


def _as_csv(reports: EnergyReports, by: By, wanted: Span, zone: tzinfo) -> Response:
    first = asked(lambda: reports.report(by, wanted.start, wanted.end, limit=CSV_PAGE))

    def pages() -> Iterator[Report]:
        page = first
        yield page
        while page.next is not None:
            page = reports.report(by, wanted.start, wanted.end, limit=CSV_PAGE, cursor=page.next)
            yield page

    name = f"wattstat-{by}-{_day(wanted.start, zone)}-{_day(wanted.end, zone)}.csv"
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(wire.csv_lines(pages()), media_type="text/csv; charset=utf-8", headers=headers)


def _day(seconds: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(seconds, zone).strftime("%Y%m%d")
