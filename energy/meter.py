"""A node's own meter: power readings made into knots, anchored to the BMC's energy counter where it has one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from energy.series import ESTIMATED, HOLE_SECONDS, INTEGRAL, Knot, levels


class MeterBase(NamedTuple):
    """Where the meter stood: its last reading that is not newer than the settled time, and what is posted since that."""

    at: float
    watts: float
    posted: float

    def record(self, shift: float) -> list[float]:
        """For the checkpoint, in the wall clock's time."""
        return [self.at + shift, self.watts, self.posted]

    @classmethod
    def of(cls, record: list[float], shift: float) -> MeterBase:
        """From the checkpoint."""
        return cls(record[0] - shift, record[1], record[2])


@dataclass(slots=True, kw_only=True)
class NodeMeter:
    """Power readings since the last settled time. `knots[0]` is at or before it, of which `posted` joules are posted."""

    knots: list[Knot] = field(default_factory=list)
    readings: list[float] = field(default_factory=list)
    posted: float = 0.0

    @property
    def newest(self) -> float | None:
        """When power was last read."""
        return self.knots[-1].at if self.knots else None

    def read(self, watts: float, at: float) -> None:
        """A power reading; one that is not newer than the last is the same one again."""
        if not self.knots:
            self.knots.append(Knot(at, 0.0))
            self.readings.append(watts)
        elif at > self.knots[-1].at:
            last, before = self.knots[-1], self.readings[-1]
            seconds = at - last.at
            joules = (watts + before) / 2 * seconds
            hole = seconds > HOLE_SECONDS
            self.knots.append(
                Knot(
                    at,
                    last.joules + joules,
                    INTEGRAL | ESTIMATED if hole else INTEGRAL,
                    joules if hole else 0.0,
                    abs(watts - before) / 2 * seconds if hole else 0.0,
                )
            )
            self.readings.append(watts)

    def until(self, at: float) -> list[Knot]:
        """The knots, and where the meter is silent before `at`, what it drew when last read, as an estimate."""
        last = self.knots[-1]
        if last.at >= at:
            return self.knots
        joules = self.readings[-1] * (at - last.at)
        return [*self.knots, Knot(at, last.joules + joules, INTEGRAL | ESTIMATED, joules, joules)]

    def advanced(self, until: float) -> MeterBase | None:
        """Where the meter stands at the end of a settled span."""
        if not self.knots:
            return None
        place = max(0, bisect_right(self.knots, until, key=lambda knot: knot.at) - 1)
        _, base, end = levels(self.until(until), (self.knots[0].at, self.knots[place].at, until))
        return MeterBase(self.knots[place].at, self.readings[place], end.joules - base.joules)

    def forget(self, base: MeterBase | None) -> None:
        """Drop what is settled."""
        if base is None:
            return
        place = next((place for place, knot in enumerate(self.knots) if knot.at == base.at), 0)
        origin = self.knots[place].joules if self.knots else 0.0
        self.knots = [knot._replace(joules=knot.joules - origin) for knot in self.knots[place:]]
        del self.readings[:place]
        self.posted = base.posted

    def restore(self, base: MeterBase) -> None:
        """Begin where a checkpoint ends."""
        self.knots, self.readings, self.posted = [Knot(base.at, 0.0)], [base.watts], base.posted
