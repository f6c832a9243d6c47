"""Caps as samples: what was read, what is wanted, what became of writes; nothing for what nobody has read."""

from power.model import Device, NodeOrder, Outcome


def shown(executor):
    """What is told now of all of them."""
    executor._devices.changed |= {held.device for held in executor._devices}
    told = [each for samples in executor.news().values() for each in samples]
    return {(each.metric.name.removeprefix("wattstat_"), *each.labels): each.value for each in told}


async def test_only_servers_that_have_changed_are_told_again_and_those_that_go_once(executor, device, fence):
    await executor.read_all()
    assert [(node, len(samples) > 0) for node, samples in executor.news().items()] == [("n1", True)]
    await executor.read_all()
    assert executor.news() == {}
    await executor.carry_out([NodeOrder(node="n1", gpu_watts={"GPU-0": 500.0})], fence)
    assert list(executor.news()) == ["n1"]
    await executor.follow({})
    assert executor.news() == {"n1": []}
    assert executor.news() == {}


async def test_what_nobody_has_read_has_no_sample(executor):
    assert shown(executor) == {}


async def test_a_cap_has_its_value_its_state_and_its_target(executor, fence):
    await executor.carry_out([NodeOrder(node="n1", gpu_watts={"GPU-0": 500.0})], fence)
    found = shown(executor)
    assert found["cap_confirmed_watts", "n1", "GPU-0"] == 500
    assert found["cap_target_watts", "n1", "GPU-0"] == 500
    assert found["cap_state", "n1", "GPU-0", "controlled"] == 1
    assert found["cap_confirmed_watts", "n1", "GPU-1"] == 700
    assert ("cap_target_watts", "n1", "GPU-1") not in found
    assert found["cap_writes_total", "n1", "nvml", "confirmed"] == 1


async def test_drift_is_counted_and_what_is_broken_is_named(executor, device, fence, clock):
    await executor.carry_out([NodeOrder(node="n1", gpu_watts={"GPU-0": 500.0})], fence)
    assert shown(executor)["cap_drift_total", "n1", "GPU-0"] == 0
    clock.now += 1
    device.limits["GPU-0"] = 600.0
    await executor.read_all()
    device.outcomes = [Outcome.LOCKED]
    await executor.carry_out([NodeOrder(node="n1", gpu_watts={"GPU-1": 500.0})], fence)
    found = shown(executor)
    assert found["cap_drift_total", "n1", "GPU-0"] == 1
    assert found["cap_confirmed_watts", "n1", "GPU-0"] == 600
    assert found["cap_broken", "n1", "locked"] == 1
    assert found["cap_state", "n1", "GPU-1", "uncontrolled"] == 1


async def test_a_device_that_goes_has_no_samples(executor, device):
    await executor.read_all()
    assert shown(executor)
    await executor.follow({})
    assert shown(executor) == {}
    assert executor.held(Device("n1", "GPU-0")) is None
