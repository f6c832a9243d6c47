"""Any JSON as rows of cells. Pure.

The JSON API prints the tables of its command line: sometimes a list of rows, sometimes objects named by module, sometimes both
in one another, and columns change their names between releases ("Power", "Power [Watts]", "Power (W)"). So a row is every
object with plain members, known by the way to it, and its cells are found by words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wattstat.members import Json, text

_DEEPEST = 12
_MOST_ROWS = 20_000
_NUMBER = re.compile(r"([-+]?\d{1,20}(?:\.\d{1,12})?(?:[eE][-+]?\d{1,3})?)\s*([A-Za-z%°/]{0,12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An object's plain members, and the names on the way to it."""

    path: tuple[str, ...]
    cells: Mapping[str, Json]

    def first(self, *words: str, without: tuple[str, ...] = ()) -> Json:
        """The first cell whose name has one of the words; None where there is none."""
        return next(
            (value for name, value in self.cells.items() if _has(name, words) and not _has(name, without)),
            None,
        )

    def text(self, *words: str, without: tuple[str, ...] = ()) -> str:
        """That cell as text; empty where it is absent or says that nothing is known."""
        found = self.first(*words, without=without)
        word = str(found) if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63 else text(found)
        return "" if word.lower() in {"n/a", "na", "-", "--", "none", "unknown"} else word


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and the letters behind it."""

    value: float
    unit: str


def rows(document: Any) -> tuple[Row, ...]:
    """All rows of a document, in its order."""
    found: list[Row] = []
    for row in _rows(document, (), 0):
        found.append(row)
        if len(found) >= _MOST_ROWS:
            break
    return tuple(found)


def quantity(value: Json) -> Quantity | None:
    """The number in "127.20", "127.2 W" or 127; None for all else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return Quantity(float(value), "") if abs(value) < 2**64 else None
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 64 else None
    return None if found is None else Quantity(float(found[1]), found[2].lower())


def _rows(value: Any, path: tuple[str, ...], depth: int) -> Iterator[Row]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from _rows(each, path, depth + 1)
    elif isinstance(value, dict):
        cells = {str(name): each for name, each in value.items() if not isinstance(each, (dict, list))}
        if cells:
            yield Row(path=path, cells=cells)
        for name, each in value.items():
            if isinstance(each, (dict, list)):
                yield from _rows(each, (*path, str(name)), depth + 1)


def _has(name: str, words: tuple[str, ...]) -> bool:
    lower = name.lower()
    return any(word in lower for word in words)
