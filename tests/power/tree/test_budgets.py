"""How every limit stands: the items of the status."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from power.model import ControlState, Device, DeviceCaps, Fleet, Proposal, Way
from power.tree.budgets import BudgetStatus, State, budgets
from power.tree.build import build
from tests.support.power import intent_of, view_of
from wattstat.inventory import Breaker, Group, Inventory, Load, Node, Rack, Site

INVENTORY = Inventory(
    site=Site(name="hall", budget_watts=6000),
    breakers=(Breaker(name="r1-a", limit_watts=5000), Breaker(name="r1-b", limit_watts=5000, feed="B")),
    racks=(Rack(name="r1", row="1", breakers=("r1-a", "r1-b")),),
    nodes=tuple(Node(name=name, rack="r1", gpus=2, max_watts=4000, rest_watts=500) for name in ("n1", "n2")),
    loads=(Load(name="leaf", kind="switch", max_watts=300, rack="r1"),),
    groups=(Group(name="pool", nodes=("n2",)),),
)
FOUND = {
    name: [
        DeviceCaps(device=Device(name, f"{name}-{n}"), way=Way.NVML, limit_watts=700, max_watts=700, index=str(n))
        for n in (0, 1)
    ]
    for name in ("n1", "n2")
}
FLEET = build(INVENTORY, FOUND, ac_loss=1.0)
KNOWN = {"gpu_min_watts": 200.0, "gpu_max_watts": 700.0}


def _by_name(fleet: Fleet, *statuses: BudgetStatus) -> dict[str, BudgetStatus]:
    assert fleet.tree.limits
    return {status.name: status for status in statuses}


def _row(name: str) -> int:
    return next(row for row, limit in enumerate(FLEET.tree.limits) if limit.name == name)


def test_a_breaker_shows_rating_power_worst_case_and_headroom() -> None:
    view = view_of(FLEET, **KNOWN, gpu_limit_watts=600.0, node_watts=1200.0, node_peak_watts=1300.0)

    found = _by_name(FLEET, *budgets(FLEET, view, intent_of(FLEET)))["r1-b"]

    assert found.document() == {
        "name": "r1-b",
        "kind": "breaker",
        "rating_watts": 5000.0,
        "limit_watts": 5000.0,
        "trip_safe_watts": 5000.0,
        "power_watts": 2700.0,
        "peak_watts": 2900.0,
        "envelope_watts": 3700.0,
        "headroom_watts": 2300.0,
        "state": "good",
        "binding": "rating",
        "devices_held": 0,
        "deficit_watts": 0.0,
        "coverage_ratio": pytest.approx(2000 / 4100, abs=0.001),
        "fixed_watts": 300.0,
        "assumed_watts": 0.0,
        "measured_ratio": 1.0,
    }


def test_a_limit_that_nobody_set_is_unlimited() -> None:
    found = _by_name(FLEET, *budgets(FLEET, view_of(FLEET, **KNOWN), intent_of(FLEET)))

    assert (found["A"].state, found["A"].limit_watts, found["A"].headroom_watts, found["A"].binding) == (
        State.UNLIMITED,
        None,
        None,
        None,
    )
    assert found["hall"].binding == "inventory"


def test_servers_are_listed_only_where_somebody_limits_them() -> None:
    limits = np.full(len(FLEET.tree.limits), math.inf)
    limits[_row("n1")] = 900.0
    intent = replace(intent_of(FLEET), names=("night",), limit_watts=limits, limit_name=np.zeros(len(limits), np.int64))

    found = [status for status in budgets(FLEET, view_of(FLEET, **KNOWN), intent) if status.kind == "node"]

    assert [(status.name, status.binding, status.limit_watts) for status in found] == [("n1", "night", 900.0)]


@pytest.mark.parametrize(
    ("limit_watts", "node_watts", "floor", "guaranteed", "state"),
    [
        (4000.0, 2000.0, 300.0, True, State.OVER),
        (5000.0, 2000.0, 300.0, True, State.GOOD),
        (4400.0, 2000.0, 300.0, True, State.NEAR),
        (3000.0, 1000.0, 600.0, True, State.INFEASIBLE),
        (3000.0, 1000.0, 600.0, False, State.GOOD),
    ],
)
def test_the_state_says_the_worst_that_holds(
    limit_watts: float, node_watts: float, floor: float, guaranteed: bool, state: State
) -> None:
    count = len(FLEET.tree.limits)
    intent = replace(
        intent_of(FLEET),
        limit_watts=np.full(count, limit_watts),
        guaranteed=np.full(count, guaranteed),
        floor_watts=np.full(4, floor),
    )
    view = view_of(FLEET, **KNOWN, gpu_limit_watts=700.0, node_watts=node_watts, node_peak_watts=node_watts)

    assert _by_name(FLEET, *budgets(FLEET, view, intent))["r1"].state is state


def test_an_infeasible_limit_tells_by_how_much() -> None:
    intent = replace(intent_of(FLEET), limit_watts=np.full(len(FLEET.tree.limits), 2000.0), floor_watts=np.full(4, 350.0))
    view = view_of(FLEET, **KNOWN, gpu_limit_watts=700.0, node_watts=500.0)

    found = _by_name(FLEET, *budgets(FLEET, view, intent))["r1"]

    assert (found.state, found.deficit_watts) == (State.INFEASIBLE, 300 + 2 * (500 + 2 * 350) - 2000)


def test_a_worst_case_above_what_is_trip_safe_is_unsafe() -> None:
    fleet = build(INVENTORY, FOUND, ac_loss=1.0, trip_safe_ratio=0.8)
    view = view_of(fleet, **KNOWN, gpu_limit_watts=700.0, node_watts=500.0)

    found = _by_name(fleet, *budgets(fleet, view, intent_of(fleet)))["r1-a"]

    assert (found.state, found.trip_safe_watts, found.envelope_watts) == (State.UNSAFE, 4000.0, 4100.0)


def test_power_that_nobody_measured_counts_by_its_gpus_and_says_so() -> None:
    view = view_of(FLEET, **KNOWN, gpu_limit_watts=700.0, node_watts=np.array([1000.0, np.nan]), gpu_watts=250.0)

    found = _by_name(FLEET, *budgets(FLEET, view, intent_of(FLEET)))["r1"]

    assert found.power_watts == 300 + 1000 + (500 + 2 * 250)
    assert found.measured_ratio == pytest.approx(0.5)


def test_nothing_known_counts_at_the_nameplate() -> None:
    view = view_of(FLEET, gpu_state=ControlState.UNKNOWN)

    found = _by_name(FLEET, *budgets(FLEET, view, intent_of(FLEET)))["r1"]

    assert (found.power_watts, found.envelope_watts, found.measured_ratio, found.coverage_ratio) == (8300.0, 8300.0, 0.0, 0.0)


def test_planning_figures_are_told_apart() -> None:
    fleet = build(
        Inventory(nodes=(Node(name="x", model="PowerEdge R660"), Node(name="y", model="PowerEdge R660", rest_watts=600))), {}
    )

    (found,) = budgets(fleet, view_of(fleet), intent_of(fleet))

    assert (found.envelope_watts, found.assumed_watts) == (2000.0, 1400.0)


def test_a_limit_counts_the_devices_whose_caps_it_decides() -> None:
    names = np.array([-2 - _row("r1"), -1, 0, -2 - _row("r1")])
    proposal = Proposal(
        gpu_watts=np.full(4, 400.0),
        gpu_name=names,
        node_cap_watts=np.full(2, np.nan),
        node_name=np.full(2, -1),
        clock_mhz=np.full(4, np.nan),
        limit_expected_watts=np.zeros(len(FLEET.tree.limits)),
    )

    found = _by_name(FLEET, *budgets(FLEET, view_of(FLEET, **KNOWN), intent_of(FLEET), proposal))

    assert (found["r1"].devices_held, found["r1-a"].devices_held) == (2, 0)
