"""Somebody with a pager: keeps the messages that the site sends, and when it was last told that all is well."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

KEPT = 500


class Pager:
    """A webhook as Apprise's `json://` calls it, and the far end of a dead-man's switch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._messages: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._beats = 0
        self._last_beat: float | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """POST and GET /pager, GET /heartbeat (called by the site) and GET /heartbeats (for whoever watches)."""
        return (
            web.post("/pager", self._take),
            web.get("/pager", self._show),
            web.get("/heartbeat", self._beat),
            web.get("/heartbeats", self._beats_so_far),
        )

    async def _take(self, request: web.Request) -> web.Response:
        message = await request.json()
        self._messages.append({"at": self._clock(), "title": message.get("title", ""), "message": message.get("message", "")})
        return web.json_response({})

    async def _show(self, _: web.Request) -> web.Response:
        return web.json_response({"items": list(self._messages)})

    async def _beat(self, _: web.Request) -> web.Response:
        self._beats, self._last_beat = self._beats + 1, self._clock()
        return web.json_response({})

    async def _beats_so_far(self, _: web.Request) -> web.Response:
        return web.json_response({"beats": self._beats, "last": self._last_beat})
