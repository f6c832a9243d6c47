"""The file in which alerts are remembered: opened, set aside where it is damaged, and what it says when it refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog

from wattstat.sqlite import use_wal

log = structlog.get_logger(__name__)

WAIT_SECONDS = 30.0
"""How long a call waits for the other users of the file."""

IN_MEMORY = Path(":memory:")
"""Where there is no file that can be used."""

Row = TypeVar("Row")
Found = TypeVar("Found")

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ADVICE = {
    sqlite3.SQLITE_FULL: "free some space on its disk; until then alerts are told from memory",
    sqlite3.SQLITE_IOERR: "look at the disk, the kernel's log says more; until then alerts are told from memory",
    sqlite3.SQLITE_READONLY: "give the file and its folder to the user that runs Wattstat",
    sqlite3.SQLITE_PERM: "give the file and its folder to the user that runs Wattstat",
    sqlite3.SQLITE_CANTOPEN: "check that the folder exists and belongs to the user that runs Wattstat",
    sqlite3.SQLITE_BUSY: f"another process has been writing it for over {WAIT_SECONDS:g} s; end that, or wait",
    sqlite3.SQLITE_CORRUPT: "restart Wattstat: it sets the file aside and begins a new one",
    sqlite3.SQLITE_NOTADB: "restart Wattstat: it sets the file aside and begins a new one",
}
_ADVICE_OTHERWISE = "check the disk's space and the file's owner, or move the file away"


def connected(path: Path, schema: str) -> sqlite3.Connection:
    """The file with these tables; a new one where there is none. Raises `OSError`, `sqlite3.Error`."""
    if path != IN_MEMORY:
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"it is a folder, and a file is to stand there; remove the folder {path}")
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        use_wal(connection, WAIT_SECONDS)
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write everything in the body, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:  # whatever ends the body, an open transaction must not outlive it; it is raised again
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def set_aside_if_damaged(path: Path) -> Path | None:
    """Where the file was moved to, as it is damaged; None where it is sound or there is none. Raises `OSError`.

    Lost are the history of alerts, silences, and who was told of what: so somebody is told again. Nothing else is written over.
    """
    if not path.is_file() or (why := _damage(path)) == "":
        return None
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    log.error("the file of alerts is damaged and was set aside; history and silences begin anew", file=str(aside), reason=why)
    return aside


def readable(what: str, rows: Iterable[Row], read: Callable[[Row], Found]) -> list[Found]:
    """What can be read of rows: one that another version wrote, or that is damaged, costs only itself."""
    found, refused = [], []
    for row in rows:
        try:
            found.append(read(row))
        except (ValueError, TypeError, LookupError) as err:
            refused.append(f"{type(err).__name__}: {err}")
    if refused:
        log.error("rows of the file of alerts cannot be read and are left out", what=what, rows=len(refused), first=refused[0])
    return found


def refusal(path: Path, what: str, error: sqlite3.Error | OSError) -> str:
    """In words: which file cannot be `what` (opened, read, written), why, and what to do."""
    if isinstance(error, IsADirectoryError):
        return f"{path} cannot be {what}: {error}"
    code = getattr(error, "sqlite_errorcode", None)
    advice = _ADVICE_OTHERWISE if code is None else _ADVICE.get(code & 0xFF, _ADVICE_OTHERWISE)
    return f"{path} cannot be {what}: {error}; {advice}"


def _damage(path: Path) -> str:
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as err:
        code = getattr(err, "sqlite_errorcode", None)
        return str(err) if code is not None and code & 0xFF in _DAMAGED else ""
    return "" if found == "ok" else str(found)
