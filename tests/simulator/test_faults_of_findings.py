"""Faults that no threshold tells of: a slow board, a cap that slips, a cable that wears out."""

import numpy as np
import pytest

from simulator.bmc.server import Bmcs
from simulator.control import Control, controllers_of
from simulator.faults import Faults
from simulator.nodes import NvmlFeed
from simulator.site import layout
from simulator.workload import Job, Kind
from simulator.world import World

START = 1_760_000_000.0
HOUR = 3600.0


@pytest.fixture
def world():
    return World(layout(16), 3, START, jobs=False)


def control_of(world, states=None):
    faults = Faults()
    return Control(world, faults, Bmcs(controllers_of(world, faults, ("u", "p")), 1), states)


def train(world, server):
    rows = np.array(world.hall.by_name(server).gpu_rows)
    job = {"id": "7", "name": "a", "user": "u", "account": "a", "partition": "p", "kind": Kind.TRAINING, "gpus": len(rows)}
    world.begin(Job(**job, not_before=0, seconds=1e6, seed=5, rows=rows))
    world.patterns.checkpoint_seconds[:] = 0


async def test_a_slow_board_holds_its_clock_and_the_ranks_that_wait_for_it_and_says_so(world):
    train(world, "xe9680-01")
    world.advance(START + 120, 1.0)
    before = world.patterns.work[0]
    control = control_of(world)
    fault = await control.switch_on({"target": "xe9680-01", "kind": "gpu_slow", "gpu": 2, "factor": 0.6})
    world.advance(START + 240, 1.0)
    clock = world.physics.clock_mhz[:8]
    assert clock[2] == pytest.approx(0.6 * world.physics.clock_max_mhz[2])
    assert np.delete(clock, 2).min() > 1.2 * clock[2]
    assert world.patterns.work[0] - before < 0.7 * before
    assert world.physics.throttled[4, :8].tolist() == [row == 2 for row in range(8)]
    await control.switch_off(fault.id)
    world.advance(START + 360, 1.0)
    assert world.physics.clock_mhz[2] > 0.9 * np.delete(world.physics.clock_mhz[:8], 2).min()


async def test_nvml_tells_hw_slowdown_of_a_slow_board_and_of_a_brake_and_of_nobody_else(world, tmp_path):
    train(world, "xe9680-01")
    (tmp_path / "state").mkdir()
    feed = NvmlFeed(world, tmp_path / "state")
    await control_of(world).switch_on({"target": "xe9680-01", "kind": "gpu_slow", "gpu": 2})
    world.advance(START + 60, 1.0)
    world.physics.throttled[2, 5] = True
    feed.write()
    reasons = feed.states["xe9680-01"].columns["throttle_reasons"][:8].copy()
    feed.close()
    assert [int(each) & 0x88 for each in reasons] == [0, 0, 0x08, 0, 0, 0x88, 0, 0]


async def test_limits_that_slip_rise_watt_by_watt_up_to_the_default_and_no_further(world, tmp_path):
    (tmp_path / "state").mkdir()
    feed = NvmlFeed(world, tmp_path / "state")
    control = control_of(world, feed.states)
    limits = feed.states["xe9680-01"].columns["limit_requested_mw"]
    limits[:] = 500_000
    limits[1] = 695_000
    await control.switch_on({"target": "xe9680-01", "kind": "gpu_cap_slips", "watts": 12})
    while world.now < START + HOUR:
        world.advance(world.now + 60, 60.0)
        await control.expire()
    found = (limits[:2] / 1000).tolist()
    feed.close()
    assert found == pytest.approx([512, 700], abs=0.5)


async def test_a_cable_that_wears_out_counts_ten_times_as_many_errors_every_six_hours_at_both_ends(world):
    control = control_of(world)
    fault = await control.switch_on({"target": "ib-leaf-1", "kind": "link_wearing", "port": "IB1/1/1"})
    cables = world.plant.cables
    row = cables.rows["ib-leaf-1", "IB1/1/1"]
    ends = [row, cables.twin[row]]
    counted = []
    for hours in (6, 12, 18):
        world.advance(START + hours * HOUR, 60.0)
        counted.append(cables.counters["symbol_errors"][ends].copy())
    first, second, third = counted[0], counted[1] - counted[0], counted[2] - counted[1]
    assert first[0] == first[1] > 10
    assert second / first == pytest.approx([10, 10], rel=0.05)
    assert third / second == pytest.approx([10, 10], rel=0.05)
    assert cables.bit_errors[ends] == pytest.approx([1e-12, 1e-12], rel=0.1)
    await control.switch_off(fault.id)
    world.advance(world.now + HOUR, 60.0)
    assert cables.bit_errors[ends] == pytest.approx([1e-15, 1e-15])
