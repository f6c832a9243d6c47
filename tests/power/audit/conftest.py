"""A controller's decisions over some seconds, kept as the service keeps them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from power.audit.inputs import Inputs
from power.audit.replay import keep_decision
from power.audit.trail import Trail
from power.control.tuning import Tuning
from power.controller import Controller
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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds of a controller over sixty-four GPUs; every decision is kept, whether or not it orders anything."""
    folder = tmp_path_factory.mktemp("audit")
    trail, inputs = Trail(folder, lambda: 1_800_000_000.0), Inputs(folder / "inputs")
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
    trail.close()
    return folder


@pytest.fixture
def decisions(recorded: Path, tmp_path: Path) -> tuple[Trail, Inputs]:
    """A copy of them that a test may damage."""
    folder = shutil.copytree(recorded, tmp_path / "audit")
    return Trail(folder, lambda: 1_800_000_000.0), Inputs(folder / "inputs")
