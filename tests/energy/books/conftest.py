"""The books in every database that they can stand in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from energy.books.booking import SqlBooks
from energy.database import open_books
from tests.support import postgresql
from wattstat.config import Config
from wattstat.config.energy import Energy

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with postgresql.server() as url:
        yield url


def database_of(kind: str, request: pytest.FixtureRequest) -> str | None:
    """`energy.database` for a fresh, empty database."""
    if kind == "sqlite":
        return None
    server = sa.make_url(request.getfixturevalue("postgresql_server"))
    name = f"ledger{next(_numbers)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.debian)])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A configuration whose ledger does not exist yet."""
    return Config(data_dir=tmp_path / "data", energy=Energy(database=database_of(request.param, request)))


@pytest.fixture
def postgresql_config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path / "data", energy=Energy(database=database_of("postgresql", request)))


@pytest.fixture
def books(config: Config) -> Iterator[SqlBooks]:
    opened = open_books(config)
    yield opened
    opened.close()
