import math

import pytest

from power.actuators.executor import Executor
from power.actuators.journal import Journal
from power.actuators.rules import Rules
from power.audit.trail import Trail
from power.model import Fence
from tests.support.fake_actuator import FakeActuator


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fence():
    return Fence(token=7, holder="core-1", valid_until=math.inf)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trail(tmp_path):
    return Trail(tmp_path / "audit", lambda: 1_760_000_000.0)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "caps.journal")


@pytest.fixture
def device():
    return FakeActuator(limits={"GPU-0": 700.0, "GPU-1": 700.0})


@pytest.fixture
def make(trail, journal, clock):
    """Executors over actuators of one server, one after another on the same trail and journal."""

    def make(*actuators, trail=trail, **rules):
        return Executor(
            {"n1": actuators},
            trail,
            rules=Rules(pause_seconds=0.001, **rules),
            journal=Journal(journal.path),
            monotonic=clock,
            clock=lambda: 1_760_000_000.0 + clock.now,
        )

    return make


@pytest.fixture
async def executor(device, make):
    made = make(device)
    yield made
    await made.close()
