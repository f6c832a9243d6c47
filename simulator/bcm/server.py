"""CMDaemon's REST interface over HTTPS: for who shows a client certificate of its authority, or a user and password."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import ssl
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from simulator.bcm import documents
from simulator.bcm.machines import Shown
from simulator.certificates import Issued
from simulator.faults import Faults

ROOT = "/rest/v1"


class BcmServer:
    """Shows what `view` gives. Listens on `address`; `port` 0 takes one that is free.

    `authority` is the PEM file of who vouches for clients. `has_racks` and `has_status` tell what this release has.
    """

    def __init__(
        self,
        view: Callable[[], Shown],
        faults: Faults,
        *,
        authority: Path,
        credentials: tuple[str, str] | None = None,
        name: str = "bcm",
        address: str = "127.0.0.1",
        port: int = 8081,
        has_racks: bool = True,
        has_status: bool = True,
    ) -> None:
        self.name = name
        self.address = address
        self.port = port
        self.has_racks = has_racks
        self.has_status = has_status
        self.requests: deque[str] = deque(maxlen=200)
        self._view = view
        self._faults = faults
        self._authority = authority
        self._credentials = credentials
        self._server = web.Server(self._handle, access_log=None)
        self._listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{self.address}:{self.port}"

    async def start(self, certificate: Issued) -> None:
        """Listen with a certificate for the address."""
        context = certificate.context()
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(self._authority)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._server, self.address, self.port, ssl=context, backlog=32)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._server.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._fault("bcm_gone") and request.transport is not None:
            request.transport.abort()
        self.requests.append(f"{request.method} {request.path_qs}")
        if self._fault("bcm_unauthorized") or not self._knows(request):
            return web.Response(status=401, text="Unauthorized")
        found = self._found(request)
        if found is None:
            return web.Response(status=404, text="Not found")
        body = json.dumps(found).encode()
        if self._fault("bcm_broken_json"):
            body = body[: len(body) * 2 // 3]
        return web.Response(body=body, content_type="application/json")

    def _fault(self, kind: str) -> bool:
        return self._faults.find(self.name, kind) is not None

    def _knows(self, request: web.BaseRequest) -> bool:
        transport = request.transport
        if transport is not None and transport.get_extra_info("peercert"):
            return True
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or self._credentials is None:
            return False
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return (user, password) == self._credentials

    def _found(self, request: web.BaseRequest) -> Any:
        cluster = self._view()
        match request.path.rstrip("/").removeprefix(ROOT):
            case "/device":
                return documents.devices(cluster)
            case "/rack" if self.has_racks:
                return documents.racks(cluster)
            case "/status" if self.has_status:
                return documents.status(cluster)
            case "/monitoring/latest":
                return documents.latest(cluster, request.query.get("entity", ""), request.query.get("measurable", ""))
        return None
