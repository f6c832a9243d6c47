"""Counters that the agent keeps per GPU over sessions of NVML, known by UUID."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from collectors.nvml.gpm import Window, traffic


@dataclass(kw_only=True)
class EnergySegments:
    """Counts how often the hardware's energy counter began anew: driver reloaded, GPU reset.

    Whoever adds up energy needs to know where one segment ends and the next begins.
    """

    resets: int = 0
    newest_joules: float | None = None
    _newest_at: float = float("-inf")

    def see(self, joules: float | None, at: float) -> None:
        """A reading of a monotonic time. Two threads read; what comes late says nothing about a new beginning."""
        if joules is None or at < self._newest_at:
            return
        if self.newest_joules is not None and joules < self.newest_joules:
            self.resets += 1
        self.newest_joules, self._newest_at = joules, at


@dataclass(kw_only=True)
class PcieTraffic:
    """Bytes since the agent started, integrated from GPM's rates: each window once, so nothing is lost between cycles."""

    bytes_total: dict[str, float] = field(default_factory=dict)
    _window: int = 0

    def see(self, window: Window | None) -> None:
        if window is None or window.number == self._window:
            return
        self._window = window.number
        for (link, direction), rate in traffic(window).items():
            if link == "pcie":
                self.bytes_total[direction] = self.bytes_total.get(direction, 0.0) + rate * window.seconds


@dataclass(kw_only=True)
class Kept:
    """Everything kept of one GPU. `index` is where it was seen last."""

    index: int
    energy: EnergySegments = field(default_factory=EnergySegments)
    pcie: PcieTraffic = field(default_factory=PcieTraffic)
    xids: Counter[int] = field(default_factory=Counter)
    last_xid: int = 0
