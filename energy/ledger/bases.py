"""Where a node's meters stand: what a checkpoint keeps, and from where the next span goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from energy.ledger.meter import MeterBase
from energy.ledger.series import ESTIMATED, Knot, Reading, levels
from energy.ledger.slices import Span
from energy.model import Checkpoint

# A mean power over less than this says little: the counter goes in steps.
SHORTEST_MEAN_SECONDS = 5.0


@dataclass(slots=True)
class Base:
    """Where a meter stood at its last reading that is not newer than the settled time, and what is posted since that.

    `posted` None: the node was settled without this meter meanwhile. `watts` is what was drawn before the reading.
    """

    reading: Reading
    posted: float | None = 0.0
    watts: float | None = None

    def record(self, shift: float) -> list[Any]:
        """For the checkpoint, in the wall clock's time."""
        return [self.reading.at + shift, *self.reading[1:], self.posted, self.watts]

    def moved(self, seconds: float) -> Base:
        """The same, called later."""
        return Base(self.reading._replace(at=self.reading.at + seconds), self.posted, self.watts)

    def unseen(self) -> Base:
        """The same, after the node was settled by its own meter alone: what this one counts of that time is posted already."""
        return Base(self.reading, None, self.watts)

    @classmethod
    def of(cls, record: list[Any], shift: float) -> Base:
        """From the checkpoint."""
        at, *rest, posted, watts = record
        return cls(Reading(at - shift, *rest), posted, watts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """Where a node's meters stand at the end of a span."""

    until: float
    gpu_bases: dict[str, Base]
    cpu_bases: dict[str, Base]
    meter: MeterBase | None
    deficit: float
    idle_watts: dict[str, float]
    is_managed: bool

    def checkpoint(self, node: str, shift: float) -> Checkpoint:
        """As the books keep it, in the wall clock's time."""
        state = {
            "gpus": {uuid: base.record(shift) for uuid, base in self.gpu_bases.items()},
            "cpus": {domain: base.record(shift) for domain, base in self.cpu_bases.items()},
            "meter": None if self.meter is None else self.meter.record(shift),
            "deficit": self.deficit,
            "idle_watts": self.idle_watts,
            "managed": self.is_managed,
        }
        return Checkpoint(node=node, settled_until=self.until + shift, state=json.dumps(state, separators=(",", ":")))


def with_base(base: Base | None, readings: list[Reading]) -> tuple[Base, list[Reading]]:
    """The readings from the base on. A meter that is new begins with its first reading."""
    if base is None:
        return Base(readings[0], posted=None), readings
    return base, [base.reading, *(reading for reading in readings if reading.at > base.reading.at)]


def merged(readings: list[Reading], edges: list[Reading]) -> list[Reading]:
    """Readings with those of boundaries between them, where they fit: a boundary's time may be wrong, if it was told late."""
    out = sorted([*readings, *edges], key=lambda reading: reading.at)
    known = [reading for reading in out if reading.joules is not None]
    for before, edge, after in zip(known, known[1:], known[2:], strict=False):
        if edge.boot == "" and not (before.joules or 0.0) <= (edge.joules or 0.0) <= (after.joules or 0.0):
            out.remove(edge)
    return out


def based(readings: Sequence[Reading], knots: Sequence[Knot], span: Span) -> Base:
    """The new base: the last reading before the end, with a counter if the meter has one; and what is posted after it."""
    past = [reading for reading in readings if reading.at <= span.until] or [readings[0]]
    base = next((reading for reading in reversed(past) if reading.joules is not None), past[-1])
    at_base, at_end = levels(knots, (base.at, span.until))
    before = levels(knots, (base.at - 1, base.at))
    is_blind = span.meter is not None and knots[-1].at < span.until
    posted = None if is_blind else max(0.0, at_end.joules - at_base.joules)
    return Base(base, posted, max(0.0, before[1].joules - before[0].joules))


def mean_watts(knots: Sequence[Knot], span: Span) -> float | None:
    """What a GPU drew over the span; None where that was too short, or partly guessed."""
    first, last = levels(knots, (span.since, span.until))
    seconds = span.until - span.since
    if seconds < SHORTEST_MEAN_SECONDS or last.methods & ESTIMATED or last.joules <= first.joules:
        return None
    return (last.joules - first.joules) / seconds
