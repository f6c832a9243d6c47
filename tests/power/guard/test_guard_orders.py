"""When an admitted target becomes an order, and in which order caps go up and down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from power.guard.admitted import Admitted
from power.guard.history import History
from power.guard.orders import Pace, orders
from power.model import ControlState, NodeOrder, View
from tests.power.guard.guard_cases import case, decided, two_servers
from tests.support import fleets

NAN = float("nan")
FLEET = two_servers()
NAMES = [gpu.uuid for gpu in FLEET.gpus]


def due(
    view: View, gpu_watts: Any = NAN, node_cap_watts: Any = NAN, *, history: History | None = None, **changed: Any
) -> dict[str, NodeOrder]:
    """Orders by server, for targets that the guard admitted."""
    answer = admitted(gpu_watts, node_cap_watts, **changed)
    return {order.node: order for order in orders(FLEET, view, answer, history or History.empty(FLEET))}


def admitted(gpu_watts: Any, node_cap_watts: Any = NAN, **changed: Any) -> Admitted:
    answer = decided(case(FLEET))
    return replace(
        answer,
        gpu_watts=np.broadcast_to(np.asarray(gpu_watts, float), 4).copy(),
        node_cap_watts=np.broadcast_to(np.asarray(node_cap_watts, float), 2).copy(),
        **changed,
    )


def seen(limit: Any = 400.0, **columns: Any) -> View:
    return fleets.view(FLEET, gpu_limit_watts=limit, **columns)


def rows(found: dict[str, NodeOrder]) -> dict[int, float]:
    """Targets by row of the GPU."""
    return {NAMES.index(uuid): watts for order in found.values() for uuid, watts in order.gpu_watts.items()}


def test_a_change_is_ordered_once_for_each_server():
    found = due(seen([400, 400, 400, 600]), [500, 300, NAN, 300])
    assert found["a"].gpu_watts == {NAMES[0]: 500.0, NAMES[1]: 300.0}
    assert found["b"].gpu_watts == {NAMES[3]: 300.0}
    assert (found["a"].raises, found["b"].raises) == (True, False)
    assert (found["a"].urgent, found["a"].node_cap_watts, found["a"].clock_mhz) == (False, None, {})


def test_nothing_is_ordered_unless_the_guard_lets_it():
    assert due(seen(), 300, writes=False) == {}
    assert due(seen(), NAN) == {}


def test_a_change_below_the_deadband_waits():
    assert rows(due(seen(), [405, 404, 395, 396])) == {0: 405, 2: 395}


def test_a_cut_beneath_a_limit_that_is_over_is_never_too_small():
    assert rows(due(seen(), [401, 399, 399, 399], pressed=np.array([True, False]))) == {1: 399}


def test_a_small_raise_to_the_most_that_a_device_takes_is_worth_it():
    assert rows(due(seen(698.0), [700, 699, NAN, NAN])) == {0: 700}
    low_default = seen(598.0, gpu_default_watts=np.array([600.0, 700, NAN, 700]))
    assert rows(due(low_default, [600, 600, 600, 600])) == {0: 600}
    assert rows(due(seen(700.0), 700)) == {}
    assert rows(due(seen(699.5), [700, NAN, NAN, NAN])) == {0: 700}


def test_what_was_requested_in_band_is_not_said_again():
    """Out of band the GPU is held lower: the limit in force stays below the target whatever is written."""
    view = seen(400.0, gpu_own_watts=np.array([600.0, 500.0, NAN, 700.0]))
    assert rows(due(view, [600, 600, 600, 400])) == {1: 600, 2: 600, 3: 400}


def test_a_device_is_written_every_five_seconds_at_most():
    history = replace(History.empty(FLEET), gpu_at=np.array([996.0, 995.0, 994.0, -np.inf]), node_at=np.array([996.0, 995.0]))
    assert rows(due(seen(), 300, history=history)) == {1: 300, 2: 300, 3: 300}
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000]))
    found = due(view, node_cap_watts=4500.0, history=history)
    assert {node: order.node_cap_watts for node, order in found.items()} == {"b": 4500}


def test_an_emergency_waits_for_nothing_and_does_not_repeat_itself():
    urgent = np.array([True, False])
    history = replace(History.empty(FLEET), gpu_watts=np.array([NAN, 300, NAN, NAN]), gpu_at=np.array([999.0, 999, 999, 999]))
    found = due(seen([400.0, 400, 400, 400]), 300, history=history, urgent=urgent)
    assert rows(found) == {0: 300}
    assert found["a"].urgent
    assert rows(due(seen(), 399, urgent=urgent)) == {0: 399, 1: 399}
    later = replace(history, gpu_at=np.full(4, 995.0))
    assert rows(due(seen(), 300, history=later, urgent=urgent)) == {0: 300, 1: 300, 2: 300, 3: 300}


def test_a_device_that_holds_no_caps_is_tried_once_a_minute():
    state = np.array([ControlState.UNCONTROLLED, ControlState.UNCONTROLLED, 1, 1])
    history = replace(History.empty(FLEET), gpu_at=np.array([941.0, 940.0, 941.0, 941.0]))
    assert rows(due(seen(gpu_state=state), 300, history=history)) == {1: 300, 2: 300, 3: 300}


def test_what_is_under_way_is_not_ordered_again_but_a_deeper_cut_is():
    pending = np.full(4, ControlState.PENDING)
    history = replace(History.empty(FLEET), gpu_watts=np.array([300.0, 300, 300, NAN]))
    found = due(seen(400.0, gpu_state=pending), [300, 250, 350, 300], history=history)
    assert rows(found) == {1: 250, 3: 300}


def test_an_unread_device_is_cut_in_an_emergency():
    view = seen(np.array([NAN, 400, 400, 400]), gpu_state=np.array([0, 1, 1, 1]))
    assert rows(due(view, [200, NAN, NAN, NAN], urgent=np.array([True, False]))) == {0: 200}


def test_a_servers_cap_goes_up_before_its_gpus_do():
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000.0]))
    found = due(view, [600, 300, 600, 300], [6000, 5010])
    assert found["a"].node_cap_watts == 6000
    assert found["a"].gpu_watts == {NAMES[1]: 300.0}
    assert found["a"].raises
    # Ten watts are below the deadband: nobody waits for them.
    assert found["b"].node_cap_watts is None
    assert found["b"].gpu_watts == {NAMES[2]: 600.0, NAMES[3]: 300.0}
    pending = replace(view, node_state=np.array([2, 1]), node_cap_watts=np.array([6000.0, 6000.0]))
    assert rows(due(pending, 600, 6000)) == {2: 600, 3: 600}


def test_a_servers_cap_goes_down_after_its_gpus_are_confirmed_down():
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000.0]))
    found = due(view, [300, NAN, 398, 400], 4500)
    assert (found["a"].node_cap_watts, found["b"].node_cap_watts) == (None, 4500)
    under_way = replace(view, gpu_state=np.array([2, 1, 1, 1]))
    assert due(under_way, NAN, 4500).keys() == {"b"}
    assert due(view, [395, NAN, 396, NAN], 4500)["b"].node_cap_watts == 4500
    assert due(view, [395, NAN, NAN, NAN], 4500)["a"].node_cap_watts is None


def test_nobody_waits_for_gpus_that_hold_no_caps_nor_in_an_emergency():
    stubborn = np.array([ControlState.UNCONTROLLED, ControlState.FOREIGN, 1, 1])
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000.0]), gpu_state=stubborn)
    found = due(view, [300, NAN, 300, NAN], 4500, urgent=np.array([False, True]))
    assert (found["a"].node_cap_watts, found["b"].node_cap_watts) == (4500, 4500)
    assert not found["a"].raises


def test_a_servers_first_cap_is_ordered_whatever_it_is():
    found = due(seen(node_caps=True), NAN, 11_990)
    assert found["a"].node_cap_watts == 11_990
    assert not found["a"].raises


def test_a_small_change_of_a_servers_cap_waits():
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000.0]))
    assert due(view, NAN, [4976, 4975]).keys() == {"b"}
    assert due(view, NAN, [4976, 4976], pressed=np.array([True, False])).keys() == {"a"}
    pending = replace(view, node_state=np.array([2, 2]))
    history = replace(History.empty(FLEET), node_watts=np.array([4500.0, 4700.0]))
    assert due(pending, NAN, 4500, history=history).keys() == {"b"}


def test_a_clock_is_ordered_when_it_changes_and_given_back_when_nobody_wants_it():
    history = replace(History.empty(FLEET), clock_mhz=np.array([1200.0, 1200.0, NAN, NAN]))
    wanted = np.array([1200.0, NAN, 900.0, NAN])
    found = due(seen(), clock_mhz=wanted, history=history)
    assert found["a"].clock_mhz == {NAMES[1]: None}
    assert found["b"].clock_mhz == {NAMES[2]: 900.0}
    assert found["a"].gpu_watts == {}
    assert not found["b"].raises
    fresh = replace(history, gpu_at=np.full(4, 996.0))
    assert due(seen(), clock_mhz=wanted, history=fresh) == {}
    assert due(seen(), clock_mhz=wanted, history=fresh, urgent=np.array([True, False])).keys() == {"a"}
    assert due(seen(gpu_state=np.array([1, 3, 4, 1])), clock_mhz=wanted, history=history) == {}
    assert due(seen(gpu_state=np.array([1, 2, 2, 1])), clock_mhz=wanted, history=history).keys() == {"a", "b"}


def test_why_names_every_policy_and_limit_once():
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000.0]))
    names = {"names": ("night", "hold"), "gpu_name": np.array([1, 0, 0, 0]), "node_name": np.array([-2, -1])}
    found = due(view, [500, 500, 300, 300], [NAN, 4500], **names)
    assert found["a"].why == "hold, night"
    assert found["b"].why == "night"
    assert due(view, NAN, 4500, **names)["a"].why == "breaker"
    assert due(view, NAN, clock_mhz=np.full(4, 900.0), **names)["a"].why == "hold, night"


def test_with_the_right_to_urgent_cuts_only_nothing_else_is_ordered():
    view = seen(node_caps=True, node_cap_watts=np.array([5000.0, 5000.0]))
    given: dict[str, Any] = {"urgent": np.array([False, True]), "clock_mhz": np.full(4, 900.0)}
    assert due(view, 300, 4500, urgent_only=True, **given).keys() == {"b"}
    assert due(view, 300, 4500, **given).keys() == {"a", "b"}


def test_the_usual_pace():
    pace = Pace()
    assert (pace.deadband_watts, pace.node_deadband_watts, pace.write_seconds, pace.retry_seconds) == (5, 25, 5, 60)


def test_the_pace_may_be_another():
    quick = Pace(deadband_watts=1, write_seconds=0, node_deadband_watts=1)
    history = replace(History.empty(FLEET), gpu_at=np.full(4, 1000.0))
    assert len(orders(FLEET, seen(), admitted([401, NAN, NAN, NAN]), history, quick)) == 1
