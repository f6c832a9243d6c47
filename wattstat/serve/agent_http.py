"""The agent's HTTP calls: for Prometheus, for core, and for prologs. Those that change a device stand in `cap/`, guarded."""

from __future__ import annotations

import asyncio
import functools
import hmac
import json
import math
import os

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from wattstat.exposition import CONTENT_TYPE
from wattstat.serve.agent import Agent
from wattstat.serve.cap.http import routes as cap_routes
from wattstat.serve.journal.boundary import InvalidBoundary, told
from wattstat.serve.journal.peer import user_of

_WORTH_PACKING = 4096  # bytes
_MOST_BYTES = 65536
_WHO_MAY = "root or the agent's user on this machine, or with the token of agent.token_file"
# A liveness probe has no token, and learns nothing; who may tell boundaries or set caps is looked at more closely.
_OPEN = frozenset({"/-/healthy", "/boundary", "/cap"})


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

    async def boundary(request: web.Request) -> web.Response:
        _check_teller(agent.token, request)
        try:
            told_boundary = told(await request.json())
        except InvalidBoundary as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"the body is not JSON: {error}\n") from error
        placed = await agent.note(told_boundary)
        return web.json_response({"id": placed.note.id, "joules": placed.note.joules})

    app = web.Application(client_max_size=_MOST_BYTES, middlewares=[_guard(agent.token)] if agent.token else [])
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/-/healthy", healthy),
            web.get("/readings", readings),
            web.get("/journal", journal),
            web.post("/boundary", boundary),
            *cap_routes(
                agent.caps, functools.partial(_check_viewer, agent.token), functools.partial(_check_orderer, agent.token)
            ),
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


def _check_teller(token: str | None, request: web.Request) -> None:
    if not _may_act(request, token):
        raise web.HTTPForbidden(text=f"boundaries are told by {_WHO_MAY}\n")


def _check_orderer(token: str | None, request: web.Request) -> None:
    if not _may_act(request, token):
        raise web.HTTPForbidden(text=f"caps are set by {_WHO_MAY}\n")


def _check_viewer(token: str | None, request: web.Request) -> None:
    if token is not None and not _may_act(request, token):
        raise web.HTTPUnauthorized(text="the bearer token is missing or wrong\n", headers={"WWW-Authenticate": "Bearer"})


def _may_act(request: web.Request, token: str | None) -> bool:
    """Whether somebody may tell of jobs, or set caps: root and the agent's own user on this machine, and who has the token."""
    if token is not None and _has_token(request, token):
        return True
    peer, ours = (request.get_extra_info(name) for name in ("peername", "sockname"))
    return bool(peer and ours) and user_of((peer[0], peer[1]), (ours[0], ours[1])) in {0, os.geteuid()}


def _has_token(request: web.Request, token: str) -> bool:
    return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())


def _guard(token: str) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _OPEN and not _has_token(request, token):
            raise web.HTTPUnauthorized(text="the bearer token is missing or wrong\n", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return guard
