"""Targets on their way through the guard: kept to what devices take, what policies allow, and what may be tried."""

from __future__ import annotations

import numpy as np

from power.guard.admitted import Verdict
from power.model import Bools, ControlState, Floats, Ints


class Targets:
    """A column of targets on its way through the rules: what is left of it, and what was said."""

    def __init__(self, asked: Floats, in_force: Floats, low: Floats) -> None:
        self.asked = asked
        self.now = np.where(np.isnan(in_force), np.inf, in_force)
        """The cap in force, infinite where there is none or nobody knows it: whatever is written then is a cut."""
        self.low = low
        self.watts = asked.copy()
        self.verdict: Ints = np.where(np.isnan(asked), Verdict.LEFT, Verdict.ADMITTED)

    @property
    def raises(self) -> Bools:
        return self.watts > self.now

    def refuse(self, rows: Bools, verdict: Verdict) -> None:
        hit = rows & ~np.isnan(self.watts)
        self.watts[hit] = np.nan
        self.verdict[hit] = verdict

    def at_least(self, bound: Floats, verdict: Verdict) -> None:
        self._move(self.watts < bound, bound, verdict)

    def at_most(self, bound: Floats, verdict: Verdict) -> None:
        self._move(self.watts > bound, bound, verdict)

    def settle(self) -> None:
        """A bound never makes a raise of a cut, nor a cut of a raise: then the device is left as it is."""
        self.watts[self.raises != (self.asked > self.now)] = np.nan

    def round(self, lowest: Floats) -> None:
        """Whole watts, downwards: controllers take integers, and rounding up would raise what nobody admitted."""
        whole = np.maximum(np.floor(self.watts), np.minimum(lowest, self.watts))
        # A raise of less than a watt is none, and must not come out as a cut.
        self.watts = np.where(self.raises & ~(whole > self.now), np.nan, whole)

    def raise_at_most(self, most: Floats) -> None:
        """What is left of a raise in whole watts; nothing where that is no raise, or less than the device takes."""
        hit = self.raises & (self.watts > most)
        self._move(hit, np.floor(most), Verdict.SCALED)
        self.refuse(hit & ~(self.raises & (self.watts >= self.low)), Verdict.ENVELOPE)

    def _move(self, rows: Bools, bound: Floats, verdict: Verdict) -> None:
        self.watts[rows] = bound[rows]
        self.verdict[rows] = verdict


def keep_within(targets: Targets, *, high: Floats, floor: Floats, cap: Floats, state: Ints, urgent: Bools) -> None:
    """Keep targets to what the device takes, what policies allow, and what may be tried in its state."""
    low = targets.low
    targets.refuse(~((targets.asked > 0) & (targets.asked < np.inf)), Verdict.GARBAGE)
    targets.refuse(~((low > 0) & (low <= high) & (high < np.inf)), Verdict.NO_BOUNDS)
    holds = (state == ControlState.CONTROLLED) | (state == ControlState.PENDING)
    foreign, uncontrolled = state == ControlState.FOREIGN, state == ControlState.UNCONTROLLED
    unread = ~(holds | foreign | uncontrolled)
    # In an emergency a device is cut whoever else writes it; one whose cap nobody has read to its lowest, which is no raise.
    targets.refuse(foreign & ~urgent, Verdict.FOREIGN)
    targets.refuse(unread & ~urgent, Verdict.UNREAD)
    targets.at_most(np.where(unread, low, np.inf), Verdict.CLIPPED_TO_DEVICE)
    # After an emergency caps come up from below the floor step by step, so the floor binds cuts only.
    floor = np.where(floor > 0, np.minimum(floor, targets.now), 0.0)
    targets.at_least(floor, Verdict.CLIPPED_TO_FLOOR)
    targets.at_most(np.where(targets.raises, cap, np.inf), Verdict.CLIPPED_TO_POLICY)
    targets.at_least(low, Verdict.CLIPPED_TO_DEVICE)
    targets.at_most(high, Verdict.CLIPPED_TO_DEVICE)
    targets.settle()
    targets.refuse(targets.raises & ~holds, Verdict.UNCONTROLLED)
    targets.refuse(targets.raises & urgent, Verdict.URGENT)
    targets.round(np.maximum(floor, low))
