"""The highest power within the control window, what was not read counted as it must be.

A reading that is late counts as the last one plus the steepest rise ever seen times its age, up to what the device's confirmed
cap lets it draw: never as the last value alone, never as nought.
"""

from __future__ import annotations

import numpy as np

from power.model import Bools, Floats

IMPLAUSIBLE = 1.5
"""A reading this many times above what the device can draw is no reading (32767 is a BMC's "none"); it counts as late."""


class Ring:
    """The window of one kind of device, in columns."""

    def __init__(self, window_seconds: float, cycle_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._fresh_seconds = 2.5 * cycle_seconds
        self._slots = int(np.ceil(window_seconds / cycle_seconds)) + 1
        self._times = np.full(self._slots, -np.inf)
        self._watts = np.zeros((self._slots, 0), np.float32)
        self._next = 0
        self._last = np.zeros(0)
        self._last_at = np.zeros(0)
        self._ramp = np.zeros(0)
        self.counted = np.zeros(0)
        """What each device counts for now."""

    def update(self, monotonic: float, watts: Floats, age: Floats, ceiling: Floats) -> Floats:
        """Take a column of readings in; the peaks of the window. NaN where neither a reading nor a ceiling is known."""
        if len(watts) != len(self._last):
            self._begin_anew(len(watts))
        taken_at = monotonic - age
        is_reading = np.isfinite(watts) & np.isfinite(age) & ~(watts > IMPLAUSIBLE * ceiling)
        is_new = is_reading & ~(taken_at <= self._last_at)
        # What a device counted for before it was ever read was a precaution, not its power: it leaves with the first reading.
        first = is_new & np.isnan(self._last)
        self._watts[:, first] = watts[first]
        self._learn_ramps(is_new, watts, taken_at)
        self._last = np.where(is_new, watts, self._last)
        self._last_at = np.where(is_new, taken_at, self._last_at)
        since = monotonic - self._last_at
        late = np.fmin(self._last + self._ramp * since, np.where(np.isnan(ceiling), np.inf, ceiling))
        self.counted = np.where(since <= self._fresh_seconds, self._last, late)
        self._watts[self._next] = self.counted
        self._times[self._next] = monotonic
        self._next = (self._next + 1) % self._slots
        within = (self._times > monotonic - self._window_seconds) & (self._times <= monotonic)
        peaks = self._watts[within].max(axis=0).astype(np.float64)
        return np.where(np.isinf(peaks), np.nan, peaks)

    def _learn_ramps(self, is_new: Bools, watts: Floats, taken_at: Floats) -> None:
        seen = is_new & np.isfinite(self._last) & np.isfinite(self._last_at)
        gap = np.subtract(taken_at, self._last_at, out=np.ones(len(watts)), where=seen)
        rise = np.divide(watts - self._last, gap, out=np.zeros(len(watts)), where=seen)
        self._ramp = np.where(seen, np.fmax(self._ramp, np.maximum(rise, 0.0)), self._ramp)

    def _begin_anew(self, length: int) -> None:
        self._times[:] = -np.inf
        self._watts = np.zeros((self._slots, length), np.float32)
        self._last = np.full(length, np.nan)
        self._last_at = np.full(length, -np.inf)
        self._ramp = np.full(length, np.nan)


class Peaks:
    """The windows of GPUs and servers. Whoever changes the fleet starts new ones: rows mean other devices then."""

    def __init__(self, window_seconds: float = 30.0, cycle_seconds: float = 1.0) -> None:
        self.gpus = Ring(window_seconds, cycle_seconds)
        self.nodes = Ring(window_seconds, cycle_seconds)

    def update(  # noqa: PLR0917  (three columns of each kind, in the order of the view)
        self,
        monotonic: float,
        gpu_watts: Floats,
        gpu_age: Floats,
        gpu_ceiling: Floats,
        node_watts: Floats,
        node_age: Floats,
        node_ceiling: Floats,
    ) -> tuple[Floats, Floats]:
        """Peaks of GPUs and of servers, W. Ceilings are the most each can draw; infinite: unknown."""
        return (
            self.gpus.update(monotonic, gpu_watts, gpu_age, gpu_ceiling),
            self.nodes.update(monotonic, node_watts, node_age, node_ceiling),
        )
