"""All controllers over HTTPS in one process, each on a loopback address of its own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from simulator.bmc import errors, writes
from simulator.bmc.controller import Controller
from simulator.bmc.errors import Answer, refusal
from simulator.bmc.routes import ROOT, Document, Routes, routes_of
from simulator.bmc.service import SESSIONS
from simulator.certificates import Issued

OPEN_PATHS = frozenset({"/redfish", ROOT, f"{ROOT}/$metadata", f"{ROOT}/odata"})
HTML = '<?xml version="1.0" encoding="iso-8859-1"?>\n<html><head><title>403 - Forbidden</title></head><body></body></html>\n'
HANG_SECONDS = 3600.0
PAGE = 50


class Bmcs:
    """The listening side. `latency_seconds` is added to every answer."""

    def __init__(self, controllers: Mapping[str, Controller], port: int, latency_seconds: float = 0.0) -> None:
        """Controllers by address."""
        self.controllers = controllers
        self.port = port
        self.requests = 0
        self._latency = latency_seconds
        self._server = web.Server(self._handle, access_log=None)
        self._certificates: dict[str, Issued] = {}
        self._listening: dict[str, asyncio.Server] = {}

    async def start(self, certificates: Mapping[str, Issued]) -> None:
        """Listen on every controller's address."""
        self._certificates.update(certificates)
        for address in self.controllers:
            await self.listen(address)

    async def listen(self, address: str) -> None:
        """Let a controller accept connections (again)."""
        if address not in self._listening:
            context = self._certificates[address].context()
            loop = asyncio.get_running_loop()
            self._listening[address] = await loop.create_server(self._server, address, self.port, ssl=context, backlog=128)

    async def refuse(self, address: str) -> None:
        """Let a controller refuse connections, and drop those that it has."""
        server = self._listening.pop(address, None)
        if server is not None:
            server.close()
        for connection in list(self._server.connections):
            transport = connection.transport
            if transport is not None and transport.get_extra_info("sockname")[0] == address:
                transport.abort()

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        for server in self._listening.values():
            server.close()
        await self._server.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        transport = request.transport
        address = transport.get_extra_info("sockname")[0] if transport is not None else ""
        controller = self.controllers[address]
        if not controller.on and transport is not None:  # no feed, no controller
            transport.abort()
        if self._latency:
            await asyncio.sleep(self._latency)
        if (slow := controller.fault("bmc_slow")) is not None:
            await asyncio.sleep(slow.number("seconds"))
        if controller.fault("bmc_hang") is not None:
            await asyncio.sleep(HANG_SECONDS)
        if controller.fault("bmc_html") is not None:
            return web.Response(status=403, text=HTML, content_type="text/html")
        if (busy := controller.fault("bmc_unavailable")) is not None:
            answer = refusal(503, errors.NOT_READY)
            return _response(answer, {"Retry-After": str(round(busy.number("seconds")))})
        response = await self._answer(controller, request)
        if controller.fault("bmc_broken_json") is not None and isinstance(response.body, bytes):
            return web.Response(status=response.status, body=response.body[: len(response.body) * 2 // 3], headers=_HEADERS)
        if controller.fault("bmc_truncated") is not None and isinstance(response.body, bytes):
            return await _truncated(request, response.body)
        return response

    async def _answer(self, controller: Controller, request: web.BaseRequest) -> web.Response:
        path = request.path.rstrip("/") or "/"
        if path == SESSIONS and request.method == "POST":
            return await _login(controller, request)
        if path not in OPEN_PATHS and not _allowed(controller, request):
            return _response(refusal(401, errors.BAD_LOGIN))
        routes = routes_of(controller.model.key)
        if request.method in ("GET", "HEAD"):
            return _get(controller, routes, path, request.query_string)
        return _response(await _write(controller, routes, path, request))


async def _write(controller: Controller, routes: Routes, path: str, request: web.BaseRequest) -> Answer:
    missing = refusal(404, errors.NOT_FOUND, path)
    match request.method:
        case "PATCH" if path in routes:
            return writes.patch(controller, path, await _json(request))
        case "POST":
            return writes.act(controller, path) or missing
        case "DELETE" if path.startswith(f"{SESSIONS}/"):
            gone = controller.sessions.pop(path.rsplit("/", 1)[-1], None)
            return errors.success() if gone else missing
        case _:
            return refusal(405, errors.NOT_ALLOWED) if path in routes else missing


_HEADERS = {"OData-Version": "4.0", "Server": "Apache", "Content-Type": "application/json;odata.metadata=minimal;charset=utf-8"}


def _response(answer: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=answer.status, body=json.dumps(answer.body).encode(), headers={**_HEADERS, **(headers or {})})


async def _truncated(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={**_HEADERS, "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response


async def _json(request: web.BaseRequest) -> object:
    try:
        return json.loads(await request.read())
    except ValueError:
        return None


async def _login(controller: Controller, request: web.BaseRequest) -> web.Response:
    body = await _json(request)
    if not isinstance(body, dict):
        return _response(refusal(400, errors.BAD_JSON))
    if controller.full:
        return _response(refusal(503, errors.SESSIONS_FULL))
    refused = controller.fault("bmc_unauthorized") is not None
    session = None if refused else controller.login(str(body.get("UserName")), str(body.get("Password")))
    if session is None:
        return _response(refusal(401, errors.BAD_LOGIN))
    number = next(number for number, known in controller.sessions.items() if known is session)
    document = {
        "@odata.id": f"{SESSIONS}/{number}",
        "@odata.type": "#Session.v1_3_0.Session",
        "Id": number,
        "Name": "User Session",
        "UserName": session.user,
    }
    return _response(Answer(201, document), {"X-Auth-Token": session.token, "Location": f"{SESSIONS}/{number}"})


def _allowed(controller: Controller, request: web.BaseRequest) -> bool:
    if controller.fault("bmc_unauthorized") is not None:
        return False
    if controller.admits(request.headers.get("X-Auth-Token")):
        return True
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return (user, password) == controller.credentials


def _get(controller: Controller, routes: Routes, path: str, query_string: str) -> web.Response:
    write = routes.get(path)
    if write is None:
        return _response(refusal(404, errors.NOT_FOUND, path))
    document = write(controller)
    if query_string:
        document = _query(controller, routes, document, dict(parse_qsl(query_string)))
    return _response(Answer(200, document))


def _query(controller: Controller, routes: Routes, document: Document, query: Mapping[str, str]) -> Document:
    """The query parameters that the service root announces, as far as clients of power and heat use them."""
    members: list[Any] | None = document.get("Members")
    if members is not None:
        first = int(query.get("$skip", "0") or 0)
        last = first + int(query["$top"]) if query.get("$top", "").isdigit() else None
        members = members[first:last]
        if "$expand" in query:
            members = [
                routes[member["@odata.id"]](controller) if member["@odata.id"] in routes else member for member in members
            ]
        document = {**document, "Members": members}
    if wanted := query.get("$select"):
        names = {name.split("/")[0] for name in wanted.split(",")}
        document = {name: value for name, value in document.items() if name.startswith("@odata") or name in names}
    return document


def free_port(addresses: list[str], preferred: int) -> int:
    """A port that is free on every address: `preferred` if it can be, so that addresses stay the same from run to run."""
    for attempt in range(20):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((addresses[0], preferred if attempt == 0 else 0))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
        if all(_free(address, port) for address in addresses[1:]):
            return port
    raise OSError(
        f"no TCP port is free on all of {addresses[0]} .. {addresses[-1]}: does this system give 127.0.0.0/8 to loopback?"
    )


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
