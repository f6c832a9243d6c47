"""Asks every agent once a second: that keeps its dead-man quiet, and brings power and limits in the same answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from power.model import ActuatorError, DeviceCaps, Fence

log = structlog.get_logger(__name__)

# A silent agent is asked less often: a thousand dead ones must not take the loop's time.
LONGEST_PAUSE_SECONDS = 10.0


class Beating(Protocol):
    """An agent that can be asked."""

    @property
    def node(self) -> str: ...

    async def beat(self, fence: Fence | None, safe_watts: Mapping[str, float]) -> tuple[DeviceCaps, ...]:
        """What it sees now. Without a fence it is only looked at. Raises `ActuatorError`."""


@dataclass(kw_only=True)
class Beats:
    """One task an agent. `heard` gets each answer with the monotonic moment in the middle of the call."""

    heard: Callable[[str, tuple[DeviceCaps, ...], float], None]
    fence: Callable[[], Fence | None]
    safe_watts: Callable[[str], Mapping[str, float]]
    every_seconds: float
    timeout_seconds: float = 2.0
    monotonic: Callable[[], float] = time.monotonic
    silent: dict[str, str] = field(default_factory=dict)
    """Agents that do not answer, and why."""
    _agents: dict[str, Beating] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def follow(self, agents: Mapping[str, Beating]) -> None:
        """Ask these from now on, and no others."""
        for node in [node for node in self._tasks if node not in agents]:
            self._tasks.pop(node).cancel()
            self.silent.pop(node, None)
        # Who is asked already is asked by its new address and token from its next beat on.
        self._agents = dict(agents)
        count = max(1, len(agents))
        for order, node in enumerate(agents):
            if node not in self._tasks:
                # Spread over the second, so that a thousand answers do not come at once.
                self._begin(node, self.every_seconds * order / count)

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _begin(self, node: str, first: float) -> None:
        self._tasks[node] = task = asyncio.create_task(self._beat(node, first))
        task.add_done_callback(lambda ended: self._ended(node, ended))

    def _ended(self, node: str, task: asyncio.Task[None]) -> None:
        """Nothing but us ends a beat. An answer that broke it is told, and the agent is asked again."""
        if task.cancelled() or self._tasks.get(node) is not task:
            return
        error = task.exception()
        log.error("an agent's answer could not be used", node=node, exc_info=error)
        self.silent[node] = f"its answer could not be used: {error}"
        self._begin(node, max(LONGEST_PAUSE_SECONDS, self.every_seconds))

    async def _beat(self, node: str, first: float) -> None:
        await asyncio.sleep(first)
        due, failures = self.monotonic(), 0
        while True:
            failures = 0 if await self._ask(self._agents[node]) else failures + 1
            pause = min(self.every_seconds * 2 ** min(failures, 6), max(LONGEST_PAUSE_SECONDS, self.every_seconds))
            # On the beat, however long the answer took; beats that it missed are left out.
            late = self.monotonic() - due
            due += pause * max(1, -(-late // pause))
            await asyncio.sleep(max(0.0, due - self.monotonic()))

    async def _ask(self, agent: Beating) -> bool:
        began = self.monotonic()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                caps = await agent.beat(self.fence(), self.safe_watts(agent.node))
        except (ActuatorError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            if agent.node not in self.silent:
                log.warning("an agent takes no caps", node=agent.node, why=why)
            self.silent[agent.node] = why
            return False
        if self.silent.pop(agent.node, None) is not None:
            log.info("an agent takes caps again", node=agent.node)
        self.heard(agent.node, caps, (began + self.monotonic()) / 2)
        return True
