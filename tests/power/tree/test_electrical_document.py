"""docs/electrical.md: every number in it is computed here from the inventory in it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from power.model import ControlState, Device, DeviceCaps, Fleet, View, Way
from power.tree import assumed
from power.tree.build import build
from power.tree.envelope import envelope
from power.tree.trips import CURVES
from tests.support.power import view_of
from wattstat import inventory

PAGE = (Path(__file__).parents[3] / "docs/electrical.md").read_text(encoding="utf-8")
INVENTORY = inventory.loads(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])


def _table(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def _hall() -> Fleet:
    def gpu(node: str, index: int) -> DeviceCaps:
        return DeviceCaps(
            device=Device(node, f"{node}-{index}"), way=Way.NVML, limit_watts=700, max_watts=700, index=str(index)
        )

    return build(INVENTORY, {node.name: [gpu(node.name, index) for index in range(8)] for node in INVENTORY.nodes})


def _worst(fleet: Fleet, view: View) -> dict[str, int]:
    found = envelope(fleet, view)
    return {limit.name: round(watts) for limit, watts in zip(fleet.tree.limits, found.watts.tolist(), strict=True)}


def test_the_worked_example_is_right() -> None:
    fleet = _hall()
    refusing = np.where(fleet.gpu_node == 0, ControlState.UNCONTROLLED, ControlState.CONTROLLED)
    own_cap = np.array([np.nan, np.nan, np.nan, 5000.0])
    cases = [
        view_of(fleet, gpu_max_watts=700.0, gpu_limit_watts=700.0),
        view_of(fleet, gpu_max_watts=700.0, gpu_limit_watts=500.0),
        view_of(fleet, gpu_max_watts=700.0, gpu_limit_watts=500.0, gpu_state=refusing),
        view_of(fleet, gpu_max_watts=700.0, gpu_limit_watts=500.0, gpu_state=refusing, node_cap_watts=own_cap),
    ]
    worst = [_worst(fleet, view) for view in cases]
    trip_safe = {limit.name: limit.trip_safe_watts for limit in fleet.tree.limits}

    rows = _table("An example, worked")

    assert len(rows) == 7
    for name, safe, *watts in rows:
        assert (float(safe) if safe else None) == trip_safe[name]
        assert [int(each) for each in watts] == [case[name] for case in worst], name


def test_before_anything_is_read_both_mains_of_the_example_are_unsafe() -> None:
    fleet = build(INVENTORY, {})

    found = envelope(fleet, view_of(fleet))

    assert found.unsafe == ("main-a", "main-b")
    assert _worst(fleet, view_of(fleet))["main-a"] == 43_800
    assert "43,800 W at main-a" in PAGE


def test_the_assumed_watts_are_those_of_the_code() -> None:
    *models, (other, rest, _) = _table("What servers draw when nobody says")

    assert {model.upper(): (float(rest), float(whole)) for model, rest, whole in models} == assumed.SERVERS
    assert (other, float(rest)) == ("any other", assumed.UNKNOWN_SERVER.rest_watts)


def test_the_trip_times_are_those_of_the_code() -> None:
    rows = _table("How long breakers hold")

    assert [row[0] for row in rows] == list(CURVES)
    for name, *held in rows:
        computed = CURVES[name].seconds(np.array([1.10, 1.15, 1.33, 1.40]))
        assert held == [f"{round(seconds)} s" for seconds in computed.tolist()], name
