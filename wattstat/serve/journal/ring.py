"""A ring of entries in memory: a column for each counter, in plain arrays that are thrown away by the chunk.

A column costs nothing where it has no values, so that a job that shared a GPU for ten minutes takes ten minutes' memory.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

CHUNK = 600

Key = TypeVar("Key", bound=Hashable)
_BLANK = array("d", [math.nan]) * CHUNK


@dataclass(kw_only=True)
class Ring(Generic[Key]):
    """Entries are numbered from 0 and never change; `oldest` is the first that is still there, `count` the number of the next.

    It holds at least `chunks - 1` chunks once so many entries were written.
    """

    chunks: int
    count: int = 0
    _times: array[float] = field(init=False)
    _marked: bytearray = field(init=False)
    _columns: dict[Key, list[array[float] | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._times = array("d", bytes(8 * CHUNK * self.chunks))
        self._marked = bytearray(CHUNK * self.chunks)

    @property
    def oldest(self) -> int:
        """The number of the oldest entry that is there."""
        newest_chunk = max(self.count - 1, 0) // CHUNK
        return max(newest_chunk - self.chunks + 1, 0) * CHUNK

    @property
    def keys(self) -> list[Key]:
        """Every column that has a value somewhere."""
        return list(self._columns)

    @property
    def nbytes(self) -> int:
        """Memory of all columns."""
        used = sum(chunk is not None for column in self._columns.values() for chunk in column)
        return used * CHUNK * 8 + len(self._times) * 9

    def add(self, at: float, values: Mapping[Key, float], *, marked: bool = False) -> None:
        """Write the next entry. `at` must not be before the entry before; a mark is the writer's own."""
        chunk, offset = divmod(self.count % (CHUNK * self.chunks), CHUNK)
        if offset == 0:
            self._throw_away(chunk)
        for key, value in values.items():
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = [None] * self.chunks
            part = column[chunk]
            if part is None:
                part = column[chunk] = _BLANK[:]
            part[offset] = value
        self._times[chunk * CHUNK + offset] = at
        self._marked[chunk * CHUNK + offset] = marked
        self.count += 1

    def time(self, number: int) -> float:
        """When an entry was taken."""
        return self._times[number % (CHUNK * self.chunks)]

    def is_marked(self, number: int) -> bool:
        """Whether its writer marked an entry."""
        return bool(self._marked[number % (CHUNK * self.chunks)])

    def first_at_or_after(self, at: float) -> int:
        """The number of the first entry that was taken at a time or later; `count` when there is none."""
        low, high = self.oldest, self.count
        while low < high:
            middle = (low + high) // 2
            if self.time(middle) < at:
                low = middle + 1
            else:
                high = middle
        return low

    def values(self, key: Key, numbers: Sequence[int], *, digits: int = 4) -> list[float | None]:
        """A column's values at these entries; None where it has none."""
        column = self._columns.get(key)
        if column is None:
            return [None] * len(numbers)
        found: list[float | None] = []
        for number in numbers:
            chunk, offset = divmod(number % (CHUNK * self.chunks), CHUNK)
            part = column[chunk]
            value = math.nan if part is None else part[offset]
            found.append(None if math.isnan(value) else round(value, digits))
        return found

    def _throw_away(self, chunk: int) -> None:
        for column in self._columns.values():
            column[chunk] = None
        for key in [key for key, column in self._columns.items() if not any(column)]:
            del self._columns[key]
