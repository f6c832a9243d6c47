"""The public calls about what is now: inventory, nodes, collectors; and core's own calls, forwarded."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response

from wattstat.api.live import Live
from wattstat.api.problems import Problem
from wattstat.api.times import rfc3339

_TIMES = frozenset({"last_success", "failing_since", "circuit_open_until"})


def router(live: Live) -> APIRouter:
    """Routes that read core's live state."""
    routes = APIRouter()

    @routes.get("/api/inventory", tags=["live"], summary="What stands in the hall")
    async def inventory() -> dict[str, Any]:
        return await live.inventory()

    @routes.get("/api/nodes", tags=["live"], summary="The servers of the inventory")
    async def nodes() -> dict[str, Any]:
        items = (await live.inventory())["nodes"]
        return {"items": items, "total": len(items), "next": None}

    @routes.get("/api/nodes/{node}", tags=["live"], summary="One server: its entry in the inventory and every live reading")
    async def node(node: str) -> dict[str, Any]:
        entry = next((each for each in (await live.inventory())["nodes"] if each["name"] == node), None)
        if entry is None:
            raise Problem(404, "No such node", f"the inventory lists no node {node!r}; GET /api/nodes lists all")
        snapshot = await live.hall(node=node)
        readings = {
            name: [{"labels": dict(each.labels), "value": each.value, "age_seconds": each.age_seconds} for each in samples]
            for name, samples in snapshot.metrics.items()
        }
        return {"node": entry, "taken_at": rfc3339(snapshot.taken_at), "readings": readings}

    @routes.get("/api/energy/ledger", tags=["energy"], summary="How the ledger itself is: what keeps it from books or prices")
    async def ledger() -> dict[str, Any]:
        return await live.ledger()

    @routes.get("/api/collectors", tags=["live"], summary="What each collector sees of each target")
    async def collectors(
        *, failing: Annotated[bool, Query(description="only tiers that do not succeed")] = False
    ) -> dict[str, Any]:
        states = [each for each in await live.collectors() if not failing or each.success is False]
        items = [{name: _told(name, getattr(each, name)) for name in each.__dataclass_fields__} for each in states]
        return {"items": items, "total": len(items), "next": None}

    return routes


def premises_router(live: Live) -> APIRouter:
    """Routes about what stands beside the servers: racks, switches, storage, power strips."""
    routes = APIRouter()

    @routes.get("/api/racks", tags=["live"], summary="Power of every rack: metered, summed, and how much of it is known")
    async def racks() -> dict[str, Any]:
        return await live.premises("racks")

    @routes.get("/api/fabric", tags=["live"], summary="Switches, cables, and the jobs that a failure touches")
    async def fabric() -> dict[str, Any]:
        return await live.premises("fabric")

    @routes.get("/api/storage", tags=["live"], summary="Storage clusters: capacity, throughput beside design, latency, health")
    async def storage() -> dict[str, Any]:
        return await live.premises("storage")

    @routes.get("/api/pdus", tags=["live"], summary="Metered power strips and their phases")
    async def pdus() -> dict[str, Any]:
        return await live.premises("pdus")

    return routes


def forwarding(live: Live) -> APIRouter:
    """Routes that hand core's own answers on."""
    routes = APIRouter()

    @routes.get("/metrics", tags=["prometheus"], summary="Core's exposition", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return _forwarded(*await live.text("/metrics"))

    @routes.get("/sd", tags=["prometheus"], summary="Targets as Prometheus' http_sd wants them")
    async def discovery(role: str = "") -> Response:
        return _forwarded(*await live.text("/sd", {"role": role}))

    @routes.get("/probe", tags=["prometheus"], summary="One collection of one target", response_class=PlainTextResponse)
    async def probe(target: str, module: str = "") -> Response:
        return _forwarded(*await live.text("/probe", {"target": target, "module": module}))

    @routes.get("/-/healthy", include_in_schema=False)
    async def healthy() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    @routes.get("/-/ready", include_in_schema=False)
    async def ready() -> Response:
        return _forwarded(*await live.text("/-/ready"))

    return routes


def _told(name: str, value: Any) -> Any:
    return rfc3339(value) if name in _TIMES else value


def _forwarded(status: int, content_type: str, body: str) -> Response:
    return Response(body, status_code=status, headers={"Content-Type": content_type})
