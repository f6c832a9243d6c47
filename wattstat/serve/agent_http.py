"""The agent's HTTP calls: for Prometheus and for core. Whatever comes to change a device will stand beside them, guarded."""

from __future__ import annotations

import asyncio
import hmac
import json
import math

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from wattstat.exposition import CONTENT_TYPE
from wattstat.serve.agent import Agent

_WORTH_PACKING = 4096  # bytes
_OPEN = frozenset({"/-/healthy"})  # a liveness probe has no token, and learns nothing


def application(agent: Agent) -> web.Application:
    """All routes of one agent."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=agent.metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readings(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(agent.readings(), separators=(",", ":")), content_type="application/json")

    async def journal(request: web.Request) -> web.Response:
        after, step = _number(request, "after"), _number(request, "step")
        cursor = None if after is None else int(after)
        document = agent.journal.document(after=cursor, boot=request.query.get("boot"), step=step or 0.0)
        body = await asyncio.to_thread(json.dumps, document, separators=(",", ":"))
        response = web.Response(text=body, content_type="application/json")
        if len(body) > _WORTH_PACKING:
            response.enable_compression()
        return response

    app = web.Application(middlewares=[_guard(agent.token)] if agent.token else [])
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/-/healthy", healthy),
            web.get("/readings", readings),
            web.get("/journal", journal),
        ]
    )
    return app


def _number(request: web.Request, name: str) -> float | None:
    """A parameter that is a number of 0 or more, or None where it is not given."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise web.HTTPBadRequest(text=f"{name}={text}: expected a number of 0 or more\n")
    return value


def _guard(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").encode()
        if request.path not in _OPEN and not hmac.compare_digest(shown, expected):
            raise web.HTTPUnauthorized(text="the bearer token is missing or wrong\n", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return guard
