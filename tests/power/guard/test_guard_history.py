"""Orders that wait unseen, answers that are lost: what was ordered counts until its device shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from power.guard.history import LOST_SECONDS, History
from power.guard.orders import orders
from power.model import ControlState, NodeOrder, View
from tests.power.guard.guard_cases import case, decided, two_servers, watts
from tests.support import fleets

NAN = float("nan")
FLEET = two_servers()
A0, A1, B0 = (str(FLEET.gpus[row].uuid) for row in (0, 1, 2))


def seen(monotonic: float, limit: Any = 400.0, **columns: Any) -> View:
    return fleets.view(FLEET, monotonic=monotonic, gpu_limit_watts=limit, **columns)


def raised(gpu_watts: dict[str, float], node: str = "a") -> NodeOrder:
    return NodeOrder(node=node, gpu_watts=gpu_watts, raises=True)


def test_a_raise_that_waits_in_a_queue_is_not_given_away_twice():
    # 2,000 W of rest and 4 x 400 x 1.05 = 1,680 W; 210 W are left for raises.
    fleet = two_servers(trip_safe_watts=3890.0)
    given = case(fleet, gpu_watts=[600, NAN, NAN, NAN], gpu_limit_watts=400.0)
    first = orders(fleet, given.view, decided(given), History.empty(fleet))
    assert [order.gpu_watts for order in first] == [{A0: 600.0}]
    history = History.empty(fleet).after(fleet, first, given.view.monotonic)

    # Nobody has begun to write it, so nothing is pending in the view of the next cycle.
    later = case(fleet, gpu_watts=[NAN, NAN, NAN, 600], gpu_limit_watts=400.0, monotonic=1001.0, now=1001.5)
    assert watts(decided(later)) == [None, None, None, 600], "that would be too much"
    history = history.settled(later.view)
    counted = replace(later, view=history.counted_in(later.view))
    assert watts(decided(counted)) == [None] * 4
    assert counted.view.gpu_state.tolist() == [ControlState.PENDING, 1, 1, 1]
    assert counted.view.gpu_limit_watts.tolist() == [600, 400, 400, 400]


def test_an_order_is_open_until_its_device_shows_it_in_a_newer_reading():
    history = History.empty(FLEET).after(FLEET, [raised({A0: 600.0})], 1000.0)
    assert history.settled(seen(1001.0)).gpu_open_watts[0] == 600
    older = seen(1002.0, [600.0, 400, 400, 400], gpu_limit_age=np.array([2.0, 0, 0, 0]))
    assert history.settled(older).gpu_open_watts[0] == 600
    pending = seen(1002.0, [600.0, 400, 400, 400], gpu_state=np.array([2, 1, 1, 1]))
    assert history.settled(pending).gpu_open_watts[0] == 600
    newer = seen(1002.0, [600.0, 400, 400, 400], gpu_limit_age=np.array([1.9, 0, 0, 0]))
    assert np.isnan(history.settled(newer).gpu_open_watts[0])


def test_a_device_may_round_by_a_watt_and_hold_it_out_of_band():
    history = History.empty(FLEET).after(FLEET, [raised({A0: 600.0, A1: 600.0}), raised({B0: 600.0}, "b")], 1000.0)
    view = seen(1001.0, [599.0, 598.9, 450.0, 400], gpu_own_watts=np.array([599.0, 598.9, 600.0, 400]))
    settled = history.settled(view)
    assert np.isnan(settled.gpu_open_watts).tolist() == [True, False, True, True]


def test_the_highest_of_several_orders_counts_until_the_newest_is_shown():
    history = History.empty(FLEET).after(FLEET, [raised({A0: 600.0})], 1000.0).after(FLEET, [raised({A0: 300.0})], 1001.0)
    assert (history.gpu_watts[0], history.gpu_open_watts[0]) == (300, 600)
    view = seen(1002.0)
    assert history.counted_in(view).gpu_limit_watts[0] == 600
    assert np.isnan(history.settled(seen(1003.0, [300.0, 400, 400, 400])).gpu_open_watts[0])


def test_an_order_that_is_never_shown_is_given_up_after_all_tries():
    history = History.empty(FLEET).after(FLEET, [raised({A0: 600.0}), NodeOrder(node="a", node_cap_watts=6000.0)], 1000.0)
    before, after = history.settled(seen(1000.0 + LOST_SECONDS)), history.settled(seen(1000.5 + LOST_SECONDS))
    assert (before.gpu_open_watts[0], before.node_open_watts[0]) == (600, 6000)
    assert np.isnan(after.gpu_open_watts[0])
    assert np.isnan(after.node_open_watts[0])
    assert after.gpu_watts[0] == 600


def test_a_cut_that_is_open_changes_nothing():
    history = History.empty(FLEET).after(FLEET, [raised({A0: 300.0})], 1000.0)
    view = seen(1001.0)
    counted = history.counted_in(view)
    np.testing.assert_array_equal(counted.gpu_limit_watts, view.gpu_limit_watts)
    np.testing.assert_array_equal(counted.gpu_state, view.gpu_state)


def test_devices_that_are_charged_in_full_stay_what_they_are():
    history = History.empty(FLEET).after(FLEET, [raised({A0: 600.0, A1: 600.0}), raised({B0: 600.0}, "b")], 1000.0)
    states = np.array([ControlState.UNCONTROLLED, ControlState.FOREIGN, ControlState.UNKNOWN, 1])
    counted = history.counted_in(seen(1001.0, gpu_state=states))
    assert counted.gpu_state.tolist() == states.tolist()
    assert counted.gpu_limit_watts.tolist() == [400] * 4


def test_a_servers_own_cap_is_remembered_alike():
    history = History.empty(FLEET).after(FLEET, [NodeOrder(node="b", node_cap_watts=7000.0)], 1000.0)

    def view(caps: list[float], **columns: Any) -> View:
        return seen(1001.0, node_caps=True, node_cap_watts=np.array(caps), **columns)

    counted = history.counted_in(view([5000, 6000]))
    assert counted.node_cap_watts.tolist() == [5000, 7000]
    assert counted.node_state.tolist() == [1, 2]
    # Where no cap is in force, one that was ordered takes nothing away before it is read back.
    assert np.isnan(history.counted_in(view([5000, NAN])).node_cap_watts[1])
    uncontrolled = view([5000, 6000], node_state=np.array([1, 3]))
    assert history.counted_in(uncontrolled).node_cap_watts.tolist() == [5000, 6000]
    assert np.isnan(history.settled(view([5000, 7000])).node_open_watts[1])
    twice = history.after(FLEET, [NodeOrder(node="b", node_cap_watts=6500.0)], 1000.5)
    assert (twice.node_watts[1], twice.node_open_watts[1]) == (6500, 7000)
    assert history.settled(view([5000, 6998])).node_open_watts[1] == 7000
    assert history.settled(view([5000, 7000], node_state=np.array([1, 2]))).node_open_watts[1] == 7000
    assert history.settled(view([5000, 7000], node_cap_age=np.ones(2))).node_open_watts[1] == 7000


def test_no_orders_leave_the_history_as_it_was():
    history = History.empty(FLEET)
    assert history.after(FLEET, [], 5.0) is history
    after = history.after(FLEET, [NodeOrder(node="a", clock_mhz={A0: 1200.0, A1: None})], 5.0)
    assert np.isnan(history.clock_mhz[0])
    assert after.clock_mhz[0] == 1200
    assert np.isnan(after.clock_mhz[1])
    assert after.gpu_at.tolist() == [5.0, 5.0, -np.inf, -np.inf]


def test_history_moves_with_its_devices_to_another_fleet():
    history = History.empty(FLEET)
    ordered = [
        NodeOrder(node="a", gpu_watts={A1: 500.0}, clock_mhz={A0: 900.0}),
        NodeOrder(node="b", gpu_watts={B0: 600.0}, node_cap_watts=4000.0),
    ]
    history = history.after(FLEET, ordered, 7.0)
    other = fleets.fleet([fleets.Server(name=name, gpus=2) for name in ("c", "b", "a")], [])
    moved = history.moved(FLEET, other)
    np.testing.assert_array_equal(moved.gpu_watts, [NAN, NAN, 600, NAN, NAN, 500])
    np.testing.assert_array_equal(moved.gpu_open_watts, moved.gpu_watts)
    np.testing.assert_array_equal(moved.gpu_at, [-np.inf, -np.inf, 7, -np.inf, 7, 7])
    np.testing.assert_array_equal(moved.clock_mhz, [NAN, NAN, NAN, NAN, 900, NAN])
    np.testing.assert_array_equal(moved.node_watts, [NAN, 4000, NAN])
    np.testing.assert_array_equal(moved.node_open_watts, [NAN, 4000, NAN])
    np.testing.assert_array_equal(moved.node_at, [-np.inf, 7, -np.inf])
