"""The power loop as core runs it, over 1,000 agents asked once a second by HTTP: 8,000 GPUs, half of them at their caps.

The agents are a process of their own, one address of the loopback network each; their GPUs want power that moves from second to
second and obey their caps. Meters are posted into the hall every ten seconds. Measured is core's process alone: its processor
time, and for how long a cycle keeps the event loop (processor time between two of its waits).
`BENCH_AGENTS` sets another number than 1,000.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.table import Row
from energy.prices.prices import Prices
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.node import NODE_POWER_WATTS
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Breaker, Inventory, Node, Rack
from wattstat.serve.power import Power, power_of
from wattstat.serve.process import collect_seldom

AGENTS = int(os.environ.get("BENCH_AGENTS", "1000"))
GPUS, NODES_PER_RACK, RACKS_PER_ROW = 8, 4, 10
WARM_SECONDS, WINDOW_SECONDS, METER_SECONDS = float(os.environ.get("BENCH_WARM_SECONDS", "45")), 60.0, 10.0
REST_WATTS, LOSS = 1800.0, 1.06
RACK_WATTS = 25_000.0


def run() -> list[Row]:
    """A minute of the loop, after it has begun and caps have settled."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    agents = context.Process(target=serve, args=(there, AGENTS), daemon=True)
    agents.start()
    try:
        if not here.poll(60):
            raise SystemExit("the fake agents did not start")
        seen = asyncio.run(_measure(here.recv()))
    finally:
        agents.terminate()
        agents.join()
    held = sorted(seen.held)
    return [
        Row(
            what=f"power loop: {AGENTS:,} agents asked each second, {AGENTS * GPUS:,} GPUs decided and posted",
            measured=f"{seen.cpu_share:.2f} of a core",
            peer="-",
            reach="1 core",
            note=f"HTTP on the loopback, {seen.answers / WINDOW_SECONDS:.0f} answers a second, {seen.orders} orders in all",
        ),
        Row(
            what=f"power loop: how long a cycle keeps the event loop, {AGENTS:,} servers",
            measured=f"{statistics.median(held):.1f} ms, p99 {held[int(0.99 * len(held))]:.1f} ms",
            peer="-",
            reach="30 ms",
            note=f"processor time of {len(held)} cycles, in one piece at most {seen.longest:.1f} ms; the rest beside it",
        ),
    ]


@dataclass(kw_only=True)
class Seen:
    """What was seen in the window. `held` in milliseconds by cycle, `longest` without a wait."""

    held: list[float] = field(default_factory=list)
    longest: float = 0.0
    cpu_share: float = 0.0
    answers: int = 0
    orders: int = 0


class Timed:
    """A coroutine whose steps are timed: each is time in which the event loop does nothing else."""

    def __init__(self, work: Awaitable[None], done: Callable[[float, float], None]) -> None:
        self._work = work
        self._done = done

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        total = longest = 0.0
        try:
            while True:
                began = time.thread_time()
                try:
                    waits_for = next(steps)
                finally:
                    step = 1e3 * (time.thread_time() - began)
                    total, longest = total + step, max(longest, step)
                yield waits_for
        except StopIteration:
            self._done(total, longest)


async def _measure(port: int) -> Seen:
    with tempfile.TemporaryDirectory() as folder:
        config = Config.model_validate({"data_dir": folder, "inventory": {"file": "none"}, "power": {"mode": "enforce"}})
        hall = Hall(clock=time.time)
        collect_seldom()  # as core does
        prices = Prices.of(config.energy, "UTC", data_dir=Path(folder), credentials={})
        power = power_of(config, hall, prices)
        inventory = _inventory(port)
        meter = asyncio.ensure_future(_meters(hall, inventory))
        await power.follow(inventory, [])
        stop = asyncio.Event()
        loop = asyncio.ensure_future(power.run(stop))
        await asyncio.sleep(WARM_SECONDS)
        seen = await _watch(power)
        stop.set()
        await loop
        meter.cancel()
        return seen


async def _watch(power: Power) -> Seen:
    seen, service = Seen(), power.service
    cycle, heard = service._cycle, service.hearing.beat_heard  # noqa: SLF001 - measured where they run

    def timed(worker: ThreadPoolExecutor) -> Timed:
        return Timed(cycle(worker), done)

    def done(total: float, longest: float) -> None:
        seen.held.append(total)
        seen.longest = max(seen.longest, longest)
        if service._last is not None:  # noqa: SLF001
            seen.orders += len(service._last.decision.orders)  # noqa: SLF001

    def count(*answer: Any) -> None:
        seen.answers += 1
        heard(*answer)

    service._cycle = timed  # type: ignore[method-assign, assignment]  # noqa: SLF001
    assert service.hearing.beats is not None  # it runs
    service.hearing.beats.heard = count
    began, cpu_began = time.monotonic(), time.process_time()
    await asyncio.sleep(WINDOW_SECONDS)
    seen.cpu_share = (time.process_time() - cpu_began) / (time.monotonic() - began)
    return seen


async def _meters(hall: Hall, inventory: Inventory) -> None:
    """A meter a server, as a collector of BMCs posts them."""
    while True:
        for node in inventory.nodes:
            out = Samples()
            out.add(NODE_POWER_WATTS, REST_WATTS + LOSS * GPUS * random.uniform(380, 420), node.name, "system")
            key = BlockKey("redfish", node.name, "fast")
            hall.post(Block(key=key, samples=tuple(out), taken_at=time.time(), interval_seconds=METER_SECONDS))
            await asyncio.sleep(METER_SECONDS / len(inventory.nodes))


def _address(row: int) -> str:
    return f"127.1.{row // 250}.{1 + row % 250}"


def _inventory(port: int) -> Inventory:
    racks = range(-(-AGENTS // NODES_PER_RACK))
    return Inventory(
        breakers=tuple(Breaker(name=f"cb{rack}", limit_watts=1.5 * RACK_WATTS, feed="A") for rack in racks),
        racks=tuple(
            Rack(name=f"r{rack}", row=f"row{rack // RACKS_PER_ROW}", budget_watts=RACK_WATTS, breakers=(f"cb{rack}",))
            for rack in racks
        ),
        nodes=tuple(
            Node.model_validate(
                {
                    "name": f"gpu{row:05d}",
                    "rack": f"r{row // NODES_PER_RACK}",
                    "gpus": GPUS,
                    "gpu_model": "H100 SXM5 80GB",
                    "max_watts": 10_500,
                    "rest_watts": 2200,
                    "agent": {"url": f"http://{_address(row)}:{port}"},
                }
            )
            for row in range(AGENTS)
        ),
    )


# The agents.


class Agent:
    """GPUs that are numbers: each wants its own power, which moves, and gets what its cap allows."""

    def __init__(self, row: int) -> None:
        self.node = f"gpu{row:05d}"
        self.fence = 0
        self.limits = {f"GPU-{row:05d}-{gpu}": 700.0 for gpu in range(GPUS)}

    async def handle(self, request: web.Request) -> web.Response:
        """GET or POST /cap."""
        asked = await request.json() if request.method == "POST" else {}
        self.fence = max(self.fence, asked.get("fence", 0))
        self.limits |= asked.get("caps", {})
        results = [
            {"uuid": uuid, "wanted_watts": watts, "read_back_watts": watts, "outcome": "confirmed", "detail": ""}
            for uuid, watts in asked.get("caps", {}).items()
        ]
        gpus = [self._gpu(index, uuid, limit) for index, (uuid, limit) in enumerate(self.limits.items())]
        return web.json_response(
            {
                "node": self.node,
                "fence": self.fence,
                "holder": asked.get("holder", ""),
                "boot": "one",
                "taken_at": time.time(),
                "dead_man": {"armed": True, "fired_at": None},
                "gpus": gpus,
                "results": results,
            }
        )

    @staticmethod
    def _gpu(index: int, uuid: str, limit: float) -> dict[str, Any]:
        wants = random.gauss(650 if index % 2 else 350, 25)
        return {
            "uuid": uuid,
            "index": index,
            "model": "NVIDIA H100 80GB HBM3",
            "limit_watts": limit,
            "own_watts": limit,
            "min_watts": 200.0,
            "max_watts": 700.0,
            "default_watts": 700.0,
            "power_watts": round(min(wants, limit), 3),
            "power_age_seconds": 0.3,
            "clock_mhz": None,
            "owner": "wattstat",
            "previous_watts": 700.0,
        }


def serve(pipe: Connection, count: int) -> None:
    """Run the agents until killed; tells the port that all of them have."""
    asyncio.run(_serve(pipe, count))


async def _serve(pipe: Connection, count: int) -> None:
    port = 0
    for row in range(count):
        agent, app = Agent(row), web.Application()
        app.router.add_route("GET", "/cap", agent.handle)
        app.router.add_route("POST", "/cap", agent.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, _address(row), port).start()
        port = runner.addresses[0][1]
    pipe.send(port)
    await asyncio.Event().wait()
