"""The public call about inference services."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, tzinfo

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from energy.http import shapes, wire
from energy.http.asked import only_known
from energy.http.routes import From, Month, To
from energy.reports.services import services
from wattstat.api.energy import EnergyReports, LedgerUnavailable
from wattstat.api.problems import Problem
from wattstat.api.times import BadTime, span
from wattstat.store.protocol import QueryError, Store


def router(reports: EnergyReports, store: Store, *, zone: tzinfo = UTC, clock: Callable[[], float] = time.time) -> APIRouter:
    """Its one route."""
    routes = APIRouter(tags=["energy"], dependencies=[Depends(only_known)])

    @routes.get("/api/energy/services", summary="Joules per request and per 1,000 tokens", responses=shapes.SERVICES)
    async def report(start: From = None, to: To = None, month: Month = None) -> Response:
        """A line for each model of each inference service, with the joules of the jobs that ran it.

        Models of one job share its joules by their tokens; all of the job's energy is in it, that of waiting included.
        """
        now = clock()
        try:
            wanted = span(start, to, month=month, now=now, zone=zone)
        except BadTime as error:
            raise Problem(400, "No such time", str(error)) from error
        if wanted.start >= now:
            raise Problem(400, "No such time", "from: lies in the future; expected a time before now")
        try:
            found = await services(store, reports, wanted.start, min(wanted.end, now))
        except (QueryError, LedgerUnavailable) as error:
            raise Problem(503, "The history or the ledger is not available", str(error)) from error
        body = wire.told(found)
        return JSONResponse({"from": body.pop("start"), "to": body.pop("end"), **body})

    return routes
