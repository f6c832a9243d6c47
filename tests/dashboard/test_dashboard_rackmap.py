"""The rack map's data."""

import json

from fixture_hall import MIX, NOW, FakeLive, inventory

from dashboard.components.rackmap import METRICS, gpu_cells, payload
from dashboard.problems import problems
from dashboard.state import OVERVIEW, GpuState, hall_state
from wattstat.api.live import LiveSnapshot
from wattstat.inventory import Inventory


async def drawn(live: FakeLive) -> dict:
    hall = hall_state(await live.hall(OVERVIEW), live.hall_inventory, await live.collectors())
    return payload(hall, problems(hall))


def nodes_of(found: dict) -> dict:
    return {node["name"]: node for rack in found["racks"] for node in rack["nodes"]}


async def test_every_server_stands_at_its_unit_with_all_its_gpus():
    found = nodes_of(await drawn(FakeLive()))

    assert {name: (node["unit"], node["height"], len(node["gpus"])) for name, node in found.items()} == {
        entry.name: (entry.unit, entry.height, entry.gpus) for entry in inventory().nodes
    }


async def test_what_nobody_reads_is_hatched_under_every_metric():
    silent = nodes_of(await drawn(FakeLive()))["gpu-06"]

    assert not silent["seen"]
    assert all(gpu["v"][metric][0] is None for gpu in silent["gpus"] for metric in METRICS)


def test_a_lost_gpu_shows_no_last_value():
    cells = gpu_cells(GpuState(node="n", index="0", age_seconds=1, is_lost=True, power_watts=600, limit_watts=700))

    assert all(cell.fill is None and not cell.text for cell in cells.values())
    assert cells["health"].level == 2


def test_power_is_shaded_against_the_gpus_own_limit():
    cells = gpu_cells(GpuState(node="n", index="0", age_seconds=1, power_watts=350, limit_watts=700))

    assert (cells["power"].fill, cells["power"].text) == (0.5, "350")


def test_only_a_small_margin_has_a_colour():
    warm, close, over = (
        gpu_cells(GpuState(node="n", index="0", age_seconds=1, margin_celsius=margin))["margin"].level for margin in (12, 4, -1)
    )

    assert (warm, close, over) == (0, 1, 2)


async def test_a_rack_with_a_silent_server_has_a_lower_bound():
    racks = {rack["name"]: rack for rack in (await drawn(FakeLive()))["racks"]}

    assert racks["R02"]["power"].startswith("≥")
    assert not racks["R03"]["power"].startswith("≥")


def test_servers_without_a_place_are_shown_too():
    hall_inventory = Inventory.model_validate({"nodes": [{"name": "a", "gpus": 2}, {"name": "b", "height": 2}, {"name": "c"}]})
    found = payload(hall_state(LiveSnapshot(taken_at=NOW, metrics={}), hall_inventory, ()), [])

    assert [(node["name"], node["unit"]) for node in found["racks"][0]["nodes"]] == [("a", 1), ("b", 2), ("c", 4)]


async def test_four_hundred_gpus_travel_in_less_than_200_kilobytes():
    live = FakeLive(hall_inventory=inventory(50, mix=[model for model in MIX if model == "XE9680"]))

    assert len(json.dumps(await drawn(live), separators=(",", ":"))) < 200_000
