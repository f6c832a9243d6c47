"""One server's orders, one after another. What comes while one is under way is merged: of each device the newest value counts.

A lane is a task of its own, so that a slow server delays nobody and a caller who gives up stops no write half-way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from power.actuators.orders import merged
from power.model import Fence, NodeOrder, Receipt

Receipts = tuple[Receipt, ...]
Attempt = Callable[[NodeOrder, Fence, int], Awaitable[tuple[Receipts, NodeOrder | None]]]
"""Does an order once; returns the receipts and what of it is to be tried again."""


class Lane:
    """The orders of one server."""

    def __init__(self, attempt: Attempt, pause: Callable[[int], float]) -> None:
        self._attempt = attempt
        self._pause = pause
        self._order: NodeOrder | None = None
        self._fence: Fence | None = None
        self._callers: list[asyncio.Future[Receipts]] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether an order is under way."""
        return self._task is not None and not self._task.done()

    def put(self, order: NodeOrder, fence: Fence) -> asyncio.Future[Receipts]:
        """Take an order; the future gets all receipts of what it was merged into."""
        self._order, self._fence = merged(self._order, order), fence
        caller: asyncio.Future[Receipts] = asyncio.get_running_loop().create_future()
        self._callers.append(caller)
        self._news.set()
        if not self.busy:
            self._task = asyncio.create_task(self._run())
        return caller

    async def close(self, seconds: float) -> None:
        """Take no more, and wait for a write that is under way; what waits for another try is given up."""
        self._order = None
        self._news.set()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=seconds)
            for task in late:
                task.cancel()
        self._answer((), self._callers)

    async def _run(self) -> None:
        while self._order is not None and self._fence is not None:
            order, fence, callers = self._order, self._fence, self._callers
            self._order, self._callers = None, []
            try:
                await self._carry(order, fence, callers)
            finally:
                self._answer((), callers)

    async def _carry(self, order: NodeOrder, fence: Fence, callers: list[asyncio.Future[Receipts]]) -> None:
        """Do an order with its tries. An order that comes in the meantime takes over what is left."""
        receipts: dict[str, Receipt] = {}
        rest: NodeOrder | None = order
        tries = 0
        while rest is not None:
            self._news.clear()
            done, rest = await self._attempt(rest, self._fence or fence, tries)
            receipts |= {str(each.device): each for each in done}
            if rest is None:
                break
            if self._order is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._pause(tries))
            if self._order is not None:
                self._order = merged(rest, self._order)
                break
            if self._news.is_set():  # closing
                break
            tries += 1
        self._answer(tuple(receipts.values()), callers)

    @staticmethod
    def _answer(receipts: Receipts, callers: list[asyncio.Future[Receipts]]) -> None:
        for caller in callers:
            if not caller.done():
                caller.set_result(receipts)
