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


Key = tuple[str, Way]


class Rounds:
    """When each way to each server is read next. `silent` are those that do not answer."""

    def __init__(
        self,
        read: Callable[[Actuator], Awaitable[None]],
        *,
        every_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.silent: dict[Key, Finding] = {}
        self._read = read
        self._every = every_seconds
        self._monotonic = monotonic
        self._clock = clock
        self._actuators: dict[Key, Actuator] = {}
        self._heard: dict[Key, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._due: list[tuple[float, Key]] = []

    def follow(self, actuators: Sequence[Actuator]) -> None:
        """Read these from now on; new ones are spread over the time."""
        found = {(each.node, each.way): each for each in actuators}
        new = [key for key in found if key not in self._actuators]
        now = self._monotonic()
        self._due = [due for due in self._due if due[1] in found]
        self._due += [(now + self._every * row / len(new), key) for row, key in enumerate(new)]
        heapq.heapify(self._due)
        self._actuators = found
        for known in (self.silent, self._heard):
            for key in set(known) - set(found):
                del known[key]

    def heard(self, node: str, way: Way, asked_at: float) -> None:
        """This way has just told its caps: it need not be asked."""
        self._heard[node, way] = asked_at

    def begin_due(self) -> None:
        """Begin to read what is due."""
        now = self._monotonic()
        while self._due and self._due[0][0] <= now:
            due, key = heapq.heappop(self._due)
            heard = self._heard.get(key, float("-inf"))
            if heard + self._every > now:
                # Half a second late at most, and a place of its own in the minute that follows.
                heapq.heappush(self._due, (max(heard + self._every, due + self._every / 2), key))
                continue
            heapq.heappush(self._due, (max(due, now - self._every) + self._every, key))
            self._begin(self._actuators[key])

    async def all(self) -> None:
        """Read everything once; who does not answer is in `silent`."""
        await asyncio.gather(*map(self._ask, self._actuators.values()))

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
