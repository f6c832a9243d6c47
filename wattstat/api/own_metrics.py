"""`/metrics/web`: what the web process says of itself, for a Prometheus that also scrapes core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from fastapi.responses import Response

from wattstat.exposition import CONTENT_TYPE

Text = Callable[[], Awaitable[str]]


def router(text: Text) -> APIRouter:
    """The route. `text` gives the exposition."""
    routes = APIRouter()

    @routes.get("/metrics/web", tags=["live"], summary="Metrics of the web process: alerts, delivery, health")
    async def metrics() -> Response:
        return Response(await text(), media_type=CONTENT_TYPE)

    return routes
