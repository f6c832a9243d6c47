"""Connections to the ledger's database, set up so that a commit is whole or absent, and what they say when they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from energy.model import BooksError
from wattstat.config import Config
from wattstat.sqlite import use_wal

# Longer than any commit or thinning step takes on a slow disk; shorter than the ledger's next commit.
WAIT_SECONDS = 10.0

# What to do, by the name of SQLite's result code (or its first two parts), or by PostgreSQL's SQLSTATE.
_ADVICE = {
    "SQLITE_BUSY": "another process has been writing it for over 10 s; end that, or wait",
    "SQLITE_LOCKED": "another process has been writing it for over 10 s; end that, or wait",
    "SQLITE_FULL": "free some space on its disk",
    "SQLITE_READONLY": "give the file and its folder to the user that runs Wattstat",
    "SQLITE_CANTOPEN": "check that the folder exists and belongs to the user that runs Wattstat",
    "SQLITE_PERM": "give the file and its folder to the user that runs Wattstat",
    "SQLITE_IOERR": "look at the disk, the kernel's log says more",
    "SQLITE_CORRUPT": "restore it from a backup, or move it away: the ledger then begins anew",
    # lock_not_available, disk_full, insufficient_privilege, read_only_sql_transaction
    "55P03": "another process has been writing it for over 10 s; end that, or wait",
    "53100": "free some space on the server's disk",
    "42501": "give this user the right to make tables in the database, and to write them",
    "25006": "this server is a copy that may only be read; name the primary in energy.database",
    "SQLITE_NOTADB": "this file is no ledger; move it away, or set energy.database",
}


def address(config: Config) -> URL:
    """Where the ledger is. Raises `BooksError` for a URL that makes no sense."""
    if config.energy.database is None:
        return URL.create("sqlite", database=str(config.data_dir / "ledger.db"))
    try:
        url = sa.make_url(config.energy.database)
    except ArgumentError:
        # Not repeated: it may hold a password.
        raise BooksError("energy.database is no URL; expected such as postgresql+psycopg://wattstat@db/wattstat") from None
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise BooksError(f"energy.database names {url.get_backend_name()}; expected sqlite or postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise BooksError("energy.database names no file; expected such as sqlite:////var/lib/wattstat/ledger.db")
    return url


def writer(url: URL) -> sa.Engine:
    """Connections that write. A SQLite file is made where there is none."""
    if url.get_backend_name() == "sqlite" and url.database:
        with _errors(url):
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        return _sqlite(url, reads_only=False)
    return _postgresql(url, reads_only=False)


def reader(url: URL) -> sa.Engine:
    """Connections that only read, and see one state for as long as they are used."""
    return _sqlite(url, reads_only=True) if url.get_backend_name() == "sqlite" else _postgresql(url, reads_only=True)


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction, committed at the end of the block. What the database says against it becomes a `BooksError`."""
    with _errors(engine.url), engine.begin() as connection:
        yield connection


def _sqlite(url: URL, *, reads_only: bool) -> sa.Engine:
    arguments: dict[str, Any] = {"timeout": WAIT_SECONDS, "check_same_thread": False}
    if reads_only:
        # mode=rw makes no file where there is none; mode=ro could not open a WAL that a killed writer left behind.
        name = Path(url.database or "").absolute().as_uri() + "?mode=rw"
        url = url.set(database=name, query={"uri": "true"})
    engine = _create(url, connect_args=arguments)

    @sa.event.listens_for(engine, "connect")
    def connected(connection: SqliteConnection, _record: object) -> None:
        # The driver's own transactions begin late and leave DDL out; ours are written out below.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")
        # Pages, 4 KiB each: 32 MiB keep the inner nodes of every index at hand.
        connection.execute("PRAGMA cache_size=-32768")
        if reads_only:
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA mmap_size=1073741824")
            return
        use_wal(connection, WAIT_SECONDS)
        # FULL waits for the disk once a commit, that is once in 30 s, and for that a power cut takes nothing that the ledger
        # believed written: the agents forget the true starts and ends of jobs as soon as core has shown that it has them.
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # IMMEDIATE: who will write waits for the other writer at the start, where nothing is lost by waiting.
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, *, reads_only: bool) -> sa.Engine:
    options = f"-c lock_timeout={WAIT_SECONDS * 1000:.0f} -c jit=off"
    arguments: dict[str, Any] = {"connect_timeout": int(WAIT_SECONDS), "application_name": "wattstat"}
    if "options" not in url.query:
        arguments["options"] = options
    if reads_only:
        # One state of the books for all queries of an answer.
        return _create(
            url,
            connect_args=arguments,
            pool_pre_ping=True,
            execution_options={
                "isolation_level": "REPEATABLE READ",
                "postgresql_readonly": True,
            },
        )
    return _create(url, connect_args=arguments, pool_pre_ping=True)


def _create(url: URL, **arguments: Any) -> sa.Engine:
    try:
        return sa.create_engine(url, **arguments)
    except (NoSuchModuleError, ImportError) as err:
        raise BooksError(
            f"{_shown(url)} cannot be opened: {err}; install Wattstat with the extra `postgresql`"
            " and write postgresql+psycopg://"
        ) from err


@contextmanager
def _errors(url: URL) -> Iterator[None]:
    try:
        yield
    except DBAPIError as err:
        raise BooksError(f"the ledger {_shown(url)}: {_reason(err, url)}") from err
    except PoolTimeout as err:
        raise BooksError(f"the ledger {_shown(url)}: all connections are busy; ask again later") from err
    except OSError as err:
        reason = err.strerror or os.strerror(err.errno or 0)
        raise BooksError(f"the ledger {_shown(url)}: {reason}; check the folder and its owner") from err


def _reason(err: DBAPIError, url: URL) -> str:
    said = " ".join(str(err.orig).split())
    name = str(getattr(err.orig, "sqlite_errorname", None) or getattr(err.orig, "sqlstate", None) or "")
    if name:
        advice = _ADVICE.get(name) or _ADVICE.get("_".join(name.split("_")[:2]))
        return f"{said}; {advice}" if advice else said
    if err.connection_invalidated or isinstance(err, sa.exc.OperationalError):
        return f"{said}; check energy.database and that the server at {url.host or 'the local socket'} runs"
    return said


def _shown(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database).removeprefix("file://").removesuffix("?mode=rw")
    return url.set(query={}).render_as_string(hide_password=True)
