"""Columns of an intent from what policies ask. The most restrictive wins; of two alike the first by name is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal

import numpy as np

from power.model import MIDDLE_PRIORITY, NOBODY, Bools, Floats, Ints
from power.policies.ask import Amount, GpuCapAsk, LimitAsk, NodeCapAsk
from power.policies.masks import Masks
from power.policies.model import Policy
from power.policies.scope import Scope
from power.policies.signals import JobFacts
from power.policies.standing import Bounds

_NEARNESS = (
    "feed",
    "breaker",
    "row",
    "rack",
    "group",
    "node",
    "gpu_model",
    "gpu",
    "partition",
    "account",
    "qos",
    "user",
    "job",
)
"""Whose word counts where several policies give a priority, the last most: what is nearest to the job."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Active:
    """A policy that holds: its row among the names, and for which servers (None: all of its scope).

    `limit_watts`: what was worked out for lines of the tree, where that changes with time.
    """

    row: int
    policy: Policy
    nodes: Bools | None = None
    nodes_key: bytes = b""
    limit_watts: tuple[tuple[int, float], ...] | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal where it asks the same."""
        return (self.row, self.policy, self.nodes_key, self.limit_watts)


@dataclass(slots=True)
class Columns:
    """Makes columns for one fleet; keeps each kind of them until something of that kind changes."""

    masks: Masks
    bounds: Bounds | None
    notes: list[str] = field(default_factory=list)

    def gpus(self, active: Active) -> Ints:
        """The GPUs that an active policy means."""
        rows = self.masks.gpus(active.policy.scope)
        return rows if active.nodes is None else rows[active.nodes[self.masks.fleet.gpu_node[rows]]]

    def nodes(self, active: Active) -> Ints:
        """The servers that it means."""
        mask = self.masks.nodes(active.policy.scope)
        return np.flatnonzero(mask if active.nodes is None else mask & active.nodes)

    def limits(self, active: Active) -> Ints:
        """The lines of the tree that it means; a line that only holds some of its servers is among them."""
        place = active.policy.scope.place
        rows = np.empty(0, np.int64) if place is None else self.masks.limits(*place)
        if active.nodes is None:
            return rows
        nodes = active.nodes
        return np.array([row for row in rows if nodes[self.masks.members(row)].any()], np.int64)

    def gpu_caps(self, actives: Sequence[Active]) -> tuple[Floats, Ints]:
        """The lowest cap of each GPU and whose it is."""
        cap, name = self._nobody(len(self.masks.fleet.gpus))
        for active in actives:
            ask, rows = active.policy.ask, self.gpus(active)
            if ask.gpu_cap is not None:
                lower(cap, name, rows, self.gpu_amount(active.policy, ask.gpu_cap, rows), active.row)
            elif ask.limit is not None and ask.limit.watts is not None and active.policy.scope.place is None and rows.size:
                lower(cap, name, rows, ask.limit.watts / rows.size, active.row)
        return cap, name

    def node_caps(self, actives: Sequence[Active]) -> tuple[Floats, Ints]:
        """The lowest cap of each server and whose it is."""
        cap, name = self._nobody(len(self.masks.fleet.nodes))
        for active in actives:
            if (ask := active.policy.ask.node_cap) is not None:
                rows = self.nodes(active)
                lower(cap, name, rows, self.node_amount(active.policy, ask, rows), active.row)
        return cap, name

    def limit_watts(self, actives: Sequence[Active]) -> tuple[Floats, Ints, Bools]:
        """The lowest limit of each line of the tree, whose it is (nobody's: the inventory's), and whether it is guaranteed.

        Where one policy asks for a guaranteed and another for a lower measured limit of one line, the lower is guaranteed.
        """
        budgets = self.masks.line_watts("only budget")
        cap = np.where(np.isnan(budgets), inf, budgets)
        name = np.full(cap.size, NOBODY, np.int64)
        guaranteed = np.zeros(cap.size, np.bool_)
        for active in actives:
            rows, watts = self.limits_of(active)
            if rows.size:
                lower(cap, name, rows, watts, active.row)
                ask = active.policy.ask.limit or active.policy.ask.energy
                if ask is not None and ask.basis == "guaranteed":
                    guaranteed[rows] = True
        return cap, name, guaranteed

    def limits_of(self, active: Active) -> tuple[Ints, Floats]:
        """Lines of the tree and what an active policy allows each."""
        ask = active.policy.ask.limit
        if active.limit_watts is not None:
            found = np.array(active.limit_watts, np.float64).reshape(-1, 2)
            return found[:, 0].astype(np.int64), found[:, 1]
        if ask is None or active.policy.scope.place is None:
            return np.empty(0, np.int64), np.empty(0)
        rows = self.limits(active)
        watts = np.full(rows.size, ask.watts) if ask.watts is not None else self._share_of_line(active.policy, ask, rows)
        return rows, watts

    def clocks(self, actives: Sequence[Active]) -> Floats:
        """The lowest clock of each GPU."""
        clock = np.full(len(self.masks.fleet.gpus), np.nan)
        for active in actives:
            if (ask := active.policy.ask.gpu_clock) is not None:
                rows = self.gpus(active)
                clock[rows] = np.fmin(clock[rows], ask.mhz)
        return clock

    def priorities(self, actives: Sequence[Active]) -> Ints:
        """The priority of each GPU: the word of who is nearest to the job; of two as near the lower."""
        priority = np.full(len(self.masks.fleet.gpus), MIDDLE_PRIORITY, np.int64)
        asked = [(active, ask) for active in actives if (ask := active.policy.ask.priority) is not None]
        told: list[tuple[int, int, Ints]] = []
        for active, ask in asked:
            rows, nearness = self.gpus(active), _nearness(active.policy.scope)
            if ask.value is not None:
                told.append((nearness, ask.value, rows))
                continue
            inside = np.zeros(priority.size, np.bool_)
            inside[rows] = True
            by = str(ask.by)
            for value, given in ask.values.items():
                held = self.masks.jobs.gpu[self.masks.holds(_having(by, value))]
                told.append((max(nearness, _NEARNESS.index(by)), given, held[inside[held]]))
        for _, given, rows in sorted(told, key=lambda each: (each[0], -each[1])):
            priority[rows] = given
        return priority

    def groups(self, actives: Sequence[Active]) -> Ints:
        """The job of each GPU that a job of several has for itself; nobody where a policy wants no equal caps."""
        jobs = self.masks.jobs
        group = np.full(len(self.masks.fleet.gpus), NOBODY, np.int64)
        per_gpu = np.bincount(jobs.gpu, minlength=group.size)
        per_job = np.bincount(jobs.holder, minlength=len(jobs.jobs))
        alone = (per_gpu[jobs.gpu] == 1) & (per_job[jobs.holder] > 1) if jobs.gpu.size else np.zeros(0, np.bool_)
        group[jobs.gpu[alone]] = jobs.holder[alone]
        told = [
            (_nearness(active.policy.scope), ask.equal, self.gpus(active))
            for active in actives
            if (ask := active.policy.ask.jobs) is not None and ask.equal is not None
        ]
        unequal = np.zeros(group.size, np.bool_)
        for _, equal, rows in sorted(told, key=lambda each: (each[0], each[1])):
            unequal[rows] = not equal
        group[unequal] = NOBODY
        return group

    def _nobody(self, size: int) -> tuple[Floats, Ints]:
        return np.full(size, inf), np.full(size, NOBODY, np.int64)

    def gpu_amount(self, policy: Policy, ask: GpuCapAsk, rows: Ints) -> Floats:
        """What a policy asks of each of these GPUs; NaN where that is not known."""
        names: dict[Literal["default", "max"], str] = {"default": "gpu_default_watts", "max": "gpu_max_watts"}
        base = None if self.bounds is None else getattr(self.bounds, names[ask.of])[rows]
        return self._amount(policy, ask, rows, base, of=f"{ask.of} limit of {{}} GPUs")

    def node_amount(self, policy: Policy, ask: NodeCapAsk, rows: Ints) -> Floats:
        """What it asks of each of these servers."""
        if ask.of == "nameplate":
            base: Floats | None = self.masks.fleet.nameplate_watts[rows]
        else:
            base = None if self.bounds is None else self.bounds.node_cap_max_watts[rows]
        return self._amount(policy, ask, rows, base, of=f"{ask.of} of {{}} servers")

    def _share_of_line(self, policy: Policy, ask: LimitAsk, rows: Ints) -> Floats:
        base = self.masks.line_watts(ask.of)[rows]
        return self._amount(policy, ask, rows, base, of=f"{ask.of.replace('_', '-')} of {{}} lines of the tree")

    def _amount(self, policy: Policy, ask: Amount, rows: Ints, base: Floats | None, *, of: str) -> Floats:
        if ask.watts is not None:
            return np.full(rows.size, ask.watts)
        if base is None:
            base = np.full(rows.size, np.nan)
        if missing := int(np.isnan(base).sum()):
            self.notes.append(f"{policy.name}: the {of.format(missing)} is not known; nothing is asked of them")
        return base * (ask.percent or 0.0) / 100


def lower(cap: Floats, name: Ints, rows: Ints, watts: Floats | float, who: int) -> None:
    """Take `watts` for these rows wherever it is less than what stands there. What is not known (NaN) takes nothing."""
    is_less = watts < cap[rows]
    if is_less.all():
        cap[rows], name[rows] = watts, who
    elif is_less.any():
        changed = rows[is_less]
        cap[changed] = watts if isinstance(watts, float) else watts[is_less]
        name[changed] = who


def _nearness(scope: Scope) -> int:
    return max((_NEARNESS.index(kind) for kind in scope.given), default=-1)


def _having(by: str, value: str) -> Callable[[JobFacts], bool]:
    def fits(job: JobFacts) -> bool:
        return str(getattr(job, by)) == value

    return fits
