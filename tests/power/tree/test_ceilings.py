"""The most that servers can draw: what counts in which state, and that nothing unknown ever lowers it."""

import numpy as np
import pytest

from power.model import ControlState, Device, DeviceCaps, Way
from power.tree.build import build
from power.tree.ceilings import counted, worst_draw
from power.tree.envelope import envelope
from tests.support.power import view_of
from wattstat.inventory import Breaker, Inventory, Node, Rack

INVENTORY = Inventory(
    breakers=(Breaker(name="r1-a", limit_watts=10_000), Breaker(name="r1-b", limit_watts=10_000, feed="B")),
    racks=(Rack(name="r1", breakers=("r1-a", "r1-b")),),
    nodes=(
        Node(name="n1", rack="r1", gpus=2, max_watts=4000, rest_watts=1000),
        Node(name="n2", rack="r1", gpus=2, max_watts=4000, rest_watts=1000),
    ),
)


def _found(node: str, count: int = 2) -> list[DeviceCaps]:
    return [
        DeviceCaps(device=Device(node, f"GPU-{node}-{n}"), way=Way.NVML, limit_watts=700, max_watts=700, index=str(n))
        for n in range(count)
    ]


FLEET = build(INVENTORY, {"n1": _found("n1"), "n2": _found("n2")}, ac_loss=1.0)
NO_CAP = np.full(2, np.nan)


def test_a_server_draws_its_rest_and_its_gpus_limits() -> None:
    drawn = worst_draw(FLEET, np.array([300.0, 400.0, 500.0, 600.0]), NO_CAP)

    assert drawn.tolist() == [1700.0, 2100.0]


def test_a_servers_own_cap_bounds_it_with_what_its_controller_lets_pass() -> None:
    drawn = worst_draw(FLEET, np.full(4, 700.0), np.array([2000.0, np.nan]))

    assert drawn.tolist() == [pytest.approx(2040.0), 2400.0]


def test_a_server_never_draws_more_than_its_nameplate() -> None:
    assert worst_draw(FLEET, np.full(4, 9000.0), NO_CAP).tolist() == [4000.0, 4000.0]


def test_an_unknown_limit_of_a_gpu_counts_at_the_servers_nameplate() -> None:
    assert worst_draw(FLEET, np.array([np.nan, 100.0, 100.0, 100.0]), NO_CAP).tolist() == [4000.0, 1200.0]


@pytest.mark.parametrize("state", [ControlState.UNKNOWN, ControlState.UNCONTROLLED, ControlState.FOREIGN])
def test_a_cap_that_nobody_vouches_for_does_not_count(state: ControlState) -> None:
    view = view_of(FLEET, gpu_limit_watts=300.0, gpu_max_watts=700.0, node_cap_watts=1500.0, gpu_state=state, node_state=state)

    gpu_watts, node_cap = counted(FLEET, view)

    assert gpu_watts.tolist() == [700.0] * 4
    assert np.isnan(node_cap).all()


@pytest.mark.parametrize("state", [ControlState.CONTROLLED, ControlState.PENDING])
def test_a_cap_that_was_read_back_counts(state: ControlState) -> None:
    view = view_of(FLEET, gpu_limit_watts=300.0, gpu_max_watts=700.0, node_cap_watts=1500.0, gpu_state=state, node_state=state)

    gpu_watts, node_cap = counted(FLEET, view)

    assert gpu_watts.tolist() == [300.0] * 4
    assert node_cap.tolist() == [1500.0] * 2


def test_each_feed_of_a_rack_must_carry_the_whole_rack() -> None:
    found = envelope(FLEET, view_of(FLEET, gpu_limit_watts=500.0, gpu_max_watts=700.0))
    carried = {limit.name: watts for limit, watts in zip(FLEET.tree.limits, found.watts, strict=True)}

    assert carried["r1-a"] == carried["r1-b"] == carried["r1"] == 4000.0
    assert found.safe


def test_an_envelope_names_the_breakers_that_could_trip() -> None:
    fleet = build(INVENTORY, {}, trip_safe_ratio=0.7)

    found = envelope(fleet, view_of(fleet))

    assert not found.safe
    assert found.unsafe == ("r1-a", "r1-b")
    assert found.slack_watts[found.over].tolist() == [-1000.0, -1000.0]


@pytest.mark.parametrize(("rating", "safe"), [(4000.0, True), (4000.0 - 5e-7, True), (3999.9, False)])
def test_a_worst_case_may_reach_what_is_trip_safe_and_no_more(rating: float, safe: bool) -> None:
    breakers = tuple(breaker.model_copy(update={"limit_watts": rating}) for breaker in INVENTORY.breakers)
    fleet = build(INVENTORY.model_copy(update={"breakers": breakers}), {"n1": _found("n1"), "n2": _found("n2")}, ac_loss=1.0)

    assert envelope(fleet, view_of(fleet, gpu_limit_watts=500.0, gpu_max_watts=700.0)).safe is safe
