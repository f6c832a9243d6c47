"""The ledger's database as core and web open it: a SQLite file in `data_dir`, or PostgreSQL by `energy.database`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, tzinfo

from energy.books import schema
from energy.books.booking import SqlBooks
from energy.books.engine import address, writer
from energy.model import BooksError
from energy.reports.reports import SqlReports
from wattstat.config import Config


def open_books(config: Config) -> SqlBooks:
    """The books, to write. Makes them, or brings their tables up to date. Raises `BooksError`."""
    engine = writer(address(config))
    try:
        schema.migrate(engine)
    except BooksError:
        engine.dispose()
        raise
    return SqlBooks(engine)


def open_reports(config: Config, *, zone: tzinfo = UTC, clock: Callable[[], float] = time.time) -> SqlReports:
    """The reports, to read; `zone` is the site's, for reports by day. The ledger need not exist yet. Raises `BooksError`."""
    return SqlReports(address(config), config.energy, zone=zone, clock=clock)
