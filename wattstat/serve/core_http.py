"""Core's HTTP calls: for Prometheus and for the web process, not for people."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from wattstat.catalogue import ALL
from wattstat.catalogue.metric import Metric
from wattstat.exposition import CONTENT_TYPE
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory
from wattstat.serve import premises
from wattstat.serve.core import Core
from wattstat.serve.discovery import ROLES, http_sd
from wattstat.serve.probe import probe, probe_source


def application(core: Core) -> web.Application:
    """All routes of one core."""
    app = web.Application()
    calls = _Calls(core)
    app.add_routes(
        [
            web.get("/metrics", calls.metrics),
            web.get("/-/healthy", calls.healthy),
            web.get("/-/ready", calls.ready),
            web.get("/sd", calls.discovery),
            web.get("/probe", calls.probe),
            web.get("/live/hall", calls.hall),
            web.get("/live/inventory", calls.inventory),
            web.get("/live/collectors", calls.collectors),
            web.get("/live/ledger", calls.ledger),
            web.get("/live/racks", calls.premises(premises.racks)),
            web.get("/live/fabric", calls.premises(premises.fabric_now)),
            web.get("/live/storage", calls.premises(premises.storage_now)),
            web.get("/live/pdus", calls.premises(premises.pdus_now)),
            *(core.power.routes() if core.power is not None else ()),
        ]
    )
    return app


class _Calls:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._core.metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def healthy(self, request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def ready(self, request: web.Request) -> web.Response:
        """Ready once every target was tried: from then on a missing reading means something."""
        waiting = sum(status.success is None and status.supported for status, _ in self._core.runner.statuses())
        if waiting:
            return web.Response(status=503, text=f"waiting for the first answer of {waiting} tiers\n")
        return web.Response(text="ready\n")

    async def discovery(self, request: web.Request) -> web.Response:
        role = request.query.get("role", "")
        if role not in ("", *ROLES):
            return _json(
                {"title": "unknown role", "status": 400, "detail": f"{role!r} is none of {', '.join(ROLES)}"}, status=400
            )
        return _json(http_sd(self._core.inventory, role=role))

    async def probe(self, request: web.Request) -> web.Response:
        """Collect one target now, the way that multi-target exporters do."""
        try:
            source = probe_source(
                self._core.config, self._core.inventory, request.query.get("target", ""), request.query.get("module", "")
            )
        except ValueError as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(body=await probe(source, clock=self._core.clock), headers={"Content-Type": CONTENT_TYPE})

    async def hall(self, request: web.Request) -> web.Response:
        names = [name for name in request.query.get("metric", "").split(",") if name]
        unknown = [name for name in names if name not in ALL]
        if unknown:
            return _json({"title": "unknown metric", "status": 400, "detail": ", ".join(unknown)}, status=400)
        wanted = frozenset(ALL[name] for name in names) or None
        return _json(hall_document(self._core.hall.snapshot(), wanted, request.query.get("node")))

    async def inventory(self, request: web.Request) -> web.Response:
        return _json(self._core.inventory.model_dump(mode="json"))

    async def ledger(self, request: web.Request) -> web.Response:
        ledger = self._core.ledger
        return _json({"enabled": False} if ledger is None else {"enabled": True, **ledger.status()})

    def premises(
        self, made: Callable[[Snapshot, Inventory], dict[str, Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A call that answers with what is made of the hall and the inventory of this moment."""

        async def answer(_: web.Request) -> web.Response:
            return _json(made(self._core.hall.snapshot(), self._core.inventory))

        return answer

    async def collectors(self, request: web.Request) -> web.Response:
        items = []
        for status, open_until in self._core.runner.statuses():
            item = {name: getattr(status, name) for name in status.__dataclass_fields__}
            item["resource_errors"] = dict(status.resource_errors)
            items.append({**item, "circuit_open_until": open_until})
        return _json({"items": items, "total": len(items), "next": None})


def hall_document(snapshot: Snapshot, wanted: frozenset[Metric] | None, node: str | None) -> dict[str, Any]:
    """The part of a snapshot that was asked for, in the shape of /live/hall."""
    families: dict[str, dict[str, Any]] = {}
    for metric, blocks in snapshot.metrics().items():
        if wanted is not None and metric not in wanted:
            continue
        position = metric.labels.index("node") if node is not None and "node" in metric.labels else None
        if node is not None and position is None:
            continue
        samples = [
            [sample.labels, sample.value, round(snapshot.taken_at - block.taken_at, 3)]
            for block in blocks
            for sample in block.by_metric[metric]
            if position is None or sample.labels[position] == node
        ]
        if samples:
            families[metric.name] = {"labels": metric.labels, "samples": samples}
    return {"taken_at": snapshot.taken_at, "metrics": families}


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(document), status=status, content_type="application/json")
