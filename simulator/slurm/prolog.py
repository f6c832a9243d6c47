"""Prologs and epilogs: what slurmd would run at each start and end of a job tells the node's agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import aiohttp

from simulator.lanes import Lane
from simulator.world import Event

# slurmd waits for a prolog; the hall waits as long for all of them, so that they read the meters of the moment.
WAIT_SECONDS = 0.25
TIMEOUT_SECONDS = 2.0


class Prologs:
    """Tells agents of starts and ends, side by side; an agent that is slow or gone holds up nobody."""

    def __init__(self, agents: Mapping[str, str]) -> None:
        """`agents` are addresses by server; servers without a prolog are left out."""
        self._agents = agents
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self.told = 0
        self.failed = 0

    async def tell(self, events: Iterable[Event]) -> None:
        """Tell of events that happened just now; waits a moment for the answers."""
        calls = [
            asyncio.create_task(self._post(self._agents[node], body))
            for event in events
            for node, body in bodies(event)
            if node in self._agents
        ]
        self._under_way.update(calls)
        for call in calls:
            call.add_done_callback(self._under_way.discard)
        if calls:
            await asyncio.wait(calls, timeout=WAIT_SECONDS)

    async def close(self) -> None:
        """Give up what is under way."""
        for call in self._under_way:
            call.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _post(self, agent: str, body: Mapping[str, Any]) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        self.failed += 1
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(f"{agent}/boundary", json=body) as answer:
                if answer.status < 300:
                    self.failed -= 1
                    self.told += 1


def bodies(event: Event) -> list[tuple[str, dict[str, Any]]]:
    """What the prologs of a job's servers tell, by server."""
    job = event.job
    held: dict[str, list[Lane]] = {}
    for lane in event.lanes:
        held.setdefault(lane.server.name, []).append(lane)
    common = {
        "edge": "start" if event.started else "end",
        "scheduler": "slurm",
        "job_id": job.id,
        "instance": str(job.restarts),
        "user": job.user,
        "account": job.account,
        "partition": job.partition,
        "name": job.name,
        "gpu_order": "minor",
        "at": event.at,
    }
    return [(node, {**common, "gpus": list(dict.fromkeys(_names(lanes)))}) for node, lanes in held.items()]


def _names(lanes: Iterable[Lane]) -> Iterator[str]:
    """How a prolog names what is held: a MIG device by its UUID, any other GPU by its number."""
    for lane in lanes:
        if lane.mig is not None:
            yield lane.mig.uuid
        elif lane.gpu is not None:
            yield str(lane.gpu)
