"""Who may do what in the web process: every request, the pages' callbacks included, passes here first.

What a request needs stands in `roles`, who makes it is told by `identity`. Code that answers asks `caller()`.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from urllib.parse import quote, urlsplit

import structlog
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wattstat.access import Caller, Role
from wattstat.api import login, roles
from wattstat.api.identity import Identity
from wattstat.api.problems import Problem, problem_response
from wattstat.config.access import Access
from wattstat.corecall import NOBODY
from wattstat.keyfile import KeyFileError

log = structlog.get_logger(__name__)

_caller: ContextVar[Caller] = ContextVar("wattstat_caller", default=NOBODY)

_HEADERS = {
    # Nobody may lay our emergency button under another page's.
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def caller() -> Caller:
    """Who made the request that is being answered, in routes and in callbacks of pages; nobody (a viewer) outside of one."""
    return _caller.get()


def require(role: Role) -> Caller:
    """The caller, who must have at least this role. Raises `Problem` (403)."""
    found = caller()
    if found.role < role:
        raise forbidden(found, role)
    return found


def forbidden(found: Caller, needed: Role) -> Problem:
    """What somebody is told who may not: which role is needed, which they have, and who can change that."""
    has, wants = found.role.name.lower(), needed.name.lower()
    how = {
        "local": "send a token of that role (`wattstat token NAME --role ROLE` makes one), or set access.local_role",
        "proxy": "have one of your groups listed under access.proxy.roles",
    }.get(found.via, "send a token of that role (`wattstat token NAME --role ROLE` makes one)")
    return Problem(403, "Not allowed", f"this needs the role {wants}; {found.name} is {_article(has)}; {how}")


def identity(settings: Access, data_dir: Path, *, open_to_viewers: bool = False) -> Identity:
    """Whoever tells callers apart. Raises `InvalidDocument` for a file of tokens that cannot be used."""
    return Identity(settings, data_dir, open_to_viewers=open_to_viewers)


def add_routes(app: FastAPI, who: Identity) -> None:
    """Login, logout and who one is. Call it before the pages are mounted, which answer every path that nobody else does."""
    app.include_router(login.router(who, caller))


def guard(app: FastAPI, who: Identity) -> None:
    """Put the gate before everything that the application answers. Call it last, so that nothing is outside of it."""
    app.add_middleware(Gate, identity=who)


class Gate:
    """ASGI middleware: finds out who asks, refuses who may not, and tells the rest of the process by `caller()`."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page speaks through a WebSocket, and none is guarded
            await send({"type": "websocket.close", "code": 1008, "reason": "not served"})
            return
        request = HTTPConnection(scope)
        try:
            found = self._admitted(request, scope["method"])
        except Problem as problem:
            await self._refused(request, scope["method"], problem)(scope, receive, _hardened(send))
            return
        token = _caller.set(found)
        try:
            await self._app(scope, receive, _hardened(send))
        finally:
            _caller.reset(token)

    def _admitted(self, request: HTTPConnection, method: str) -> Caller:
        """Who asks. Raises `Problem` for who may not."""
        path = request.scope["path"]
        needed = roles.least(method, path)
        if not roles.is_read(method, path):
            require_same_origin(request, self._identity.host(request))
        try:
            found = self._identity.caller(request)
        except KeyFileError as err:
            raise Problem(500, "Sessions cannot be read", str(err)) from err
        except Problem:
            if path not in roles.PUBLIC:
                raise
            found = None
        if needed is None:
            return found or NOBODY
        if found is None:
            raise Problem(
                401,
                "Who are you?",
                f"this needs the role {needed.name.lower()}; send `Authorization: Bearer TOKEN`, or log in at /login; "
                "callers on this machine need neither when they use its loopback address",
                headers={"WWW-Authenticate": 'Bearer realm="wattstat"'},
            )
        if found.role < needed:
            log.info("refused", caller=found.name, via=found.via, method=method, path=path[:200], needs=needed.name.lower())
            raise forbidden(found, needed)
        return found

    def _refused(self, request: HTTPConnection, method: str, problem: Problem) -> Response:
        """A problem document; a person whose browser asks for a page is led to the login instead."""
        path = request.scope["path"]
        is_page = method == "GET" and "text/html" in request.headers.get("accept", "") and not path.startswith("/api/")
        if problem.status == 401 and is_page:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"/login?next={quote(path + query, safe='/')}", status_code=303)
        return problem_response(problem)


def require_same_origin(request: HTTPConnection, host: str) -> None:
    """Refuse what another site's page makes a browser send. Who is no browser sends none of these headers. Raises `Problem`."""
    origin = request.headers.get("origin")
    if origin is not None:
        is_same = urlsplit(origin).netloc.lower() == host.lower() != ""
    else:
        # Browsers that send a cookie without saying whence are asked for the older header.
        site = request.headers.get("sec-fetch-site")
        is_same = site in {None, "same-origin", "none"} and not (site is None and "cookie" in request.headers)
    if not is_same:
        came = repr(origin[:100]) if origin is not None else "no Origin"
        raise Problem(
            403,
            "From another page",
            f"the request came from {came}, but this is {host[:100]!r}; a page acts only on its own site "
            "(behind a proxy that changes Host, list it under access.proxy.trusted and have it send X-Forwarded-Host)",
        )


def _hardened(send: Send) -> Send:
    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return hardened


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
