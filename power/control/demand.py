"""What every device wants: what it would draw unhampered, as far as its power tells.

A device below its cap shows what it needs: its highest draw of the window, and a margin. A device at its cap hides it, and
wants a step more, again and again up to its maximum. What was shown is remembered for longer than a checkpoint lasts, so that
a job which pauses finds its watts again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.tuning import Tuning
from power.model import Bools, Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """The highest of each row in the running and in the last span of `want_seconds`."""

    running: Floats
    last: Floats
    since: float

    def take(self, now: float, values: Floats, span_seconds: float) -> Held:
        """With these values seen now. NaN is nothing seen."""
        turns = now - self.since >= span_seconds
        running, last = (np.full(len(values), np.nan), self.running) if turns else (self.running, self.last)
        return Held(running=np.fmax(running, values), last=last, since=now if turns else self.since)

    @property
    def highest(self) -> Floats:
        """The highest of both spans; NaN where nothing was seen."""
        return np.fmax(self.running, self.last)


def nothing_held(length: int, now: float) -> Held:
    """No value seen yet."""
    nothing = np.full(length, np.nan)
    return Held(running=nothing, last=nothing, since=now)


def at_cap(watts: Floats, age: Floats, cap_watts: Floats, tuning: Tuning) -> Bools:
    """Devices that draw what their cap lets them, by a present reading: what they need is not known, but more than this."""
    return (age <= tuning.fresh_seconds) & (watts >= tuning.at_cap_ratio * cap_watts)


def shown(peak_watts: Floats, lowest: Floats, highest: Floats, tuning: Tuning) -> Floats:
    """What each device's power shows that it wants, in steps of its range. Who never told its power wants everything."""
    margin = (1 + tuning.margin_ratio) * peak_watts + tuning.margin_watts
    step = np.maximum(tuning.step_ratio * (highest - lowest), 1.0)
    stepped = np.ceil(np.maximum(margin - lowest, 0.0) / step) * step + lowest
    return np.where(np.isnan(peak_watts), highest, np.minimum(stepped, highest))


def wanted(held: Held, hampered: Bools, cap_watts: Floats, lowest: Floats, highest: Floats, *, tuning: Tuning) -> Floats:
    """What each device wants: what was shown, and at its cap a step more than that. A step that was not needed is forgotten."""
    step = tuning.growth_ratio * (highest - lowest)
    return np.fmin(np.fmax(held.highest, np.where(hampered, cap_watts + step, np.nan)), highest)
