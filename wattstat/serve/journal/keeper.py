"""The node's journal as the agent keeps it: written second by second, read by core with a cursor."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from wattstat.journal import Entry, Gpu, GpuCounts
from wattstat.serve.journal.boundaries import Boundaries, as_json
from wattstat.serve.journal.ring import Ring

HOURS_KEPT = 2
# Who asks for every second of two hours gets it in several answers.
MOST_ENTRIES = 1500
_CHUNKS = 13  # twelve of ten minutes each are there at any time
_GAP = 2.5  # beats between two entries that make a gap
# A cursor is one number for the reader: entries written, then starts and ends noted.
_BOUNDARIES = 1 << 20
_COUNTS = tuple(each.name for each in fields(GpuCounts))


class Column(NamedTuple):
    """A column of the ring: a counter of a GPU, a CPU domain, or a holder's activity on a GPU."""

    kind: str
    whose: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: the next entry and the next boundary that it has not seen."""

    entries: int = 0
    boundaries: int = 0

    @classmethod
    def of(cls, number: int) -> Cursor:
        return cls(*divmod(number, _BOUNDARIES))

    @property
    def number(self) -> int:
        return self.entries * _BOUNDARIES + self.boundaries


def _boot() -> str:
    return secrets.token_hex(8)


@dataclass(kw_only=True)
class Journal:
    """What the meters had counted. Times inside are monotonic seconds; readers are told ages, so that no clock matters."""

    node: str
    every_seconds: float
    boundaries: Boundaries
    boot: str = field(default_factory=_boot)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    gpus: Mapping[str, Gpu] = field(default_factory=dict)
    cpus: Callable[[], Mapping[str, float]] = dict
    ring: Ring[Column] = field(default_factory=lambda: Ring(chunks=_CHUNKS), repr=False)
    _resets: Mapping[str, int] = field(default_factory=dict)

    def write_gpus(self, entry: Entry, gpus: Mapping[str, Gpu]) -> None:
        """Append an entry of the GPUs' readings; the processors' counters of the same moment go with it."""
        self.gpus = gpus
        self.write(replace(entry, cpus=self.cpus()))

    def write_cpus(self) -> None:
        """Append an entry of the processors alone, where there are no GPUs, or none of them has answered for a while."""
        now = self.monotonic()
        if not self.ring.count or now - self.ring.time(self.ring.count - 1) > _GAP * self.every_seconds or not self._resets:
            self.write(Entry(at=now, gpus={}, cpus=self.cpus()))

    def write(self, entry: Entry) -> None:
        """Append an entry.

        One whose neighbours matter is marked: GPUs came or went, a counter began anew, a gap lies before.
        """
        ring = self.ring
        newest = ring.time(ring.count - 1) if ring.count else None
        at = entry.at if newest is None else max(entry.at, newest)
        resets = {uuid: counts.resets for uuid, counts in entry.gpus.items()}
        is_gap = newest is not None and at - newest > _GAP * self.every_seconds
        ring.add(at, _columns(entry), marked=is_gap or resets != self._resets)
        self._resets = resets

    def document(self, *, after: int | None = None, boot: str | None = None, step: float = 0.0) -> dict[str, Any]:
        """What a reader gets who has seen everything before `after` of this `boot`, with entries `step` seconds apart."""
        is_ours = boot is None or boot == self.boot
        seen = Cursor.of(after) if after is not None and is_ours else Cursor()
        is_ours = is_ours and seen.entries <= self.ring.count and seen.boundaries <= self.boundaries.count
        if not is_ours:
            seen = Cursor()
        if is_ours and after is not None:
            self.boundaries.confirm(seen.boundaries)
        self.boundaries.look()
        numbers = self._chosen(max(seen.entries, self.ring.oldest), step)
        now = self.monotonic()
        uuids = list(self.gpus)
        entries = numbers[-1] + 1 if numbers else max(seen.entries, self.ring.oldest)
        reached = Cursor(entries=entries, boundaries=self.boundaries.count)
        return {
            "node": self.node,
            "boot": self.boot,
            "taken_at": self.clock(),
            "cursor": reached.number,
            "complete": is_ours and (after is None or seen.entries >= self.ring.oldest),
            "gpus": [_identity(gpu) for gpu in self.gpus.values()],
            "ages": [round(now - self.ring.time(number), 4) for number in numbers],
            "counts": {name: self._rows(name, uuids, numbers) for name in _COUNTS},
            "cpus": {key.whose: self.ring.values(key, numbers) for key in self.ring.keys if key.kind == "cpu"},
            "shares": [
                {"uuid": key.whose, "holder": key.what, "seconds": self.ring.values(key, numbers)}
                for key in self.ring.keys
                if key.kind == "share"
            ],
            "boundaries": [as_json(each, self.gpus, now) for each in self.boundaries.since(seen.boundaries)],
        }

    def _rows(self, name: str, uuids: Iterable[str], numbers: Sequence[int]) -> list[list[float | None]]:
        columns = [self.ring.values(Column("gpu", uuid, name), numbers) for uuid in uuids]
        return [list(row) for row in zip(*columns, strict=True)]

    def _chosen(self, first: int, step: float) -> list[int]:
        """Entries from `first` on, about `step` apart: the newest, those at marks and those at boundaries are always there."""
        ring = self.ring
        wanted = self._neighbours(first)
        due = ring.time(first - 1) + step if first > ring.oldest else float("-inf")
        slack = self.every_seconds / 2  # a beat comes a little early now and then
        chosen: list[int] = []
        for number in range(first, ring.count):
            at = ring.time(number)
            if at >= due - slack or number in wanted or number == ring.count - 1:
                chosen.append(number)
                due = at + step
                if len(chosen) == MOST_ENTRIES:
                    break
        return chosen

    def _neighbours(self, first: int) -> set[int]:
        """Entries on both sides of a mark or a boundary."""
        marks = [number for number in range(first, self.ring.count) if self.ring.is_marked(number)]
        marks += [self.ring.first_at_or_after(at) for at in self.boundaries.times()]
        return {near for mark in marks for near in (mark - 1, mark)}


_counts = attrgetter(*_COUNTS)


@lru_cache(maxsize=64)
def _gpu_columns(uuid: str) -> tuple[Column, ...]:
    return tuple(Column("gpu", uuid, name) for name in _COUNTS)


def _columns(entry: Entry) -> dict[Column, float]:
    values: dict[Column, float] = {
        column: value
        for uuid, counts in entry.gpus.items()
        for column, value in zip(_gpu_columns(uuid), _counts(counts), strict=True)
        if value is not None
    }
    values.update({Column("cpu", domain): joules for domain, joules in entry.cpus.items()})
    values.update({Column("share", uuid, holder): seconds for (uuid, holder), seconds in entry.shares.items()})
    return values


def _identity(gpu: Gpu) -> dict[str, Any]:
    return {
        "uuid": gpu.uuid,
        "index": gpu.index,
        "minor": gpu.minor,
        "model": gpu.model,
        "memory_bytes": gpu.memory_bytes,
        "slices": dict(gpu.slices),
        "mig_uuids": dict(gpu.mig_uuids),
    }
