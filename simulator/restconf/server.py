"""A switch's RESTCONF over HTTPS, for who shows its user and password."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any

from aiohttp import web

from simulator.faults import Faults
from simulator.plant.model import Plant, SwitchState
from simulator.restconf import os10, sonic

PORT = 8443
PREFIX = "/restconf/data/"
_TYPE = {"Content-Type": "application/yang-data+json"}


class RestconfServer:
    """Answers from the plant as it is now."""

    def __init__(self, plant: Plant, switch_name: str, faults: Faults, credentials: tuple[str, str]) -> None:
        """`credentials` are user and password."""
        self.requests = 0
        self._plant = plant
        self._name = switch_name
        self._faults = faults
        self._expected = f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self, context: ssl.SSLContext, *, port: int = PORT) -> None:
        """Listen on the switch's address; port 0 takes a free one, which `port` then tells."""
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=1)
        await self._runner.setup()
        address = self._plant.switch(self._name).address
        await web.TCPSite(self._runner, address, port, ssl_context=context).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        switch = self._plant.switch(self._name)
        if (not switch.up or self._fault("switch_gone")) and request.transport is not None:
            request.transport.abort()
        if self._fault("switch_unauthorized") or request.headers.get("Authorization") != self._expected:
            return _refusal(401, "access-denied", "protocol")
        if request.method != "GET":
            return _refusal(405, "operation-not-supported", "protocol")
        document = _document(switch, request.path.removeprefix(PREFIX)) if request.path.startswith(PREFIX) else None
        if document is None:
            return _refusal(404, "invalid-value", "application")
        body = json.dumps(document).encode()
        if self._fault("switch_broken_json"):
            body = body[: len(body) // 2]
        return web.Response(body=body, headers=_TYPE)

    def _fault(self, kind: str) -> bool:
        return self._faults.find(self._name, kind) is not None


def _document(switch: SwitchState, path: str) -> dict[str, Any] | None:
    if switch.system == "sonic" and (name := sonic.named(path)):
        return sonic.component(switch, name)
    route = (os10 if switch.system == "os10" else sonic).ROUTES.get(path.rstrip("/"))
    return None if route is None else route(switch)


def _refusal(status: int, tag: str, kind: str) -> web.Response:
    """As RFC 8040 writes errors."""
    errors = {"ietf-restconf:errors": {"error": [{"error-type": kind, "error-tag": tag}]}}
    return web.Response(status=status, body=json.dumps(errors).encode(), headers=_TYPE)
