"""Killed at any step between record, write and read-back, whoever comes after reads first and knows what is whose."""

import asyncio
import math
import os
import sys
from pathlib import Path

import pytest

from power.actuators.executor import Executor
from power.actuators.journal import Journal
from power.audit.trail import Trail
from power.model import ControlState, Device, Way
from simulator.bmc import writes
from tests.support.bmc_hall import FENCE, bmc_hall
from tests.support.cap_child import WANTED

STEPS = 16
ROOT = Path(__file__).parents[3]


@pytest.fixture
async def hall(tmp_path):
    async with bmc_hall(tmp_path, nodes=2) as hall:
        yield hall


@pytest.fixture
def patches(monkeypatch):
    """What BMCs were asked to change."""
    seen = []
    patch = writes.patch

    def noted(bmc, path, body):
        seen.append(body)
        return patch(bmc, path, body)

    monkeypatch.setattr(writes, "patch", noted)
    return seen


async def killed(hall, node, step):
    """The steps that a child passed, the last of which it died at."""
    url = f"https://{hall.controllers[node].server.bmc_address}:{hall.listening.port}"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.cap_child",
        node,
        url,
        str(hall.folder),
        str(step),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == (-9 if step <= STEPS else 0)
    return out.decode().split("\n")[:-1]


@pytest.mark.parametrize("step", [*range(1, STEPS + 1), STEPS + 9])
async def test_killed_at_any_step_nothing_is_lost_and_nothing_is_mistaken(hall, patches, step):
    node = hall.named("xe9680")
    bmc = hall.controllers[node]
    passed = await killed(hall, node, step)
    assert len(passed) == min(step, STEPS)

    trail = Trail(hall.folder / "audit", lambda: 1_760_000_000.0)
    recorded = [record.body["to_watts"] for record in trail.read(after=0, kind="write")]
    written = [body["Attributes"]["ServerPwr.1.PowerCapValue"] for body in patches]
    assert written == recorded[: len(written)]  # no write without a record before it
    assert trail.verify() == []

    patches.clear()
    executor = Executor(hall.actuators(node), trail, journal=Journal(hall.folder / "caps.journal"))
    await executor.read_all()
    assert patches == []  # read before anything is written
    held = executor.held(Device(node))
    in_force = float(bmc.cap_value) if bmc.cap_enabled else None
    assert held.caps[Way.ATTRIBUTES].limit_watts == in_force
    assert held.state is ControlState.CONTROLLED
    assert executor.findings() == ()  # neither a stranger's nor drifted
    assert held.operators(Way.ATTRIBUTES) is None

    await executor.release([node], FENCE, "end")
    assert not bmc.cap_enabled
    await executor.close()
    assert trail.verify() == []


def test_the_child_caps_once_down_and_once_up():
    assert WANTED[0] < WANTED[1] < math.inf
