"""The hall: the newest reading of everything, and how old it is.

Collectors post blocks of samples; readers take immutable snapshots. A block that was not renewed for three of its intervals is
no longer part of a snapshot: a device that is gone has no series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from wattstat.catalogue.metric import Metric, Sample

STALE_AFTER_INTERVALS = 3


class BlockKey(NamedTuple):
    """Who posted a block: the collector, its target, and which part (tier or resource) of the target."""

    collector: str
    target: str
    part: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """What one collection of one part of one target brought.

    `taken_at` is Unix time in seconds; `interval_seconds` is how often the part is collected, which decides when it is stale.
    """

    key: BlockKey
    samples: tuple[Sample, ...]
    taken_at: float
    interval_seconds: float

    def is_stale(self, now: float) -> bool:
        return now - self.taken_at > STALE_AFTER_INTERVALS * self.interval_seconds

    @cached_property
    def by_metric(self) -> Mapping[Metric, tuple[Sample, ...]]:
        grouped: dict[Metric, list[Sample]] = {}
        for sample in self.samples:
            grouped.setdefault(sample.metric, []).append(sample)
        return MappingProxyType({metric: tuple(samples) for metric, samples in grouped.items()})


class Found(NamedTuple):
    """A sample in a snapshot with its age in seconds."""

    sample: Sample
    age_seconds: float


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was fresh at one moment. Immutable; safe to hand to another thread."""

    taken_at: float
    blocks: tuple[Block, ...]

    def find(self, metric: Metric, **labels: str) -> Iterator[Found]:
        """All samples of `metric` whose labels have the given values."""
        wanted = [(metric.labels.index(name), value) for name, value in labels.items()]
        for block in self.blocks:
            for sample in block.by_metric.get(metric, ()):
                if all(sample.labels[position] == value for position, value in wanted):
                    yield Found(sample, self.taken_at - block.taken_at)

    def value(self, metric: Metric, **labels: str) -> float | None:
        """The first matching value, or None: absent is never zero."""
        return next((found.sample.value for found in self.find(metric, **labels)), None)

    def metrics(self) -> dict[Metric, list[Block]]:
        """Which blocks hold samples of each metric, metrics in order of name."""
        holders: dict[Metric, list[Block]] = {}
        for block in self.blocks:
            for metric in block.by_metric:
                holders.setdefault(metric, []).append(block)
        return dict(sorted(holders.items(), key=lambda item: item[0].name))

    def __len__(self) -> int:
        return sum(len(block.samples) for block in self.blocks)


SeriesKey = tuple[Metric, tuple[str, ...]]


@dataclass(kw_only=True)
class Hall:
    """Holds the newest block of every part. Belongs to one event loop; snapshots may travel."""

    clock: Callable[[], float]
    duplicates: Counter[tuple[str, str]] = field(default_factory=Counter)
    _blocks: dict[BlockKey, Block] = field(default_factory=dict)
    _owners: dict[SeriesKey, BlockKey] = field(default_factory=dict)

    def post(self, block: Block) -> None:
        """Replace the part's block. A series that another live part already reports is dropped and counted.

        Two sources reporting one series would make the whole exposition invalid for Prometheus, so one mistake in an inventory
        would blind the site; dropping the later one costs only itself.
        """
        self._disown(block.key)
        kept: list[Sample] = []
        for sample in block.samples:
            series = (sample.metric, sample.labels)
            owner = self._owners.get(series)
            if owner is not None and (owner == block.key or not self._blocks[owner].is_stale(self.clock())):
                self.duplicates[block.key.collector, block.key.target] += 1
                continue
            self._owners[series] = block.key
            kept.append(sample)
        if len(kept) != len(block.samples):
            block = replace(block, samples=tuple(kept))
        self._blocks[block.key] = block

    def forget(self, collector: str, target: str) -> None:
        """Drop all parts of a target that left the inventory."""
        for key in [key for key in self._blocks if key[:2] == (collector, target)]:
            self._disown(key)
            del self._blocks[key]

    def snapshot(self) -> Snapshot:
        now = self.clock()
        fresh = tuple(block for block in self._blocks.values() if not block.is_stale(now))
        return Snapshot(taken_at=now, blocks=fresh)

    def _disown(self, key: BlockKey) -> None:
        previous = self._blocks.get(key)
        for sample in previous.samples if previous else ():
            series = (sample.metric, sample.labels)
            if self._owners.get(series) == key:
                del self._owners[series]
