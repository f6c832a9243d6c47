"""A server's cap goes up before its GPUs' and down after them, by the guard's orders and the executor's lanes, however slow."""

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest

from power.actuators.executor import Executor
from power.audit.trail import Trail
from power.guard.history import History
from power.guard.orders import orders
from power.model import Fence, Way
from power.observe import Telemetry
from tests.power.guard.guard_cases import case, decided
from tests.support.fake_actuator import FakeActuator
from tests.support.fleets import Over, Server, fleet

FENCE = Fence(token=7, holder="core-1", valid_until=math.inf)
HALL = fleet([Server(name="n1", gpus=2)], [Over(name="all", nodes=["n1"])])


class Loop:
    """Cycles of a server whose agent and BMC take as long as their gates are shut."""

    def __init__(self, folder, *, gpus: float, server: float) -> None:
        self.now = 1000.0
        self.agent = FakeActuator(limits={gpu.uuid: gpus for gpu in HALL.gpus}, gate=asyncio.Event())
        self.bmc = FakeActuator(way=Way.ATTRIBUTES, limits={"": server}, least=2000, most=12_000, gate=asyncio.Event())
        self.telemetry = Telemetry(HALL)
        trail = Trail(folder / "audit", lambda: 1_760_000_000.0)
        ways = {"n1": [self.agent, self.bmc]}
        self.executor = Executor(ways, trail, heard=self.telemetry.take, monotonic=lambda: self.now)
        self.history = History.empty(HALL)

    async def cycle(self, gpu_watts: float, node_watts: float) -> None:
        """Decide and order, ten seconds after the last time; what can be done is done."""
        self.now += 10
        self.executor.take(await self.agent.read(), self.now)
        self.telemetry.take(await self.agent.read(), self.now)
        view = self.telemetry.view(self.executor.columns(HALL), at=5000.0, monotonic=self.now)
        answer = replace(
            decided(case(HALL)),
            gpu_watts=np.full(2, gpu_watts),
            node_cap_watts=np.array([node_watts]),
            urgent=np.array([False]),
        )
        due = orders(HALL, view, answer, self.history)
        self.history = self.history.after(HALL, due, self.now)
        self.executor.start(due, FENCE)
        await self.quiet()

    async def quiet(self) -> None:
        """Until all that is under way waits for a gate."""
        deadline = asyncio.get_running_loop().time() + 60
        while any(
            lane.busy and not (way.began.is_set() and not way.gate.is_set())
            for (_, is_own), lane in self.executor._lanes.items()
            for way in [self.bmc if is_own else self.agent]
        ):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.001)

    def open(self, way: FakeActuator) -> None:
        way.began.clear()
        way.gate.set()


@pytest.fixture
async def make(tmp_path):
    made = []

    async def make(**caps):
        made.append(Loop(tmp_path, **caps))
        await made[0].executor.read_all()
        return made[0]

    yield make
    for loop in made:
        loop.open(loop.agent)
        loop.open(loop.bmc)
        await loop.executor.close()


async def test_gpus_are_down_before_their_servers_cap_comes_down(make):
    loop = await make(gpus=700.0, server=9000.0)
    for _ in range(5):
        await loop.cycle(300, 5500)
        assert (loop.bmc.orders, loop.bmc.limits[""]) == ([], 9000)
    loop.open(loop.agent)
    await loop.quiet()
    assert set(loop.agent.limits.values()) == {300}

    loop.open(loop.bmc)
    await loop.cycle(300, 5500)
    assert loop.bmc.limits[""] == 5500


async def test_a_servers_cap_is_up_before_its_gpus_go_up(make):
    loop = await make(gpus=300.0, server=5500.0)
    loop.open(loop.agent)
    for _ in range(2):
        await loop.cycle(700, 9000)
        assert (loop.agent.orders, set(loop.agent.limits.values())) == ([], {300})
    assert len(loop.bmc.orders) == 1
    loop.open(loop.bmc)
    await loop.quiet()
    assert loop.bmc.limits[""] == 9000
    await loop.cycle(700, 9000)
    assert set(loop.agent.limits.values()) == {700}


async def test_a_bmc_that_refuses_to_go_up_keeps_its_gpus_from_it_and_hinders_no_cut(make):
    loop = await make(gpus=300.0, server=5500.0)
    loop.open(loop.agent)
    for _ in range(2):
        await loop.cycle(700, 9000)
    await loop.cycle(200, 9000)
    assert set(loop.agent.limits.values()) == {200}
