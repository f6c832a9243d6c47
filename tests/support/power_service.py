"""A power service at work over servers that are numbers: they draw what their programs want, as far as their limits allow."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from sqlalchemy.engine import URL

from power.actuators.executor import Executor
from power.audit.inputs import Inputs
from power.audit.trail import Trail
from power.control.tuning import Tuning
from power.controller import Controller
from power.guard.guard import Rules
from power.guard.lease import Lease
from power.guard.lease import open_engine as open_lease_engine
from power.hearing import Ways
from power.model import Device, DeviceCaps, Fence, Mode, NodeOrder, Outcome, Receipt, Way
from power.policies.database import open_engine
from power.policies.hall_signals import HallSignals
from power.policies.pins import Pins
from power.policies.remembering import Remembering
from power.policies.repository import Repository
from power.policies.resolve import Resolver
from power.service import PowerService
from power.wants import Wants
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.node import NODE_POWER_WATTS
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Inventory

LOSS = 1 / 0.94
REST_WATTS = 900.0


@dataclass
class FakeServer:
    """A server whose GPUs want `demand` watts each."""

    node: str
    gpus: int = 4
    demand: float = 650.0
    limits: dict[str, float] = field(default_factory=dict)
    orders: list[NodeOrder] = field(default_factory=list)
    beats: int = 0
    way: Way = Way.NVML
    silent: bool = False
    fences: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limits = {f"GPU-{self.node}-{index}": 700.0 for index in range(self.gpus)}

    @property
    def watts(self) -> float:
        return REST_WATTS + LOSS * sum(min(self.demand, limit) for limit in self.limits.values())

    async def read(self) -> tuple[DeviceCaps, ...]:
        return tuple(
            DeviceCaps(
                device=Device(self.node, uuid),
                way=self.way,
                limit_watts=limit,
                own_watts=limit,
                min_watts=200.0,
                max_watts=700.0,
                default_watts=700.0,
                power_watts=min(self.demand, limit),
                index=uuid.rpartition("-")[2],
                model="NVIDIA H100 80GB HBM3",
            )
            for uuid, limit in self.limits.items()
        )

    async def beat(self, fence: Fence | None, safe_watts) -> tuple[DeviceCaps, ...]:
        self.beats += 1
        self.fences.append(fence.token if fence else None)
        return await self.read()

    async def write(self, order: NodeOrder, fence: Fence) -> tuple[Receipt, ...]:
        self.orders.append(order)
        self.limits |= order.gpu_watts
        return tuple(
            Receipt(
                device=Device(self.node, uuid),
                way=self.way,
                wanted_watts=watts,
                read_back_watts=watts,
                outcome=Outcome.CONFIRMED,
            )
            for uuid, watts in order.gpu_watts.items()
        )

    async def close(self) -> None:
        pass


def inventory(budget=None, names=("a", "b")):
    return Inventory.model_validate(
        {
            "breakers": [{"name": "one", "limit_watts": 20_000, "feed": "A"}],
            "racks": [{"name": "r1", "budget_watts": budget, "breakers": ["one"]}],
            "nodes": [
                {"name": name, "rack": "r1", "gpus": 4, "model": "made", "max_watts": 5000, "rest_watts": 1200}
                for name in names
            ],
        }
    )


class Running:
    """The service, its servers and its hall."""

    def __init__(self, folder, inventory: Inventory, servers: list[FakeServer], *, mode: Mode = Mode.ENFORCE, cycle=0.02):
        self.servers = servers
        self.inventory = inventory
        self.hall = Hall(clock=time.time)
        url = URL.create("sqlite", database=str(folder / "power.db"))
        engine = open_engine(url)
        self.repository, self.pins = Repository(engine, time.time), Pins(engine, time.time)
        self.trail = Trail(folder / "audit", time.time)
        self.inputs = Inputs(folder / "audit" / "inputs")
        self.stop = asyncio.Event()
        tuning = Tuning(cycle_seconds=cycle, window_seconds=0.5, write_seconds=0.05, settle_seconds=0.05, fresh_seconds=1.0)
        self.service = PowerService(
            hall=self.hall,
            mode=mode,
            controller=Controller(tuning, Rules(holder="test")),
            resolver=Resolver(),
            wants=Wants(repository=self.repository, pins=self.pins, file=None, clock=time.time),
            lease=Lease(open_lease_engine(url, 10), "test", 10),
            trail=self.trail,
            inputs=self.inputs,
            open_executor=lambda actuators, heard: Executor(actuators, self.trail, heard=heard),
            signals=HallSignals(),
            remembering=Remembering(engine, time.time),
            cycle_seconds=cycle,
            trip_safe_ratio=1.0,
        )

    async def __aenter__(self):
        ways = Ways(
            actuators={server.node: (server,) for server in self.servers},
            agents={server.node: server for server in self.servers},
        )
        await self.service.follow(self.inventory, ways)
        self.meter()
        self._works = [asyncio.ensure_future(self.service.run(self.stop)), asyncio.ensure_future(self._meters())]
        return self

    async def __aexit__(self, *_):
        self.stop.set()
        self._works[1].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._works[1]
        await self._works[0]

    def meter(self) -> None:
        out = Samples()
        for server in self.servers:
            out.add(NODE_POWER_WATTS, server.watts, server.node, "system")
        key = BlockKey("redfish", "all", "fast")
        self.hall.post(Block(key=key, samples=tuple(out), taken_at=time.time(), interval_seconds=10))

    async def _meters(self) -> None:
        while True:
            self.meter()
            await asyncio.sleep(0.1)

    async def until(self, condition, seconds=60.0):
        """Wait for a condition of the status; the last status otherwise."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.service.status()
            if condition(status):
                return status
            assert time.monotonic() < deadline, status
            assert not self._works[0].done(), self._works[0].exception()
            await asyncio.sleep(0.02)

    def budget(self, name: str):
        return next(each for each in self.service.status()["budgets"] if each["name"] == name)
