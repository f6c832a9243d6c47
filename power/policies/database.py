"""The database of policies: its address, its tables, and what it says when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wattstat.sqlite import use_wal

VERSION: Final = 1
"""Of the tables below."""
WAIT_SECONDS: Final = 5.0

metadata = sa.MetaData()
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=optional)


power_meta = sa.Table("power_meta", metadata, sa.Column("key", sa.Text, primary_key=True), _text("value"))

# `effective` is the version that counts (none while there is only a draft), `latest` the newest, approved or not.
policies = sa.Table(
    "policies",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("effective", sa.Integer),
    sa.Column("latest", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("removed", sa.Boolean, nullable=False),
    _text("source"),
    _text("pending", optional=True),
)
policy_versions = sa.Table(
    "policy_versions",
    metadata,
    sa.Column("name", sa.Text, sa.ForeignKey("policies.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _text("body"),
    _text("author"),
    sa.Column("saved_at", sa.Double, nullable=False),
    _text("needs_second"),
    _text("approved_by", optional=True),
    sa.Column("approved_at", sa.Double),
)
policy_acts = sa.Table(
    "policy_acts",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    _text("who"),
    _text("what"),
    _text("subject"),
    sa.Column("version", sa.Integer),
    _text("detail"),
)
power_holds = sa.Table(
    "power_holds",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    _text("scope"),
    _text("of"),
    sa.Column("watts", sa.Double, nullable=False),
    _text("owner"),
    _text("reason"),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    _text("needs_second"),
    _text("approved_by", optional=True),
    sa.Column("ended_at", sa.Double),
    _text("ended_by", optional=True),
)
power_emergencies = sa.Table(
    "power_emergencies",
    metadata,
    sa.Column("id", _Id, primary_key=True, autoincrement=True),
    _text("scope"),
    _text("owner"),
    _text("reason"),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("expires", sa.Double),
    sa.Column("ended_at", sa.Double),
    _text("ended_by", optional=True),
    _text("ended_reason", optional=True),
)
power_remembered = sa.Table("power_remembered", metadata, sa.Column("key", sa.Text, primary_key=True), _text("body"))


class StoreError(Exception):
    """The database of policies cannot be used. The message says which, what is wrong and what to do."""


def address(database: str | None, data_dir: Path) -> URL:
    """Where policies are kept: by `power.database`, else power.db in `data_dir`. Raises `StoreError` for a senseless URL."""
    if database is None:
        return URL.create("sqlite", database=str(data_dir / "power.db"))
    try:
        url = sa.make_url(database)
    except ArgumentError:
        # Not repeated: it may hold a password.
        raise StoreError("power.database is no URL; expected such as postgresql+psycopg://wattstat@db/wattstat") from None
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError(f"power.database names {url.get_backend_name()}; expected sqlite or postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise StoreError("power.database names no file; expected such as sqlite:////var/lib/wattstat/power.db")
    return url


def open_engine(url: URL) -> sa.Engine:
    """Connections to the database, with its tables made where there are none. Raises `StoreError`."""
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    try:
        with transaction(engine) as connection:
            _make_tables(connection, url)
    except StoreError:
        engine.dispose()
        raise
    return engine


def _make_tables(connection: sa.Connection, url: URL) -> None:
    if connection.dialect.name == "postgresql":
        # Two cores that start at once must not both make the tables.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_263_910_446)))
    metadata.create_all(connection)
    found = connection.execute(sa.select(power_meta.c.value).where(power_meta.c.key == "version")).scalar()
    if found is None:
        connection.execute(sa.insert(power_meta).values(key="version", value=str(VERSION)))
    elif found != str(VERSION):
        raise StoreError(
            f"{shown(url)} has tables of version {found}; expected {VERSION}; another Wattstat has used it: install "
            "that one, or name another database in power.database"
        )


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction, whole or absent. What the database says against it becomes a `StoreError`."""
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as err:
        raise StoreError(
            f"{shown(engine.url)}: {' '.join(str(err.orig).split())}; check power.database, its disk and its owner"
        ) from err
    except PoolTimeout as err:
        raise StoreError(f"{shown(engine.url)}: all connections are busy; ask again later") from err


def shown(url: URL) -> str:
    """An address for people, without its password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def _sqlite(url: URL) -> sa.Engine:
    try:
        Path(url.database or "").absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise StoreError(f"{shown(url)}: {err.strerror}; check the folder and its owner") from err
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def connected(connection: SqliteConnection, _record: object) -> None:
        # The driver's own transactions begin late and leave DDL out; ours are written out below.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")
        use_wal(connection, WAIT_SECONDS)
        # FULL: what somebody approved is on the disk before they are told so.
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # IMMEDIATE: who will write waits for the other writer at the start, where nothing is lost by waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> sa.Engine:
    milliseconds = round(WAIT_SECONDS * 1000)
    arguments: dict[str, Any] = {
        "connect_timeout": int(WAIT_SECONDS),
        "application_name": "wattstat",
        # The loop that holds the caps reads here: a server that is gone without a word must not hold it for minutes.
        "tcp_user_timeout": milliseconds,
    }
    if "options" not in url.query:
        arguments["options"] = f"-c lock_timeout={milliseconds} -c statement_timeout={2 * milliseconds}"
    try:
        return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True)
    except (NoSuchModuleError, ImportError) as err:
        raise StoreError(f"{shown(url)} cannot be opened: {err}; install Wattstat with the extra `postgresql`") from err
