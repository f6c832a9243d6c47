"""The brake: who goes down how far, in which order, and whether they are down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from power.guard.brake import Level, ShedTable, shed_table
from power.model import ControlState, Device
from tests.support import fleets

NAN = float("nan")
SERVERS = [fleets.Server(name="a", gpus=2), fleets.Server(name="b", gpus=2), fleets.Server(name="c", gpus=0)]
FLEET = fleets.fleet(
    SERVERS,
    [
        fleets.Over(name="site", kind="site", nodes=["a", "b", "c"]),
        fleets.Over(name="left", kind="row", nodes={"a": 1.0, "c": 0.5}),
        fleets.Over(name="left", kind="breaker", nodes=["b"], trip_safe_watts=5000.0),
        fleets.Over(name="empty", kind="rack", nodes=[]),
    ],
)


def table(fleet: Any = FLEET, *, priority: Any = 50, floor_watts: Any = 350.0, **columns: Any) -> ShedTable:
    view = fleets.view(fleet, **{"gpu_limit_watts": 600.0, **columns})
    return shed_table(fleet, view, fleets.intent(fleet, priority=priority, floor_watts=floor_watts))


def caps(found: ShedTable, scope: str, level: Level, **how: Any) -> dict[str, float]:
    return {uuid[4:]: watts for order in found.orders(scope, level, **how) for uuid, watts in order.gpu_watts.items()}


def test_an_emergency_brings_gpus_to_their_floor_or_their_minimum():
    assert caps(table(), "site", Level.THROTTLE) == {"a-0": 350, "a-1": 350, "b-0": 350, "b-1": 350}
    assert caps(table(), "site:site", Level.MINIMUM) == {"a-0": 200, "a-1": 200, "b-0": 200, "b-1": 200}
    orders = table().orders("row:left", Level.MINIMUM)
    assert [order.node for order in orders] == ["a"]
    assert orders[0].urgent
    assert not orders[0].raises
    assert orders[0].why == "emergency: row:left to minimum"
    assert table().orders("b", Level.MINIMUM, why="drill")[0].why == "drill"


def test_a_scope_is_a_limit_or_a_server_and_its_name_must_be_clear():
    assert caps(table(), "b", Level.MINIMUM) == {"b-0": 200, "b-1": 200}
    assert caps(table(), "breaker:left", Level.MINIMUM) == {"b-0": 200, "b-1": 200}
    assert table().orders("empty", Level.MINIMUM) == ()
    with pytest.raises(ValueError, match=r"'left' has several meanings; expected one of row:left, breaker:left"):
        table().orders("left", Level.MINIMUM)
    with pytest.raises(ValueError, match=r"'roof' is no limit and no server; expected such as site:site, row:left"):
        table().orders("roof", Level.MINIMUM)


def test_who_is_down_already_is_left_alone_and_nobody_goes_up():
    found = table(gpu_limit_watts=np.array([350.0, 200, 300, 360]))
    assert caps(found, "site", Level.THROTTLE) == {"b-1": 350}
    assert caps(found, "site", Level.MINIMUM) == {"a-0": 200, "b-0": 200, "b-1": 200}


def test_a_floor_lies_within_what_the_device_takes():
    found = table(floor_watts=np.array([NAN, 150.0, 650.0, 350.7]), gpu_default_watts=np.full(4, 600.0))
    assert caps(found, "site", Level.THROTTLE) == {"a-0": 200, "a-1": 200, "b-1": 350}
    odd = table(floor_watts=100.0, gpu_min_watts=np.array([200.5, 200, 200, 200]))
    assert caps(odd, "a", Level.THROTTLE) == {"a-0": 200.5, "a-1": 200}


def test_without_bounds_nothing_is_written():
    low, high = np.array([NAN, 0.0, 200, 701]), np.array([700.0, 700, np.inf, 700])
    assert table(gpu_min_watts=low, gpu_max_watts=high, gpu_default_watts=np.full(4, NAN)).orders("site", Level.MINIMUM) == ()


def test_devices_whose_limit_nobody_knows_go_down_from_their_most():
    found = table(gpu_limit_watts=np.array([NAN, 600, 600, 600]), gpu_state=np.array([0, 4, 3, 1]))
    steps = {str(step.device): step.freed_watts for step in found.steps("site")}
    assert steps == {
        "a/GPU-a-0": pytest.approx(525),
        "a/GPU-a-1": pytest.approx(525),
        "b/GPU-b-0": pytest.approx(525),
        "b/GPU-b-1": pytest.approx(420),
    }
    unbounded = table(gpu_limit_watts=np.array([NAN, 600, 600, 600]), gpu_max_watts=np.array([NAN, 700, 700, 700]))
    assert unbounded.steps("a")[0].freed_watts == pytest.approx(525)
    high = np.array([700.0, 500, 700, 700])
    lower = table(gpu_min_watts=high, gpu_max_watts=np.full(4, 900.0), gpu_default_watts=np.full(4, 600.0))
    assert [step.device.uuid for step in lower.steps("a")] == ["GPU-a-1"]


def test_low_priority_goes_first_and_then_who_frees_most_for_its_work():
    big, small = np.array([700.0, 700, 72, 700]), np.array([200.0, 200, 40, 350])
    found = table(
        priority=np.array([50, 10, 50, 50]),
        gpu_max_watts=big,
        gpu_default_watts=big,
        gpu_min_watts=small,
        gpu_limit_watts=big,
    )
    assert [step.device.uuid[4:] for step in found.steps("site")] == ["a-1", "a-0", "b-1", "b-0"]
    assert [step.watts for step in found.steps("site")] == [200, 200, 350, 40]


def test_the_table_sums_up_what_has_been_freed_with_the_limits_share():
    steps = table().steps("row:left")
    assert [step.device for step in steps] == [Device("a", "GPU-a-0"), Device("a", "GPU-a-1")]
    assert [step.freed_watts for step in steps] == [pytest.approx(420), pytest.approx(420)]
    assert [step.total_watts for step in steps] == [pytest.approx(420), pytest.approx(840)]
    assert table().steps("site", Level.THROTTLE)[0].freed_watts == pytest.approx(262.5)
    half = replace(FLEET, tree=replace(FLEET.tree, share=np.full(len(FLEET.tree.share), 0.5)))
    assert table(half).steps("row:left")[0].freed_watts == pytest.approx(210)


def test_only_as_many_as_free_the_watts_that_are_asked():
    for watts, count in ((1.0, 1), (420.0, 1), (421.0, 2), (840.0, 2), (841.0, 3), (1e9, 4)):
        assert len(caps(table(), "site", Level.MINIMUM, watts=watts)) == count, watts


def bare(**columns: Any) -> ShedTable:
    given = {"node_cap_min_watts": np.array([1800.0, 1800, 900]), "node_cap_max_watts": np.full(3, 3000.0)}
    return table(**{**given, "node_state": np.ones(3, np.int64), **columns})


def test_a_servers_own_cap_goes_down_where_its_gpus_do_not_free_as_much():
    # Server c draws 1,000 W without GPUs; a and b 1,420 W with theirs at the least.
    own = {order.node: order.node_cap_watts for order in bare().orders("site", Level.MINIMUM)}
    assert own == {"a": None, "b": None, "c": 900}
    stubborn = bare(gpu_state=np.array([ControlState.UNCONTROLLED, ControlState.FOREIGN, 1, 2]))
    own = {order.node: order.node_cap_watts for order in stubborn.orders("site", Level.MINIMUM)}
    assert own == {"a": 1800, "b": None, "c": 900}
    assert {order.node for order in bare().orders("site", Level.THROTTLE)} == {"a", "b"}
    assert {order.node for order in bare().orders("site", Level.MINIMUM, watts=1e9)} == {"a", "b"}
    assert {order.node for order in bare().orders("breaker:left", Level.MINIMUM)} == {"b"}


def test_a_servers_own_cap_is_left_where_it_is_as_low_or_has_no_sound_bounds():
    for columns in (
        {"node_cap_watts": np.full(3, 900.0)},
        {"node_cap_min_watts": np.full(3, 0.0)},
        {"node_cap_min_watts": np.full(3, NAN)},
        {"node_cap_max_watts": np.full(3, 899.0)},
        {"node_cap_max_watts": np.full(3, NAN)},
        {"node_cap_min_watts": np.array([1400.0, 1400, 981])},
    ):
        assert all(order.node_cap_watts is None for order in bare(**columns).orders("site", Level.MINIMUM)), columns
    assert bare(node_cap_watts=np.full(3, 901.0)).orders("c", Level.MINIMUM)[0].node_cap_watts == 900


def test_progress_is_by_read_back_against_a_deadline():
    found = table()
    limit, state = np.array([200.0, 201.0, 202.0, 200.0]), np.array([1, 1, 1, 2])
    later = fleets.view(FLEET, gpu_limit_watts=limit, gpu_state=state, monotonic=1004.0)
    progress = found.progress(later, "site", Level.MINIMUM, 1005.0)
    assert (progress.down, progress.of, progress.seconds_left, progress.late) == (2, 4, 1.0, False)
    assert progress.waiting == (Device("b", "GPU-b-0"), Device("b", "GPU-b-1"))
    assert progress.freed_watts == pytest.approx(840)
    assert found.progress(later, "site", Level.MINIMUM, 1003.0).late
    assert not found.progress(later, "site", Level.MINIMUM, 1004.0).late
    assert not found.progress(later, "a", Level.MINIMUM, 1003.0).late
    throttled = found.progress(later, "b", Level.THROTTLE, 1005.0)
    assert (throttled.down, throttled.of) == (1, 2)
    assert found.progress(later, "row:left", Level.MINIMUM, 1005.0).of == 2


def test_the_table_is_kept_while_nothing_that_it_is_made_of_changes():
    view, intent = fleets.view(FLEET, gpu_limit_watts=600.0), fleets.intent(FLEET)
    first = shed_table(FLEET, view, intent)
    lower = fleets.view(FLEET, gpu_limit_watts=400.0)
    again = shed_table(FLEET, lower, intent, first)
    assert again.order is first.order
    assert again.steps("a")[0].freed_watts == pytest.approx(210)
    for other in (
        shed_table(FLEET, view, fleets.intent(FLEET, priority=np.array([1, 2, 3, 4])), first),
        shed_table(FLEET, view, fleets.intent(FLEET, floor_watts=300.0), first),
        shed_table(FLEET, replace(view, gpu_min_watts=np.full(4, 100.0)), intent, first),
        shed_table(FLEET, replace(view, gpu_max_watts=np.full(4, 650.0)), intent, first),
        shed_table(FLEET, replace(view, gpu_default_watts=np.full(4, 650.0)), intent, first),
        shed_table(replace(FLEET), view, intent, first),
    ):
        assert other.order is not first.order
    unknown = replace(view, gpu_default_watts=np.full(4, NAN))
    assert shed_table(FLEET, unknown, intent, shed_table(FLEET, unknown, intent)).fleet is FLEET


def test_a_device_that_takes_one_value_only_stands_last_and_frees_what_it_has_above():
    fixed = np.array([700.0, 600, 700, 700])
    found = table(
        gpu_min_watts=np.array([200.0, 600, 200, 200]), gpu_max_watts=fixed, gpu_default_watts=fixed, gpu_limit_watts=650.0
    )
    assert [step.device.uuid[4:] for step in found.steps("site")] == ["a-0", "b-0", "b-1", "a-1"]
