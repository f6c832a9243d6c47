"""Random electrical trees: our allocation against brute force for the lexicographic objective.

The brute force raises everybody together, class by class, and finds by bisection how far; it shares nothing with
`power.control.allocate` but the objective: minima, floors, wants by priority and max-min fair within one, then what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.model import Bools, ControlState, Device, Fleet, Floats, Intent, Ints, Limit, Mode, Tree, View

LOW, FLOOR, TOP = 200.0, 350.0, 700.0
REST = 150.0
TUNING = replace(
    Tuning(margin_ratio=0.0, margin_watts=0.0, step_ratio=1e-9, slack_ratio=0.0), floor_ratio=FLOOR / TOP
).at_once()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The worst of all cases."""

    optimum_error: float
    over_limit_watts: float
    deficit_error_watts: float
    order_changes: int
    infeasible: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """Servers with one GPU each, limits over shares of them, and what everybody wants."""

    share: Floats
    """Limits x servers."""
    room: Floats
    fixed: Floats
    want: Floats
    priority: Ints
    group: Ints


def run(cases: int, seed: int) -> Found:
    """Random cases."""
    rng = np.random.default_rng(seed)
    error = over = deficit_error = 0.0
    changes = infeasible = 0
    for _ in range(cases):
        case = draw(rng)
        caps, deficit = ours(case)
        truth, lacks = brute_force(case)
        error = max(error, float(np.abs(caps - truth).max()) / (TOP - LOW))
        load = case.fixed + case.share @ (REST + caps)
        feasible = lacks == 0
        over = max(over, float((load - case.room)[feasible].max(initial=0.0)))
        deficit_error = max(deficit_error, float(np.abs(deficit - lacks).max()))
        infeasible += bool((~feasible).any())
        order = rng.permutation(len(case.want))
        again, _ = ours(_shuffled(case, order))
        changes += not np.array_equal(again, caps[order])
    return Found(
        optimum_error=error,
        over_limit_watts=over,
        deficit_error_watts=deficit_error,
        order_changes=changes,
        infeasible=infeasible,
    )


def draw(rng: np.random.Generator) -> Case:
    """A tree of up to six levels over up to 30 servers, some of it on two feeds."""
    count = int(rng.integers(2, 31))
    rows: list[Floats] = [np.ones(count)]
    level = [np.arange(count)]
    for _ in range(int(rng.integers(1, 6))):
        level = [part for group in level for part in np.array_split(group, int(rng.integers(1, 4))) if len(part)]
        for part in level:
            row = np.zeros(count)
            # On two feeds a breaker must carry the whole server, or half of it where the other feed is trusted.
            row[part] = rng.choice((1.0, 1.0, 0.5))
            rows.append(row)
    share = np.array(rows)
    fixed = np.where(rng.random(len(rows)) < 0.2, rng.integers(0, 300, len(rows)), 0).astype(float)
    most = fixed + share @ np.full(count, REST + TOP)
    room = np.floor(most * rng.uniform(0.35 if rng.random() < 0.1 else 0.6, 1.1, len(rows)))
    jobs = rng.integers(0, 4, count)
    grouped = np.where(rng.random(count) < 0.5, jobs, -1)
    of_job = rng.choice((20, 50, 80), 4)
    return Case(
        share=share,
        room=room,
        fixed=fixed,
        want=np.floor(rng.uniform(FLOOR, 0.93 * TOP, count)),
        priority=np.where(grouped >= 0, of_job[jobs], rng.choice((20, 50, 80), count)),
        group=grouped,
    )


def ours(case: Case) -> tuple[Floats, Floats]:
    """The allocator's caps and what each limit lacks."""
    fleet, view, intent = _given(case)
    proposal, memory = propose(fleet, view, intent, TUNING, Memory())
    return proposal.gpu_watts, memory.deficit_watts


def brute_force(case: Case) -> tuple[Floats, Floats]:
    """Caps and deficits by the definition."""
    count = len(case.want)
    lift = np.where(case.group >= 0, case.group, 100 + np.arange(count))
    want = case.want.copy()
    for number in np.unique(case.group[case.group >= 0]):
        want[case.group == number] = want[case.group == number].max()
    room = case.room - case.fixed - case.share @ np.full(count, REST)
    caps = np.full(count, LOW)
    lacks = np.maximum(case.share @ caps - room, 0.0)
    climb = _Climb(
        share=case.share, room=np.maximum(room, case.share @ caps), lift=lift, caps=caps, stuck=np.zeros(count, bool)
    )
    floor = np.full(count, FLOOR)
    top = np.full(count, TOP)
    for end, pace in ((floor, floor - LOW), (want, top - floor), (top, top - want)):
        for priority in sorted(set(case.priority.tolist()), reverse=True):
            climb.fill(end, pace, case.priority == priority)
    return np.floor(climb.caps + 1e-6), lacks


@dataclass(kw_only=True, eq=False)
class _Climb:
    """Caps on their way up."""

    share: Floats
    room: Floats
    lift: Ints
    caps: Floats
    stuck: Bools
    """Under a full limit: these rise no more."""

    def fill(self, end: Floats, pace: Floats, rising: Bools) -> None:
        """Raise all of `rising` together until each is at its end or under a full limit."""
        begin, rising = self.caps, rising & ~self.stuck & (self.caps < end)
        level = 0.0
        while rising.any():
            level = self._highest(level, begin, end, (pace, rising))
            self.caps = np.where(rising, np.minimum(begin + level * pace, end), self.caps)
            more = self.share @ np.where(rising & (self.caps < end - 1e-9), pace, 0.0)
            full = (self.room - self.share @ self.caps < 1e-6) & (more > 0)
            held = rising & (self.caps < end - 1e-9) & (self.share[full] > 0).any(axis=0)
            held = rising & np.isin(self.lift, self.lift[held])
            self.stuck |= held
            rising &= (self.caps < end - 1e-9) & ~held

    def _highest(self, low: float, begin: Floats, end: Floats, moving: tuple[Floats, Bools]) -> float:
        """How far all can come, by bisection."""
        high = 1.0 + 1e-9
        pace, rising = moving
        for _ in range(60):
            middle = (low + high) / 2
            caps = np.where(rising, np.minimum(begin + middle * pace, end), self.caps)
            if (self.share @ caps <= self.room + 1e-9).all():
                low = middle
            else:
                high = middle
        return low


def _shuffled(case: Case, order: Ints) -> Case:
    return replace(
        case, share=case.share[:, order], want=case.want[order], priority=case.priority[order], group=case.group[order]
    )


def _given(case: Case) -> tuple[Fleet, View, Intent]:
    rows, members = np.nonzero(case.share)
    count, limits = len(case.want), len(case.room)
    order = np.lexsort((members, rows))
    rows, members = rows[order], members[order]
    tree = Tree(
        limits=tuple(
            Limit(name=f"l{number}", kind="breaker", rating_watts=room, trip_safe_watts=room, fixed_watts=fixed)
            for number, (room, fixed) in enumerate(zip(case.room.tolist(), case.fixed.tolist(), strict=True))
        ),
        start=np.searchsorted(rows, np.arange(limits + 1)).astype(np.int64),
        member=members.astype(np.int64),
        share=case.share[rows, members],
        row_of_entry=rows.astype(np.int64),
        fixed_watts=case.fixed,
        trip_safe_watts=case.room,
    )
    everyone, nothing, never = np.ones(count), np.full(count, np.nan), np.full(count, np.inf)
    # Names go with what a server is, not with where it stands: ties are decided by names.
    names = tuple(f"n{number}" for number in range(count))
    fleet = Fleet(
        tree=tree,
        nodes=names,
        racks=("",) * count,
        gpus=tuple(Device(name, f"g-{name}") for name in names),
        gpu_index=("0",) * count,
        gpu_node=np.arange(count),
        gpu_model=("",) * count,
        rest_watts=REST * everyone,
        loss=everyone,
        nameplate_watts=1000 * everyone,
    )
    view = View(
        at=0.0,
        monotonic=100.0,
        gpu_watts=case.want,
        gpu_age=0 * everyone,
        gpu_peak_watts=case.want,
        gpu_limit_watts=TOP * everyone,
        gpu_own_watts=TOP * everyone,
        gpu_limit_age=0 * everyone,
        gpu_min_watts=LOW * everyone,
        gpu_max_watts=TOP * everyone,
        gpu_default_watts=TOP * everyone,
        gpu_state=np.full(count, int(ControlState.CONTROLLED)),
        node_watts=REST + case.want,
        node_age=0 * everyone,
        node_peak_watts=REST + case.want,
        node_cap_watts=nothing,
        node_cap_age=never,
        node_cap_min_watts=nothing,
        node_cap_max_watts=nothing,
        node_state=np.zeros(count, np.int64),
    )
    nobody = np.full(count, -1)
    intent = Intent(
        names=(),
        limit_watts=np.full(limits, np.inf),
        limit_name=np.full(limits, -1),
        guaranteed=np.zeros(limits, bool),
        gpu_cap_watts=never,
        gpu_cap_name=nobody,
        node_cap_watts=never,
        node_cap_name=nobody,
        priority=case.priority,
        group=case.group,
        keep=np.zeros(count, bool),
        pinned_watts=nothing,
        pinned_name=nobody,
        clock_mhz=nothing,
        floor_watts=FLOOR * everyone,
        urgent=np.zeros(count, bool),
        mode=Mode.ENFORCE,
    )
    return fleet, view, intent
