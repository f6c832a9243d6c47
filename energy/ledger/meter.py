"""A node's own meter: power readings made into knots, held to the BMC's energy counter where it has one.

A BMC's counter is exact over a day and coarse over a minute (whole watt-hours, read once a minute); its power reading is the
other way round. So power gives the shape and the counter the total: as long as both agree within what the counter can tell,
nothing is done; what goes beyond is put right in the newest stretch that is not settled yet, holes first.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from energy.ledger.series import COUNTER, ESTIMATED, HOLE_SECONDS, INTEGRAL, Knot, levels

# Steps in which BMCs count: Wh, tenths and hundredths of it (Redfish's EnergykWh with more decimals).
STEPS_JOULES = (3600.0, 360.0, 36.0)
# A counter's reading is up to this much older than its answer.
COUNTER_AGE_SECONDS = 2.0
# The ratio of counter and integral is known to a few percent only after this many of the counter's steps.
STEPS_FOR_GAIN = 50
GAIN_BOUNDS = (0.8, 1.25)
# A stretch is never shrunk to less than this part of what power says: the counter may be the one that is wrong.
LEAST_SHARE = 0.5
# After a hole the counter's word is waited for: it is read once a minute.
COUNTER_WAIT_SECONDS = 150.0


class Anchor(NamedTuple):
    """A reading of the counter, and where our own joules stood then (`level`) and those by power alone (`raw`)."""

    joules: float
    level: float
    raw: float


class MeterBase(NamedTuple):
    """Where the meter stood: its last reading that is not newer than the settled time, and what is posted since that.

    `origin` is where our own joules stood at that reading.
    """

    at: float
    watts: float
    posted: float
    origin: float = 0.0
    gain: float = 1.0
    raw: float = 0.0
    anchor: Anchor | None = None
    trusted: Anchor | None = None

    def record(self, shift: float) -> list[Any]:
        """For the checkpoint, in the wall clock's time."""
        return [self.at + shift, *self[1:]]

    @classmethod
    def of(cls, record: list[Any], shift: float) -> MeterBase:
        """From the checkpoint."""
        at, watts, posted, origin, gain, raw, anchor, trusted = record
        return cls(at - shift, watts, posted, origin, gain, raw, anchor and Anchor(*anchor), trusted and Anchor(*trusted))


@dataclass(slots=True, kw_only=True)
class NodeMeter:
    """Power readings since the last settled time. `knots[0]` is at or before it; `posted` joules after it are posted."""

    knots: list[Knot] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    posted: float = 0.0
    gain: float = 1.0
    raw: float = 0.0
    anchor: Anchor | None = None
    hole_seconds: float = HOLE_SECONDS
    _trusted: Anchor | None = None
    _waiting: tuple[float, float] | None = None
    _counted_at: float = 0.0

    @property
    def newest(self) -> float | None:
        """Until when the meter's word is known; after a hole not before its counter said how much that held."""
        if not self.knots:
            return None
        newest = self.knots[-1].at
        if self.anchor is not None:
            for before, knot in pairwise(self.knots):
                if knot.methods & ESTIMATED and self._counted_at < knot.at and newest - knot.at < COUNTER_WAIT_SECONDS:
                    return before.at
        return newest

    def read(self, watts: float, at: float, hole_seconds: float = HOLE_SECONDS) -> None:
        """A power reading; one that is not newer than the last is the same one again.

        What lies between two that are further apart than `hole_seconds` is an estimate.
        """
        self.hole_seconds = hole_seconds
        if not self.knots:
            self.knots.append(Knot(at, 0.0))
        elif at <= self.knots[-1].at:
            return
        else:
            last, before = self.knots[-1], self.watts[-1]
            seconds = at - last.at
            raw = (watts + before) / 2 * seconds
            joules = raw * self.gain
            self.raw += raw
            method = INTEGRAL if self.anchor is None else INTEGRAL | COUNTER
            if seconds > hole_seconds:
                off = max(abs(watts - before) / 2 * seconds, joules / 2)
                self.knots.append(Knot(at, last.joules + joules, method | ESTIMATED, joules, off))
                self._trusted = None
            else:
                self.knots.append(Knot(at, last.joules + joules, method))
        self.watts.append(watts)
        if self._waiting is not None and self._waiting[1] <= at:
            (joules, when), self._waiting = self._waiting, None
            self._hold(joules, when)

    def count(self, joules: float, at: float) -> None:
        """A reading of the BMC's counter; used once power is known up to then."""
        if at <= self._counted_at or not self.knots or at < self.knots[0].at:
            return
        if at <= self.knots[-1].at:
            self._hold(joules, at)
        else:
            self._waiting = joules, at

    def _hold(self, joules: float, at: float) -> None:
        """Compare the counter with our own joules, and put right what lies beyond the counter's own coarseness."""
        self._counted_at = at
        now = Anchor(joules, self._level(at), self.raw)
        anchor = self.anchor
        if anchor is None or joules < anchor.joules:
            self.anchor = self._trusted = now
            return
        band = _step(joules) + COUNTER_AGE_SECONDS * self.watts[-1]
        off = (joules - anchor.joules) - (now.level - anchor.level)
        if abs(off) > band:
            self._put_right(off - band if off > 0 else off + band, at)
        trusted = self._trusted
        if trusted is None:
            self._trusted = now
        elif joules - trusted.joules >= STEPS_FOR_GAIN * _step(joules) and now.raw > trusted.raw:
            low, high = GAIN_BOUNDS
            self.gain = min(max((joules - trusted.joules) / (now.raw - trusted.raw), low), high)
            self._trusted = now

    def _put_right(self, joules: float, at: float) -> None:
        """Add joules to the stretches up to `at` that are not settled: to holes alone where there are any."""
        steps = [
            place
            for place in range(1, len(self.knots))
            if self.knots[place - 1].at < at and self.knots[place].joules > self.posted
        ]
        holes = [place for place in steps if self.knots[place].methods & ESTIMATED]
        chosen = set(holes or steps)
        drawn = sum(self.knots[place].joules - self.knots[place - 1].joules for place in chosen)
        if drawn <= 0:
            return
        factor = 1 + joules / drawn
        factor = max(factor, 0.0) if holes else min(max(factor, LEAST_SHARE), 1 / LEAST_SHARE)
        knots = self.knots[:1]
        for place in range(1, len(self.knots)):
            knot = self.knots[place]
            rise = knot.joules - self.knots[place - 1].joules
            if place in chosen:
                rise *= factor
                knot = knot._replace(filled=knot.filled * factor, error=min(knot.error, rise))
            knots.append(knot._replace(joules=knots[-1].joules + rise))
        self.knots = knots

    def _level(self, at: float) -> float:
        return levels(self.knots, (at,))[0].joules

    def over(self, since: float, until: float) -> list[Knot]:
        """The knots; where the meter is silent at either end of a span, what it drew at its nearest reading, as an estimate."""
        knots = self.knots
        first, last = knots[0], knots[-1]
        if since < first.at:
            joules = self.watts[0] * (first.at - since)
            guessed = first._replace(methods=INTEGRAL | ESTIMATED, filled=joules, error=joules)
            knots = [Knot(since, first.joules - joules), guessed, *knots[1:]]
        if last.at < until:
            joules = self.watts[-1] * (until - last.at)
            knots = [*knots, Knot(until, last.joules + joules, INTEGRAL | ESTIMATED, joules, joules)]
        return knots

    def advanced(self, until: float) -> MeterBase | None:
        """Where the meter stands at the end of a settled span."""
        if not self.knots:
            return None
        place = max(0, bisect_right(self.knots, until, key=lambda knot: knot.at) - 1)
        base = self.knots[place]
        end = levels(self.over(base.at, until), (base.at, until))[1]
        posted = max(end.joules, self.posted) - base.joules
        anchors = (_moved(self.anchor, base.joules), _moved(self._trusted, base.joules))
        return MeterBase(base.at, self.watts[place], posted, base.joules, self.gain, self.raw, *anchors)

    def forget(self, base: MeterBase | None) -> None:
        """Drop what is settled. What came in since the base was taken stays, and so do its corrections."""
        if base is None:
            return
        # The base itself, or the one before it where it was thinned out meanwhile.
        place = max(0, bisect_right(self.knots, base.at, key=lambda knot: knot.at) - 1)
        origin = self.knots[place].joules
        self.knots = [knot._replace(joules=knot.joules - origin) for knot in self.knots[place:]]
        del self.watts[:place]
        self.anchor, self._trusted = _moved(self.anchor, origin), _moved(self._trusted, origin)
        self.posted = base.posted + base.origin - origin

    def thin(self, most: int) -> None:
        """Keep at most about so many readings: every second one goes, and its joules and marks stay in the next one's."""
        if len(self.knots) <= most:
            return
        knots, watts = self.knots[:1], self.watts[:1]
        for place in range(1, len(self.knots), 2):
            first, last = self.knots[place], self.knots[min(place + 1, len(self.knots) - 1)]
            if last is not first:
                methods = first.methods | last.methods
                last = last._replace(methods=methods, filled=first.filled + last.filled, error=first.error + last.error)
            knots.append(last)
            watts.append(self.watts[min(place + 1, len(self.watts) - 1)])
        self.knots, self.watts = knots, watts

    def move(self, seconds: float) -> None:
        """Call everything later by this."""
        self.knots = [knot._replace(at=knot.at + seconds) for knot in self.knots]

    def restore(self, base: MeterBase) -> None:
        """Begin where a checkpoint ends."""
        self.knots, self.watts, self.posted = [Knot(base.at, 0.0)], [base.watts], base.posted
        self.gain, self.raw, self.anchor, self._trusted = base.gain, base.raw, base.anchor, base.trusted


def _step(joules: float) -> float:
    """How coarsely a counter counts, told by its reading."""
    return next((step for step in STEPS_JOULES if abs(joules / step - round(joules / step)) < 1e-6), 1.0)


def _moved(anchor: Anchor | None, origin: float) -> Anchor | None:
    return None if anchor is None else anchor._replace(level=anchor.level - origin)
