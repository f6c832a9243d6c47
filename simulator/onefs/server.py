"""The OneFS API of one cluster over HTTPS: sessions with CSRF, statistics, nodes, capacity; lists in pages."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simulator.certificates import Issued
from simulator.faults import Faults
from simulator.onefs import documents, statistics
from simulator.onefs.sessions import Session, Sessions
from simulator.plant.model import Cluster, Plant

SESSION = "/session/1/session"
SECTIONS = ("sensors", "status", "state", "drives", "hardware")
# What asks for a part of a list, beside the list's own filters.
_PAGE = 1000


class OneFsServer:
    """Shows `cluster_name` of the plant. Listens on the cluster's address; `port` 0 takes one that is free.

    `most_per_page` lowers what a page of a list may hold. `power_sensor` tells whether the nodes' sensors have watts.
    """

    def __init__(
        self,
        plant: Plant,
        cluster_name: str,
        faults: Faults,
        credentials: tuple[str, str],
        *,
        port: int = 8080,
        power_sensor: bool = True,
        most_per_page: int = _PAGE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plant = plant
        self.name = cluster_name
        self.port = port
        self.power_sensor = power_sensor
        self.most_per_page = most_per_page
        self.sessions = Sessions(credentials, clock)
        self.requests: deque[str] = deque(maxlen=200)
        self._faults = faults
        self._usual: Mapping[str, float] = {}
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
        self.requests.append(f"{request.method} {request.path_qs}")
        if self._fault("storage_gone") and request.transport is not None:
            request.transport.abort()
            return web.Response(status=503)  # nobody reads it any longer
        response = await self._answer(request)
        if self._fault("storage_broken_json") and isinstance(response.body, bytes):
            return _json_of(response.status, response.body[: len(response.body) * 2 // 3])
        return response

    def _fault(self, kind: str) -> bool:
        return self._faults.find(self.name, kind) is not None

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        path = request.path.rstrip("/")
        cookie = request.cookies.get("isisessid", "")
        if path == SESSION and request.method == "POST":
            return await self._login(request)
        if self._fault("storage_unauthorized"):
            self.sessions.end_all()
        session = self.sessions.use(cookie)
        if session is None or not _same_site(request, session):
            return _refusal(401, "AEC_UNAUTHORIZED", "Authorization required.")
        if path == SESSION:
            return self._of_session(request.method, cookie, session)
        if request.method != "GET":
            return _refusal(405, "AEC_METHOD_NOT_ALLOWED", f"Method {request.method} is not allowed.")
        return self._get(path, dict(request.query))

    async def _login(self, request: web.BaseRequest) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        if not isinstance(body, dict) or "platform" not in (body.get("services") or ()):
            return _refusal(400, "AEC_BAD_REQUEST", "Expected username, password and services.")
        refused = self._fault("storage_unauthorized")
        found = None if refused else self.sessions.login(body.get("username"), body.get("password"))
        if found is None:
            return _refusal(401, "AEC_UNAUTHORIZED", "Username or password is incorrect.")
        cookie, session = found
        response = _json(201, self._told(session))
        response.set_cookie("isisessid", cookie, path="/", httponly=True, secure=True, samesite="Strict")
        response.set_cookie("isicsrf", session.csrf, path="/", secure=True, samesite="Strict")
        return response

    def _of_session(self, method: str, cookie: str, session: Session) -> web.Response:
        if method == "DELETE":
            self.sessions.end(cookie)
            return web.Response(status=204)
        return _json(200, self._told(session))

    def _told(self, session: Session) -> Mapping[str, Any]:
        return {
            "services": ["platform", "namespace"],
            "timeout_absolute": int(self.sessions.absolute_seconds),
            "timeout_inactive": int(self.sessions.idle_seconds),
            "username": session.user,
        }

    def _get(self, path: str, query: dict[str, str]) -> web.Response:
        nodes = {f"/platform/3/cluster/nodes/all/{section}": section for section in SECTIONS}
        lists: Mapping[str, tuple[str, Callable[[dict[str, str]], list[Any]]]] = {
            "/platform/1/statistics/keys": ("keys", lambda _: list(map(statistics.key_document, sorted(statistics.KEYS)))),
            "/platform/3/event/eventgroup-occurrences": ("eventgroups", self._events),
            "/platform/1/quota/quotas": ("quotas", lambda _: documents.quotas(self.cluster)),
        }
        if path in nodes:
            return _json(200, documents.nodes(self.cluster, nodes[path], power_sensor=self.power_sensor))
        if path in lists:
            return self._page(query, *lists[path])
        answer = self._answers().get(path)
        if answer is None:
            return _refusal(404, "AEC_NOT_FOUND", f"Path not found: {path}")
        return answer(query)

    def _answers(self) -> Mapping[str, Callable[[dict[str, str]], web.Response]]:
        cluster = self.cluster
        return {
            "/platform/3/cluster/config": lambda _: _json(200, documents.config(cluster)),
            "/platform/1/statistics/current": self._statistics,
            "/platform/3/statistics/summary/protocol": lambda _: _json(200, self._protocols()),
            "/platform/3/storagepool/storagepools": lambda _: _json(200, documents.storage_pools(cluster)),
            "/platform/1/snapshot/snapshots-summary": lambda _: _json(200, documents.snapshots(cluster)),
        }

    def _statistics(self, query: dict[str, str]) -> web.Response:
        wanted = [name for name in query.get("keys", "").split(",") if name]
        unknown = [name for name in wanted if name not in statistics.KEYS]
        if not wanted:
            return _refusal(400, "AEC_BAD_REQUEST", "No keys were requested.")
        if unknown and query.get("degraded") != "true":
            return _refusal(404, "AEC_NOT_FOUND", f"Unable to find key {unknown[0]}")
        return _json(200, {"stats": statistics.current(self.cluster, wanted, self.plant.now)})

    def _protocols(self) -> documents.Document:
        if self._fault("storage_slow_metadata"):
            return documents.protocol_summary(self.cluster, self.plant.now, self._usual)
        self._usual = dict(self.cluster.latency)
        return documents.protocol_summary(self.cluster, self.plant.now)

    def _events(self, query: dict[str, str]) -> list[Any]:
        found = documents.events(self.cluster)
        for name in ("resolved", "ignore"):
            if name in query:
                found = [each for each in found if each[name] is (query[name] == "true")]
        return found

    def _page(self, query: dict[str, str], name: str, items: Callable[[dict[str, str]], list[Any]]) -> web.Response:
        """A page of a list. A token of `resume` carries all that was asked for at first, and stands alone."""
        first = 0
        if "resume" in query:
            if len(query) > 1:
                return _refusal(400, "AEC_BAD_REQUEST", "resume cannot be used with other arguments")
            try:
                carried = json.loads(base64.urlsafe_b64decode(query["resume"]))
                first, query = int(carried["first"]), dict(carried["query"])
            except (binascii.Error, ValueError, KeyError, TypeError):
                return _refusal(400, "AEC_BAD_REQUEST", "resume: this token is not one of ours")
        found = items(query)
        limit = query.get("limit", str(_PAGE))
        last = first + min(int(limit) if limit.isdecimal() and int(limit) else _PAGE, self.most_per_page)
        token = None
        if last < len(found):
            token = base64.urlsafe_b64encode(json.dumps({"first": last, "query": query}).encode()).decode()
        return _json(200, {name: found[first:last], "resume": token, "total": len(found)})


def _same_site(request: web.BaseRequest, session: Session) -> bool:
    """Whether a request with a session's cookie comes from who has the session: it has the token, and names the site."""
    return request.headers.get("X-CSRF-Token") == session.csrf and request.headers.get("Referer", "").startswith(
        f"https://{request.host}"
    )


def _refusal(status: int, code: str, message: str) -> web.Response:
    return _json(status, {"errors": [{"code": code, "message": message}]})


def _json(status: int, document: object) -> web.Response:
    return _json_of(status, json.dumps(document).encode())


def _json_of(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
