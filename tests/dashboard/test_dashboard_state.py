"""The state of the hall, and what is wrong in it."""

import dataclasses

import pytest
from fixture_hall import NOW, FakeLive, inventory

from dashboard.problems import Level, problems
from dashboard.state import OVERVIEW, HallState, Index, hall_state, natural
from wattstat.api.live import LiveSample, LiveSnapshot
from wattstat.catalogue import gpu, node
from wattstat.inventory import Inventory


async def hall(live: FakeLive) -> HallState:
    return hall_state(await live.hall(OVERVIEW), live.hall_inventory, await live.collectors())


def small(samples: list[tuple[object, float, dict[str, str]]], **node_values: object) -> HallState:
    """One server `n1` with the given samples."""
    families: dict[str, list[LiveSample]] = {}
    for metric, value, labels in samples:
        families.setdefault(metric.name, []).append(LiveSample({"node": "n1", **labels}, value, 2.0))
    snapshot = LiveSnapshot(taken_at=NOW, metrics={name: tuple(found) for name, found in families.items()})
    entry = {"name": "n1", "rack": "r1", **node_values}
    return hall_state(snapshot, Inventory.model_validate({"racks": [{"name": "r1"}], "nodes": [entry]}), ())


GPU = {"gpu": "0", "uuid": "GPU-1"}


async def test_a_hall_in_which_all_is_well_has_no_problems():
    assert problems(await hall(FakeLive(well=True))) == []


async def test_a_server_without_a_reading_makes_the_total_a_lower_bound():
    state = await hall(FakeLive())

    assert state.unmetered == ("gpu-06",)
    assert state.power_watts == pytest.approx(sum(server.power_watts or 0 for server in state.nodes))


async def test_nothing_known_is_none_and_not_zero():
    state = hall_state(LiveSnapshot(taken_at=NOW, metrics={}), inventory(), ())

    assert state.power_watts is None
    assert all(server.age_seconds is None for server in state.nodes)


async def test_a_silent_server_is_one_line_and_not_eight_missing_gpus():
    found = [problem for problem in problems(await hall(FakeLive())) if problem.node == "gpu-06"]

    assert len(found) == 1
    assert "8 GPUs unseen" in found[0].what
    assert found[0].since == NOW - 880


async def test_the_worst_comes_first():
    levels = [problem.level for problem in problems(await hall(FakeLive()))]

    assert levels == sorted(levels, reverse=True)
    assert Level.WARNING in levels


async def test_each_ill_of_the_fixture_is_found_where_it_is():
    found = {(problem.node, problem.gpu, problem.kind) for problem in problems(await hall(FakeLive()))}

    assert {("gpu-03", "5", "margin"), ("gpu-01", "2", "lost"), ("gpu-09", "0", "recovery"), ("gpu-02", "", "health")} <= found


async def test_power_over_the_budget_is_critical():
    live = FakeLive(hall_inventory=inventory(budget_watts=20_000), well=True)

    assert [p.level for p in problems(await hall(live)) if p.kind == "budget"] == [Level.CRITICAL]


def test_the_system_meter_is_preferred_and_the_baseboard_is_no_total():
    samples = [(node.NODE_POWER_WATTS, watts, {"source": source}) for source, watts in (("hgx", 4000), ("psu_sum", 5100))]

    assert small(samples).nodes[0].power_watts == 5100
    assert small([*samples, (node.NODE_POWER_WATTS, 5000, {"source": "system"})]).nodes[0].power_source == "system"
    assert small(samples[:1]).nodes[0].power_watts is None


def test_average_and_instant_power_are_not_mixed():
    both = [
        (gpu.GPU_POWER_WATTS, watts, {**GPU, "window": window, "scope": "gpu"})
        for window, watts in (("instant", 700), ("1s", 600))
    ]

    assert small(both).gpus[0].power_watts == 600
    assert small(both[:1]).gpus[0].power_watts == 700


def test_the_memory_part_of_a_modules_power_is_not_the_gpu():
    samples = [(gpu.GPU_POWER_WATTS, 80, {**GPU, "window": "1s", "scope": "memory"})]

    assert small(samples).gpus[0].power_watts is None


def test_a_gpu_that_wants_a_reset_is_seen_and_not_usable():
    state = small([(gpu.GPU_RECOVERY_ACTION, 1, GPU)], gpus=1)

    assert not state.gpus[0].is_usable
    assert "reset the GPU" in problems(state)[0].what


def test_a_software_power_cap_is_no_problem_and_heat_is():
    capped = small([(gpu.GPU_THROTTLE_ACTIVE, 1, {**GPU, "reason": "sw_power_cap"})], gpus=1)
    hot = small([(gpu.GPU_THROTTLE_ACTIVE, 1, {**GPU, "reason": "hw_thermal"})], gpus=1)

    assert problems(capped) == []
    assert [problem.kind for problem in problems(hot)] == ["throttle"]


def test_an_idle_gpu_is_not_held_down():
    assert small([(gpu.GPU_THROTTLE_ACTIVE, 1, {**GPU, "reason": "idle"})]).gpus[0].throttles == ()


def test_gpus_that_the_inventory_expects_and_nobody_sees_are_missing():
    state = small([(gpu.GPU_LOST, 0, GPU)], gpus=4)

    assert [problem.what for problem in problems(state)] == ["3 GPUs of 4 not seen"]


def test_a_server_that_is_switched_off_is_one_problem():
    state = small([(node.NODE_POWER_ON, 0, {}), (node.NODE_HEALTH, 2, {"component": "system"})], gpus=4)

    assert [problem.kind for problem in problems(state)] == ["power_off"]
    assert state.unmetered == ()


def test_gpus_out_of_band_stand_in_where_there_is_no_agent():
    state = small([(node.NODE_GPU_POWER_WATTS, 310, {"device": "GPU.2"}), (node.NODE_GPU_HEALTH, 2, {"device": "GPU.10"})])

    assert [(entry.index, entry.power_watts) for entry in state.gpus] == [("GPU.2", 310), ("GPU.10", None)]
    assert [problem.kind for problem in problems(state)] == ["gpu_health"]


def test_a_temperature_above_the_devices_own_caution_limit_is_a_warning():
    where = {"sensor": "Inlet", "role": "inlet"}
    samples = [
        (node.NODE_TEMPERATURE_CELSIUS, 39, where),
        (node.NODE_TEMPERATURE_LIMIT_CELSIUS, 38, {"sensor": "Inlet", "kind": "caution"}),
        (node.NODE_TEMPERATURE_LIMIT_CELSIUS, 45, {"sensor": "Inlet", "kind": "critical"}),
    ]

    assert [(p.kind, p.level) for p in problems(small(samples))] == [("heat", Level.WARNING)]


def test_a_tier_that_the_device_does_not_support_fails_nobody():
    live = FakeLive(well=True)
    state = dataclasses.replace(live._collector("redfish", "gpu-01", failing=True), supported=False)

    assert problems(hall_state(LiveSnapshot(taken_at=NOW, metrics={}), Inventory(), [state])) == []


def test_index_finds_by_server_and_labels():
    index = Index(LiveSnapshot(taken_at=NOW, metrics={"m": (LiveSample({"node": "a"}, 1, 3), LiveSample({"node": "b"}, 2, 5))}))

    assert index.youngest("b") == 5
    assert index.youngest("c") is None


def test_names_sort_by_their_numbers():
    assert sorted(["GPU.10", "GPU.2", "CPU1"], key=natural) == ["CPU1", "GPU.2", "GPU.10"]
