"""Counter series of one meter: what it counted between any two moments, and how far that may be off.

A meter's readings become knots: joules since the first of them, rising monotonously. A reset begins a new segment: what the
meter counted up to the last reading before it and what it shows since are certain, what it counted in between nobody saw and
is filled in. Between two knots the joules are interpolated, and the error bound says what else could have been.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Sequence
from typing import NamedTuple

from energy.model import Method

COUNTER, INTEGRAL, ESTIMATED = int(Method.COUNTER), int(Method.INTEGRAL), int(Method.ESTIMATED)

# NVML's energy counter moves on in steps of about 100 ms: a reading is that much old.
COUNTER_STEP_SECONDS = 0.1
# What was filled in by integrated power is as good as that power; NVML states 5 % and boards are seen within 10 %.
POWER_ACCURACY = 0.1
# More than any board draws in the five seconds in which a reading may wait for its entry to be written.
MOMENT_JOULES = 6_000.0
# Longer between two readings is a hole: whoever's joules begin or end in it, has them estimated.
HOLE_SECONDS = 60.0


class Reading(NamedTuple):
    """What a meter showed at one moment; as in `GpuCounts`, `boot` of the journal. An empty `boot` says: not known."""

    at: float
    joules: float | None = None
    resets: int = 0
    power: float | None = None
    seconds: float | None = None
    boot: str = ""


class Knot(NamedTuple):
    """Joules since the first reading; how those since the knot before were found, how many were filled in, and how far off."""

    at: float
    joules: float
    methods: int = 0
    filled: float = 0.0
    error: float = 0.0


class Level(NamedTuple):
    """Joules since the first reading at some moment, and how far they may be off there.

    `methods`, `filled` and `error` belong to the stretch since the level before; `slack` and `in_hole` to this moment alone.
    """

    joules: float
    slack: float
    methods: int
    filled: float
    error: float
    in_hole: bool = False


class Rise(NamedTuple):
    """Joules from one reading to the next."""

    joules: float
    methods: int
    filled: float = 0.0
    error: float = 0.0


def track(readings: Sequence[Reading], most_watts: float | None = None, watts: float | None = None) -> list[Knot]:
    """Knots of a meter's readings, oldest first.

    `most_watts` is what the meter's device could draw at the most, `watts` what it drew before the first reading. Where the
    counter is silent for some readings, integrated power tells the shape; after its last word, the joules too, for the present.
    """
    if not readings:
        return []
    since = readings[0]
    knots = [Knot(since.at, 0.0)] if watts is None else [Knot(since.at - 1, -watts), Knot(since.at, 0.0)]
    silent: list[Reading] = []
    for reading in readings[1:]:
        if reading.at <= since.at or is_stale(since, reading):
            continue
        if reading.joules is None and since.joules is not None:
            silent.append(reading)
            continue
        before = _watts(knots, len(knots) - 1)
        if reading.joules is None or since.joules is None:
            rise = integrated(since, reading, before)
        else:
            rise = counted(since, reading, most_watts, before)
        if silent:
            knots += _shaped(_by_power(knots[-1], since, [*silent, reading], before), knots[-1].joules, rise)
            silent = []
        else:
            knots.append(Knot(reading.at, knots[-1].joules + rise.joules, rise.methods, rise.filled, rise.error))
        since = reading
    return knots + _by_power(knots[-1], since, silent, _watts(knots, len(knots) - 1))


def is_stale(before: Reading, reading: Reading) -> bool:
    """A counter that fell though its agent saw no reset: not the counter fell, the reading is an older one, come late.

    Of a boundary nobody knows the boot. An entry after it that is lower by a moment's joules was read before it and written
    later; taken for a reset, all that the counter ever counted would be posted once more.
    """
    if before.joules is None or reading.joules is None or reading.joules >= before.joules or reading.resets > before.resets:
        return False
    if before.boot == "" and reading.boot:
        return before.joules - reading.joules <= MOMENT_JOULES
    return reading.boot in (before.boot, "")


def _by_power(knot: Knot, since: Reading, readings: Sequence[Reading], watts: float) -> list[Knot]:
    """Knots after `knot` by integrated power."""
    knots = [knot]
    for reading in readings:
        rise = integrated(since, reading, watts)
        knots.append(Knot(reading.at, knots[-1].joules + rise.joules, rise.methods, rise.filled, rise.error))
        since = reading
    return knots[1:]


def _shaped(knots: Sequence[Knot], origin: float, rise: Rise) -> list[Knot]:
    """Knots that have the shape of these, and rise by what the counter says."""
    drawn = knots[-1].joules - origin
    factor = rise.joules / drawn if drawn > 0 else 0.0
    shape = [Knot(knot.at, origin + (knot.joules - origin) * factor, rise.methods | knot.methods) for knot in knots[:-1]]
    return [*shape, Knot(knots[-1].at, origin + rise.joules, rise.methods, rise.filled, rise.error)]


def counted(before: Reading, after: Reading, most_watts: float | None, watts: float) -> Rise:
    """Joules between two readings of a hardware counter; `watts` is what was drawn before them.

    `resets` counts within one boot of the agent only; a counter that fell was reset in any case. What was drawn between the
    last reading and the reset nobody counted: integrated power fills it, else what was drawn before.
    """
    was, now = before.joules or 0.0, after.joules or 0.0
    same_boot = before.boot == after.boot
    seconds = after.at - before.at
    is_reset = same_boot and after.resets > before.resets and (most_watts is None or now <= most_watts * seconds)
    if now >= was and not is_reset:
        return Rise(now - was, COUNTER)
    if same_boot and before.power is not None and after.power is not None and after.power >= before.power:
        drawn = max(now, after.power - before.power)
        return Rise(drawn, COUNTER | ESTIMATED, drawn - now, POWER_ACCURACY * drawn)
    drawn = max(now, watts * seconds)
    most = max(drawn, most_watts * seconds) if most_watts is not None else 2 * drawn
    return Rise(drawn, COUNTER | ESTIMATED, drawn - now, max(drawn - now, most - drawn))


def integrated(before: Reading, after: Reading, watts: float) -> Rise:
    """Joules between two readings of a meter that has no counter, by its integrated power.

    `seconds` tells for how long power was read; the rest of the time counts as drawn like before (`watts`). An integral begins
    at 0 with each boot of the agent.
    """
    seconds = after.at - before.at
    if after.power is None:
        return Rise(watts * seconds, ESTIMATED, watts * seconds, watts * seconds)
    goes_on = before.boot == after.boot and before.power is not None and after.power >= before.power
    since, read = (before.power or 0.0, before.seconds or 0.0) if goes_on else (0.0, 0.0)
    drawn = after.power - since
    missing = 0.0 if after.seconds is None else seconds - (after.seconds - read)
    if missing < 0 and not goes_on:  # the integral is older than the reading before: most of it is not of this stretch
        return Rise(drawn * seconds / (after.seconds or seconds), INTEGRAL | ESTIMATED, drawn, drawn)
    if missing <= 1.5:  # seconds; what rounding and a late second amount to
        return Rise(drawn, INTEGRAL)
    filled = missing * (drawn / (seconds - missing) if seconds > missing else watts)
    return Rise(drawn + filled, INTEGRAL | ESTIMATED, filled, filled)


def _watts(knots: Sequence[Knot], place: int) -> float:
    """What was drawn before a knot."""
    if place == 0:
        return 0.0
    before, knot = knots[place - 1], knots[place]
    return (knot.joules - before.joules) / (knot.at - before.at)


def levels(
    knots: Sequence[Knot],
    cuts: Sequence[float],
    most_watts: float | None = None,
    edges: Container[float] = (),
    hole_seconds: float = HOLE_SECONDS,
) -> list[Level]:
    """The joules at each cut, in rising order. Before the first knot nothing was counted, after the last nothing is known.

    `edges` are the cuts at which somebody's time begins or ends; `hole_seconds` apart, readings have a hole between.
    """
    found: list[Level] = []
    place, methods, filled, error, end = 0, 0, 0.0, 0.0, len(knots)
    for cut in cuts:
        while place + 1 < end and knots[place + 1].at <= cut:
            place += 1
            passed = knots[place]
            methods |= passed.methods
            filled += passed.filled
            error += passed.error
        knot = knots[place]
        if cut <= knot.at or place + 1 == end:
            found.append(Level(knot.joules, COUNTER_STEP_SECONDS * _slope(knots, place), methods, filled, error))
            methods, filled, error = 0, 0.0, 0.0
            continue
        joules, slack = between(knots, place, cut, most_watts, is_edge=cut in edges)
        after = knots[place + 1]
        part = (joules - knot.joules) / (after.joules - knot.joules) if after.joules > knot.joules else 0.0
        in_hole = after.at - knot.at > hole_seconds
        marks = methods | after.methods, filled + part * after.filled, error + part * after.error
        found.append(Level(joules, slack, *marks, in_hole))
        # The rest of the stretch's marks belongs to what follows the cut.
        methods, filled, error = 0, -part * after.filled, -part * after.error
    return found


def between(knots: Sequence[Knot], place: int, cut: float, most_watts: float | None, *, is_edge: bool) -> tuple[float, float]:
    """The joules at a moment between two knots, and how far they may be off.

    Where somebody's time began or ended, the device drew before that as in the stretch before, and afterwards as in the stretch
    after: their ratio gives the shape. Elsewhere it is a straight line. What could have been is bounded by the stretch's own
    joules, and by what the device can draw on either side.
    """
    before, after = knots[place], knots[place + 1]
    drawn = after.joules - before.joules
    past, left = cut - before.at, after.at - cut
    one, other = past, left
    if is_edge and place > 0 and place + 2 < len(knots):
        one, other = past * _watts(knots, place), left * _watts(knots, place + 2)
    share = one / (one + other) if one + other > 0 else past / (past + left)
    low, high = 0.0, drawn
    if most_watts is not None:
        low, high = max(0.0, drawn - most_watts * left), min(drawn, most_watts * past)
        if low > high:  # the device drew more than it can: its limit is not what we were told
            low, high = 0.0, drawn
    joules = min(max(drawn * share, low), high)
    return before.joules + joules, max(joules - low, high - joules)


def _slope(knots: Sequence[Knot], place: int) -> float:
    """The steeper of the two stretches that meet at a knot, in watts."""
    return max(_watts(knots, place), _watts(knots, place + 1) if place + 1 < len(knots) else 0.0)


def gauge_slack(knots: Sequence[Knot], at: float) -> float:
    """How far the joules of a gauge may be off between two of its readings: power passes from one to the other at any time."""
    place = bisect_right(knots, at, key=lambda knot: knot.at) - 1
    if place < 0 or place + 1 >= len(knots):
        return 0.0
    past, left = at - knots[place].at, knots[place + 1].at - at
    own = _watts(knots, place + 1)
    early = _watts(knots, place) if place > 0 else own
    late = _watts(knots, place + 2) if place + 2 < len(knots) else own
    return max(abs(own - early), abs(late - own)) * past * left / (past + left)
