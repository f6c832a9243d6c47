"""What the allocator remembers from one decision to the next. Frozen: the same memory and view give the same proposal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from power.control.bands import Sample
from power.control.demand import Held, nothing_held
from power.control.layout import Layout, layout
from power.model import Bools, Fleet, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """Caps that were asked for: what, since when, and when each last rose."""

    watts: Floats
    since: Floats
    raised_at: Floats
    landed_at: Floats
    """When the last change was seen in the device."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """Everything that is remembered about one fleet."""

    layout: Layout
    at: float
    asked: Asked
    """Columns of the GPUs, followed by those of the servers."""
    gpu_want: Held
    node_want: Held
    rest: Held
    """What servers draw beside their GPUs."""
    window: tuple[Sample, ...]
    """Power of the servers within the window."""
    ratio: Held
    """Measured peak of each limit by what its devices' own peaks come to."""
    rising: Bools
    """Limits whose loads may rise: set below `release`, until `hold` is reached."""
    raises: tuple[tuple[float, Floats], ...]
    """Watts of raises by limit within the last `raise_seconds`."""
    deficit_watts: Floats
    """Columns of limits: what the least that devices take exceeds them by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """The allocator's memory; a new controller begins with `Memory(seed=…)`. The seed spreads the raises over time."""

    seed: int = 0
    state: State | None = None

    @property
    def deficit_watts(self) -> Floats:
        """By limit of the fleet of the last proposal: watts by which what must run exceeds it. Nought where it fits."""
        return np.zeros(0) if self.state is None else self.state.deficit_watts

    def of(self, fleet: Fleet, now: float) -> State:
        """The state for this fleet: carried over by name when the fleet was made anew, else empty."""
        if self.state is None:
            return _empty(layout(fleet, self.seed), now)
        if self.state.layout.fleet is fleet:
            return self.state
        return _moved(self.state, layout(fleet, self.seed), now)


def _empty(made: Layout, now: float) -> State:
    gpus, nodes, limits = len(made.fleet.gpus), len(made.fleet.nodes), len(made.fleet.tree.limits)
    return State(
        layout=made,
        at=now,
        asked=_nothing_asked(gpus + nodes),
        gpu_want=nothing_held(gpus, now),
        node_want=nothing_held(nodes, now),
        rest=nothing_held(nodes, now),
        window=(),
        ratio=nothing_held(limits, now),
        rising=np.zeros(limits, np.bool_),
        raises=(),
        deficit_watts=np.zeros(limits),
    )


def _nothing_asked(length: int) -> Asked:
    never = np.full(length, -np.inf)
    return Asked(watts=np.full(length, np.nan), since=never, raised_at=never, landed_at=never)


def _moved(state: State, made: Layout, now: float) -> State:
    """The state in the rows of another fleet. Devices that are new have none; the window of power begins anew for them."""
    before, after = state.layout.fleet, made.fleet
    gpus = _rows(before.gpus, after.gpus)
    nodes = _rows(before.nodes, after.nodes)
    limits = _rows(
        tuple((limit.kind, limit.name) for limit in before.tree.limits),
        tuple((limit.kind, limit.name) for limit in after.tree.limits),
    )
    # What a server drew beside no GPUs, before its agent told of them, is not what it draws beside them.
    alike = _rows(_gpus_of(before), _gpus_of(after))
    empty = _empty(made, now)
    return replace(
        empty,
        at=state.at,
        asked=_asked_at(state.asked, np.concatenate([gpus, np.where(nodes >= 0, nodes + len(before.gpus), -1)])),
        gpu_want=_held_at(state.gpu_want, gpus),
        node_want=_held_at(state.node_want, nodes),
        rest=_held_at(state.rest, alike),
        window=tuple(Sample(at=one.at, node_watts=_at(one.node_watts, nodes, np.nan)) for one in state.window),
        ratio=_held_at(state.ratio, np.where(_touched(after, alike < 0), -1, limits)),
        rising=_at(state.rising.astype(np.float64), limits, 0.0) > 0,
        raises=tuple((at, _at(watts, limits, 0.0)) for at, watts in state.raises),
    )


def _touched(fleet: Fleet, nodes: Bools) -> Bools:
    """Limits that any of these servers counts against."""
    hit = nodes[fleet.tree.member].astype(np.float64)
    touched: Bools = np.bincount(fleet.tree.row_of_entry, weights=hit, minlength=len(fleet.tree.limits)) > 0
    return touched


def _gpus_of(fleet: Fleet) -> tuple[object, ...]:
    counts = np.bincount(fleet.gpu_node, minlength=len(fleet.nodes))
    return tuple(zip(fleet.nodes, counts.tolist(), strict=True))


def _rows(before: tuple[object, ...], after: tuple[object, ...]) -> Ints:
    known = {name: row for row, name in enumerate(before)}
    return np.array([known.get(name, -1) for name in after], np.int64)


def _at(column: Floats, rows: Ints, fill: float) -> Floats:
    if not len(column):
        return np.full(len(rows), fill)
    return np.where(rows >= 0, column[rows], fill)


def _held_at(held: Held, rows: Ints) -> Held:
    return Held(running=_at(held.running, rows, np.nan), last=_at(held.last, rows, np.nan), since=held.since)


def _asked_at(asked: Asked, rows: Ints) -> Asked:
    return Asked(
        watts=_at(asked.watts, rows, np.nan),
        since=_at(asked.since, rows, -np.inf),
        raised_at=_at(asked.raised_at, rows, -np.inf),
        landed_at=_at(asked.landed_at, rows, -np.inf),
    )
