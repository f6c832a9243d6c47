"""A desk, and calls to it as core's HTTP gets them."""

import pytest

from power.desk.pin_calls import PinCalls
from power.desk.policy_calls import PolicyCalls
from tests.support import power_desk


@pytest.fixture
def desk(tmp_path):
    made = power_desk.made_desk(tmp_path)
    yield made
    power_desk.closed(made)


@pytest.fixture
def policies(desk):
    return PolicyCalls(desk)


@pytest.fixture
def pins(desk):
    return PinCalls(desk)
