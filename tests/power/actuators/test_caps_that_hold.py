"""A cap that is on and does not hold is found by a minute of power, or by the word of the BMC; one sample proves nothing."""

import numpy as np
import pytest

from power.actuators.findings import Why
from power.actuators.holding import COMPLAINT_SECONDS
from power.model import ControlState, NodeOrder, Way
from tests.support.fake_actuator import FakeActuator
from tests.support.fleets import Over, Server, fleet


@pytest.fixture
def hall():
    return fleet([Server(name="n1", gpus=0)], [Over(name="all", nodes=["n1"])])


@pytest.fixture
def bmc():
    device = FakeActuator(way=Way.ATTRIBUTES, limits={"": 5000.0}, least=4000, most=9000)
    device.complaint = None
    return device


@pytest.fixture
async def executor(bmc, make):
    made = make(bmc)
    await made.read_all()
    yield made
    await made.close()


def draw(executor, hall, clock, watts, seconds, *, age=0.0):
    for _ in range(seconds):
        clock.now += 1
        executor.draws(hall, np.array([watts]), np.array([age]))


def why(executor):
    return [finding.why for finding in executor.findings() if finding.why is not Why.ADOPTED]


def state(executor, hall):
    return executor.columns(hall).node_state[0]


async def test_a_minute_above_the_cap_breaks_it(executor, hall, clock):
    draw(executor, hall, clock, 5200.0, 62)
    assert why(executor) == [Why.NOT_HOLDING]
    assert state(executor, hall) == ControlState.UNCONTROLLED


async def test_two_percent_are_the_controllers_business(executor, hall, clock):
    draw(executor, hall, clock, 5090.0, 120)
    assert why(executor) == []


async def test_a_peak_is_no_proof(executor, hall, clock):
    draw(executor, hall, clock, 4900.0, 60)
    draw(executor, hall, clock, 8000.0, 1)
    draw(executor, hall, clock, 4900.0, 60)
    assert why(executor) == []


async def test_what_was_drawn_before_the_cap_was_on_says_nothing(executor, hall, clock, fence):
    draw(executor, hall, clock, 4900.0, 60)
    await executor.carry_out([NodeOrder(node="n1", node_cap_watts=4500)], fence)
    draw(executor, hall, clock, 4900.0, 59)
    assert why(executor) == []
    draw(executor, hall, clock, 4900.0, 5)
    assert why(executor) == [Why.NOT_HOLDING]


async def test_old_and_missing_readings_accuse_nobody(executor, hall, clock):
    draw(executor, hall, clock, 9000.0, 120, age=100.0)
    draw(executor, hall, clock, np.nan, 120)
    assert why(executor) == []


async def test_it_is_forgiven_after_a_minute_of_holding(executor, hall, clock):
    draw(executor, hall, clock, 5500.0, 62)
    draw(executor, hall, clock, 4900.0, 30)
    assert why(executor) == [Why.NOT_HOLDING]
    draw(executor, hall, clock, 4900.0, 60)
    assert why(executor) == []
    assert state(executor, hall) == ControlState.CONTROLLED


async def test_a_cap_that_is_taken_away_is_not_broken_any_more(executor, hall, clock, bmc):
    draw(executor, hall, clock, 5500.0, 62)
    bmc.limits[""] = None
    await executor.read_all()
    draw(executor, hall, clock, 5500.0, 2)
    assert why(executor) == []


async def test_a_pause_of_the_controller_is_not_filled_with_old_power(executor, hall, clock):
    draw(executor, hall, clock, 9000.0, 20)
    clock.now += 300
    draw(executor, hall, clock, 4900.0, 40)
    assert why(executor) == []


async def test_the_bmcs_own_word_counts_at_once_and_for_a_while(executor, hall, clock, bmc):
    bmc.complaint = (clock.now, "PWR2400: Power management firmware unable to maintain power limit.")
    await executor.read_all()
    assert why(executor) == [Why.NOT_HOLDING]
    draw(executor, hall, clock, 4900.0, 120)
    assert state(executor, hall) == ControlState.UNCONTROLLED
    clock.now += COMPLAINT_SECONDS
    draw(executor, hall, clock, 4900.0, 70)
    assert state(executor, hall) == ControlState.CONTROLLED
