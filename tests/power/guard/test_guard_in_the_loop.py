"""The whole decision, cycle by cycle: allocator, guard, orders and their history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from power.control.tuning import Tuning
from power.controller import Controller
from power.guard.guard import Rules
from power.model import Fence
from power.tree.ceilings import worst_draw
from tests.support import fleets

SERVERS = [fleets.Server(name=f"n{number}") for number in range(4)]
# 4 x 1,000 W of rest, 32 GPUs: 450 W each would be 15,120 W.
FLEET = fleets.fleet(
    SERVERS, [fleets.Over(name="breaker", nodes=[server.name for server in SERVERS], trip_safe_watts=4000 + 15_120.0)]
)


def test_raises_that_nobody_has_begun_to_write_never_add_up_to_too_much():
    controller = Controller(Tuning(raise_ratio=1.0), Rules(holder="x"))
    ordered = np.full(len(FLEET.gpus), 300.0)
    rows = {device.uuid: row for row, device in enumerate(FLEET.gpus)}
    random = np.random.default_rng(3)
    raises = 0
    for second in range(40):
        monotonic = 1000.0 + second
        # Who asks for more changes all the time, and no order has reached any device yet.
        busy = np.where(random.random(len(ordered)) < 0.5, 300.0, 80.0)
        view = fleets.view(FLEET, monotonic=monotonic, gpu_limit_watts=300.0, gpu_watts=busy)
        fence = Fence(token=1, holder="x", valid_until=monotonic + 5)
        decision = controller.decide(FLEET, view, fleets.intent(FLEET, floor_watts=200.0), fence)
        for order in decision.orders:
            for uuid, watts in order.gpu_watts.items():
                raises += watts > 300
                ordered[rows[uuid]] = max(ordered[rows[uuid]], watts)
        worst = worst_draw(FLEET, ordered, np.full(len(SERVERS), np.nan))
        assert FLEET.tree.load(worst)[0] <= FLEET.tree.trip_safe_watts[0] + 1e-6
    assert raises > 10
    assert ordered.sum() > 1.2 * 300 * len(ordered)


def test_a_lowered_limit_is_obeyed_by_cuts_at_once_and_raises_wait_until_they_are_read_back():
    controller = Controller(Tuning(), Rules(holder="x"))
    tight = replace(FLEET, tree=replace(FLEET.tree, trip_safe_watts=np.array([4000 + 0.9 * 15_120])))
    for second in range(3):
        view = fleets.view(tight, monotonic=1000.0 + second, gpu_limit_watts=450.0, gpu_watts=440.0)
        fence = Fence(token=1, holder="x", valid_until=1005.0 + second)
        decision = controller.decide(tight, view, fleets.intent(tight, floor_watts=350.0), fence)
        assert not any(order.raises for order in decision.orders)
        if second == 0:
            assert sum(len(order.gpu_watts) for order in decision.orders) >= 16


def test_whoever_was_stopped_after_looking_raises_nothing_and_writes_nothing_without_its_lease():
    controller = Controller(Tuning(raise_ratio=1.0), Rules(holder="x"))
    for second in range(20):
        view = fleets.view(FLEET, monotonic=1000.0 + second, gpu_limit_watts=300.0, gpu_watts=300.0)
        fence = Fence(token=1, holder="x", valid_until=1060.0 + second)
        decision = controller.decide(FLEET, view, fleets.intent(FLEET, floor_watts=200.0), fence, late_seconds=45.0)
        assert decision.orders == ()
        assert "45.0 s old" in decision.decided.admitted.frozen
    lapsed = Fence(token=1, holder="x", valid_until=1020.0)
    decision = controller.decide(FLEET, view, fleets.intent(FLEET, floor_watts=200.0), lapsed, late_seconds=45.0)
    assert "lapsed" in decision.decided.admitted.held_back
    assert controller.decide(FLEET, view, fleets.intent(FLEET, floor_watts=200.0), fence).orders
