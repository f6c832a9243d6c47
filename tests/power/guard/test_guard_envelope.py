"""No raise beneath a limit that would not hold with it. Servers rest at 1,000 W; each watt of a GPU costs 1.05 W."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from power.guard.admitted import Verdict
from power.model import ControlState
from tests.power.guard.guard_cases import admitted, case, decided, two_servers, verdicts, watts
from tests.support import fleets

NAN = float("nan")


def test_a_raise_that_fits_exactly_is_admitted():
    # 2,000 W of rest and 4 x 600 x 1.05 = 2,520 W.
    answer = admitted(trip_safe_watts=4520.0, gpu_watts=600, gpu_limit_watts=500.0)
    assert watts(answer) == [600] * 4
    assert answer.limit_now_watts.tolist() == [4100]
    assert answer.limit_asked_watts.tolist() == answer.limit_worst_watts.tolist() == answer.limit_bound_watts.tolist() == [4520]
    assert answer.scaled_limits(two_servers()) == {}


def test_raises_are_scaled_down_until_their_sum_fits():
    answer = admitted(trip_safe_watts=4310.0, gpu_watts=[600, 600, 500, 600], gpu_limit_watts=500.0)
    # 210 of 315 W are left: two thirds of each raise.
    assert watts(answer) == [566, 566, 500, 566]
    assert verdicts(answer) == [Verdict.SCALED, Verdict.SCALED, Verdict.ADMITTED, Verdict.SCALED]
    assert answer.gpu_limit.tolist() == [0, 0, -1, 0]
    assert answer.limit_worst_watts[0] <= 4310
    fleet = two_servers()
    assert answer.scaled_limits(fleet) == {"breaker": pytest.approx(315 - 3 * 66 * 1.05)}
    assert next(str(each) for each in answer.refusals(fleet)) == (
        "a/GPU-a-0 is raised only as far as the worst case allows (breaker)"
    )


def test_a_cut_pays_for_a_raise_only_once_it_is_read_back():
    cut_and_raise = [200, 200, 650, 650]
    answer = admitted(trip_safe_watts=4100.0, gpu_watts=cut_and_raise, gpu_limit_watts=500.0, floor_watts=0.0)
    assert watts(answer) == [200, 200, None, None]
    confirmed = [200.0, 200, 500, 500]
    answer = admitted(trip_safe_watts=4100.0, gpu_watts=cut_and_raise, gpu_limit_watts=confirmed, floor_watts=0.0)
    assert watts(answer) == [200, 200, 650, 650]


def test_beneath_a_limit_that_is_over_nothing_goes_up_and_every_cut_is_admitted():
    answer = admitted(trip_safe_watts=4099.0, gpu_watts=[501, 499, 300, 700], gpu_limit_watts=500.0)
    assert watts(answer) == [None, 499, 300, None]
    assert verdicts(answer)[0] == Verdict.ENVELOPE
    assert answer.gpu_limit.tolist() == [0, -1, -1, 0]
    assert answer.pressed.all()


def test_a_raise_that_costs_nothing_is_refused_too_beneath_a_limit_that_is_over():
    fleet = fleets.fleet(
        [fleets.Server(name="a", gpus=1, nameplate_watts=1200.0)],
        [fleets.Over(name="breaker", nodes=["a"], trip_safe_watts=1100.0)],
    )
    assert watts(decided(case(fleet, gpu_watts=650.0, gpu_limit_watts=500.0))) == [None]


def three_levels(**trip_safe: float) -> Any:
    servers = [fleets.Server(name=name, gpus=1) for name in "abc"]
    return fleets.fleet(
        servers,
        [
            fleets.Over(name="site", nodes=["a", "b", "c"], trip_safe_watts=trip_safe.get("site")),
            fleets.Over(name="left", nodes=["a", "b"], trip_safe_watts=trip_safe.get("left")),
            fleets.Over(name="half", nodes={"b": 0.5, "c": 1.0}, trip_safe_watts=trip_safe.get("half"), fixed_watts=100.0),
        ],
    )


def test_the_tightest_limit_above_decides_and_is_named():
    # Each server goes from 1,525 to 1,735 W. Left may rise by 210 of 420 W, the site by 500 of 630 W.
    fleet = three_levels(site=3 * 1525 + 500, left=2 * 1525 + 210)
    answer = decided(case(fleet, gpu_watts=700.0, gpu_limit_watts=500.0))
    assert watts(answer) == [599, 599, 658]
    assert [fleet.tree.limits[row].name for row in answer.gpu_limit.tolist()] == ["left", "left", "site"]
    assert answer.scaled_limits(fleet).keys() == {"site", "left"}


def test_a_limit_that_is_over_stops_only_what_is_below_it():
    answer = decided(case(three_levels(left=3000.0), gpu_watts=600.0, gpu_limit_watts=500.0))
    assert watts(answer) == [None, None, 600]
    assert answer.pressed.tolist() == [True, True, False]


def test_shares_and_fixed_loads_count():
    # Half of b and all of c, and 100 W: 100 + 0.5 x 1525 + 1525 = 2,387.5 W; the raise is 0.5 x 105 + 105 W.
    fits = three_levels(half=2387.5 + 157.5)
    assert watts(decided(case(fits, gpu_watts=600.0, gpu_limit_watts=500.0))) == [600, 600, 600]
    tight = three_levels(half=2387.5 + 157.4)
    assert watts(decided(case(tight, gpu_watts=600.0, gpu_limit_watts=500.0))) == [600, 599, 599]


def test_a_limit_without_a_breaker_stops_nothing():
    assert watts(admitted(trip_safe_watts=None, gpu_watts=700, gpu_limit_watts=500.0)) == [700] * 4


def test_a_guaranteed_limit_of_a_policy_holds_like_a_breaker_and_a_measured_one_does_not():
    given: dict[str, Any] = {"gpu_watts": 600, "gpu_limit_watts": 500.0, "limits": {"breaker": 4311.0}}
    assert watts(admitted(**given)) == [550] * 4
    assert watts(admitted(**given, guaranteed=np.array([False]))) == [600] * 4
    assert watts(admitted(**given, trip_safe_watts=4206.0)) == [525] * 4


def test_a_limit_that_nobody_can_tell_does_not_hold():
    assert watts(admitted(gpu_watts=[600, 400, 400, 400], gpu_limit_watts=500.0, limits={"breaker": NAN})) == [
        None,
        400,
        400,
        400,
    ]


def test_a_server_that_may_draw_nobody_knows_what_stops_every_raise_beneath_its_limits():
    fleet = three_levels(site=1e6)
    fleet = replace(fleet, nameplate_watts=np.array([12_000, 12_000, NAN]), rest_watts=np.array([1000, 1000, NAN]))
    answer = decided(case(fleet, gpu_watts=[600, 400, 400], gpu_limit_watts=500.0))
    assert watts(answer) == [None, 400, 400]
    unlimited = replace(fleet, tree=replace(fleet.tree, trip_safe_watts=np.full(3, np.inf)))
    assert watts(decided(case(unlimited, gpu_watts=600.0, gpu_limit_watts=500.0))) == [600, 600, 600]


def test_devices_that_do_not_obey_are_charged_at_their_most():
    # With all four at 500 W there were 420 W left; one that may draw 700 W takes half of them.
    state = np.array([1, 1, 1, ControlState.UNCONTROLLED])
    answer = admitted(trip_safe_watts=4520.0, gpu_watts=[600, 600, 600, NAN], gpu_limit_watts=500.0, gpu_state=state)
    assert answer.limit_now_watts[0] == 4310
    assert watts(answer) == [566, 566, 566, None]


def test_a_servers_cap_is_kept_within_what_it_takes():
    answer = admitted(node_cap_watts=[3000, 20_000], node_caps=True, caps=np.array([NAN, 5000]))
    assert answer.node_cap_watts.tolist() == [4000, 12_000]
    unknown = admitted(node_cap_watts=5000.0, node_caps=False)
    assert np.isnan(unknown.node_cap_watts).all()
    assert set(unknown.node_verdict.tolist()) == {Verdict.NO_BOUNDS}


def test_a_servers_cap_that_goes_up_must_fit():
    # One server that its own cap of 4,000 W (4,080 W) holds; its GPUs may draw 1,000 + 8 x 735 = 6,880 W.
    fleet = fleets.fleet([fleets.Server(name="a")], [fleets.Over(name="breaker", nodes=["a"], trip_safe_watts=5100.0)])
    given: dict[str, Any] = {"node_caps": True, "caps": np.array([4000.0])}
    answer = decided(case(fleet, node_cap_watts=6000.0, **given))
    assert answer.node_cap_watts.tolist() == [4999]
    assert answer.node_verdict.tolist() == [Verdict.SCALED]
    assert answer.node_limit.tolist() == [0]
    assert decided(case(fleet, node_cap_watts=4900.0, **given)).node_cap_watts.tolist() == [4900]
    assert decided(case(fleet, node_cap_watts=4000.0, **given)).node_cap_watts.tolist() == [4000]
    # Below such a cap the GPUs' own may go anywhere.
    assert watts(decided(case(fleet, gpu_watts=700.0, gpu_limit_watts=600.0, **given))) == [700] * 8


def test_a_servers_cap_may_go_anywhere_where_the_gpus_hold_it():
    fleet = fleets.fleet([fleets.Server(name="a")], [fleets.Over(name="breaker", nodes=["a"], trip_safe_watts=4500.0)])
    answer = decided(
        case(fleet, gpu_watts=700.0, gpu_limit_watts=400.0, node_cap_watts=9000.0, node_caps=True, caps=np.array([5000.0]))
    )
    assert answer.node_cap_watts.tolist() == [9000]
    # 140 W are left for 8 GPUs at 1.05.
    assert watts(answer) == [416] * 8


def test_a_servers_cap_does_not_count_before_it_is_read_back():
    fleet = fleets.fleet([fleets.Server(name="a")], [fleets.Over(name="breaker", nodes=["a"], trip_safe_watts=5100.0)])
    answer = decided(case(fleet, gpu_watts=700.0, gpu_limit_watts=300.0, node_cap_watts=4500.0, node_caps=True))
    assert answer.node_cap_watts.tolist() == [4500]
    assert watts(answer) == [488] * 8


def test_a_servers_cap_in_each_state():
    up = {1: 6000, 2: 6000}
    for state in range(5):
        answer = admitted(
            node_cap_watts=[6000, 4500], node_caps=True, caps=np.array([5000.0, 5000]), node_state=np.full(2, state)
        )
        down = None if state in {0, 4} else 4500
        assert [None if np.isnan(each) else each for each in answer.node_cap_watts] == [up.get(state), down], state


def test_an_old_read_back_a_policy_and_an_emergency_hold_a_servers_cap_too():
    given: dict[str, Any] = {"node_cap_watts": [6000, 4500], "node_caps": True, "caps": np.array([5000.0, 5000])}
    assert admitted(**given, node_cap_age=np.full(2, 181.0)).node_verdict.tolist() == [Verdict.STALE, Verdict.ADMITTED]
    assert admitted(**given, node_cap_age=np.full(2, 180.0)).node_verdict.tolist() == [Verdict.ADMITTED] * 2
    assert admitted(**given, urgent=np.array([True, True])).node_verdict.tolist() == [Verdict.URGENT, Verdict.ADMITTED]
    frozen = admitted(**given, gpu_state=np.zeros(4, np.int64))
    assert frozen.node_verdict.tolist() == [Verdict.FROZEN, Verdict.ADMITTED]


def test_beneath_a_limit_that_is_over_no_servers_cap_goes_up():
    answer = admitted(trip_safe_watts=3000.0, node_cap_watts=[6000, 4500], node_caps=True, caps=np.array([5000.0, 5000]))
    assert np.isnan(answer.node_cap_watts[0])
    assert answer.node_cap_watts[1] == 4500
    assert answer.node_verdict.tolist() == [Verdict.ENVELOPE, Verdict.ADMITTED]
    assert answer.node_limit.tolist() == [0, -1]


def test_raises_that_are_refused_take_nothing_from_others():
    # The left side is over; all of the 210 W that the site has left are for the third server.
    fleet = three_levels(site=3 * 1525 + 210, left=3000.0)
    assert watts(decided(case(fleet, gpu_watts=700.0, gpu_limit_watts=500.0))) == [None, None, 700]


def test_gpus_that_do_not_rise_take_nothing_from_those_that_do():
    fleet = fleets.fleet(
        [fleets.Server(name="a")], [fleets.Over(name="breaker", nodes=["a"], trip_safe_watts=1000 + 8 * 420 + 106)]
    )
    answer = decided(case(fleet, gpu_watts=[600, *[300] * 7], gpu_limit_watts=400.0, floor_watts=0.0))
    assert watts(answer) == [500, *[300] * 7]


def test_a_device_below_its_least_is_raised_to_that_or_not_at_all():
    given: dict[str, Any] = {"gpu_watts": 250, "gpu_limit_watts": 150.0, "floor_watts": 0.0}
    # 2,000 + 4 x 150 x 1.05 = 2,630 W; each watt for all of them costs 4.2 W.
    assert watts(admitted(trip_safe_watts=2630 + 4.2 * 50.1, **given)) == [200] * 4
    assert watts(admitted(trip_safe_watts=2630 + 4.2 * 49.9, **given)) == [None] * 4


def test_whatever_is_computed_wrong_before_no_raise_stays_beneath_a_limit_that_does_not_hold():
    module = sys.modules["power.guard.guard"]
    scale = module._scale
    module._scale = lambda *_: None
    try:
        answer = admitted(trip_safe_watts=4310.0, gpu_watts=[600, 400, 600, 600], gpu_limit_watts=500.0)
    finally:
        module._scale = scale
    assert watts(answer) == [None, 400, None, None]
    assert verdicts(answer)[0] == Verdict.ENVELOPE
