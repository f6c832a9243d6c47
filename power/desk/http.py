"""The desk's calls in core's HTTP server, for the web process. Who asks is believed only with core's key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from power.desk.desk import Desk
from power.desk.refusal import Refusal
from wattstat import corecall
from wattstat.access import Caller, Role

Answering = Callable[[web.Request, Caller], Awaitable[Mapping[str, Any]]]


def routes(desk: Desk, key: bytes) -> list[web.RouteDef]:
    """All routes, under /power."""
    calls = _Calls(desk)
    table: tuple[tuple[str, str, Role, Answering], ...] = (("GET", "/power/status", Role.VIEWER, calls.status),)
    return [web.route(method, path, _answering(answer, needs, key)) for method, path, needs, answer in table]


def _answering(answer: Answering, needs: Role, key: bytes) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        try:
            return _json(await answer(request, _caller(request, needs, key)))
        except Refusal as refusal:
            return _json(refusal.document(), refusal.status)

    return handler


def _caller(request: web.Request, needs: Role, key: bytes) -> Caller:
    """Who asks. Raises `Refusal`: the web process has asked too, but this is the last door before the devices."""
    try:
        found = corecall.caller(request.headers, key)
    except corecall.NotTrusted as err:
        raise Refusal(403, "Not believed", str(err)) from err
    if found.role < needs:
        if found is corecall.NOBODY:
            detail = f"core takes orders from its own web process alone, by the header {corecall.KEY_HEADER}; ask that"
            raise Refusal(401, "Who are you?", detail)
        detail = f"this needs the role {needs.name.lower()}; {found.name} has {found.role.name.lower()}"
        raise Refusal(403, "Not allowed", detail)
    return found


class _Calls:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def status(self, request: web.Request, caller: Caller) -> Mapping[str, Any]:
        return self._desk.status()


def _json(document: Mapping[str, Any], status: int = 200) -> web.Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    return web.Response(text=json.dumps(document), status=status, content_type=kind)
