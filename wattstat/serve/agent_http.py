"""The agent's HTTP calls: for Prometheus and for core. Whatever comes to change a device will stand beside them, guarded."""

from __future__ import annotations

import hmac
import json

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from wattstat.exposition import CONTENT_TYPE
from wattstat.serve.agent import Agent

_OPEN = frozenset({"/-/healthy"})  # a liveness probe has no token, and learns nothing


def application(agent: Agent) -> web.Application:
    """All routes of one agent."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=agent.metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readings(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(agent.readings(), separators=(",", ":")), content_type="application/json")

    app = web.Application(middlewares=[_guard(agent.token)] if agent.token else [])
    app.add_routes([web.get("/metrics", metrics), web.get("/-/healthy", healthy), web.get("/readings", readings)])
    return app


def _guard(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").encode()
        if request.path not in _OPEN and not hmac.compare_digest(shown, expected):
            raise web.HTTPUnauthorized(text="the bearer token is missing or wrong\n", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return guard
