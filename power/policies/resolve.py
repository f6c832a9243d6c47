"""Policies, holds, emergencies and signals at one moment, as columns of what is wanted.

The same inputs and memory give the same result, in whatever order policies come; everything that a `Resolver` keeps besides is
only there to be quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, TypeVar

import numpy as np

from power.model import NOBODY, Bools, Fleet, Floats, Intent, Mode
from power.policies.columns import Active, Columns, job_rows
from power.policies.conditions import Judge, Met, Moment
from power.policies.masks import Masks
from power.policies.measured import Meter, drawn, loads
from power.policies.resolved import Holds, InForce, Memory, Resolved
from power.policies.signals import Signals
from power.policies.standing import Bounds, Emergency, Hold, Standing

JUMP_SECONDS = 2.0
FLOOR_RATIO = 0.5
NOTHING_REMEMBERED = Memory()

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Everything that stands at one moment beside policies."""

    holds: Sequence[Hold] = ()
    emergencies: Sequence[Emergency] = ()
    mode: Mode = Mode.OBSERVE


class Resolver:
    """Resolves again and again; keeps masks and columns that did not change."""

    def __init__(self, *, timezone: str = "UTC", floor_ratio: float = FLOOR_RATIO) -> None:
        self._timezone = timezone
        self._floor_ratio = floor_ratio
        self._masks: Masks | None = None
        self._judge = Judge(timezone)
        self._kept: dict[str, tuple[object, Any]] = {}
        self._bounds: Bounds | None = None
        self._bounds_number = 0

    def resolve(
        self,
        policies: Sequence[Standing],
        fleet: Fleet,
        signals: Signals,
        at: float,
        *,
        monotonic: float | None = None,
        bounds: Bounds | None = None,
        holds: Sequence[Hold] = (),
        emergencies: Sequence[Emergency] = (),
        mode: Mode = Mode.OBSERVE,
        memory: Memory = NOTHING_REMEMBERED,
    ) -> Resolved:
        """What is wanted at `at` (Unix time). `bounds` are needed for percentages and floors, `monotonic` to see jumps."""
        masks = self._masks_of(fleet, signals)
        self._use(bounds)
        standing = sorted(policies, key=lambda each: each.policy.name)
        step = _step(memory, at, monotonic)
        moment = Moment(at=at, steady=memory.steady + step.seconds, signals=signals, masks=masks, memory=memory)
        self._judge.triggers, self._judge.notes = {}, []
        columns, meter = Columns(masks, bounds), Meter(self._timezone)
        met = [self._judge.judge(each.policy, moment) for each in standing]
        actives = _actives(standing, met, moment, meter, columns)
        asked = Asked(
            holds=[hold for hold in sorted(holds, key=lambda each: each.id) if at < hold.expires],
            emergencies=[each for each in sorted(emergencies, key=lambda each: each.id) if at < each.expires],
            mode=mode,
        )
        names = (
            *(each.policy.name for each in standing),
            *(hold.name for hold in asked.holds),
            *(emergency.name for emergency in asked.emergencies),
        )
        counting = [active for active in actives if _counts(standing[active.row])]
        intent = self._intent("intent", names, counting, asked=asked, moment=moment, columns=columns)
        shadow = intent
        if len(counting) != len(actives):
            shadow = self._intent("shadow", names, actives, asked=asked, moment=moment, columns=columns)
        in_force = _in_force(standing, met, actives, (intent, shadow), columns)
        known = frozenset(each.policy.name for each in standing)
        remembered = Memory(
            at=at,
            monotonic=monotonic,
            steady=moment.steady,
            triggers=dict(self._judge.triggers),
            baselines={key: value for key, value in memory.baselines.items() if key[0] in known} | meter.baselines,
            used={key: value for key, value in memory.used.items() if key in known} | meter.used,
            energy_joules=signals.energy_joules,
        )
        return Resolved(
            intent=intent,
            shadow=shadow,
            in_force=in_force,
            notes=tuple(dict.fromkeys([*self._judge.notes, *meter.notes, *columns.notes])),
            memory=remembered,
            freeze_raises=step.jumped,
            next_change=min((each.until for each in in_force), default=inf),
        )

    def _intent(
        self, key: str, names: tuple[str, ...], actives: Sequence[Active], *, asked: Asked, moment: Moment, columns: Columns
    ) -> Intent:
        """An intent. Columns whose inputs are the same as last time are the same arrays as last time."""
        by_kind: dict[str, list[Active]] = {}
        for active in actives:
            by_kind.setdefault(active.policy.ask.kind, []).append(active)
        masks = moment.masks
        first_hold = len(names) - len(asked.holds) - len(asked.emergencies)
        first_emergency = len(names) - len(asked.emergencies)
        special = (tuple(asked.holds), tuple(asked.emergencies), names)

        def of(*kinds: str) -> list[Active]:
            return sorted((active for kind in kinds for active in by_kind.get(kind, ())), key=lambda active: active.row)

        def keep(what: str, kinds: Sequence[str], make: Callable[[list[Active]], Kept], *more: object) -> Kept:
            chosen = of(*kinds)
            return self._keep(f"{key} {what}", (tuple(active.key for active in chosen), *more), lambda: make(chosen), columns)

        urgent = keep("urgent", (), lambda _: _urgent(asked.emergencies, masks), special)
        floors = keep("floor", (), lambda _: self._floors(urgent, masks), special, self._bounds_number)
        gpu_cap, gpu_name = keep(
            "gpu_cap",
            ("gpu_cap", "limit"),
            lambda chosen: _gpu_caps(columns, chosen, floors, asked.emergencies, first_emergency),
            special,
            self._bounds_number,
            masks.jobs,
        )
        node_cap, node_name = keep(
            "node_cap",
            ("node_cap",),
            lambda chosen: _node_caps(columns, chosen, asked.holds, first_hold),
            special,
            self._bounds_number,
            masks.jobs,
        )
        limit, limit_name, guaranteed = keep("limit", ("limit", "energy"), columns.limit_watts)
        pinned, pinned_name = keep("pinned", (), lambda _: _pins(asked.holds, first_hold, masks), special, masks.jobs)
        return Intent(
            names=names,
            limit_watts=limit,
            limit_name=limit_name,
            guaranteed=guaranteed,
            gpu_cap_watts=gpu_cap,
            gpu_cap_name=gpu_name,
            node_cap_watts=node_cap,
            node_cap_name=node_name,
            priority=keep("priority", ("priority",), columns.priorities, masks.jobs),
            group=keep("group", ("jobs",), columns.groups, masks.jobs),
            keep=_keeps(of("jobs"), moment),
            pinned_watts=pinned,
            pinned_name=pinned_name,
            clock_mhz=keep("clock", ("gpu_clock",), columns.clocks, masks.jobs),
            floor_watts=floors,
            urgent=urgent,
            mode=asked.mode,
        )

    def _keep(self, what: str, key: object, make: Callable[[], Kept], columns: Columns) -> Kept:
        """What was made last time, with its notes, if its key is the same."""
        kept = self._kept.get(what)
        if kept is None or kept[0] != key:
            before = len(columns.notes)
            made = make()
            kept = self._kept[what] = (key, (made, tuple(columns.notes[before:])))
        else:
            columns.notes.extend(kept[1][1])
        found: Kept = kept[1][0]
        return found

    def _floors(self, urgent: Bools, masks: Masks) -> Floats:
        if self._bounds is None:
            return np.full(len(masks.fleet.gpus), np.nan)
        lowest, highest = self._bounds.gpu_min_watts, self._bounds.gpu_max_watts
        planned = np.fmax(lowest, self._floor_ratio * highest)
        floors: Floats = np.where(urgent[masks.fleet.gpu_node], lowest, planned)
        return floors

    def _masks_of(self, fleet: Fleet, signals: Signals) -> Masks:
        if self._masks is None or self._masks.fleet is not fleet:
            self._masks = Masks(fleet)
            self._kept.clear()
        self._masks.use(signals.jobs)
        return self._masks

    def _use(self, bounds: Bounds | None) -> None:
        """Devices tell their bounds each time anew; what counts is whether they changed."""
        if bounds is None or self._bounds is None:
            changed = bounds is not self._bounds
        else:
            changed = bounds is not self._bounds and not all(
                np.array_equal(getattr(bounds, name), getattr(self._bounds, name), equal_nan=True) for name in Bounds.__slots__
            )
        if changed:
            self._bounds_number += 1
        self._bounds = bounds


def resolve(
    policies: Sequence[Standing],
    fleet: Fleet,
    signals: Signals,
    at: float,
    *,
    timezone: str = "UTC",
    floor_ratio: float = FLOOR_RATIO,
    **rest: Any,
) -> Resolved:
    """Once, without keeping anything. See `Resolver.resolve`."""
    return Resolver(timezone=timezone, floor_ratio=floor_ratio).resolve(policies, fleet, signals, at, **rest)


@dataclass(frozen=True, slots=True)
class _Step:
    seconds: float
    jumped: bool


def _step(memory: Memory, at: float, monotonic: float | None) -> _Step:
    """How long since the moment before, and whether the wall's clock says otherwise."""
    if memory.at is None:
        return _Step(0.0, jumped=False)
    by_wall = at - memory.at
    if monotonic is None or memory.monotonic is None:
        return _Step(max(by_wall, 0.0), jumped=False)
    seconds = max(monotonic - memory.monotonic, 0.0)
    return _Step(seconds, jumped=abs(by_wall - seconds) > JUMP_SECONDS)


def _counts(standing: Standing) -> bool:
    return standing.enabled and standing.policy.mode is Mode.ENFORCE


def _actives(standing: Sequence[Standing], met: list[Met], moment: Moment, meter: Meter, columns: Columns) -> list[Active]:
    """The policies that hold, with limits worked out where they change with time."""
    measures = any(each.policy.ask.energy or each.policy.when.event for each in standing)
    load = loads(moment.masks, moment.signals.node_watts) if measures else None
    joules = drawn(moment.masks, moment) if measures else None
    found = []
    for row, (each, how) in enumerate(zip(standing, met, strict=True)):
        policy = each.policy
        active = Active(row=row, policy=policy, nodes=how.nodes, nodes_key=b"" if how.nodes is None else how.nodes.tobytes())
        event, limit = policy.when.event, policy.ask.limit
        if load is not None and event is not None and limit is not None and limit.of == "baseline" and limit.watts is None:
            lines = [int(row) for row in columns.limits(active)]
            active = replace(active, limit_watts=tuple(meter.event_limits(policy, event, moment, lines, load)))
        if joules is not None and policy.ask.energy is not None:
            left = meter.energy_limit(policy, policy.ask.energy, moment, joules)
            if left is None:
                met[row] = Met(state=Holds.WAITING, why="it is for another period")
                continue
            met[row] = replace(how, until=min(how.until, left[1]))
            active = replace(active, limit_watts=tuple((int(line), left[0]) for line in columns.limits(active)))
        if met[row].state is Holds.YES:
            found.append(active)
    return found


def _gpu_caps(
    columns: Columns, actives: list[Active], floors: Floats, emergencies: Sequence[Emergency], first: int
) -> tuple[Floats, Any]:
    cap, name = columns.gpu_caps(actives)
    cap = np.where(cap < floors, floors, cap)
    for number, emergency in enumerate(emergencies):
        rows = columns.masks.gpus(emergency.scope)
        cap[rows] = np.where(np.isnan(floors[rows]), cap[rows], floors[rows])
        name[rows] = first + number
    return cap, name


def _node_caps(columns: Columns, actives: list[Active], holds: Sequence[Hold], first: int) -> tuple[Floats, Any]:
    cap, name = columns.node_caps(actives)
    for number, hold in enumerate(holds):
        if hold.of == "node":
            rows = np.flatnonzero(columns.masks.nodes(hold.scope))
            cap[rows], name[rows] = hold.watts, first + number
    return cap, name


def _pins(holds: Sequence[Hold], first: int, masks: Masks) -> tuple[Floats, Any]:
    """The lowest of the pins of each GPU."""
    pinned = np.full(len(masks.fleet.gpus), np.nan)
    name = np.full(pinned.size, NOBODY, np.int64)
    for number, hold in enumerate(holds):
        if hold.of == "gpu":
            rows = masks.gpus(hold.scope)
            rows = rows[~(pinned[rows] <= hold.watts)]
            pinned[rows], name[rows] = hold.watts, first + number
    return pinned, name


def _urgent(emergencies: Sequence[Emergency], masks: Masks) -> Bools:
    urgent = np.zeros(len(masks.fleet.nodes), np.bool_)
    for emergency in emergencies:
        urgent |= masks.nodes(emergency.scope)
    return urgent


def _keeps(actives: Sequence[Active], moment: Moment) -> Bools:
    """GPUs of jobs that write a checkpoint now, by a policy's pattern or their own word."""
    masks, at = moment.masks, moment.at
    jobs = masks.jobs
    writing = np.fromiter(
        (at < moment.signals.checkpoints.get((job.scheduler, job.job_id), -inf) for job in jobs.jobs), np.bool_, len(jobs.jobs)
    )
    for active in actives:
        asked = active.policy.ask.jobs
        if asked is not None and (pattern := asked.checkpoints) is not None:
            for row in job_rows(masks, active.policy.scope):
                started = jobs.jobs[row].started
                if started is not None and at - started >= 60 * pattern.every_minutes:
                    writing[row] |= (at - started) % (60 * pattern.every_minutes) < pattern.for_seconds
    keep = np.zeros(len(masks.fleet.gpus), np.bool_)
    keep[jobs.gpu[writing[jobs.holder]]] = True
    return keep


def _in_force(
    standing: Sequence[Standing],
    met: Sequence[Met],
    actives: Sequence[Active],
    intents: tuple[Intent, Intent],
    columns: Columns,
) -> tuple[InForce, ...]:
    binds, would_bind = (_binding(intent) for intent in intents)
    by_row = {active.row: active for active in actives}
    found = []
    for row, (each, how) in enumerate(zip(standing, met, strict=True)):
        counts = _counts(each) and how.state is Holds.YES
        touched = (0, 0, 0)
        if (active := by_row.get(row)) is not None:
            kind = each.policy.ask.kind
            is_line = kind == "energy" or (kind == "limit" and each.policy.scope.place is not None)
            touched = (
                0 if is_line or kind == "node_cap" else columns.gpus(active).size,
                columns.nodes(active).size if kind == "node_cap" else 0,
                columns.limits(active).size if is_line else 0,
            )
        found.append(
            InForce(
                standing=each,
                state=how.state,
                counts=counts,
                why=how.why,
                until=how.until,
                gpus=touched[0],
                nodes=touched[1],
                limits=touched[2],
                binds=int((binds if counts else would_bind)[row]),
            )
        )
    return tuple(found)


def _binding(intent: Intent) -> Any:
    """For how many GPUs, servers and lines each name is the most restrictive."""
    columns = np.concatenate([intent.gpu_cap_name, intent.node_cap_name, intent.limit_name])
    return np.bincount(columns[columns >= 0], minlength=len(intent.names))
