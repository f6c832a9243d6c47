"""What rises together, and the points on its way."""

from __future__ import annotations

import numpy as np

from power.control.allocator import propose
from power.control.loads import Loads, loads
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.model import ControlState, Fleet, Intent, View
from power.tree.ceilings import worst_draw
from tests.support.fleets import Over, Server, fleet, intent, view

PAIR = ["a", "b"]


def pair(**server) -> Fleet:
    return fleet([Server(name=name, **server) for name in PAIR], [Over(name="row", kind="row", nodes=PAIR)])


def loads_of(made: Fleet, known: View, wanted: Intent, want: float = 500.0) -> Loads:
    gpus, nodes = len(made.gpus), len(made.nodes)
    wants = {"gpu_want": np.full(gpus, want), "node_want": np.full(nodes, 6000.0)}
    return loads(made, known, wanted, **wants, rest_watts=made.rest_watts, tuning=Tuning())


def test_a_job_over_two_servers_is_two_loads_that_rise_together():
    made = pair()
    found = loads_of(made, view(made), intent(made, group=np.zeros(16, np.int64)))
    assert len(found.node) == 2
    assert found.lifts == 1


def test_two_jobs_on_one_server_are_two_loads():
    made = pair()
    group = np.repeat([0, 1, 2, 2], 4)
    found = loads_of(made, view(made), intent(made, group=group))
    assert len(found.node) == 3
    assert found.lifts == 3


def test_a_server_that_nobody_can_cap_is_charged_what_it_may_draw():
    made = pair()
    known = view(made, gpu_state=np.repeat([ControlState.UNCONTROLLED, ControlState.CONTROLLED], 8))
    proposal, _ = propose(made, known, intent(made, limits={"row": 13_000.0}), Tuning(), Memory())
    assert np.isnan(proposal.gpu_watts[:8]).all()
    left = 13_000.0 - made.rest_watts.sum() - 8 * 700 * made.loss[0]
    assert 0.97 * left <= 8 * made.loss[0] * proposal.gpu_watts[8] <= left


def test_a_server_capped_only_by_its_bmc_gets_a_cap_of_its_own():
    made = fleet(
        [Server(name="a", gpus=0, nameplate_watts=9000.0), Server(name="b")], [Over(name="row", kind="row", nodes=PAIR)]
    )
    known = view(made, node_caps=True, node_watts=np.array([8900.0, 5000.0]), node_peak_watts=np.array([8900.0, 5000.0]))
    proposal, _ = propose(made, known, intent(made, limits={"row": 12_000.0}), Tuning(), Memory())
    assert 4000 <= proposal.node_cap_watts[0] < 9000
    worst = worst_draw(made, proposal.gpu_watts, np.array([proposal.node_cap_watts[0], np.nan]))
    assert worst[1] + 1.02 * proposal.node_cap_watts[0] <= 12_000


def test_nothing_is_proposed_for_what_was_never_read():
    made = pair()
    nothing = np.full(16, np.nan)
    known = view(
        made,
        gpu_state=np.full(16, ControlState.UNKNOWN),
        gpu_min_watts=nothing,
        gpu_max_watts=nothing,
        gpu_limit_watts=nothing,
    )
    proposal, memory = propose(made, known, intent(made, limits={"row": 5000.0}), Tuning(), Memory())
    assert np.isnan(proposal.gpu_watts).all()
    assert memory.deficit_watts[0] == 2 * 12_000 - 5000


def test_caps_above_which_a_server_cannot_draw_more_cost_nothing():
    made = pair(nameplate_watts=5000.0)
    proposal, _ = propose(made, view(made, gpu_watts=690.0), intent(made, limits={"row": 10_100.0}), Tuning(), Memory())
    assert (proposal.gpu_watts == 700).all()


def test_the_least_that_devices_take_is_the_end_and_the_deficit_is_told():
    made = pair()
    proposal, memory = propose(made, view(made), intent(made, limits={"row": 5000.0}), Tuning(), Memory())
    assert (proposal.gpu_watts == 200).all()
    np.testing.assert_allclose(memory.deficit_watts, [2000 + 16 * 200 * made.loss[0] - 5000], atol=0.1)


def test_below_the_floors_the_higher_priority_keeps_more():
    made = pair()
    priority = np.repeat([90, 10], 8)
    known = view(made, gpu_watts=600.0)
    proposal, _ = propose(made, known, intent(made, limits={"row": 6300.0}, priority=priority), Tuning(), Memory())
    assert proposal.gpu_watts[0] > 290
    assert (proposal.gpu_watts[8:] == 200).all()


def test_nobody_is_cut_while_it_writes_a_checkpoint_if_others_can_give():
    made = pair()
    keep = np.repeat([True, False], 8)
    known = view(made, gpu_watts=600.0, gpu_limit_watts=600.0)
    wanted = intent(made, limits={"row": 10_500.0}, keep=keep)
    proposal, _ = propose(made, known, wanted, Tuning(), Memory())
    assert (proposal.gpu_watts[:8] == 600).all()
    assert (proposal.gpu_watts[8:] < 430).all()


def test_a_pin_is_kept_and_named():
    made = pair()
    pinned = np.where(np.arange(16) < 8, 320.0, np.nan)
    wanted = intent(made, names=("hold",), pinned_watts=pinned, pinned_name=np.zeros(16, np.int64))
    proposal, _ = propose(made, view(made), wanted, Tuning(), Memory())
    assert (proposal.gpu_watts[:8] == 320).all()
    assert (proposal.gpu_name[:8] == 0).all()
    assert (proposal.gpu_watts[8:] == 700).all()


def test_an_emergency_goes_below_the_floors():
    made = pair()
    known = view(made, gpu_watts=600.0)
    calm = intent(made, limits={"row": 7500.0}, priority=np.repeat([90, 10], 8))
    urgent = intent(made, limits={"row": 7500.0}, priority=np.repeat([90, 10], 8), urgent=np.array([False, True]))
    before, _ = propose(made, known, calm, Tuning(), Memory())
    after, _ = propose(made, known, urgent, Tuning(), Memory())
    assert before.gpu_watts[8] > 250
    assert (after.gpu_watts[8:] == 200).all()
    assert after.gpu_watts[0] > before.gpu_watts[0]


def test_a_servers_own_cap_stands_behind_those_of_its_gpus():
    made = pair()
    known = view(made, gpu_watts=600.0, node_caps=True)
    proposal, _ = propose(made, known, intent(made, limits={"row": 11_000.0}), Tuning(), Memory())
    worst = worst_draw(made, proposal.gpu_watts, np.full(2, np.nan))
    np.testing.assert_allclose(proposal.node_cap_watts, 1.05 * worst, atol=1)
    again = view(made, gpu_watts=600.0, node_caps=True, node_cap_watts=1.06 * worst, gpu_limit_watts=proposal.gpu_watts)
    later, _ = propose(made, again, intent(made, limits={"row": 11_000.0}), Tuning(), Memory())
    np.testing.assert_array_equal(later.node_cap_watts, 1.06 * worst)


def test_clocks_pass_through():
    made = pair()
    proposal, _ = propose(made, view(made), intent(made, clock_mhz=np.full(16, 1410.0)), Tuning(), Memory())
    assert (proposal.clock_mhz == 1410).all()
