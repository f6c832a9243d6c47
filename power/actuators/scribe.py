"""Writes records to the audit trail without holding anybody up: what comes while others are written goes with the next.

A thousand writes in an emergency cost a few syncs of the disk and not a thousand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from power.actuators.journal import Journal, Note
from power.audit.trail import AuditError

Entry = tuple[str, Mapping[str, Any]]


class Trail(Protocol):
    """Where records go. Each call returns when the records are on the disk; raises `AuditError` where they are not."""

    def append_many(self, entries: Sequence[Entry], /) -> object: ...


class _Wait(NamedTuple):
    entries: Sequence[Entry]
    notes: Sequence[Note]
    done: asyncio.Future[None]


class Scribe:
    """The only one who appends to the trail, and to the journal of caps, from here."""

    def __init__(self, trail: Trail, journal: Journal | None = None) -> None:
        self._trail = trail
        self._journal = journal
        self._waiting: list[_Wait] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")

    async def append(self, entries: Sequence[Entry], notes: Sequence[Note] = ()) -> None:
        """Returns when all is on the disk; a caller who is cancelled has still written. Raises `AuditError`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Wait(entries, notes, done))
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
            error = await loop.run_in_executor(self._thread, self._append, batch)
            for _, _, done in batch:
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
                    done.exception()  # looked at, also when its caller has gone

    def _append(self, batch: Sequence[_Wait]) -> AuditError | None:
        try:
            self._trail.append_many([entry for each in batch for entry in each.entries])
            if self._journal is not None:
                self._journal.append([note for each in batch for note in each.notes])
        except AuditError as error:
            return error
        except OSError as error:
            assert self._journal is not None  # noqa: S101 - the trail has errors of its own
            return AuditError(
                f"{self._journal.path}: the journal of caps cannot be written ({error.strerror}); make room on the disk"
            )
        return None
