"""A controller's own decisions, kept as the service keeps them, and made again by the same code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from power.audit.inputs import Inputs
from power.audit.replay import Replayed, keep_decision, replay
from power.audit.trail import Trail
from power.control.tuning import Tuning
from power.controller import Controller, Given, decide
from power.guard.guard import Rules
from power.model import Device, DeviceCaps, Fence, Fleet, Mode, View, Way
from power.tree.build import build
from tests.support.power import intent_of, view_of
from wattstat import inventory

HALL = """
site: {name: hall, budget_watts: 22e3}
breakers: [{name: main, limit_watts: 30e3, curve: main}, {name: "r[1-2]", limit_watts: 15e3, upstream: main}]
racks: [{name: "r[1-2]", breakers: ["{name}"]}]
nodes: [{name: "n[1-4]", racks: "r[1-2]", per_rack: 2, gpus: 8, max_watts: 9000, rest_watts: 1500}]
"""


def _fleet() -> Fleet:
    def gpu(node: str, index: int) -> DeviceCaps:
        return DeviceCaps(
            device=Device(node, f"{node}-{index}"), way=Way.NVML, limit_watts=700, max_watts=700, index=str(index)
        )

    found = inventory.loads(HALL)
    return build(found, {node.name: [gpu(node.name, index) for index in range(8)] for node in found.nodes})


def _view(fleet: Fleet, second: int, limits: Any, rng: np.random.Generator) -> View:
    load = rng.uniform(0.4, 1.0, len(fleet.gpus))
    watts = np.minimum(700 * load, limits)
    fresh = np.zeros(len(fleet.gpus))
    known = view_of(
        fleet,
        at=1_800_000_000.0 + second,
        monotonic=1000.0 + second,
        gpu_watts=watts,
        gpu_age=fresh,
        gpu_limit_watts=limits,
        gpu_own_watts=limits,
        gpu_limit_age=fresh,
        gpu_min_watts=200.0,
        gpu_max_watts=700.0,
        gpu_default_watts=700.0,
        node_watts=1200 + fleet.by_node(watts),
        node_age=0.0,
    )
    return replace(known, gpu_peak_watts=watts, node_peak_watts=known.node_watts)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Trail, Inputs]:
    """Forty seconds of a controller over sixty-four GPUs; every decision is kept, whether or not it orders anything."""
    trail, inputs = Trail(tmp_path, lambda: 1_800_000_000.0), Inputs(tmp_path / "inputs")
    fleet = _fleet()
    controller = Controller(Tuning(), Rules(holder="core"), seed=3)
    intent = replace(intent_of(fleet), mode=Mode.ENFORCE, names=("night",))
    intent.limit_watts[0] = 22e3
    intent.guaranteed[0] = False
    limits, rng = np.full(len(fleet.gpus), 700.0), np.random.default_rng(1)
    ordered = 0
    for second in range(40):
        fence = Fence(token=second // 10, holder="core", valid_until=1010.0 + second)
        decision = controller.decide(fleet, _view(fleet, second, limits, rng), intent, fence)
        keep_decision(trail, inputs, {"given": decision.given}, decision.decided)
        ordered += len(decision.orders)
        rows = {device: row for row, device in enumerate(fleet.gpus)}
        for order in decision.orders:
            for uuid, watts in order.gpu_watts.items():
                limits[rows[Device(order.node, uuid)]] = watts
    assert ordered > 0
    return trail, inputs


def _again(given: Mapping[str, Any]) -> object:
    made_of: Given = given["given"]
    return decide(made_of)[0]


def _replayed(kept: tuple[Trail, Inputs], **changed: float) -> Replayed:
    def now(given: Mapping[str, Any]) -> object:
        made_of: Given = given["given"]
        return _again({"given": replace(made_of, tuning=replace(made_of.tuning, **changed))})

    trail, inputs = kept
    return replay(trail, Inputs(inputs.folder), now)


def test_every_decision_of_a_controller_comes_out_the_same(kept: tuple[Trail, Inputs]) -> None:
    found = _replayed(kept)

    assert (found.decisions, found.same, found.lost) == (40, 40, ())
    assert found.different == ()


def test_another_tuning_decides_otherwise_and_the_first_difference_is_told(kept: tuple[Trail, Inputs]) -> None:
    found = _replayed(kept, hold=0.6, cut=0.7, release=0.5)

    assert len(found.different) > 0
    assert "proposal." in found.different[0].what


def test_fleet_and_layout_are_kept_once_for_all_decisions(kept: tuple[Trail, Inputs]) -> None:
    trail, inputs = kept
    given, decided = 40, 40
    fleet, intent, layout = 1, 1, 1

    assert len(list(inputs.folder.iterdir())) <= given + decided + fleet + intent + layout
    assert len(trail.read(limit=100)) == 40
