"""Keeps the disk as the board is. A disk that refuses stops nobody from being told: what was not written is written later."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import structlog

from alerts.delivery.board import Board, Changes
from alerts.delivery.store import NO_ROW, Batch, DeliveryStore, SentMessage, Told, batch_of

log = structlog.get_logger(__name__)


class Mirror:
    """Writes one change after the other, each whole."""

    def __init__(self, board: Board, store: DeliveryStore, *, no_disk: str = "") -> None:
        """`no_disk`: why the store is in memory alone."""
        self._board, self._store, self._no_disk = board, store, no_disk
        self._told: list[Told] = []
        self._messages: list[SentMessage] = []
        self._turn = asyncio.Lock()
        self.problem = no_disk
        """Why the disk refused the newest write; empty where it did not."""

    async def write(self, told: Sequence[Told] = (), messages: Sequence[SentMessage] = ()) -> None:
        """On disk when it returns, unless `problem` says otherwise."""
        self._told += told
        self._messages += messages
        async with self._turn:
            changes, told_now, messages_now = self._board.changes, self._told, self._messages
            if not (changes or told_now or messages_now):
                return
            batch = batch_of(self._board, told_now, messages_now)
            self._board.changes, self._told, self._messages = Changes(), [], []
            try:
                refused = await asyncio.to_thread(self._written, batch)
            except sqlite3.Error as err:
                self._board.changes.merge(changes)
                self._told, self._messages = told_now + self._told, messages_now + self._messages
                self._say(str(err))
            else:
                self._say("")
                if refused:
                    log.error("rows of alerts that cannot be written stay in memory; the others are on disk", rows=refused)

    def _written(self, batch: Batch) -> int:
        """Write; how many rows cannot be written, whatever the disk says: a label that is no text costs only its own alert."""
        try:
            self._store.write(batch)
        except NO_ROW:
            return self._store.write_singly(batch)
        return 0

    def _say(self, problem: str) -> None:
        problem = problem or self._no_disk
        if problem and not self.problem:
            log.error("alerts cannot be written to disk; they are told from memory", reason=problem)
        if self.problem and not problem:
            log.info("alerts are written to disk again")
        self.problem = problem
