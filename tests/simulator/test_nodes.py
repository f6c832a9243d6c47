"""What processes on the simulated servers see: NVML's state and RAPL's counters."""

import pytest

from simulator.nodes import RAPL_RANGE_MICROJOULES, NvmlFeed, RaplFeed
from simulator.nvml.state import StateFile
from simulator.site import layout
from simulator.world import World

START = 1_760_000_000.0


@pytest.fixture
def world():
    return World(layout(2), 1, START)


@pytest.fixture
def feed(world, tmp_path):
    feed = NvmlFeed(world, tmp_path)
    yield feed
    feed.close()


def test_the_state_file_shows_the_models_watts_joules_and_degrees(world, feed):
    world.advance(START + 600, 0.5)
    feed.write()
    for server in world.hall.servers:
        columns = feed.states[server.name].columns
        rows = list(server.gpu_rows)
        physics = world.physics
        assert columns["power_average_mw"] / 1000 == pytest.approx(physics.gpu_second_watts[rows], abs=0.001)
        assert columns["energy_mj"] / 1000 == pytest.approx(physics.counter_joules[rows], abs=0.001)
        assert columns["temperature"] == pytest.approx(physics.gpu_celsius[rows], abs=0.5)


def test_jobs_show_as_processes_and_end_with_them(world, feed):
    world.advance(START + 60, 5)
    feed.write()
    for server in world.hall.servers:
        counts = feed.states[server.name].columns["process_count"]
        for number, row in enumerate(server.gpu_rows):
            assert counts[number] == (world.job_of(row) is not None)


def test_a_limit_that_was_set_through_nvml_is_obeyed_and_shown_as_throttling(world, feed):
    server = world.hall.servers[0]
    world.patterns.running[:] = True
    world.patterns.high[:] = world.patterns.low[:] = 0.95
    world.patterns.busy[:] = 1.0
    world.patterns.diurnal[:] = 0.0
    feed.states[server.name].columns["limit_requested_mw"][:] = 300_000
    feed.take_limits()
    world.advance(START + 30, 0.25)
    feed.write()
    columns = feed.states[server.name].columns
    assert columns["power_instant_mw"].max() <= 300_100
    assert all(reasons & 0x4 for reasons in columns["throttle_reasons"])
    assert columns["clock_sm"].max() < 1980


def test_an_out_of_band_limit_is_shown_beside_the_requested_one(world, feed):
    world.physics.setpoint_watts[:8] = 450.0
    feed.write()
    state = feed.states[world.hall.servers[0].name]
    assert list(state.enforced_limits_mw()) == [450_000] * 8
    assert list(state.columns["limit_requested_mw"]) == [700_000] * 8


def test_a_gpu_off_the_bus_is_lost_in_the_state_file(world, feed, tmp_path):
    world.physics.present[3] = False
    feed.write()
    with StateFile(tmp_path / f"{world.hall.servers[0].name}.nvml") as reader:
        assert list(reader.columns["lost"]) == [0, 0, 0, 1, 0, 0, 0, 0]


def test_rapl_counts_what_the_processors_drew_and_wraps_where_the_hardware_does(world, tmp_path):
    rapl = RaplFeed(world, tmp_path)
    server = world.hall.servers[0]
    zone = tmp_path / server.name / "class/powercap/intel-rapl:0"
    assert (zone / "name").read_text() == "package-0\n"
    assert (zone / "intel-rapl:0:0" / "name").read_text() == "dram\n"
    total, before = 0, int((zone / "energy_uj").read_text())
    drawn = world.physics.cpu_joules[0, server.index]
    wrapped = False
    for _ in range(24):
        world.advance(world.now + 300, 30)
        rapl.write()
        now = int((zone / "energy_uj").read_text())
        wrapped |= now < before
        total += (now - before) % RAPL_RANGE_MICROJOULES
        before = now
    assert wrapped
    assert total / 1e6 == pytest.approx(world.physics.cpu_joules[0, server.index] - drawn, rel=1e-6)
