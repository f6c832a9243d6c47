"""Faults of fans, memory, drives, NVLinks and cooling: what they do to the hall, what is refused, and how they end."""

import numpy as np
import pytest

from simulator.bmc.server import Bmcs
from simulator.control import Control, controllers_of
from simulator.faults import Faults, UnknownFault
from simulator.nodes import NvmlFeed
from simulator.site import layout
from simulator.workload import Job, Kind
from simulator.world import World

START = 1_760_000_000.0


@pytest.fixture
def world():
    return World(layout(8), 3, START, jobs=False)


@pytest.fixture
def feed(world, tmp_path):
    (tmp_path / "state").mkdir()
    made = NvmlFeed(world, tmp_path / "state")
    yield made
    made.close()


def control_of(world, states=None):
    faults = Faults()
    return Control(world, faults, Bmcs(controllers_of(world, faults, ("u", "p")), 1), states)


def train(world, server):
    rows = np.array(world.hall.by_name(server).gpu_rows)
    who = {"id": "7", "name": "a", "user": "u", "account": "a", "partition": "p", "kind": Kind.TRAINING}
    world.begin(Job(**who, gpus=len(rows), not_before=0, seconds=1e6, seed=5, rows=rows))
    world.patterns.checkpoint_seconds[:] = 0


async def test_warm_air_turns_fans_up_and_slows_gpus_and_the_job_until_it_is_cool_again(world):
    train(world, "xe9680-01")
    control, physics = control_of(world), world.physics
    world.advance(START + 600, 5.0)
    fans, inlet, slowest = physics.fan_ratio[0], physics.inlet_celsius.copy(), physics.speed[:8].min()
    fault = await control.switch_on({"target": "xe9680-01", "kind": "cooling_failed", "celsius": 30, "minutes": 10})
    world.advance(START + 900, 5.0)
    assert physics.inlet_celsius[0] - inlet[0] == pytest.approx(15, abs=0.5), "half way after half the time"
    world.advance(START + 1500, 5.0)
    assert physics.inlet_celsius[0] - inlet[0] == pytest.approx(30, abs=0.5)
    assert physics.inlet_celsius[1:] == pytest.approx(inlet[1:], abs=0.5)
    assert physics.fan_ratio[0] > fans
    assert physics.throttled[3, :8].any()
    assert physics.speed[:8].min() < 0.95 * slowest, "and everybody waits for it"
    await control.switch_off(fault.id)
    world.advance(START + 2400, 5.0)
    assert physics.inlet_excess.tolist() == [0.0] * 8
    assert physics.speed[:8].min() == pytest.approx(slowest, rel=0.02)


async def test_a_rack_without_cooling_warms_its_own_servers_and_the_hall_all(world):
    control, physics = control_of(world), world.physics
    rack = [server.rack == "rack-02" for server in world.hall.servers]
    one = await control.switch_on({"target": "rack-02", "kind": "cooling_failed", "celsius": 8, "minutes": 2})
    world.advance(START + 300, 5.0)
    assert physics.inlet_excess.tolist() == [8.0 if mine else 0.0 for mine in rack]
    await control.switch_on({"target": "hall", "kind": "cooling_failed", "celsius": 3, "minutes": 2})
    world.advance(START + 600, 5.0)
    assert physics.inlet_excess.tolist() == [8.0 if mine else 3.0 for mine in rack]
    await control.switch_off(one.id)
    world.advance(START + 900, 5.0)
    assert physics.inlet_excess.tolist() == [3.0] * 8


async def test_fans_that_are_left_turn_faster_and_air_that_gets_too_warm_is_written_into_the_log(world):
    control, physics = control_of(world), world.physics
    train(world, "xe9680-01")
    world.advance(START + 300, 5.0)
    before = physics.fan_ratio[0]
    await control.switch_on({"target": "xe9680-01", "kind": "fan_failed", "fan": 3, "count": 4})
    world.advance(START + 600, 5.0)
    assert physics.fan_ratio[0] > 1.1 * before
    bmc = control._controllers["xe9680-01"]
    assert [entry.message_id for entry in bmc.log] == ["FAN0001"] * 4 + ["RDU0002"]
    assert [bmc.fan_rpm(number) == 0 for number in range(8)] == [False, False, True, True, True, True, False, False]
    await control.switch_on({"target": "rack-01", "kind": "cooling_failed", "celsius": 25, "minutes": 1})
    for minute in range(3):
        world.advance(START + 660 + 60 * minute, 5.0)
        await control.expire()
    assert [entry.message_id for entry in bmc.log][5:] == ["TMP0121"]


async def test_a_reset_ends_what_is_pending_and_leaves_what_was_remapped(world, feed):
    control, columns = control_of(world, feed.states), feed.states["xe9680-01"].columns
    whole = columns["remap_banks_max"][2]
    fault = await control.switch_on({"target": "xe9680-01", "kind": "gpu_row_remap", "gpu": 2, "rows": 3})
    assert [columns[name][2] for name in ("remap_pending", "remap_failure", "remapped_uncorrectable")] == [1, 0, 3]
    assert [columns[f"remap_banks_{name}"][2] for name in ("max", "high", "none")] == [whole - 1, 1, 0]
    await control.switch_off(fault.id)
    assert [columns[name][2] for name in ("remap_pending", "remap_failure", "remapped_uncorrectable")] == [0, 0, 3]
    await control.switch_on({"target": "xe9680-01", "kind": "gpu_row_remap", "gpu": 4, "failed": 1})
    assert [columns[name][4] for name in ("remap_pending", "remap_failure", "remap_banks_none")] == [1, 1, 1]


async def test_nvlink_errors_go_on_counting_and_stay_counted(world, feed):
    control, columns = control_of(world, feed.states), feed.states["xe9680-01"].columns
    fault = await control.switch_on({"target": "xe9680-01", "kind": "nvlink_errors", "gpu": 1, "recoveries": 1, "crc": 5})
    for minute in (1, 2, 3):
        world.advance(START + 60 * minute, 10.0)
        await control.expire()
    await control.switch_off(fault.id)
    world.advance(START + 300, 10.0)
    await control.expire()
    counters = ("nvlink_replay_errors", "nvlink_recovery_errors", "nvlink_crc_flit_errors")
    assert [int(columns[name][1]) for name in counters] == [6, 3, 900]
    assert [int(columns[name][0]) for name in counters] == [0, 0, 0]


async def test_a_link_that_is_down_comes_back(world, feed):
    control, mask = control_of(world, feed.states), feed.states["xe9680-01"].columns["nvlink_active_mask"]
    fault = await control.switch_on({"target": "xe9680-01", "kind": "nvlink_down", "gpu": 1, "links": 3})
    assert [int(each).bit_count() for each in mask[:2]] == [18, 15]
    await control.switch_off(fault.id)
    assert [int(each).bit_count() for each in mask[:2]] == [18, 18]


async def test_a_narrow_link_carries_less_until_it_is_whole_again(world, feed):
    control, columns = control_of(world, feed.states), feed.states["xe9680-01"].columns
    whole = world.physics.pcie_peak[:2].copy()
    fault = await control.switch_on({"target": "xe9680-01", "kind": "gpu_pcie", "gpu": 1, "lanes": 4})
    assert columns["pcie_width"][:2].tolist() == [16, 4]
    assert (world.physics.pcie_peak[:2] / whole).tolist() == [1.0, 0.25]
    await control.switch_off(fault.id)
    assert columns["pcie_width"][:2].tolist() == [16, 16]
    assert world.physics.pcie_peak[:2].tolist() == whole.tolist()


async def test_gpus_without_a_fabric_cannot_leave_it(world, feed):
    name = next(server.name for server in world.hall.servers if server.model.gpus and not server.model.hgx)
    with pytest.raises(UnknownFault, match="are in no NVLink fabric"):
        await control_of(world, feed.states).switch_on({"target": name, "kind": "gpu_fabric"})


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "fan_failed", "fan": 16, "count": 2}, "has fans 1 to 16, not 16 to 17"),
        ({"kind": "dimm_errors", "dimm": "C1"}, "has memory modules A1 to B16, not 'C1'"),
        ({"kind": "server_drive_failing", "bay": 8}, "has drives in bays 0 to 7, not 8"),
        ({"kind": "gpu_row_remap", "gpu": 8}, "has GPUs 0 to 7, not 8"),
        ({"kind": "nvlink_down", "links": 19}, "has 1 to 18 NVLinks, not 19"),
        ({"kind": "gpu_pcie", "lanes": 17}, "has 1 to 16 PCIe lanes, not 17"),
        ({"kind": "cooling_failed", "minutes": 0}, "celsius and minutes must be above 0"),
    ],
)
async def test_what_a_server_does_not_have_cannot_fail(world, feed, fault, message):
    control = control_of(world, feed.states)
    with pytest.raises(UnknownFault, match=message):
        await control.switch_on({"target": "xe9680-01", **fault})
    assert list(control.faults) == []


async def test_gpus_without_nvlink_have_no_errors_of_it(world, feed):
    name = next(server.name for server in world.hall.servers if server.model.gpus and not server.model.hgx)
    with pytest.raises(UnknownFault, match="have no NVLinks"):
        await control_of(world, feed.states).switch_on({"target": name, "kind": "nvlink_errors"})
