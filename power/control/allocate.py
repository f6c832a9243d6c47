"""Who gets how many watts: by priority, and fairly within a priority, under any set of limits.

The way up has stages: what every load must have, its floor, what it is kept at, what it wants, its most. A stage is walked by
one class of priority after the other; within a class all rise at the same pace (each in its own range) until something stops
them: their own end, or a limit that is full. That is max-min fairness, by progressive filling; the limits need not form a tree.

Many bottlenecks are frozen in one round: a limit is one when none of its loads is stopped lower by another limit. Levels of
others only rise by freezing it, so racks that do not touch are done at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.exact import charged, sums
from power.control.loads import MEASURED_STAGES, WANT_STAGE, Loads
from power.model import NOBODY, Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Limits as the allocator sees them: `room` is what each has for loads, and which loads count against it.

    Entry k charges `cost[k]` watts against limit `row[k]` for each watt of load `load[k]`. `measured` limits are charged
    what loads are expected to draw: nothing beyond their want.
    """

    room: Floats
    measured: Bools
    row: Ints
    load: Ints
    cost: Floats
    rank: Ints
    """Which of several full limits is named: the one of lowest rank."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allocation:
    """Watts of each load, as the way it came: through stage k it came `parts[k]` of the way. `bound_by` is a row, or -1.

    `deficit_watts` of rows: what the least that loads take exceeds them by.
    """

    watts: Floats
    parts: tuple[Floats, ...]
    bound_by: Ints
    deficit_watts: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """A part of the way: from where to where, and the range in which the pace is measured."""

    begin: Floats
    end: Floats
    pace: Floats
    is_measured: bool


def stages(points: tuple[Floats, ...]) -> tuple[Stage, ...]:
    """The way of loads or of devices along their `points` (see loads). Wants are walked at the pace of the whole way up."""
    ways = [
        Stage(begin=begin, end=end, pace=end - begin, is_measured=is_measured)
        for begin, end, is_measured in zip(points[:-1], points[1:], MEASURED_STAGES, strict=True)
    ]
    wants = ways[WANT_STAGE]
    ways[WANT_STAGE] = Stage(begin=wants.begin, end=wants.end, pace=points[-1] - wants.begin, is_measured=True)
    return tuple(ways)


def allocate(loads: Loads, rows: Rows) -> Allocation:
    """Watts of every load. `rows.load` must be ordered so that entries of one lift stand together."""
    count = len(rows.room)
    ways = stages(loads.points)
    least = sums(rows.row, charged(rows.cost * loads.points[0][rows.load]), count)
    room = rows.room - least
    deficit = np.maximum(-room, 0.0)
    room = np.maximum(room, 0.0)
    lift_of_entry = loads.lift[rows.load]
    is_open = np.ones(loads.lifts, np.bool_)
    bound_by = np.full(loads.lifts, NOBODY, np.int64)
    watts = ways[0].begin.copy()
    parts: list[Floats] = []
    for way in ways:
        span = way.end - way.begin
        reach = np.divide(span, way.pace, out=np.zeros(len(span)), where=way.pace > 0)
        bound = np.zeros(loads.lifts)
        np.maximum.at(bound, loads.lift, reach)
        charge = charged(rows.cost * way.pace[rows.load])
        counts = is_open[lift_of_entry] & (charge > 0) & (bound[lift_of_entry] > 0)
        if not way.is_measured:
            counts &= ~rows.measured[rows.row]
        taking = np.flatnonzero(counts)
        filling = _Filling(room=room, row=rows.row[taking], lift=lift_of_entry[taking], watts=charge[taking], rank=rows.rank)
        level, by = filling.by_class(bound, loads.priority, is_open)
        room = filling.room
        reached = np.minimum(level[loads.lift] * way.pace, span)
        part = np.divide(reached, span, out=np.ones(len(span)), where=span > 0)
        parts.append(np.where(is_open[loads.lift], part, 0.0))
        watts += parts[-1] * span
        bound_by = np.where(by != NOBODY, by, bound_by)
        is_open = is_open & (by == NOBODY)
    return Allocation(watts=watts, parts=tuple(parts), bound_by=bound_by[loads.lift], deficit_watts=deficit)


class _Filling:
    """One stage: levels rise until ends or limits stop them."""

    def __init__(self, *, room: Floats, row: Ints, lift: Ints, watts: Floats, rank: Ints) -> None:
        self.room = room
        self._row, self._lift, self._watts, self._rank = row, lift, watts, rank

    def by_class(self, bound: Floats, priority: Ints, is_open: Bools) -> tuple[Floats, Ints]:
        """Level of every lift, and which row stopped it below its bound (-1 none): highest priority first."""
        level = np.where(is_open, bound, 0.0)
        by = np.full(len(bound), NOBODY, np.int64)
        length = len(self.room)
        full = charged(self._watts * bound[self._lift])
        fits = sums(self._row, full, length) <= self.room
        tight = np.flatnonzero(~fits[self._row])
        if len(tight):
            lifts = np.unique(self._lift[tight])
            for priority_class in np.unique(priority[lifts])[::-1]:
                mine = priority[self._lift] == priority_class
                contended = mine & ~fits[self._row]
                level, by = self._fill(np.flatnonzero(contended), bound, level, by)
                spent = charged(self._watts[mine] * level[self._lift[mine]])
                self.room = np.maximum(self.room - sums(self._row[mine], spent, length), 0.0)
            rest = ~np.isin(priority[self._lift], priority[lifts])
        else:
            rest = np.ones(len(self._row), np.bool_)
        self.room = np.maximum(self.room - sums(self._row[rest], full[rest], length), 0.0)
        return level, by

    def _fill(self, entries: Ints, bound: Floats, level: Floats, by: Ints) -> tuple[Floats, Ints]:
        row, lift, watts = self._row[entries], self._lift[entries], self._watts[entries]
        room, length = self.room, len(self.room)
        while len(lift):
            speed = sums(row, watts, length)
            full_at = np.divide(room, speed, out=np.full(length, np.inf), where=speed > 0)
            begins = np.flatnonzero(np.diff(lift, prepend=-1))
            mine = lift[begins]
            of_entry = np.repeat(np.arange(len(mine)), np.diff(begins, append=len(lift)))
            stop = np.minimum(np.minimum.reduceat(full_at[row], begins), bound[mine])
            stopped_lower = full_at[row] > stop[of_entry]
            is_neck = sums(row, stopped_lower.astype(np.float64), length) == 0
            at_neck = is_neck[row] & (full_at[row] == stop[of_entry])
            rank = np.minimum.reduceat(np.where(at_neck, self._rank[row], length), begins)
            at_end = bound[mine] <= stop
            frozen = at_end | (rank < length)
            level[mine[frozen]] = stop[frozen]
            by_row = np.argsort(self._rank)
            necks = frozen & ~at_end
            by[mine[necks]] = by_row[rank[necks]]
            goes = frozen[of_entry]
            room = np.maximum(room - sums(row[goes], charged(watts[goes] * stop[of_entry[goes]]), length), 0.0)
            row, lift, watts = row[~goes], lift[~goes], watts[~goes]
        return level, by
