"""Keeps the model at the wall clock, and lets whoever watches see it exactly as it is when jobs start and end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from simulator.nodes import NvmlFeed, RaplFeed
from simulator.slurm.prolog import Prologs
from simulator.workload import Job
from simulator.world import Event, World

RAPL_SECONDS = 1.0
PLANT_SECONDS = 1.0


class Motion:
    """Moves the world to now. When the machine was busy or asleep, it catches up in coarser steps."""

    def __init__(
        self,
        world: World,
        nvml: NvmlFeed | None,
        rapl: RaplFeed | None,
        prologs: Prologs | None,
        *,
        step: float,
        clock: Callable[[], float] = time.time,
        show: Callable[[], None] | None = None,
    ) -> None:
        self.world = world
        self._show_plant, self._plant_at = show, 0.0
        self._nvml, self._rapl, self._prologs = nvml, rapl, prologs
        self._step = step
        self._clock = clock
        self._lock = asyncio.Lock()
        self._happened: list[Event] = []
        self._rapl_at = 0.0
        self._later: set[asyncio.Task[None]] = set()
        if prologs is not None:
            world.on_event = self._happened.append

    async def to_now(self) -> None:
        """Move to the wall clock, and stop on the way wherever a job starts or ends until its prologs have read the meters."""
        async with self._lock:
            await self._to_now()

    async def begin(self, job: Job, idle_seconds: float) -> None:
        """Start somebody else's job now. It holds its lanes from now on, and its work begins after `idle_seconds`."""
        async with self._lock:
            await self._to_now()
            self.world.begin(job)
            if idle_seconds:
                self.world.patterns.finish(job)
                self._later.add(asyncio.create_task(self._work(job, idle_seconds)))
            await self._show()

    async def finish(self, job: Job, idle_seconds: float) -> None:
        """End somebody else's job: its work now, and after `idle_seconds` its hold."""
        if idle_seconds:
            async with self._lock:
                await self._to_now()
                self.world.patterns.finish(job)
            await asyncio.sleep(idle_seconds)
        async with self._lock:
            await self._to_now()
            self.world.finish(job)
            await self._show()

    async def _work(self, job: Job, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        async with self._lock:
            await self._to_now()
            if self.world.scheduler.running.get(job.slot) is job:
                self.world.patterns.begin(job)
        self._later = {task for task in self._later if not task.done()}

    async def _to_now(self) -> None:
        now = self._clock()
        if self._nvml is not None:
            self._nvml.take_limits()
        step = max(self._step, (now - self.world.now) / 40)
        while self.world.advance_to_event(now, step):
            await self._show()
        await self._show()
        if self._rapl is not None and now - self._rapl_at >= RAPL_SECONDS:
            self._rapl.write()
            self._rapl_at = now
        if self._show_plant is not None and now - self._plant_at >= PLANT_SECONDS:
            self._show_plant()
            self._plant_at = now

    async def _show(self) -> None:
        if self._nvml is not None:
            self._nvml.write()
        if self._happened and self._prologs is not None:
            events, self._happened[:] = list(self._happened), []
            await self._prologs.tell(events)
