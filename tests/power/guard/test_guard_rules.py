"""The guard's rules, one at a time: bounds, garbage, floors and policies, clocks, the right to write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from power.guard.admitted import Verdict
from power.guard.guard import Rules
from power.model import Fence, Mode
from tests.power.guard.guard_cases import FENCE, admitted, case, decided, proposal, two_servers, verdicts, watts

NAN = float("nan")


def test_what_is_well_is_admitted_as_it_was_asked():
    answer = admitted(gpu_watts=[400, 500, NAN, 700], gpu_limit_watts=600.0)
    assert watts(answer) == [400, 500, None, 700]
    assert verdicts(answer) == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.LEFT, Verdict.ADMITTED]
    assert answer.writes
    assert (answer.held_back, answer.frozen, answer.garbage) == ("", "", ())
    assert not answer.pressed.any()


def test_no_target_is_below_the_devices_minimum_or_above_its_maximum():
    answer = admitted(gpu_watts=[1, 199, 701, 9999], gpu_limit_watts=500.0, floor_watts=0.0)
    assert watts(answer) == [200, 200, 700, 700]
    assert set(verdicts(answer)) == {Verdict.CLIPPED_TO_DEVICE}


def test_no_target_is_above_the_devices_default():
    assert watts(admitted(gpu_watts=690, gpu_limit_watts=500.0, gpu_default_watts=np.full(4, 650.0))) == [650] * 4


def test_an_unknown_default_leaves_the_maximum():
    assert watts(admitted(gpu_watts=690, gpu_limit_watts=500.0, gpu_default_watts=np.full(4, NAN))) == [690] * 4


@pytest.mark.parametrize(
    ("low", "high"), [(NAN, 700), (200, NAN), (0, 700), (-1, 700), (200, np.inf), (701, 700), (np.inf, np.inf)]
)
def test_without_sound_bounds_nothing_is_written(low, high):
    answer = admitted(
        gpu_watts=[300, 650, 300, 650],
        gpu_limit_watts=500.0,
        gpu_min_watts=np.array([200, 200, low, low], float),
        gpu_max_watts=np.array([700, 700, high, high], float),
        gpu_default_watts=np.full(4, NAN),
        complete_ratio=0.5,
        floor_watts=0.0,
    )
    assert watts(answer) == [300, 650, None, None]
    assert verdicts(answer)[2:] == [Verdict.NO_BOUNDS] * 2


def test_a_device_with_one_possible_value_takes_that():
    answer = admitted(
        gpu_watts=650, gpu_limit_watts=400.0, gpu_min_watts=np.full(4, 500.0), gpu_max_watts=np.full(4, 500.0), floor_watts=0.0
    )
    assert watts(answer) == [500] * 4


@pytest.mark.parametrize("value", [np.inf, -np.inf, 0.0, -0.0, -300.0])
def test_what_is_no_positive_number_is_refused(value):
    answer = admitted(gpu_watts=[value, 400, 400, 400], node_cap_watts=[value, NAN], gpu_limit_watts=600.0, node_caps=True)
    assert watts(answer) == [None, 400, 400, 400]
    assert verdicts(answer)[0] == Verdict.GARBAGE
    assert answer.node_verdict.tolist() == [Verdict.GARBAGE, Verdict.LEFT]


@pytest.mark.parametrize(
    "column",
    [
        None,
        400.0,
        [400.0] * 4,
        np.full(3, 400.0),
        np.full(5, 400.0),
        np.full((4, 1), 400.0),
        np.array(["400"] * 4),
        np.array([None] * 4),
        np.full(4, 400 + 1j),
        np.full(4, True),
        "400",
    ],
)
def test_a_column_that_is_none_is_refused_and_the_others_are_not(column):
    given = case(two_servers(), node_cap_watts=5000.0, node_caps=True, gpu_limit_watts=600.0)
    answer = decided(replace(given, proposal=replace(given.proposal, gpu_watts=column)))
    assert watts(answer) == [None] * 4
    assert answer.node_cap_watts.tolist() == [5000, 5000]
    assert len(answer.garbage) == 1
    assert answer.garbage[0].startswith("proposal.gpu_watts is ")
    assert answer.garbage[0].endswith("; expected a column of 4 numbers")


def test_whole_numbers_are_numbers():
    given = case(two_servers(), gpu_limit_watts=600.0)
    answer = decided(replace(given, proposal=replace(given.proposal, gpu_watts=np.full(4, 400))))
    assert watts(answer) == [400] * 4


def test_no_proposal_at_all_writes_nothing():
    answer = decided(replace(case(two_servers()), proposal=None))
    assert watts(answer) == [None] * 4
    assert len(answer.garbage) == 3
    assert answer.gpu_name.tolist() == [-1] * 4


def test_names_are_kept_where_they_are_numbers():
    given = case(two_servers(), gpu_watts=400.0)
    named = replace(given.proposal, gpu_name=np.array([0, 1, -1, -2]), node_name=np.array(["a", "b"]))
    answer = decided(replace(given, proposal=named, intent=replace(given.intent, names=("night", "hold"))))
    assert [answer.name(value, given.fleet) for value in answer.gpu_name.tolist()] == ["night", "hold", "", "breaker"]
    assert answer.node_name.tolist() == [-1, -1]
    assert answer.name(-3, given.fleet) == answer.name(2, given.fleet) == ""


@pytest.mark.parametrize(
    ("source", "column", "value"),
    [
        ("view", "gpu_limit_watts", np.zeros(3)),
        ("view", "node_state", np.zeros(3, np.int64)),
        ("view", "gpu_state", np.array(["1"] * 4)),
        ("view", "gpu_min_watts", None),
        ("intent", "limit_watts", np.zeros(2)),
        ("intent", "floor_watts", np.zeros(5)),
        ("intent", "urgent", np.zeros(2)),
        ("intent", "guaranteed", np.ones(1)),
    ],
)
def test_a_view_or_intent_that_was_not_made_for_this_fleet_writes_nothing(source, column, value):
    given = case(two_servers(), gpu_watts=400.0)
    answer = decided(replace(given, **{source: replace(getattr(given, source), **{column: value})}))
    assert watts(answer) == [None] * 4
    assert np.isnan(answer.node_cap_watts).all()
    assert np.isnan(answer.clock_mhz).all()
    assert not answer.writes
    assert f"{source}.{column}" in answer.held_back
    assert answer.frozen
    assert not answer.pressed.any()
    assert not answer.urgent.any()
    assert list(answer.refusals(given.fleet)) == []
    assert answer.gpu_limit.tolist() == answer.gpu_name.tolist() == [-1] * 4
    assert answer.node_limit.tolist() == answer.node_name.tolist() == [-1] * 2


def test_a_cut_stops_at_the_floor():
    answer = admitted(gpu_watts=[300, 349, 350, 351], gpu_limit_watts=700.0, floor_watts=350.0)
    assert watts(answer) == [350, 350, 350, 351]
    assert verdicts(answer)[0] == Verdict.CLIPPED_TO_FLOOR


def test_a_device_below_the_floor_is_neither_cut_nor_lifted_to_it():
    answer = admitted(gpu_watts=[250, 300, 320, 400], gpu_limit_watts=300.0, floor_watts=350.0)
    assert watts(answer) == [300, 300, 320, 400]


def test_a_floor_that_nobody_knows_stops_nothing():
    assert watts(admitted(gpu_watts=250, floor_watts=NAN)) == [250] * 4


def test_in_an_emergency_the_floor_is_the_devices_minimum():
    answer = admitted(gpu_watts=100, floor_watts=350.0, urgent=np.array([True, False]))
    assert watts(answer) == [200, 200, 350, 350]
    assert answer.urgent.tolist() == [True, False]


def test_beneath_a_limit_that_is_over_its_worst_case_the_floor_is_the_devices_minimum():
    answer = admitted(trip_safe_watts=4000, gpu_watts=100, gpu_limit_watts=600.0, floor_watts=350.0)
    assert watts(answer) == [200] * 4
    assert answer.pressed.tolist() == [True, True]


def test_a_raise_stops_at_the_cap_of_a_policy():
    answer = admitted(gpu_watts=[600, 400, 600, 600], gpu_limit_watts=350.0, gpu_cap_watts=np.array([450.0, 450, 300, np.inf]))
    assert watts(answer) == [450, 400, None, 600]
    assert verdicts(answer) == [Verdict.CLIPPED_TO_POLICY, Verdict.ADMITTED, Verdict.CLIPPED_TO_POLICY, Verdict.ADMITTED]


def test_the_cap_of_a_policy_does_not_hold_back_a_cut():
    assert watts(admitted(gpu_watts=600, gpu_limit_watts=700.0, gpu_cap_watts=np.full(4, 500.0))) == [600] * 4


def test_a_pinned_device_may_go_below_the_floor_and_over_the_cap_of_a_policy():
    given = {"pinned_watts": np.array([250.0, 600, NAN, NAN]), "gpu_cap_watts": np.full(4, 500.0)}
    answer = admitted(gpu_watts=[250, 600, 250, 600], gpu_limit_watts=400.0, **given)
    assert watts(answer) == [250, 600, 350, 500]


def test_a_pin_does_not_go_below_itself_and_its_floor():
    assert watts(admitted(gpu_watts=210, gpu_limit_watts=600.0, pinned_watts=np.full(4, 300.0))) == [300] * 4
    assert watts(admitted(gpu_watts=210, gpu_limit_watts=600.0, pinned_watts=np.full(4, 500.0))) == [350] * 4


def test_a_hold_that_would_break_the_envelope_is_not_raised():
    answer = admitted(trip_safe_watts=4520, gpu_watts=700, gpu_limit_watts=600.0, pinned_watts=np.full(4, 700.0))
    assert watts(answer) == [None] * 4
    assert verdicts(answer) == [Verdict.ENVELOPE] * 4


def test_a_bound_never_makes_a_cut_of_a_raise_or_a_raise_of_a_cut():
    high = admitted(gpu_watts=690, gpu_limit_watts=680.0, gpu_default_watts=np.full(4, 600.0))
    assert watts(high) == [None] * 4
    low = admitted(gpu_watts=[100, 130, 200, 300], gpu_limit_watts=150.0, floor_watts=0.0)
    assert watts(low) == [None, None, 200, 300]


def test_a_device_above_its_default_may_be_cut_to_it():
    assert watts(admitted(gpu_watts=650, gpu_limit_watts=700.0, gpu_default_watts=np.full(4, 600.0))) == [600] * 4


def test_targets_are_whole_watts_downwards():
    answer = admitted(gpu_watts=[450.9, 620.9, 500.7, 500.2], gpu_limit_watts=[500, 500, 500.3, 500.5])
    assert watts(answer) == [450, 620, None, 500]


def test_rounding_stays_within_the_bounds():
    answer = admitted(
        gpu_watts=100.9,
        gpu_min_watts=np.array([200.5, 200, 200, 200]),
        floor_watts=np.array([0, 250.5, 0, 0]),
        gpu_limit_watts=300.0,
    )
    assert watts(answer) == [200.5, 250.5, 200, 200]


def test_a_clock_is_a_positive_number_for_a_device_that_obeys():
    given = case(two_servers(), gpu_state=np.array([1, 2, 3, 4]))
    for value, expected in (
        (1200.0, [1200.0, 1200.0]),
        (0.5, [0.5, 0.5]),
        (0.0, [None, None]),
        (np.inf, [None, None]),
        (-5.0, [None, None]),
    ):
        answer = decided(replace(given, proposal=proposal(given.fleet, clock_mhz=np.full(4, value))))
        assert [None if np.isnan(each) else each for each in answer.clock_mhz] == [*expected, None, None]


@pytest.mark.parametrize(
    ("fence", "said"),
    [
        (None, "another controller leads"),
        (replace(FENCE, holder="core-2"), "the lease is core-2's"),
        (replace(FENCE, token=0), "token 0 has lapsed"),
        (replace(FENCE, valid_until=1000.5), "token 7 has lapsed"),
        (replace(FENCE, valid_until=NAN), "token 7 has lapsed"),
    ],
)
def test_without_a_valid_lease_of_its_own_nothing_is_written(fence: Fence | None, said):
    answer = admitted(gpu_watts=400, fence=fence)
    assert not answer.writes
    assert said in answer.held_back
    assert watts(answer) == [400] * 4


def test_a_lease_is_good_until_its_moment():
    assert admitted(fence=replace(FENCE, valid_until=1000.6, token=1)).writes


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.ADVISE])
def test_in_another_mode_than_enforce_the_same_is_said_and_nothing_written(mode):
    given: dict[str, Any] = {"trip_safe_watts": 4310.0, "gpu_watts": [600, 100, 500, 600], "gpu_limit_watts": 500.0}
    answer, enforced = admitted(**given, mode=mode), admitted(**given)
    assert not answer.writes
    assert answer.held_back == f"mode is {mode}"
    assert enforced.writes
    for column in ("gpu_watts", "gpu_verdict", "gpu_limit", "node_cap_watts", "clock_mhz", "limit_worst_watts"):
        np.testing.assert_array_equal(getattr(answer, column), getattr(enforced, column))


def test_the_usual_rules():
    rules = Rules(holder="x")
    assert (rules.complete_ratio, rules.view_seconds, rules.cap_seconds) == (0.95, 5.0, 180.0)
    assert (rules.wall_offset, rules.jump_seconds) == (None, 2.0)


def test_a_target_that_lies_on_a_bound_is_admitted_as_it_is():
    answer = admitted(
        gpu_watts=[200, 700, 350, 450], gpu_limit_watts=400.0, floor_watts=[0.0, 0, 350, 0], gpu_cap_watts=[9e9, 9e9, 9e9, 450]
    )
    assert watts(answer) == [200, 700, 350, 450]
    assert set(verdicts(answer)) == {Verdict.ADMITTED}


def test_less_than_a_watt_is_a_number_too():
    assert watts(admitted(gpu_watts=0.5, gpu_limit_watts=400.0, floor_watts=0.5)) == [200] * 4


def test_a_raise_of_less_than_a_watt_is_none():
    assert watts(admitted(gpu_watts=500.9, gpu_limit_watts=500.0)) == [None] * 4
