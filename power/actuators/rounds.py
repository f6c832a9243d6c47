"""Reads every cap once in a while, spread evenly, whether or not anything was written."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Sequence

from power.actuators.findings import Finding, Why
from power.model import Actuator, ActuatorError, Device, Way

AT_ONCE = 200
"""Reads under way at the same time; a BMC that hangs holds one of them until its time is out."""


class Rounds:
    """When each way to each server is read next. `silent` are those that do not answer."""

    def __init__(
        self,
        actuators: Sequence[Actuator],
        read: Callable[[Actuator], Awaitable[None]],
        *,
        every_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.silent: dict[tuple[str, Way], Finding] = {}
        self._read = read
        self._every = every_seconds
        self._monotonic = monotonic
        self._clock = clock
        self._actuators = tuple(actuators)
        self._heard: dict[tuple[str, Way], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        now = monotonic()
        self._due = [(now + every_seconds * row / len(actuators), row) for row in range(len(actuators))]

    def heard(self, node: str, way: Way, asked_at: float) -> None:
        """This way has just told its caps: it need not be asked."""
        self._heard[node, way] = asked_at

    def begin_due(self) -> None:
        """Begin to read what is due."""
        now = self._monotonic()
        while self._due and self._due[0][0] <= now:
            due, row = heapq.heappop(self._due)
            actuator = self._actuators[row]
            heard = self._heard.get((actuator.node, actuator.way), float("-inf"))
            if heard + self._every > now:
                # Half a second late at most, and a place of its own in the minute that follows.
                heapq.heappush(self._due, (max(heard + self._every, due + self._every / 2), row))
                continue
            heapq.heappush(self._due, (max(due, now - self._every) + self._every, row))
            self._begin(actuator)

    async def all(self) -> None:
        """Read everything once; who does not answer is in `silent`."""
        await asyncio.gather(*map(self._ask, self._actuators))

    async def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, actuator: Actuator) -> None:
        task = asyncio.create_task(self._ask(actuator))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, actuator: Actuator) -> None:
        key = actuator.node, actuator.way
        async with self._slots:
            try:
                await self._read(actuator)
            except ActuatorError as error:
                before = self.silent.get(key)
                since = before.since if before else self._clock()
                self.silent[key] = Finding(device=Device(actuator.node), why=Why.UNREACHABLE, since=since, detail=str(error))
            else:
                self.silent.pop(key, None)
