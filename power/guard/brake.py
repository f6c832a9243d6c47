"""The brake: who goes down how far in an emergency, worked out beforehand, so that pulling it is looking up a table.

It needs neither database nor telemetry nor allocator: bounds and caps as the devices told them last are enough. Its orders only
lower caps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from power.guard.history import READ_BACK_WATTS
from power.model import Bools, ControlState, Device, Fleet, Floats, Intent, Ints, NodeOrder, View
from power.tree.ceilings import NODE_CAP_TOLERANCE, counted


class Level(StrEnum):
    """How far an emergency goes."""

    THROTTLE = "throttle"
    """To the floor that policies set: work goes on at its best per joule."""
    MINIMUM = "minimum"
    """To the lowest that devices take, servers' own caps included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shed:
    """One step of a limit's table: a device goes down to `watts`, which frees so much there, with all before it in total."""

    device: Device
    watts: float
    freed_watts: float
    total_watts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an emergency has got: devices that are down by read-back, and those that are waited for."""

    down: int
    of: int
    waiting: tuple[Device, ...]
    freed_watts: float
    """Of the worst case, by read-back, at the servers' inlets."""
    seconds_left: float
    """Until the deadline; negative when it has passed."""

    @property
    def late(self) -> bool:
        """Whether the deadline has passed with devices still up."""
        return self.seconds_left < 0 and bool(self.waiting)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShedTable:
    """Made by `shed_table`. `order` has the GPUs that can go down, those whose cut costs least first."""

    fleet: Fleet
    view: View
    priority: Ints
    floor_watts: Floats
    order: Ints

    def steps(self, scope: str, level: Level = Level.MINIMUM) -> tuple[Shed, ...]:
        """The table of one limit or server: what to lower in turn, and what has been freed by then."""
        freed = self._freed(self._weights(scope), level)
        rows = self.order[freed[self.order] > 0]
        target, total = self._targets(level), np.cumsum(freed[rows])
        return tuple(
            Shed(
                device=self.fleet.gpus[row],
                watts=float(target[row]),
                freed_watts=float(freed[row]),
                total_watts=float(total[number]),
            )
            for number, row in enumerate(rows.tolist())
        )

    def orders(self, scope: str, level: Level, *, watts: float | None = None, why: str = "") -> tuple[NodeOrder, ...]:
        """Urgent orders that bring what is below `scope` to `level`; with `watts` only as much as frees that many.

        `scope` is the name of a limit or server, or kind and name as in rack:r01 where several kinds share a name. Raises
        `ValueError` with what to write instead.
        """
        weights = self._weights(scope)
        freed = self._freed(weights, level)
        rows = self.order[freed[self.order] > 0]
        if watts is not None:
            rows = rows[: int(np.searchsorted(np.cumsum(freed[rows]), watts)) + 1]
        target = self._targets(level)
        caps: dict[int, dict[str, float]] = {}
        for row in rows.tolist():
            caps.setdefault(int(self.fleet.gpu_node[row]), {})[self.fleet.gpus[row].uuid] = float(target[row])
        own = self._own_caps(weights) if level is Level.MINIMUM and watts is None else {}
        return tuple(
            NodeOrder(
                node=self.fleet.nodes[server],
                gpu_watts=caps.get(server, {}),
                node_cap_watts=own.get(server),
                urgent=True,
                why=why or f"emergency: {scope} to {level}",
            )
            for server in sorted({*caps, *own})
        )

    def progress(self, view: View, scope: str, level: Level, deadline: float) -> Progress:
        """How far the orders of this table have got in a newer view, against a deadline by the monotonic clock."""
        freed = self._freed(self._weights(scope), level)
        concerned = np.zeros(len(freed), dtype=np.bool_)
        concerned[self.order] = freed[self.order] > 0
        holds = view.gpu_state == ControlState.CONTROLLED
        down = concerned & holds & (view.gpu_limit_watts <= self._targets(level) + READ_BACK_WATTS)
        return Progress(
            down=int(down.sum()),
            of=int(concerned.sum()),
            waiting=tuple(self.fleet.gpus[row] for row in np.flatnonzero(concerned & ~down).tolist()),
            freed_watts=float(freed[down].sum()),
            seconds_left=deadline - view.monotonic,
        )

    def _targets(self, level: Level) -> Floats:
        """Where each GPU goes: whole watts within what it takes, never above the cap that it has."""
        low, high = _bounds(self.view)
        floor = self.floor_watts if level is Level.THROTTLE else np.zeros_like(low)
        return np.maximum(np.floor(np.fmin(np.fmax(low, floor), high)), low)

    def _freed(self, weights: Floats, level: Level) -> Floats:
        """Watts of the worst case that each GPU's cut frees below the scope; nought where there is nothing to cut."""
        counts, _ = counted(self.fleet, self.view)
        # Whose limit nobody knows counts at the most that it takes.
        _, high = _bounds(self.view)
        before = np.where(np.isfinite(counts), counts, high)
        freed = np.maximum(before - self._targets(level), 0.0) * (weights * self.fleet.loss)[self.fleet.gpu_node]
        return np.where(np.isnan(freed), 0.0, freed)

    def _own_caps(self, weights: Floats) -> dict[int, float]:
        """Servers whose own cap still frees something once their GPUs are down: it is all there is where those do not obey."""
        counts, _ = counted(self.fleet, self.view)
        holds = (self.view.gpu_state == ControlState.CONTROLLED) | (self.view.gpu_state == ControlState.PENDING)
        gpus = np.where(holds, self._targets(Level.MINIMUM), counts)
        rest = self.fleet.rest_watts + self.fleet.loss * self.fleet.by_node(np.where(np.isnan(gpus), np.inf, gpus))
        least, own = self.view.node_cap_min_watts, self.view.node_cap_watts
        lower = (least > 0) & (least <= self.view.node_cap_max_watts) & ~(own <= least)
        useful = lower & (weights > 0) & (least * NODE_CAP_TOLERANCE < np.minimum(rest, self.fleet.nameplate_watts))
        return {row: float(least[row]) for row in np.flatnonzero(useful).tolist()}

    def _weights(self, scope: str) -> Floats:
        """With how much of its power each server counts below a limit or server of this name."""
        tree, weights = self.fleet.tree, np.zeros(len(self.fleet.nodes))
        rows = [row for row, limit in enumerate(tree.limits) if scope in {limit.name, f"{limit.kind}:{limit.name}"}]
        if len(rows) > 1:
            names = ", ".join(f"{tree.limits[row].kind}:{tree.limits[row].name}" for row in rows)
            raise ValueError(f"{scope!r} has several meanings; expected one of {names}")
        if rows:
            entries = slice(int(tree.start[rows[0]]), int(tree.start[rows[0] + 1]))
            weights[tree.member[entries]] = tree.share[entries]
        elif scope in self.fleet.nodes:
            weights[self.fleet.nodes.index(scope)] = 1.0
        else:
            raise ValueError(f"{scope!r} is no limit and no server; expected such as {_examples(self.fleet)}")
        return weights


@np.errstate(invalid="ignore", divide="ignore")
def shed_table(fleet: Fleet, view: View, intent: Intent, before: ShedTable | None = None) -> ShedTable:
    """The table for this moment. Of `before` the order is kept where fleet, priorities, floors and bounds are the same.

    Low priority goes first; among equals whoever frees most watts for each share of its work that it loses. GPUs that have not
    told their bounds are in no table: nothing may be written to them.
    """
    if before is not None and _same(before, fleet, view, intent):
        return replace(before, view=view)
    low, high = _bounds(view)
    # The share of its level that a GPU loses between its highest and its lowest limit, for each watt: less is cheaper.
    impact = (1 - low / high) / (high - low)
    rows = np.flatnonzero(~np.isnan(low))
    order = rows[np.lexsort([rows, np.where(np.isnan(impact), np.inf, impact)[rows], intent.priority[rows]])]
    return ShedTable(fleet=fleet, view=view, priority=intent.priority, floor_watts=intent.floor_watts, order=order)


def _bounds(view: View) -> tuple[Floats, Floats]:
    """What each GPU takes at least and at most; NaN for both where it has not told."""
    low, high = view.gpu_min_watts, np.fmin(view.gpu_max_watts, view.gpu_default_watts)
    told: Bools = (low > 0) & (low <= high) & (high < np.inf)
    return np.where(told, low, np.nan), np.where(told, high, np.nan)


def _same(before: ShedTable, fleet: Fleet, view: View, intent: Intent) -> bool:
    old = before.view
    pairs = (
        (before.priority, intent.priority),
        (before.floor_watts, intent.floor_watts),
        (old.gpu_min_watts, view.gpu_min_watts),
        (old.gpu_max_watts, view.gpu_max_watts),
        (old.gpu_default_watts, view.gpu_default_watts),
    )
    return before.fleet is fleet and all(np.array_equal(one, other, equal_nan=True) for one, other in pairs)


def _examples(fleet: Fleet) -> str:
    return ", ".join([f"{limit.kind}:{limit.name}" for limit in fleet.tree.limits[:3]] + list(fleet.nodes[:1]))
