"""What every SQLite file of ours is opened with."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

_AGAIN_SECONDS = 0.02


def use_wal(
    connection: sqlite3.Connection,
    wait_seconds: float,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Keep the file's journal as a write-ahead log, so that readers and a writer do not wait for each other.

    A file stays so once it was switched. The switch needs the file alone, and of two that begin it at once SQLite refuses one
    without waiting, whatever its busy timeout: that one looks again for up to `wait_seconds`, then raises what SQLite said.
    A file system without shared memory has no such log: the file keeps its journal, which works, too.
    """
    until = monotonic() + wait_seconds
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as err:
            # The low byte; the others say what kind of busy.
            if err.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= until:
                raise
            sleep(_AGAIN_SECONDS)
        else:
            return
