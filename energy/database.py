"""The ledger's database as core and web open it: a SQLite file in `data_dir`, or PostgreSQL by `energy.database`."""

from __future__ import annotations

from energy import schema
from energy.booking import SqlBooks
from energy.engine import address, writer
from wattstat.config import Config


def open_books(config: Config) -> SqlBooks:
    """The books, to write. Makes them, or brings their tables up to date. Raises `BooksError`."""
    engine = writer(address(config))
    schema.migrate(engine)
    return SqlBooks(engine)
