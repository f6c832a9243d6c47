"""An agent in the tests' own process: the simulated NVML below it, a real socket above it, and a clock that is told to pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from collectors.nvml.source import NvmlSource
from simulator.nvml import StateFile
from tests.support.nvml import Clock, source
from wattstat.config import Agent as AgentSettings
from wattstat.config import Config
from wattstat.serve.agent import Agent
from wattstat.serve.agent_http import application


class Node:
    """A node with an agent: time passes, GPUs work, core asks."""

    def __init__(self, state: StateFile, folder: Path, **settings: Any) -> None:
        self.state, self.clock, self.wall = state, Clock(), Clock()
        settings = {"node": "n1", "sysfs": folder / "sys", "spool": folder / "spool", "cap_state": folder / "caps"} | settings
        self.config = Config(agent=AgentSettings(**settings))
        self.agent = Agent.build(self.config, clock=self.wall, monotonic=self.clock)
        self.agent.boundary_seconds = 10.0  # a busy machine is no slow driver
        self.nvml: NvmlSource = source(self.clock, proc=folder / "proc")
        self.agent.feed_journal(self.nvml)
        self.url = ""

    async def read(self, tier: str = "fast") -> None:
        """Collect once."""
        await self.nvml.collect(tier)

    async def work(self, seconds: float, watts: float = 700.0, *, every: float = 1.0) -> None:
        """Let all GPUs draw so much, with a fast reading after every beat."""
        columns = self.state.columns
        for _ in range(round(seconds / every)):
            with self.state.update():
                columns["power_average_mw"][:] = columns["power_instant_mw"][:] = round(watts * 1000)
                columns["energy_mj"][:] += round(watts * every * 1000)
            self.state.advance_gpm(every)
            self.clock.now += every
            self.wall.now += every
            await self.read()

    async def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """A document of the agent."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path, params=parameters) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def status(self, path: str) -> int:
        """The status of a GET."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status

    async def journal(self, **parameters: Any) -> dict[str, Any]:
        """The agent's journal."""
        return await self.get("/journal", **{name: str(value) for name, value in parameters.items()})

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, str]:
        """What the agent answers."""
        async with aiohttp.ClientSession() as session, session.post(self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def cap(self, *, fence: int, holder: str = "a", **order: Any) -> tuple[int, dict[str, Any]]:
        """An order to the guarded endpoint."""
        status, text = await self.post("/cap", {"fence": fence, "holder": holder, **order})
        return status, json.loads(text)


@asynccontextmanager
async def served(state: StateFile, folder: Path, **settings: Any) -> AsyncIterator[Node]:
    """A node whose agent answers at a free port."""
    node = Node(state, folder, **settings)
    runner = web.AppRunner(application(node.agent), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield node
    finally:
        await runner.cleanup()
        node.agent.caps.stop()
        await node.nvml.close()
