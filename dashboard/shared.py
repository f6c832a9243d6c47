"""Answers that many viewers want are asked for once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

_MOST_KEPT = 256

T = TypeVar("T")


class Shared:
    """Keeps answers for their time to live; whoever asks while the same question is under way waits for that answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, key: Hashable, seconds: float, ask: Callable[[], Awaitable[T]]) -> T:
        """The kept answer, or a new one. Failures are passed on to all who wait, and not kept."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is None or kept[0] < now or kept[1].get_loop() is not asyncio.get_running_loop():
            self._make_room(now)
            kept = (now + seconds, asyncio.ensure_future(ask()))
            self._kept[key] = kept
        try:
            # shielded: one viewer who leaves must not cancel the answer for the others
            answer: T = await asyncio.shield(kept[1])
        except BaseException:  # a failed or cancelled answer must not be kept; it is raised again
            if self._kept.get(key) is kept and kept[1].done():
                del self._kept[key]
            raise
        return answer

    def forget(self, is_old: Callable[[Hashable], bool]) -> None:
        """Answers that somebody has just made wrong."""
        self._kept = {key: kept for key, kept in self._kept.items() if not is_old(key)}

    def _make_room(self, now: float) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] >= now or not kept[1].done()}
        if len(self._kept) >= _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
