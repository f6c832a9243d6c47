"""What others are asked for pages: nobody waits long for the answer, and where it is late the one before stands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from alerts.delivery.apprise_sender import NotSent
from alerts.model import Clock

WAIT_SECONDS = 1.0
"""So long a page waits for an answer that has always come; for one that was late or refused the last time, not at all."""

T = TypeVar("T")


class Asked(Generic[T]):
    """The newest answer of `ask`, which raises `NotSent`. It is asked again when the answer is older than `kept_seconds`."""

    def __init__(self, ask: Callable[[], Awaitable[T]], clock: Clock, *, kept_seconds: float) -> None:
        self._ask, self._clock, self._kept = ask, clock, kept_seconds
        self._task: asyncio.Task[T] | None = None
        self._began = self._tried_at = float("-inf")
        self._refused = ""
        self.answer: T | None = None
        """None until there was one."""
        self.answered_at: float | None = None

    @property
    def problem(self) -> str:
        """Why the answer is not of now; empty where it is."""
        if self._task is not None and not self._task.done() and self._waited() >= WAIT_SECONDS:
            return self._refused or f"it has not answered for {self._waited():.0f} s"
        return self._refused

    async def newest(self) -> T | None:
        """The answer as far as it is known in time."""
        now = self._clock()
        if self._task is None and (now - self._tried_at >= self._kept or now < self._tried_at):
            self._tried_at, self._began = now, asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._asking())
        if self._task is not None and not self.problem:
            # Beside the task, which goes on when this one is cancelled: others wait for the same answer.
            await asyncio.wait({self._task}, timeout=max(WAIT_SECONDS - self._waited(), 0))
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            self._take(task)
        return self.answer

    def forget(self) -> None:
        """Somebody has changed what is asked for: ask anew, and wait for it."""
        self._tried_at = float("-inf")
        self._refused = ""

    async def close(self) -> None:
        """Wait for nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def _asking(self) -> T:
        return await self._ask()

    def _take(self, task: asyncio.Task[T]) -> None:
        try:
            self.answer = task.result()
        except NotSent as err:
            self._refused = str(err)
        else:
            self._refused, self.answered_at = "", self._clock()

    def _waited(self) -> float:
        return asyncio.get_running_loop().time() - self._began
