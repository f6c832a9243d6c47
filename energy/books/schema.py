"""The version of a ledger's tables: brought up to date by core, checked by whoever reads."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from energy.books import migrations
from energy.books.engine import transaction
from energy.model import BooksError

# Any number, the same for every Wattstat: two cores that start at once must not both make the tables.
_MIGRATING = 7_263_910_445


def _alembic() -> Config:
    config = Config()
    # Alembic reads settings as an INI file would be, where % begins a variable.
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    return config


def newest() -> str | None:
    """The revision that this Wattstat knows."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def found(connection: sa.Connection) -> str | None:
    """The revision of a database; None where there is no ledger in it."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: sa.Engine) -> None:
    """Make the tables, or bring them up to date; nothing where they are. Raises `BooksError`.

    All of it is one transaction, on SQLite too: a Wattstat that is killed meanwhile leaves what was there. Whoever comes second
    waits, and then finds nothing to do.
    """
    with transaction(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        config = _alembic()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as err:
            raise BooksError(
                f"the ledger has tables of revision {found(connection)}, which this Wattstat does not know;"
                " a newer one has used it: install that"
            ) from err
