"""Caps that are refused, ignored, reverted, not held, or reset by somebody else."""

import pynvml
import pytest

from simulator.bmc import writes
from simulator.bmc.manager import SYSTEM_ATTRIBUTES
from simulator.bmc.server import Bmcs
from simulator.control import Control, controllers_of
from simulator.faults import Faults
from simulator.nodes import NvmlFeed
from simulator.site import layout
from simulator.world import World
from tests.support.nvml import library

START = 1_760_000_000.0
NODE = "xe9680-01"
CAP = {"Attributes": {writes.SETTING: "Enabled", writes.VALUE: 6000}}
GPU_1 = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_SXM_1/EnvironmentMetrics"


class Hall:
    """A hall of two servers under full load, without any network."""

    def __init__(self, folder):
        self.world = World(layout(2), 1, START)
        patterns = self.world.patterns
        patterns.running[:] = True
        patterns.high[:] = patterns.low[:] = 0.95
        patterns.busy[:] = 1.0
        patterns.diurnal[:] = 0.0
        faults = Faults()
        controllers = controllers_of(self.world, faults, ("reader", "secret"))
        self.feed = NvmlFeed(self.world, folder)
        self.control = Control(self.world, faults, Bmcs(controllers, 0), self.feed.states)
        self.bmc = next(each for each in controllers.values() if each.server.name == NODE)
        self.limits = self.feed.states[NODE].columns["limit_requested_mw"]

    async def fault(self, kind, **options):
        return await self.control.switch_on({"target": NODE, "kind": kind, **options})

    async def pass_by(self, seconds):
        self.feed.take_limits()
        self.world.advance(self.world.now + seconds, 0.5)
        await self.control.expire()
        self.feed.write()

    def cap(self, body=CAP, path=SYSTEM_ATTRIBUTES):
        answer = writes.patch(self.bmc, path, body)
        return answer.status, [each["MessageId"].rpartition(".")[2] for each in messages(answer.body)]

    @property
    def watts(self):
        return self.world.physics.node_watts[self.bmc.server.index]


def messages(body):
    return body.get("error", body)["@Message.ExtendedInfo"]


@pytest.fixture
async def hall(tmp_path):
    hall = Hall(tmp_path)
    yield hall
    hall.feed.close()


async def test_without_the_licence_caps_are_refused_and_the_flags_say_so(hall):
    fault = await hall.fault("bmc_unlicensed")
    assert hall.cap() == (403, ["LIC501"])
    assert not hall.bmc.cap_enabled
    await hall.control.switch_off(fault.id)
    assert hall.cap()[0] == 200
    assert hall.bmc.cap_enabled


async def test_an_ignored_cap_is_accepted_and_changes_nothing(hall):
    await hall.fault("cap_ignored")
    assert hall.cap() == (200, ["Success", "SYS413"])
    assert hall.cap({"PowerLimitWatts": {"SetPoint": 300}}, GPU_1)[0] == 200
    assert not hall.bmc.cap_enabled
    assert hall.world.physics.setpoint_watts[hall.bmc.server.first_gpu] == 700


async def test_a_cap_goes_back_to_the_default_after_its_time_and_a_new_one_gets_the_same_time(hall):
    await hall.fault("cap_reverts", seconds=100)
    hall.cap()
    await hall.pass_by(90)
    assert hall.bmc.cap_enabled
    await hall.pass_by(15)
    assert not hall.bmc.cap_enabled
    hall.cap()
    hall.cap({"PowerLimitWatts": {"SetPoint": 300}}, GPU_1)
    await hall.pass_by(90)
    assert hall.bmc.cap_enabled
    await hall.pass_by(15)
    assert not hall.bmc.cap_enabled
    assert hall.world.physics.setpoint_watts[hall.bmc.server.first_gpu] == 700


async def test_a_cap_that_does_not_hold_is_exceeded_and_the_controller_says_so(hall):
    hall.cap()
    await hall.pass_by(20)
    assert hall.watts < 6100
    fault = await hall.fault("cap_not_holding")
    await hall.pass_by(20)
    assert hall.bmc.cap_enabled
    assert hall.watts > 6500
    assert [entry.message_id for entry in hall.bmc.current_faults] == ["PWR2400"]
    assert "PWR2400" in [entry.message_id for entry in hall.bmc.log]
    await hall.control.switch_off(fault.id)
    await hall.pass_by(20)
    assert hall.watts < 6100
    assert hall.bmc.current_faults == []


async def test_somebody_resets_the_gpus_limits_again_and_again(hall):
    fault = await hall.fault("gpu_cap_rogue", seconds=60)
    await hall.pass_by(1)
    hall.limits[:] = 400_000
    await hall.pass_by(50)
    assert set(hall.limits) == {400_000}
    await hall.pass_by(15)
    assert set(hall.limits) == {700_000}
    await hall.control.switch_off(fault.id)
    hall.limits[:] = 400_000
    await hall.pass_by(120)
    assert set(hall.limits) == {400_000}


async def test_nvml_refuses_or_forgets_limits_as_told(hall, monkeypatch):
    library()
    monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(hall.feed.states[NODE].path))
    pynvml.nvmlInit()
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        denied = await hall.fault("gpu_cap_denied")
        with pytest.raises(pynvml.NVMLError_NoPermission):
            pynvml.nvmlDeviceSetPowerManagementLimit(handle, 400_000)
        with pytest.raises(pynvml.NVMLError_NoPermission):
            pynvml.nvmlDeviceSetGpuLockedClocks(handle, 0, 1200)
        await hall.control.switch_off(denied.id)
        ignored = await hall.fault("gpu_cap_ignored")
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, 400_000)
        assert hall.limits[0] == 700_000
        await hall.control.switch_off(ignored.id)
        pynvml.nvmlDeviceSetPowerManagementLimit(handle, 400_000)
        assert hall.limits[0] == 400_000
    finally:
        pynvml.nvmlShutdown()


async def test_a_clock_lock_bounds_clock_and_power_until_it_is_reset(hall, monkeypatch):
    library()
    monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(hall.feed.states[NODE].path))
    columns = hall.feed.states[NODE].columns
    await hall.pass_by(10)
    free = columns["power_instant_mw"][0]
    pynvml.nvmlInit()
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        pynvml.nvmlDeviceSetGpuLockedClocks(handle, 0, 990)
        await hall.pass_by(10)
        assert columns["clock_sm"][0] == 990
        assert columns["power_instant_mw"][0] < 0.5 * free
        assert columns["clock_sm"][1] > 1500
        pynvml.nvmlDeviceResetGpuLockedClocks(handle)
        await hall.pass_by(10)
        assert columns["power_instant_mw"][0] == pytest.approx(free, rel=0.05)
    finally:
        pynvml.nvmlShutdown()
