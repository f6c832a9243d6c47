"""Meters compared with each other all the time: a GPU's counter with its power, a node's devices with the node's own meter.

Each comparison runs over ten minutes, for over seconds meters that are both right differ: they step and average differently.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from energy.ledger.lines import Ledgered
from wattstat.journal import Entry, Gpu, GpuCounts, NodeJournal

WINDOW_SECONDS = 600.0
# Power that was read for less of the window than this says nothing about the whole of it.
LEAST_COVERED = 0.95


class Disagreement(NamedTuple):
    """What two meters of one thing counted in the last window, and how far they lie apart over the first."""

    counted: float
    other: float
    ratio: float


class _Window(NamedTuple):
    at: float
    boot: str
    counts: GpuCounts


@dataclass(slots=True)
class _Sums:
    seconds: float = 0.0
    devices: float = 0.0
    measured: float = 0.0


@dataclass(kw_only=True)
class Checks:
    """The newest comparison of every GPU (by node and index) and of every node."""

    gpus: dict[tuple[str, int], Disagreement] = field(default_factory=dict)
    nodes: dict[str, Disagreement] = field(default_factory=dict)
    _windows: dict[str, _Window] = field(default_factory=dict)
    _sums: dict[str, _Sums] = field(default_factory=dict)

    def journal(self, journal: NodeJournal) -> None:
        """Compare every GPU's counter with its power, by the newest entry."""
        if journal.entries:
            for gpu in journal.gpus:
                self._gpu(journal, gpu, journal.entries[-1])

    def _gpu(self, journal: NodeJournal, gpu: Gpu, entry: Entry) -> None:
        counts = entry.gpus.get(gpu.uuid)
        if counts is None or counts.joules is None or counts.power_joules is None or counts.power_seconds is None:
            return
        window = self._windows.get(gpu.uuid)
        if window is None or window.boot != journal.boot or window.counts.resets != counts.resets:
            self._windows[gpu.uuid] = _Window(entry.at, journal.boot, counts)
            return
        seconds = entry.at - window.at
        if 0 <= seconds < WINDOW_SECONDS:
            return
        self._windows[gpu.uuid] = _Window(entry.at, journal.boot, counts)
        counted = counts.joules - (window.counts.joules or 0.0)
        by_power = counts.power_joules - (window.counts.power_joules or 0.0)
        covered = counts.power_seconds - (window.counts.power_seconds or 0.0)
        if counted > 0 and seconds > 0 and covered >= LEAST_COVERED * seconds:
            ratio = abs(counted - by_power) / counted
            self.gpus[journal.node, gpu.index] = Disagreement(counted, by_power, ratio)

    def settled(self, ledgered: Ledgered, seconds: float) -> None:
        """Compare a node's devices with its own meter, by what was posted."""
        if ledgered.source == "devices":
            return
        sums = self._sums.setdefault(ledgered.node, _Sums())
        sums.seconds += seconds
        sums.devices += sum(line.gpu + line.cpu + line.idle for line in ledgered.lines.values())
        sums.measured += sum(balance.measured for balance in ledgered.hours.values())
        if sums.seconds >= WINDOW_SECONDS and sums.measured > 0:
            ratio = max(0.0, sums.devices / sums.measured - 1)
            self.nodes[ledgered.node] = Disagreement(sums.measured, sums.devices, ratio)
            del self._sums[ledgered.node]

    def keep(self, nodes: AbstractSet[str]) -> None:
        """Drop what was found about nodes that are not there any more."""
        self.gpus = {key: found for key, found in self.gpus.items() if key[0] in nodes}
        self.nodes = {name: found for name, found in self.nodes.items() if name in nodes}

    def findings(self, limit: float) -> tuple[str, ...]:
        """In words, where meters disagree by more than `limit`."""
        found = [
            f"{node}: GPU {index}'s energy counter and its integrated power differ by {each.ratio:.0%} over ten minutes: "
            f"{each.counted / 1000:.1f} kJ by the counter, {each.other / 1000:.1f} kJ by power"
            for (node, index), each in self.gpus.items()
            if each.ratio > limit
        ]
        found += [
            f"{node}: its GPUs and processors drew {each.ratio:.0%} more than the server's own meter counted in ten minutes: "
            f"{each.other / 1000:.1f} kJ over {each.counted / 1000:.1f} kJ"
            for node, each in self.nodes.items()
            if each.ratio > limit
        ]
        return tuple(found)
