"""Caps into the hall, one block a server: what has changed at once, what stands still before it would be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from wattstat.catalogue.metric import Sample, Samples
from wattstat.hall import Block, BlockKey, Hall

INTERVAL_SECONDS = 30.0
"""How often what stands still is posted again. It is known to be so now: changes are posted when they are seen."""


@dataclass(kw_only=True, eq=False)
class CapBlocks:
    """The blocks of caps. Belongs to the event loop, as the hall does."""

    hall: Hall
    clock: Callable[[], float]
    _posted: dict[str, tuple[Sample, ...]] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)

    def post(self, news: Mapping[str, Samples]) -> None:
        """Post what is new, and what was posted long ago."""
        now = self.clock()
        for node, samples in news.items():
            if samples:
                # Two devices that call themselves the same are one series.
                unique = {(each.metric, each.labels): each for each in samples}
                self._put(node, tuple(unique.values()), now)
            elif self._posted.pop(node, None) is not None:
                del self._due[node]
                self.hall.forget("power", node)
        # A clock that was set back makes all of them due.
        for node in [node for node, due in self._due.items() if not now < due <= now + INTERVAL_SECONDS]:
            self._put(node, self._posted[node], now)

    def _put(self, node: str, samples: tuple[Sample, ...], now: float) -> None:
        self._posted[node] = samples
        # Not all of them in one second.
        self._due[node] = now + INTERVAL_SECONDS * (0.5 + 0.5 * crc32(node.encode()) / 2**32)
        key = BlockKey("power", node, "caps")
        self.hall.post(Block(key=key, samples=samples, taken_at=now, interval_seconds=INTERVAL_SECONDS))
