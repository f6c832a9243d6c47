"""Caps that others change: told each time, set again a few times, then left alone and charged in full."""

from power.actuators.fights import CALM_SECONDS
from power.actuators.findings import Why
from power.model import ControlState, Device, NodeOrder, Outcome

GPU = Device("n1", "GPU-0")


def cut(watts=500.0, **more):
    return NodeOrder(node="n1", gpu_watts={"GPU-0": watts}, why="budget r1", **more)


def finding(executor, why):
    return next(each for each in executor.findings() if each.why is why)


async def changed_by_others(executor, device, clock, watts=700.0):
    clock.now += 1
    device.limits["GPU-0"] = watts
    await executor.read_all()


async def test_a_changed_cap_is_told_with_its_old_and_new_value(executor, device, fence, clock):
    await executor.carry_out([cut()], fence)
    await changed_by_others(executor, device, clock)
    told = finding(executor, Why.DRIFT)
    assert "set to 500 W" in told.detail
    assert "found at 700 W" in told.detail
    assert executor.held(GPU).drifts == 1


async def test_the_same_change_is_counted_once(executor, device, fence, clock):
    await executor.carry_out([cut()], fence)
    for _ in range(5):
        await changed_by_others(executor, device, clock)
    assert executor.held(GPU).drifts == 1


async def test_it_is_set_again_three_times_ever_later_and_then_left_alone(executor, device, fence, clock):
    await executor.carry_out([cut()], fence)
    began, fights, set_at = clock.now, 0, []
    while executor.held(GPU).state is not ControlState.FOREIGN and clock.now < began + 600:
        if device.limits["GPU-0"] == 500:
            await changed_by_others(executor, device, clock)
            fights += 1
        clock.now += 1
        (receipt,) = await executor.carry_out([cut()], fence)
        if receipt.outcome is Outcome.CONFIRMED:
            set_at.append(clock.now)
    assert (fights, len(set_at)) == (4, 3)
    assert set_at[1] - set_at[0] >= 5
    assert set_at[2] - set_at[1] >= 15
    assert "find out who else" in finding(executor, Why.FOREIGN).detail


async def foreign(executor, device, fence, clock):
    for _ in range(4):
        await executor.carry_out([cut(urgent=True)], fence)
        await changed_by_others(executor, device, clock)
    assert executor.held(GPU).state is ControlState.FOREIGN


async def test_what_is_left_alone_is_cut_in_an_emergency_all_the_same(executor, device, fence, clock):
    await foreign(executor, device, fence, clock)
    writes = len(device.orders)
    assert (await executor.carry_out([cut()], fence))[0].outcome is Outcome.REFUSED
    assert len(device.orders) == writes
    assert (await executor.carry_out([cut(200, urgent=True)], fence))[0].outcome is Outcome.CONFIRMED
    assert executor.held(GPU).state is ControlState.FOREIGN


async def test_after_a_calm_while_it_is_tried_again(executor, device, fence, clock):
    await foreign(executor, device, fence, clock)
    clock.now += CALM_SECONDS + 1
    await executor.read_all()
    executor.verify_due()
    assert executor.held(GPU).state is ControlState.CONTROLLED
    assert executor.findings() == ()
    assert (await executor.carry_out([cut()], fence))[0].outcome is Outcome.CONFIRMED


async def test_a_cap_found_at_the_start_is_told_and_not_fought(executor, device, fence):
    device.limits["GPU-0"] = 450.0
    await executor.read_all()
    told = finding(executor, Why.ADOPTED)
    assert (told.device, executor.held(GPU).state) == (GPU, ControlState.CONTROLLED)
    assert "450 W" in told.detail
    assert device.orders == []


async def test_caps_of_the_factory_are_nobodys(executor):
    await executor.read_all()
    assert executor.findings() == ()


async def test_a_limit_that_could_not_be_read_for_a_moment_was_changed_by_nobody(executor, device, fence, clock):
    await executor.carry_out([cut()], fence)
    for _ in range(5):
        await changed_by_others(executor, device, clock, watts=None)
        await changed_by_others(executor, device, clock, watts=500.0)

    assert executor.held(GPU).drifts == 0
    assert executor.held(GPU).state is ControlState.CONTROLLED
