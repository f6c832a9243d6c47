"""The tables are made and brought up to date by whoever starts first."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.ddl.impl import DefaultImpl
from alembic.migration import MigrationContext

from energy.books import migrations, schema
from energy.books.engine import address, writer
from energy.books.tables import metadata
from energy.database import open_books, open_reports
from energy.model import BooksError
from tests.energy.books.entries import T0, batch, posting
from wattstat.api.energy import JobQuery


def test_the_migrations_make_the_tables_that_the_code_expects(books):
    with books._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_every_start_finds_the_tables_and_what_is_in_them(config):
    books = open_books(config)
    books.commit([batch(None, T0 + 30, posting(None, T0, 1.0))], [])
    books.close()
    again = open_books(config)
    assert list(again.checkpoints()) == ["n1"]
    again.close()


def test_two_who_start_at_once_make_the_tables_once(config):
    start = threading.Barrier(4)
    opened, failed = [], []

    def begin() -> None:
        start.wait()
        try:
            opened.append(open_books(config))
        except BooksError as err:
            failed.append(err)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for books in opened:
        assert books.checkpoints() == {}
        books.close()


def test_a_ledger_of_a_newer_wattstat_is_left_alone(config):
    books = open_books(config)
    with books._engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    books.close()
    with pytest.raises(BooksError, match=r"revision 9999.*newer"):
        open_books(config)
    reports = open_reports(config)
    with pytest.raises(BooksError, match=r"revision 9999.*expects"):
        reports.jobs(JobQuery())
    reports.close()


def test_a_migration_that_fails_leaves_nothing_behind(config, monkeypatch):
    """All or nothing, on SQLite too, whose driver would commit each table by itself."""
    create = sa.Table.create

    def interrupted(table: sa.Table, *given, **named) -> None:
        if table.name == "runs":
            raise KeyboardInterrupt
        create(table, *given, **named)

    engine = writer(address(config))
    with monkeypatch.context() as patched:
        patched.setattr(DefaultImpl, "create_table", lambda impl, table, **_: interrupted(table, impl.connection))
        with pytest.raises(KeyboardInterrupt):
            schema.migrate(engine)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()
    open_books(config).close()


def test_the_migrations_stand_in_the_package():
    folder = Path(migrations.__file__).parent
    assert (folder / "env.py").exists()
    assert sorted(path.name for path in (folder / "versions").glob("v*.py")) == ["v0001_first_tables.py"]
