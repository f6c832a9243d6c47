"""The management API of one cluster over HTTPS."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from simulator.certificates import Issued
from simulator.ecs import documents, series
from simulator.ecs.documents import Document
from simulator.ecs.tokens import Tokens
from simulator.faults import Faults
from simulator.plant.model import Cluster, Plant

FLUX = "/flux/api/external/v2/query"
TOKEN = "X-SDS-AUTH-TOKEN"  # noqa: S105 - the header's name
ZONE = "/dashboard/zones/localzone"
NAMESPACES = "/object/namespaces"
NOT_PERMITTED = {"code": 6401, "description": "Insufficient permissions", "retryable": False}


class EcsServer:
    """Shows `cluster_name` of the plant. Listens on the cluster's address; `port` 0 takes one that is free.

    `forbidden` are beginnings of paths that the user's role may not read. Time series have a point every `point_seconds`
    (300 in a real cluster); with 0 every question meets a fresh one.
    """

    def __init__(
        self,
        plant: Plant,
        cluster_name: str,
        faults: Faults,
        credentials: tuple[str, str],
        *,
        port: int = 4443,
        forbidden: tuple[str, ...] = (),
        point_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plant = plant
        self.name = cluster_name
        self.port = port
        self.forbidden = forbidden
        self.point_seconds = point_seconds
        self.tokens = Tokens(credentials, clock)
        self.requests: deque[str] = deque(maxlen=500)
        self._faults = faults
        self.queries: Counter[str] = Counter()
        self._points: dict[str, tuple[float, Document]] = {}
        self._counters = series.Counters(self.cluster, plant.now)
        self._server = web.Server(self._handle, access_log=None)
        self._listening: asyncio.Server | None = None

    @property
    def cluster(self) -> Cluster:
        """The cluster as it is now."""
        return self.plant.cluster(self.name)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{self.cluster.address}:{self.port}"

    async def start(self, certificate: Issued) -> None:
        """Listen with a certificate for the cluster's address."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            self._server, self.cluster.address, self.port, ssl=certificate.context(), backlog=32
        )
        self.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._server.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._fault("storage_gone") and request.transport is not None:
            request.transport.abort()
        self.requests.append(f"{request.method} {request.path_qs}")
        response = await self._answer(request)
        if (
            self._fault("storage_broken_json")
            and isinstance(response.body, bytes)
            and request.path not in {"/login", "/logout"}
        ):
            return _json_of(response.status, response.body[: len(response.body) * 2 // 3])
        return response

    def _fault(self, kind: str) -> bool:
        return self._faults.find(self.name, kind) is not None

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path, token = request.path.rstrip("/"), request.headers.get(TOKEN, "")
        if self._fault("storage_unauthorized"):
            self.tokens.end_all()
            return _refused()
        if path == "/login":
            return self._login(request)
        return await self._admitted(request, path) if self.tokens.use(token) else _refused()

    async def _admitted(self, request: web.BaseRequest, path: str) -> web.Response:
        if path == "/logout":
            self.tokens.logout(request.headers[TOKEN])
            return _json({"user": "monitor"})
        if path.startswith(self.forbidden or ("\0",)):
            return _json(NOT_PERMITTED, 500)
        if request.method == "POST":
            return self._post(path, await request.read())
        return self._get(path, dict(request.query))

    def _login(self, request: web.BaseRequest) -> web.Response:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return _refused()
        token = self.tokens.login(user, password) if scheme.lower() == "basic" else None
        if token is None:
            return _refused()
        response = _json({"user": user})
        response.headers[TOKEN] = token
        return response

    def _post(self, path: str, content: bytes) -> web.Response:
        try:
            body = json.loads(content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return _json({"code": 1013, "description": "Bad request body", "retryable": False}, 400)
        if path == FLUX and not documents.is_talkative(self.cluster):
            try:
                found = self._series(str(body.get("query", "")))
            except series.Refusal as refusal:
                return _json({"error": str(refusal)}, 500)
            return _json(found)
        if path == "/object/billing/namespace/info" and isinstance(body.get("id"), list):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.plant.now))
            return _json(documents.billing(self.cluster, [str(name) for name in body["id"]], at))
        return _missing()

    def _series(self, query: str) -> Document:
        """The newest points, which stay what they are until the next ones are written. Raises `Refusal`."""
        now = self.plant.now
        self.queries[query] += 1
        if not self.point_seconds:
            return series.answer(self.cluster, self._counters, now, query)
        at = now // self.point_seconds * self.point_seconds
        if self._points.get(query, (0.0, {}))[0] != at:
            self._points[query] = (at, series.answer(self.cluster, self._counters, now, query, at))
        return series.asked(self._points[query][1], now)

    def _get(self, path: str, query: dict[str, str]) -> web.Response:
        if path == NAMESPACES:
            limit = query.get("limit", "")
            return _json(documents.namespaces(int(limit) if limit.isdecimal() and int(limit) else 100, query.get("marker", "")))
        if path.startswith(f"{NAMESPACES}/namespace/") and path.endswith("/quota"):
            name = unquote(path.removeprefix(f"{NAMESPACES}/namespace/").removesuffix("/quota"))
            found = documents.quota(self.cluster, name)
            return _missing() if found is None else _json(found)
        write = self._written().get(path)
        return _missing() if write is None else _json(write())

    def _written(self) -> dict[str, Callable[[], Document]]:
        cluster, now = self.cluster, self.plant.now
        return {
            ZONE: lambda: documents.local_zone(cluster, now),
            f"{ZONE}/nodes": lambda: documents.nodes(cluster, now),
            f"{ZONE}/storagepools": lambda: documents.storage_pools(cluster, now),
            f"{ZONE}/replicationgroups": lambda: documents.replication_groups(cluster, now),
            f"{ZONE}/rglinksFailed": documents.failed_links,
            "/object/capacity": lambda: documents.capacity(cluster),
            "/vdc/nodes": lambda: documents.vdc_nodes(cluster),
        }


def _refused() -> web.Response:
    return web.Response(status=401, text="<html>HTTP Status 401</html>", content_type="text/html")


def _missing() -> web.Response:
    return _json({"code": 1004, "description": "Unable to find entity", "retryable": False}, 404)


def _json(document: Any, status: int = 200) -> web.Response:
    return _json_of(status, json.dumps(document).encode())


def _json_of(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
