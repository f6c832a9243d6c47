"""A node over a span of time: its meters, cut into slices where anything changes, and how sure the cuts are."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from energy.ledger.activity import Frames
from energy.ledger.claims import Claim
from energy.ledger.moments import Moment
from energy.ledger.roster import Stay
from energy.ledger.series import COUNTER_STEP_SECONDS, ESTIMATED, HOLE_SECONDS, Knot, gauge_slack, levels
from energy.model import HOUR
from wattstat.journal import Gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter's knots, and how much of them is posted already; None: whatever lies before the span is nobody's any more."""

    knots: Sequence[Knot]
    posted: float | None = 0.0
    most_watts: float | None = None
    hole_seconds: float = HOLE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuMeter(Meter):
    """A GPU's meter, what it draws at rest, and who held the GPU when."""

    gpu: Gpu
    static_watts: float = 0.0
    limit_watts: float | None = None
    claims: Sequence[Claim] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """All that is to be known of a node from `since` to `until` (steady time; `shift` makes it the wall clock's)."""

    node: str
    since: float
    until: float
    shift: float
    gpus: Sequence[GpuMeter] = ()
    cpus: Sequence[Meter] = ()
    meter: Meter | None = None
    source: str = "devices"
    stays: Sequence[Stay] = ()
    frames: Frames
    node_gpus: int = 0
    is_overhead: bool = False
    deficit: float = 0.0
    idle_ratio: float = 0.01


class Measured(NamedTuple):
    """What the node's meter counted in a slice, and for how long it was not read."""

    joules: float
    hole_seconds: float


class Slice(NamedTuple):
    """Joules of one meter in one slice of time, with their marks; `error` is without that of the slice's edges."""

    joules: float
    methods: int
    estimated: float
    error: float


def cut(span: Span) -> list[float]:
    """Where slices begin and end: readings, starts, ends and suspensions of runs, hours."""
    times = {span.since, span.until, *span.frames.times}
    for stay in span.stays:
        times.update((stay.start.at, stay.end.at))
        for since, until in stay.suspended:
            times.update((since, until))
    for meter in span.gpus:
        for claim in meter.claims:
            times.update((claim.start.at, claim.end.at))
    hour = (span.since + span.shift) // HOUR * HOUR + HOUR
    while hour < span.until + span.shift:
        times.add(hour - span.shift)
        hour += HOUR
    return sorted(time for time in times if span.since <= time <= span.until)


def slices(meter: Meter, cuts: Sequence[float], edges: Container[float]) -> list[Slice]:
    """A meter's joules slice by slice: together exactly what it counted and nobody was posted."""
    found = levels(meter.knots, cuts, meter.most_watts, edges, meter.hole_seconds)
    before = found[0].joules if meter.posted is None else meter.posted
    out = []
    for earlier, level in pairwise(found):
        joules = max(0.0, level.joules - before)
        before = max(before, level.joules)
        guessed = earlier.in_hole or level.in_hole
        estimated = joules if guessed else min(joules, level.filled)
        methods = level.methods | ESTIMATED if guessed else level.methods
        out.append(Slice(joules, methods, estimated, level.error))
    return out


def edge_error(meter: Meter, moment: Moment) -> float:
    """By the interpolation, and by what was drawn within the time that the moment itself may be off."""
    at, slack = moment
    early, exact, late = levels(meter.knots, (at - slack, at, at + slack), meter.most_watts, (at,))
    unseen = max(0.0, at + slack - max(at, meter.knots[-1].at)) * late.slack / COUNTER_STEP_SECONDS
    return max(late.joules + late.slack + unseen - exact.joules, exact.joules - early.joules + early.slack)


def rest_errors(meter: Meter, group: tuple[float, float], rest: float, edges: Iterable[Moment]) -> dict[float, float]:
    """How far the rest may be off on either side of starts and ends between two readings of the devices, by their time.

    How much rest there was in between is as sure as the node's meter at both readings; when it was drawn, nobody knows.
    """
    since, until = group
    unsure = {at: gauge_slack(meter.knots, at) for at in group}
    errors: dict[float, float] = {}
    for at, slack in edges:
        if since <= at <= until:
            inside = rest * max(at - since, until - at) / (until - since) if since < at < until else 0.0
            about = sum(unsure.values()) if since < at < until else unsure[at]
            errors[at] = inside + about + slack * rest / (until - since)
    return errors
