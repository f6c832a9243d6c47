"""A recorded Redfish service behind HTTPS, with sessions, query options and the faults that real controllers show."""

import asyncio
import copy
import json
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

USER, PASSWORD = "monitor", "correct horse"
PREFIX = "/redfish/v1"


@dataclass(kw_only=True)
class Fault:
    """What happens instead of a good answer to paths that match; `times` counts down, None is for ever."""

    path: str
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    truncate: bool = False
    hang: bool = False
    method: str = "GET"
    times: int | None = None

    def matches(self, request: web.Request) -> bool:
        if self.times == 0 or request.method != self.method or not re.search(self.path, request.path):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def recorded(directory: Path) -> dict[str, Any]:
    """The documents of a recorded set by address."""
    documents = {}
    for path in directory.rglob("index.json"):
        address = "/" + path.parent.relative_to(directory).as_posix()
        if address != "/redfish":
            documents[address] = json.loads(path.read_text(encoding="utf-8"))
    return documents


def completed(documents: dict[str, Any]) -> dict[str, Any]:
    """A set of fragments with the root and the collections that lead to them, which the recording lacks."""
    found = dict(documents)
    root = found.setdefault(PREFIX, {"@odata.id": PREFIX, "Id": "RootService"})
    for name in ("Systems", "Chassis", "Managers"):
        members = sorted({"/".join(address.split("/")[:5]) for address in documents if address.startswith(f"{PREFIX}/{name}/")})
        for member in members:
            found.setdefault(member, {"@odata.id": member, "Id": member.rpartition("/")[2]})
            found[member].setdefault("@odata.id", member)
        if members:
            root.setdefault(name, {"@odata.id": f"{PREFIX}/{name}"})
            collection = {"@odata.id": f"{PREFIX}/{name}", "Members": [{"@odata.id": member} for member in members]}
            found.setdefault(f"{PREFIX}/{name}", collection)
    return found


@dataclass(kw_only=True, eq=False)
class Replay:
    """The service: what it holds, who is logged in, what was asked, what goes wrong."""

    documents: dict[str, Any]
    session_limit: int = 8
    require_login: bool = True
    refuse_expand: bool = False
    latency_seconds: float = 0.0
    events: list[str] = field(default_factory=list)
    rendered: dict[str, bytes] | None = None  # answers kept as they were first written, for measuring whoever asks
    faults: list[Fault] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    logins: int = 0
    gets: list[str] = field(default_factory=list)
    url: str = ""

    def body(self, path: str) -> Any:
        """The document at an address, for a test to change."""
        return self.documents[f"{PREFIX}/{path}".rstrip("/")]

    def forget_sessions(self) -> None:
        """As after a restart of the controller."""
        self.sessions.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        for fault in self.faults:
            if fault.matches(request):
                return await self._fail(fault, request)
        path = request.path.rstrip("/")
        if request.method == "POST" and path.endswith("/Sessions"):
            return await self._login(request)
        if request.method == "DELETE":
            return self._logout(path)
        if path != PREFIX and self.require_login and request.headers.get("X-Auth-Token") not in self.sessions:
            return _error(401, "SYS415", "The session is not valid.")
        return await self._answer(path, request)

    async def _answer(self, path: str, request: web.Request) -> web.StreamResponse:
        if path.endswith("/SSE") and self.events:
            return await self._push(request)
        if self.rendered is not None:
            return self._get_rendered(path, request, self.rendered)
        self.gets.append(request.path_qs)
        return self._get(path, request)

    async def _push(self, request: web.Request) -> web.StreamResponse:
        """Send the events and keep the connection open."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number, event in enumerate(self.events):
            await answer.write(f": heartbeat\r\nid: {number}\r\ndata: {event}\r\n\r\n".encode())
        await asyncio.Event().wait()
        return answer

    def _get_rendered(self, path: str, request: web.Request, rendered: dict[str, bytes]) -> web.Response:
        if request.path_qs not in rendered:
            answer = self._get(path, request)
            if answer.status != 200 or not isinstance(answer.body, bytes):
                return answer
            rendered[request.path_qs] = answer.body
        return web.Response(body=rendered[request.path_qs], content_type="application/json")

    def _get(self, path: str, request: web.Request) -> web.Response:
        document = self.documents.get(path)
        if document is None:
            return _error(404, "SYS403", f"The resource {path} is not found.")
        if self.refuse_expand and "$expand" in request.query:
            return _error(400, "SYS428", "The query parameter is not supported.")
        if "$expand" in request.query:
            document = self._expand(document)
        if "$select" in request.query:
            wanted = request.query["$select"].split(",")
            document = {name: value for name, value in document.items() if name in wanted or name.startswith("@odata")}
        if "$filter" in request.query:
            since = request.query["$filter"].rpartition(" ")[2].strip("'")
            document = {**document, "Members": [each for each in document["Members"] if each.get("Created", "") >= since]}
        return web.json_response(document)

    def _expand(self, document: Any) -> Any:
        expanded = copy.copy(document)
        expanded["Members"] = [
            self.documents.get(member.get("@odata.id", ""), member) for member in document.get("Members", [])
        ]
        return expanded

    async def _login(self, request: web.Request) -> web.StreamResponse:
        self.logins += 1
        asked = await request.json()
        if (asked.get("UserName"), asked.get("Password")) != (USER, PASSWORD):
            return _error(401, "SYS415", "An invalid username and/or password is entered.")
        if len(self.sessions) >= self.session_limit:
            return _error(503, "RAC0218", "The maximum number of user sessions is reached.")
        token, number = secrets.token_hex(16), str(self.logins)
        self.sessions[token] = f"{PREFIX}/SessionService/Sessions/{number}"
        return web.json_response(
            {"@odata.id": self.sessions[token]}, status=201, headers={"X-Auth-Token": token, "Location": self.sessions[token]}
        )

    def _logout(self, path: str) -> web.StreamResponse:
        for token, address in list(self.sessions.items()):
            if address == path:
                del self.sessions[token]
                return web.json_response({})
        return _error(404, "SYS403", "no such session")

    async def _fail(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if fault.hang:
            await asyncio.Event().wait()
        body = fault.body if fault.body is not None else json.dumps(self.documents.get(request.path.rstrip("/"), {})).encode()
        if not fault.truncate:
            return web.Response(status=fault.status, body=body, headers={"Content-Type": "application/json", **fault.headers})
        answer = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.close()
        return answer


@asynccontextmanager
async def serving(replay: Replay, certificate: Path) -> AsyncIterator[Replay]:
    """Serve on a free port of 127.0.0.1 with the certificate and key of one PEM file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", replay.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        replay.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        yield replay
    finally:
        await runner.cleanup()


def error_body(message_id: str, message: str) -> bytes:
    """An error as an iDRAC words it."""
    info = [{"Message": message, "MessageId": f"IDRAC.2.9.{message_id}", "Severity": "Warning"}]
    return json.dumps(
        {"error": {"@Message.ExtendedInfo": info, "code": "Base.1.12.GeneralError", "message": "A general error"}}
    ).encode()


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The address of every member in a document."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in items:
        yield (*path, name)
        yield from leaves(below, (*path, name))


def _error(status: int, message_id: str, message: str) -> web.Response:
    return web.Response(status=status, body=error_body(message_id, message), content_type="application/json")
