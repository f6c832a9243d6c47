"""Rows that are added to what is there: INSERT … ON CONFLICT, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert

Insert = PostgresqlInsert | SqliteInsert


def upsert(
    dialect: str,
    table: sa.Table,
    *,
    key: Iterable[str] = (),
    replaced: Iterable[str] = (),
    added: Iterable[str] = (),
    added_if_known: Iterable[str] = (),
    greatest: Iterable[str] = (),
    replaced_if_known: Iterable[str] = (),
    kept_if_empty: Iterable[str] = (),
    joined: Iterable[str] = (),
) -> Insert:
    """An insert that, where the key is there already, treats each column as it is listed.

    `added`: the sum. `added_if_known`: the same, but an absent value stays absent until the first is known. `greatest` and
    `replaced_if_known`: absent new values change nothing; `kept_if_empty`: nor do empty texts. `joined`: bits of both. Other
    columns stay as they are.
    """
    # Made by one dialect's constructor or the other's; they differ in nothing that is used here.
    insert: Any = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    new, old = insert.excluded, table.c
    values: dict[str, Any] = {name: new[name] for name in replaced}
    values |= {name: old[name] + new[name] for name in added}
    values |= {name: sa.func.coalesce(old[name] + new[name], new[name], old[name]) for name in added_if_known}
    values |= {name: greater(old[name], new[name]) for name in greatest}
    values |= {name: sa.func.coalesce(new[name], old[name]) for name in replaced_if_known}
    values |= {name: sa.func.coalesce(sa.func.nullif(new[name], ""), old[name]) for name in kept_if_empty}
    values |= {name: old[name].bitwise_or(new[name]) for name in joined}
    made: Insert = insert.on_conflict_do_update(
        index_elements=list(key) or [column.name for column in table.primary_key], set_=values
    )
    return made


def greater(one: Any, other: Any) -> sa.ColumnElement[Any]:
    """The greater of two values of which either may be absent."""
    return sa.case((one.is_(None), other), (one < other, other), else_=one)


def lesser(one: Any, other: Any) -> sa.ColumnElement[Any]:
    """The lesser of two values of which either may be absent."""
    return sa.case((one.is_(None), other), (one > other, other), else_=one)


class Bulk:
    """A statement for many rows, made once. All rows have the same names, and values that the driver takes as they are.

    SQLAlchemy would look at every value of every row for conversions that these tables do not need: that took twice as long as
    SQLite itself.
    """

    def __init__(self, statement: sa.UpdateBase) -> None:
        self._statement = statement
        self._text = ""
        self._order: Sequence[str] | None = None
        self._constants: Mapping[str, Any] = {}

    def execute(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for every row; for none, do nothing."""
        if not rows:
            return
        if not self._text:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=list(rows[0]))
            self._text = str(compiled)
            self._order = compiled.positiontup  # None where names are used
            self._constants = {name: value for name, value in compiled.params.items() if name not in rows[0]}
        order = self._order
        if order is None:
            connection.exec_driver_sql(self._text, [{**self._constants, **row} for row in rows])
            return
        if not self._constants:
            connection.exec_driver_sql(self._text, [tuple([row[name] for name in order]) for row in rows])
            return
        whole = ({**self._constants, **row} for row in rows)
        connection.exec_driver_sql(self._text, [tuple([row[name] for name in order]) for row in whole])
