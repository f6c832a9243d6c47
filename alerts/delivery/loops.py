"""The loops of delivery: decide, send to each address, post to each Alertmanager, beat. None waits for another."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from alerts.alone import Alone
from alerts.delivery import alive
from alerts.delivery.apprise_sender import NotSent
from alerts.delivery.board import Board
from alerts.delivery.heartbeat import beat
from alerts.delivery.mirror import Mirror
from alerts.delivery.outbox import Outbox
from alerts.delivery.poster import Poster
from alerts.delivery.quiet import Quiet
from alerts.delivery.sending import Sending
from alerts.delivery.standin import StandIn
from alerts.delivery.store import DeliveryStore, Told
from alerts.model import Clock
from wattstat.config.alerts import Heartbeat

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
"""How often everything is looked at when nothing wakes it: duties and silences begin and end by the clock."""
TOGETHER_SECONDS = 1.0
"""Groups of rules are evaluated one after the other: what they raise within this goes to an Alertmanager in one call."""
STOP_SECONDS = 5.0
HOUSE_SECONDS = 3600.0
_DAY_SECONDS = 86_400.0


@dataclass(slots=True, kw_only=True)
class Loops:
    """What runs until delivery stops. One that fails is told, left alone for a while, and tried again."""

    board: Board
    alone: Alone
    mirror: Mirror
    quiet: Quiet
    stand_in: StandIn
    sending: Sending
    outboxes: Sequence[Outbox]
    posters: Sequence[Poster]
    heartbeat: Heartbeat | None
    problem: Callable[[], str]
    store: DeliveryStore
    clock: Clock
    keep_days: float
    alive_path: Path
    heartbeat_at: float | None = None
    _wakes: list[asyncio.Event] = field(default_factory=list)
    _shown_at: float = float("-inf")
    _housed_at: float = float("-inf")
    _is_stopping: bool = False

    def wake(self) -> None:
        """Something has changed."""
        for each in self._wakes:
            each.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; what is on its way then has a few seconds to arrive. Raises what ends a loop as a whole."""
        self._is_stopping = False
        loops: list[Coroutine[Any, Any, None]] = [
            self._keep("deciding who is told", self._decide),
            self._keep("tidying up", self._tidy_up),
            self._keep("showing life", self._show_life),
        ]
        loops += [self._keep(f"telling {each.destination.receiver}", self._sender(each)) for each in self.outboxes]
        loops += [self._keep(f"telling {each.client.url}", self._post_to(each)) for each in self.posters]
        if self.heartbeat is not None:
            loops.append(self._keep("the heartbeat", self._beater(self.heartbeat)))
        tasks = [asyncio.ensure_future(each) for each in loops]
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            self._is_stopping = True
            self.wake()
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            results = await asyncio.gather(stopping, *tasks, return_exceptions=True)
            for poster in self.posters:
                await poster.client.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep(self, name: str, step: Callable[[], Coroutine[Any, Any, float]]) -> None:
        """Do a step again and again; it says when next, in Unix time, and is woken before when something changes."""
        wake = asyncio.Event()
        self._wakes.append(wake)
        try:
            while not self._is_stopping:
                wake.clear()
                next_at = self.alone.next_at("delivery", name)
                if next_at <= self.clock():
                    with self.alone.trying("delivery", name):
                        next_at = await step()
                    next_at = max(next_at, self.alone.next_at("delivery", name))
                # Awake when it begins to stop: `wake` is called after `_is_stopping` was set.
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(max(next_at - self.clock(), 0.0), LOOK_SECONDS)):
                        await wake.wait()
        finally:
            self._wakes.remove(wake)

    async def decide(self) -> None:
        """Queue what groups that are due have to say."""
        now = self.clock()
        for group in self.board.due(now):
            if group.members and group.flush_at <= now:  # nobody else has, while others had their turn
                group.flush_at = now + LOOK_SECONDS  # where it fails; otherwise `flush` knows better
                with self.alone.trying("deciding", group.id):
                    self.board.flush(group, now, self.quiet.is_silenced, self.stand_in.tells)
                await asyncio.sleep(0)

    async def _decide(self) -> float:
        now = self.clock()
        if self.stand_in.turned():
            self.board.hurry(now)
        is_due = bool(self.board.due(now))
        await self.decide()
        await self.mirror.write()
        if is_due:
            self.wake()
        next_flush = self.board.next_flush()
        moments = [each for each in (next_flush, self.stand_in.next_at(now)) if each is not None]
        return min(moments, default=now + LOOK_SECONDS)

    def _sender(self, outbox: Outbox) -> Callable[[], Coroutine[Any, Any, float]]:
        async def step() -> float:
            while not self._is_stopping and await self.sending.step(outbox):
                pass
            now = self.clock()
            return outbox.free_at(now) if outbox.waiting(self.board) else now + LOOK_SECONDS

        return step

    def _post_to(self, poster: Poster) -> Callable[[], Coroutine[Any, Any, float]]:
        async def step() -> float:
            if poster.backoff.next_at > self.clock():
                return poster.backoff.next_at
            was_failing = bool(poster.backoff.failures)
            try:
                new = await poster.post(self.clock())
            except NotSent as err:
                if not was_failing:
                    log.error("an Alertmanager cannot be told", url=poster.client.url, reason=str(err))  # noqa: TRY400 - no trace
                return poster.next_at(self.clock())
            if was_failing:
                log.info("an Alertmanager is told again", url=poster.client.url)
                self.wake()
            now = self.clock()
            await self.mirror.write(
                [
                    Told(fingerprint=each.fingerprint, receiver=poster.client.url, starts_at=each.starts_at, at=now)
                    for each in new
                ]
            )
            await asyncio.sleep(TOGETHER_SECONDS)
            return poster.next_at(now)

        return step

    def _beater(self, settings: Heartbeat) -> Callable[[], Coroutine[Any, Any, float]]:
        next_at, was_silent = 0.0, False

        async def step() -> float:
            nonlocal next_at, was_silent
            now = self.clock()
            if now < next_at:
                return next_at
            if reason := self.problem():
                if not was_silent:
                    log.warning("no heartbeat: people could not be told of an alert", reason=reason)
                was_silent = True
                return now + LOOK_SECONDS
            next_at, was_silent = now + settings.every_seconds, False
            try:
                await beat(settings)
            except NotSent as err:
                log.warning("the heartbeat was not taken", reason=str(err))
            else:
                self.heartbeat_at = now
            return next_at

        return step

    async def _show_life(self) -> float:
        now = self.clock()
        if now < self._shown_at + alive.EVERY_SECONDS:
            return self._shown_at + alive.EVERY_SECONDS
        self._shown_at = now
        try:
            alive.write(self.alive_path, alive.Alive(at=now, problem=self.problem()))
        except OSError as err:
            log.warning("the file of life cannot be written", path=str(self.alive_path), reason=err.strerror)
        return now + alive.EVERY_SECONDS

    async def _tidy_up(self) -> float:
        now = self.clock()
        if now < self._housed_at + HOUSE_SECONDS:
            return self._housed_at + HOUSE_SECONDS
        self._housed_at = now
        try:
            await asyncio.to_thread(self.store.forget, now - self.keep_days * _DAY_SECONDS)
        except sqlite3.Error as err:
            log.warning("old messages cannot be taken off the disk", reason=str(err))
        return now + HOUSE_SECONDS
