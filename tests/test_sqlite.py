"""A new SQLite file that many open at once."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import BrokenBarrierError

import pytest

from wattstat.sqlite import use_wal

PROCESSES = 8
FILES = 40


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A file that another connection is writing, not yet switched."""
    path = tmp_path / "held.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("create table t (x)")
        other.execute("begin immediate")
        yield path


def mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def open_all(folder: Path, together, said) -> None:
    """Open each of the files in the same moment as the other processes do, and write a row."""
    try:
        for number in range(FILES):
            together.wait(60)
            with closing(sqlite3.connect(folder / f"{number}.db", timeout=30, isolation_level=None)) as connection:
                use_wal(connection, 30)
                connection.execute("create table if not exists t (x)")
                connection.execute("insert into t values (1)")
    except (sqlite3.Error, BrokenBarrierError) as err:
        together.abort()
        said.put(repr(err))
    else:
        said.put("")


def test_many_processes_open_a_new_file_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    together, said = spawn.Barrier(PROCESSES), spawn.Queue()
    processes = [spawn.Process(target=open_all, args=(tmp_path, together, said)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    try:
        assert [said.get(timeout=120) for _ in processes] == [""] * PROCESSES
    finally:
        for process in processes:
            process.join(30)
            process.kill()
    for number in range(FILES):
        assert mode(tmp_path / f"{number}.db") == "wal"
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as connection:
            assert connection.execute("select count(*) from t").fetchone() == (PROCESSES,)


def test_a_file_that_is_busy_for_too_long_is_told(held):
    ticks = count(0.0, 0.5)
    waited: list[float] = []
    with closing(sqlite3.connect(held, timeout=0)) as connection, pytest.raises(sqlite3.OperationalError, match="locked"):
        use_wal(connection, 2, monotonic=lambda: next(ticks), sleep=waited.append)
    assert len(waited) == 3


def test_what_is_wrong_otherwise_is_told_at_once(tmp_path):
    path = tmp_path / "no.db"
    path.write_bytes(b"this is no database at all" * 100)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.DatabaseError, match="not a database"):
        use_wal(connection, 30, sleep=lambda _: pytest.fail("waited for nothing"))


def test_who_opens_a_switched_file_needs_no_lock(tmp_path):
    path = tmp_path / "busy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        use_wal(other, 1)
        other.execute("create table t (x)")
        other.execute("begin immediate")
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            use_wal(connection, 0)
        other.execute("rollback")
