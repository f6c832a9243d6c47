"""What must hold of any decision: order, budgets, missing telemetry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from power.control.allocate import allocate
from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.model import ControlState, Fleet, Floats, Intent, View
from power.tree.ceilings import counted, worst_draw
from tests.support.allocations import levels, random_case
from tests.support.fleets import Over, Server, fleet, intent, permuted, random_fleet, reordered, view

AT_ONCE = Tuning().at_once()
seeds = st.integers(0, 10_000)


def random_hall(seed: int) -> tuple[Fleet, View, Intent]:
    """A hall in the middle of its work."""
    random = np.random.default_rng(seed)
    made = random_fleet(seed, nodes=12, depth=4)
    gpus, nodes = len(made.gpus), len(made.nodes)
    group = np.maximum(random.integers(-2, 3, nodes)[made.gpu_node], -1)
    known = view(
        made,
        gpu_watts=random.uniform(80, 700, gpus),
        gpu_limit_watts=random.uniform(200, 700, gpus),
        gpu_state=np.where(random.random(gpus) < 0.05, ControlState.UNCONTROLLED, ControlState.CONTROLLED),
        node_caps=bool(seed % 2),
    )
    wanted = intent(
        made,
        guaranteed=bool(seed % 3),
        priority=random.choice([10, 50, 90], nodes)[made.gpu_node],
        group=group,
        pinned_watts=np.where(random.random(gpus) < 0.05, 300.0, np.nan),
    )
    return made, known, wanted


@settings(deadline=None, max_examples=30)
@given(seeds, seeds)
def test_the_order_in_which_a_hall_is_told_changes_nothing(seed, other):
    made, known, wanted = random_hall(seed)
    shuffled, nodes, gpus, limits = permuted(made, other)
    memory, again = Memory(seed=3), Memory(seed=3)
    for cycle in range(3):
        now = replace(known, monotonic=known.monotonic + 4.0 * cycle)
        one, memory = propose(made, now, wanted, Tuning(), memory)
        view_there, intent_there = reordered(now, made, nodes, gpus, limits), reordered(wanted, made, nodes, gpus, limits)
        two, again = propose(shuffled, view_there, intent_there, Tuning(), again)
        np.testing.assert_array_equal(one.gpu_watts[gpus], two.gpu_watts)
        np.testing.assert_array_equal(one.node_cap_watts[nodes], two.node_cap_watts)
        known = replace(known, gpu_limit_watts=np.where(np.isnan(one.gpu_watts), known.gpu_limit_watts, one.gpu_watts))


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_the_worst_case_fits_under_every_limit_or_all_it_can_cut_is_cut(seed):
    made, known, wanted = random_hall(seed)
    wanted = replace(wanted, guaranteed=np.ones_like(wanted.guaranteed))
    proposal, memory = propose(made, known, wanted, Tuning(), Memory())
    carried = worst_of(made, known, proposal.gpu_watts, proposal.node_cap_watts)
    most = np.minimum(made.tree.trip_safe_watts, wanted.limit_watts)
    assert (carried <= np.maximum(most, 0) + memory.deficit_watts + 1e-6 * np.maximum(carried, 1)).all()


def worst_of(made: Fleet, known: View, gpu_caps: Floats, node_caps: Floats) -> Floats:
    """What limits carry at worst under these caps."""
    as_it_is, _ = counted(made, known)
    gpus = np.where(np.isnan(gpu_caps), as_it_is, gpu_caps)
    return made.tree.load(worst_draw(made, gpus, node_caps))


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(1.0, 1.5))
def test_more_room_never_lowers_what_is_aimed_at(seed, factor):
    """The aim: stage by stage, priority by priority, the lowest level, then the next."""
    case = random_case(seed, nodes=12, depth=4)
    richer = replace(case.rows, room=np.maximum(factor * case.rows.room, case.rows.room))
    before, after = allocate(case.loads, case.rows), allocate(case.loads, richer)
    poor, rich = (levels(case, each) for each in (before, after))
    for stage in range(len(poor)):
        for priority in sorted(set(case.loads.priority.tolist()), reverse=True):
            mine = case.loads.priority == priority
            one, other = np.sort(poor[stage][mine]), np.sort(rich[stage][mine])
            apart = np.flatnonzero(np.abs(one - other) > 1e-4)
            if len(apart):
                assert other[apart[0]] > one[apart[0]]
                return


@settings(deadline=None, max_examples=30)
@given(seeds, st.booleans(), st.floats(0.5, 1.0))
def test_power_that_nobody_reads_frees_no_watts(seed, guaranteed, part):
    random = np.random.default_rng(seed)
    servers = [Server(name=f"n{row}") for row in range(6)]
    made = fleet(servers, [Over(name="row", kind="row", nodes=[server.name for server in servers])])
    known = view(made, gpu_watts=random.uniform(80, 700, 48), gpu_limit_watts=np.repeat(random.uniform(300, 700, 6), 8))
    wanted = intent(made, limits={"row": part * 41_000}, guaranteed=guaranteed)
    server = random.random(6) < 0.4
    gpu = server[made.gpu_node]
    silent = replace(
        known,
        **{name: np.where(gpu, np.nan, getattr(known, name)) for name in ("gpu_watts", "gpu_peak_watts")},
        **{name: np.where(server, np.nan, getattr(known, name)) for name in ("node_watts", "node_peak_watts")},
        gpu_age=np.where(gpu, np.inf, known.gpu_age),
        node_age=np.where(server, np.inf, known.node_age),
    )
    before, _ = propose(made, known, wanted, AT_ONCE, Memory())
    after, _ = propose(made, silent, wanted, AT_ONCE, Memory())
    stands_or_would = np.maximum(before.gpu_watts, known.gpu_limit_watts)  # a cap that need not be lowered stays
    assert (after.gpu_watts[~gpu] <= stands_or_would[~gpu] + 1).all()
