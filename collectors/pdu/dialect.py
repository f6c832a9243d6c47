"""How a vendor's MIB is read: which tables seldom, which cells often, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from collectors.pdu.readings import Identity, Power
from collectors.snmp import Rows, Value

Tables = Mapping[str, Rows]


class Ask(NamedTuple):
    """Columns by name, of rows whose indexes are known."""

    columns: Mapping[str, str]
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A MIB. `known` are tables that are walked seldom; from them follows what is asked for each time. All is pure, total."""

    name: str
    known: Mapping[str, Mapping[str, str]]
    asked: Callable[[Tables], Mapping[str, Ask]]
    power: Callable[[Tables, Tables], Power]
    identity: Callable[[Tables], Identity]


def identifiers(asks: Mapping[str, Ask]) -> list[str]:
    """Everything that is asked for."""
    return [f"{column}.{index}" for ask in asks.values() for index in ask.indexes for column in ask.columns.values()]


def grouped(asks: Mapping[str, Ask], answer: Mapping[str, Value]) -> dict[str, Rows]:
    """An answer by table, row and column."""
    tables: dict[str, Rows] = {}
    for name, ask in asks.items():
        rows = tables.setdefault(name, {})
        for index in ask.indexes:
            cells = {column: answer.get(f"{at}.{index}") for column, at in ask.columns.items()}
            rows[index] = {column: value for column, value in cells.items() if value is not None}
    return tables


def rows(tables: Tables, name: str) -> Rows:
    """The rows of a table; none where there is no such table."""
    return tables.get(name, {})


def cell(tables: Tables, name: str, index: str, column: str) -> Value | None:
    """A cell, where there is one."""
    return rows(tables, name).get(index, {}).get(column)


def first(tables: Tables, name: str, column: str) -> Value | None:
    """The first cell of a column, in the order of the rows."""
    return next((row[column] for row in rows(tables, name).values() if column in row), None)


def columns(entry: str, **numbers: int) -> dict[str, str]:
    """Columns of an entry by name, from their numbers."""
    return {name: f"{entry}.{number}" for name, number in numbers.items()}


def parts(index: str) -> tuple[str, ...]:
    """The parts of an index: `1.2.5` is pdu 1, inlet 2, sensor 5."""
    return tuple(index.split("."))
