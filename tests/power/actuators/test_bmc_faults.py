"""Controllers that refuse, lie, revert, hang or do not hold, through the real path: HTTPS, session, actuator, executor."""

import asyncio

import pytest

from power.actuators.complaints import LOOK_SECONDS
from power.actuators.executor import Executor
from power.actuators.findings import Why
from power.actuators.rules import Rules
from power.model import ControlState, Device, NodeOrder, Outcome, Way
from tests.support.bmc_hall import FENCE, SETTING, VALUE, bmc_hall


async def at_once(_seconds):
    """No test waits for a read-back."""


@pytest.fixture
async def hall(tmp_path):
    async with bmc_hall(tmp_path) as hall:
        yield hall


@pytest.fixture
def node(hall):
    return hall.named("xe9680")


@pytest.fixture
async def executor(hall, node, clock):
    ways = hall.actuators(node, sleep=at_once, monotonic=clock)
    made = Executor(ways, hall.trail, rules=Rules(pause_seconds=0.001, write_seconds=0.4), monotonic=clock)
    yield made
    await made.close()


def why(executor):
    return {finding.why for finding in executor.findings()}


async def capped(executor, node, watts=6200.0, **more):
    (receipt,) = await executor.carry_out([NodeOrder(node=node, node_cap_watts=watts, **more)], FENCE)
    return receipt


NAMED = {"bmc_lockdown": Outcome.LOCKED, "bmc_unlicensed": Outcome.UNLICENSED, "cap_ignored": Outcome.NOT_APPLIED}


@pytest.mark.parametrize("fault", NAMED)
async def test_a_bmc_that_does_not_do_it_is_charged_in_full_and_named(hall, node, executor, fault):
    hall.fault(node, fault)
    receipt = await capped(executor, node)
    assert receipt.outcome is NAMED[fault]
    assert executor.held(Device(node)).state is ControlState.UNCONTROLLED
    assert why(executor) == {Why(NAMED[fault])}
    assert hall.trail.verify() == []


@pytest.mark.parametrize("fault", ["bmc_hang", "bmc_refuse", "bmc_html", "bmc_unavailable", "bmc_unauthorized"])
async def test_a_bmc_that_is_away_when_it_is_written_to_is_charged(hall, node, executor, fault):
    await executor.read(node)
    if fault == "bmc_refuse":
        await hall.listening.refuse(hall.controllers[node].server.bmc_address)
    hall.fault(node, fault)
    receipt = await capped(executor, node)
    assert receipt.outcome in {Outcome.UNREACHABLE, Outcome.REFUSED, Outcome.UNLICENSED}
    assert executor.held(Device(node)).state is ControlState.UNCONTROLLED


@pytest.mark.parametrize("fault", ["bmc_hang", "bmc_html", "bmc_unavailable", "bmc_unauthorized", "bmc_broken_json"])
async def test_a_bmc_that_cannot_be_read_is_not_written_to(hall, node, executor, fault):
    hall.fault(node, fault)
    executor.rules = executor._writer.rules = Rules(pause_seconds=0.001, read_seconds=0.3, retries=1)
    await capped(executor, node)
    assert hall.controllers[node].attributes == {}


async def test_sensors_full_of_sentinels_do_not_hide_a_cap(hall, node, executor):
    hall.fault(node, "bmc_sentinels")
    assert (await capped(executor, node)).outcome is Outcome.CONFIRMED


async def test_a_cap_that_reverts_is_found_at_the_next_look(hall, node, executor, clock):
    hall.fault(node, "cap_reverts", seconds=300)
    await capped(executor, node)
    hall.pass_seconds(301)
    clock.now += 60
    executor.verify_due()
    await drained(executor)
    assert why(executor) == {Why.DRIFT}
    assert executor.held(Device(node)).caps[Way.ATTRIBUTES].limit_watts is None
    assert (await capped(executor, node)).outcome is Outcome.CONFIRMED


async def drained(executor):
    """Until nothing is being read."""
    while executor._rounds._tasks:
        await asyncio.gather(*executor._rounds._tasks)


async def test_a_bmc_that_logs_that_it_cannot_hold_is_believed(hall, node, executor, clock):
    await capped(executor, node)
    hall.fault(node, "cap_not_holding")
    hall.controllers[node].note("Critical", "PWR2400", "Power management firmware unable to maintain power limit.")
    clock.now += LOOK_SECONDS + 1
    await executor.read(node)
    assert why(executor) == {Why.NOT_HOLDING}
    assert executor.held(Device(node)).counted_state is ControlState.UNCONTROLLED


async def test_a_cap_set_by_hand_beforehand_is_told_and_given_back(hall, node, executor):
    hall.controllers[node].attributes |= {SETTING: "Enabled", VALUE: 7000}
    await executor.read(node)
    assert why(executor) == {Why.ADOPTED}
    await capped(executor, node, 6000)
    await executor.release([node], FENCE, "end")
    assert hall.controllers[node].attributes == {SETTING: "Enabled", VALUE: 7000}


async def test_a_cap_that_was_off_is_off_again(hall, node, executor):
    await capped(executor, node, 6000)
    await executor.release([node], FENCE, "end")
    assert hall.controllers[node].attributes[SETTING] == "Disabled"


async def test_a_session_that_the_bmc_forgot_costs_no_write(hall, node, executor):
    await executor.read(node)
    hall.controllers[node].sessions.clear()
    assert (await capped(executor, node)).outcome is Outcome.CONFIRMED
    assert len(hall.controllers[node].sessions) == 1
