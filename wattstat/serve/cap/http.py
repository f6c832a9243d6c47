"""`GET /cap` and `POST /cap`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import structlog
from aiohttp import web

from collectors.frame.errors import CollectError
from wattstat.serve.cap.guard import Answer, Guard
from wattstat.serve.cap.order import InvalidOrder, parse

# A driver in trouble takes seconds for a call; core asks again before that.
ANSWER_SECONDS = 5.0

log = structlog.get_logger(__name__)


Check = Callable[[web.Request], None]


def routes(guard: Guard, may_see: Check, may_order: Check) -> list[web.RouteDef]:
    """The calls. The checks raise for those who may not."""

    async def show(request: web.Request) -> web.Response:
        may_see(request)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return _json(Answer(status=200, document=await guard.view()))
        except (TimeoutError, CollectError) as error:
            raise _slow(error) from error

    async def order(request: web.Request) -> web.Response:
        may_order(request)
        if not guard.enabled:
            raise web.HTTPForbidden(text="agent.caps is false here: this agent sets no limits\n")
        try:
            wanted = parse(json.loads(await request.read()))
        except InvalidOrder as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        except (ValueError, RecursionError) as error:
            raise web.HTTPBadRequest(text=f"the body is not JSON: {error}\n") from error
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await guard.accept(wanted)
        except (TimeoutError, CollectError) as error:
            raise _slow(error) from error
        return _json(answer)

    return [web.get("/cap", show), web.post("/cap", order)]


def _slow(error: Exception) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(text=f"the driver does not answer: {error or 'no answer in time'}\n")


def _json(answer: Answer) -> web.Response:
    text = json.dumps(answer.document, separators=(",", ":"))
    return web.Response(status=answer.status, text=text, content_type="application/json")
