"""Policies, holds, emergencies and signals at one moment, as columns of what is wanted.

The same inputs and memory give the same result, in whatever order policies come; everything that a `Resolver` keeps besides is
only there to be quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

from power.model import Fleet, Mode
from power.policies.columns import Active, Columns
from power.policies.conditions import Judge, Met, Moment
from power.policies.in_force import counts, in_force
from power.policies.intent import Intents, Pinned
from power.policies.masks import Masks
from power.policies.measured import Meter, drawn, loads
from power.policies.resolved import Holds, Memory, Resolved
from power.policies.signals import Signals
from power.policies.standing import Bounds, Emergency, Hold, Standing

JUMP_SECONDS = 2.0
FLOOR_RATIO = 0.5
NOTHING_REMEMBERED = Memory()


class Resolver:
    """Resolves again and again; keeps masks and columns that did not change."""

    def __init__(self, *, timezone: str = "UTC", floor_ratio: float = FLOOR_RATIO) -> None:
        self._timezone = timezone
        self._floor_ratio = floor_ratio
        self._judge = Judge(timezone)
        self._masks: Masks | None = None
        self._intents: Intents | None = None

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
        masks, intents = self._made_for(fleet)
        masks.use(signals.jobs)
        intents.use(bounds)
        step = _step(memory, at, monotonic)
        moment = Moment(
            at=at, steady=memory.steady + step.seconds, seconds=step.seconds, signals=signals, masks=masks, memory=memory
        )
        standing = sorted(policies, key=lambda each: each.policy.name)
        self._judge.triggers, self._judge.notes = {}, []
        columns, meter = Columns(masks, bounds), Meter(self._timezone)
        met = [self._judge.judge(each.policy, moment) for each in standing]
        actives = _actives(standing, met, moment, meter, columns)
        alive = [hold for hold in sorted(holds, key=lambda each: each.id) if at < hold.expires]
        urgent = [each for each in sorted(emergencies, key=lambda each: each.id) if at < each.expires]
        names = (*(each.policy.name for each in standing), *(each.name for each in alive), *(each.name for each in urgent))
        pinned = Pinned(names=names, holds=tuple(alive), emergencies=tuple(urgent))
        make = partial(intents.make, pinned=pinned, signals=signals, at=at, columns=columns, mode=mode)
        counting = [active for active in actives if counts(standing[active.row])]
        intent = make("intent", counting)
        shadow = intent if len(counting) == len(actives) else make("shadow", actives)
        found = in_force(standing, met, actives, (intent, shadow), columns)
        empty = [f"{each.name}: there is nothing in {each.standing.policy.scope}" for each in found if each.is_for_nothing]
        known = frozenset(each.policy.name for each in standing)
        return Resolved(
            intent=intent,
            shadow=shadow,
            in_force=found,
            notes=tuple(dict.fromkeys([*self._judge.notes, *meter.notes, *columns.notes, *empty])),
            memory=Memory(
                at=at,
                monotonic=monotonic,
                steady=moment.steady,
                triggers=dict(self._judge.triggers),
                baselines={key: value for key, value in memory.baselines.items() if key[0] in known} | meter.baselines,
                used={key: value for key, value in memory.used.items() if key in known} | meter.used,
                energy_joules=signals.energy_joules,
            ),
            freeze_raises=step.jumped,
            next_change=min(
                [inf, *(each.until for each in found), *(each.expires for each in alive), *(each.expires for each in urgent)]
            ),
        )

    def _made_for(self, fleet: Fleet) -> tuple[Masks, Intents]:
        if self._masks is None or self._intents is None or self._masks.fleet is not fleet:
            self._masks = Masks(fleet)
            self._intents = Intents(self._masks, self._floor_ratio)
        return self._masks, self._intents


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


def _actives(standing: Sequence[Standing], met: list[Met], moment: Moment, meter: Meter, columns: Columns) -> list[Active]:
    """The policies that hold, with limits worked out where they change with time. Baselines are measured before they hold."""
    measures = any(each.policy.ask.energy or each.policy.when.event for each in standing)
    load = loads(moment.masks, moment.signals.node_watts) if measures else None
    joules = drawn(moment.masks, moment) if measures else None
    found = []
    for row, (each, how) in enumerate(zip(standing, met, strict=True)):
        policy = each.policy
        active = Active(row=row, policy=policy, nodes=how.nodes, nodes_key=b"" if how.nodes is None else how.nodes.tobytes())
        event, limit = policy.when.event, policy.ask.limit
        if load is not None and event is not None and limit is not None and limit.of == "baseline" and limit.watts is None:
            lines = [int(line) for line in columns.limits(active)]
            active = replace(active, limit_watts=tuple(meter.event_limits(policy, event, moment, lines, load)))
        if joules is not None and policy.ask.energy is not None and how.state is not Holds.ENDED:
            left = meter.energy_limit(policy, policy.ask.energy, moment, joules)
            if left is None:
                met[row] = Met(state=Holds.WAITING, why="it is for another period", until=how.until)
                continue
            met[row] = replace(how, why=f"{left[0] / 1000:.1f} kW use what is left evenly", until=min(how.until, left[1]))
            active = replace(active, limit_watts=tuple((int(line), left[0]) for line in columns.limits(active)))
        if met[row].state is Holds.YES:
            found.append(active)
    return found
