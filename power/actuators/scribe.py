"""Writes records to the audit trail without holding anybody up: what comes while others are written goes with the next.

A thousand writes in an emergency cost a few syncs of the disk and not a thousand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from power.audit.trail import AuditError

Entry = tuple[str, Mapping[str, Any]]


class Trail(Protocol):
    """Where records go. Each call returns when the records are on the disk; raises `AuditError` where they are not."""

    def append_many(self, entries: Sequence[Entry], /) -> object: ...


class Scribe:
    """The only one who appends to the trail from here."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")

    async def append(self, entries: Sequence[Entry]) -> None:
        """Returns when the records are on the disk; a caller who is cancelled has still written. Raises `AuditError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await asyncio.shield(done)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            entries = [entry for each, _ in batch for entry in each]
            error = await loop.run_in_executor(self._thread, self._append, entries)
            for _, done in batch:
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
                    done.exception()  # looked at, also when its caller has gone

    def _append(self, entries: Sequence[Entry]) -> AuditError | None:
        try:
            self._trail.append_many(entries)
        except AuditError as error:
            return error
        return None
