"""A daemon thread that does one thing at a time, so that a call into the driver that never returns cannot stop the agent."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from collectors.frame.errors import Unreachable

T = TypeVar("T")


class Worker:
    """Runs functions one after another in its own thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._abandoned: concurrent.futures.Future[Any] | None = None

    async def run(self, function: Callable[[], T]) -> T:
        """The function's result. Raises `Unreachable` while one that its caller gave up on has not come back."""
        if self._abandoned is not None and not self._abandoned.done():
            raise Unreachable(f"{self._name}: the call before has not returned from the driver")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def job() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
                future.set_exception(error)

        self._jobs.put(job)
        try:
            # Who stops waiting must not cancel what the thread is about to settle.
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            self._abandoned = future
            raise

    def stop(self) -> None:
        """Let the thread end when it comes back; nobody waits for it."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
