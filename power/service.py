"""The loop at work in the core process: once a second what is known, what is wanted, who gets what, and off it goes.

The event loop talks to devices (`hearing`). One worker thread decides (`deciding`), because 80,000 GPUs take a tenth of a
second. Whatever fails here leaves the caps in the devices as they are; the envelope was made so that they hold alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from power import answers
from power.actuators.executor import Executor
from power.audit.inputs import Inputs
from power.audit.trail import Trail
from power.beats import Beats
from power.controller import Controller
from power.deciding import Decided, Deciding, is_urgent
from power.desk.steering import Busy, Preview, Wish
from power.guard.lease import Lease
from power.hearing import Hearing, Ways
from power.model import Actuator, Fence, Fleet, Mode
from power.policies.remembering import Remembering
from power.policies.resolve import Resolver
from power.policies.scope import Scope
from power.policies.signals import Signals
from power.policies.standing import Emergency
from power.posting import CapBlocks
from power.wants import Wants
from wattstat.hall import Block, BlockKey, Hall, Snapshot
from wattstat.inventory import Inventory

BLOCK = BlockKey("power", "core", "power")


@dataclass(kw_only=True)
class PowerService:
    """Runs the loop.

    `follow` may be called from the event loop at any time; `status`, `preview`, `brake`, `changed` from anywhere.
    `open_executor` makes an executor for ways; `signals` reads the hall into columns of the fleet.
    """

    hall: Hall
    mode: Mode
    controller: Controller
    resolver: Resolver
    wants: Wants
    lease: Lease
    trail: Trail
    inputs: Inputs
    open_executor: Callable[[Mapping[str, Sequence[Actuator]], Callable[..., None]], Executor]
    signals: Callable[[Snapshot, Fleet, float], Signals]
    remembering: Remembering
    cycle_seconds: float
    trip_safe_ratio: float
    timezone: str = "UTC"
    floor_ratio: float = 0.5
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    hearing: Hearing = field(init=False)
    deciding: Deciding = field(init=False)
    _last: Decided | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _caps: CapBlocks = field(init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._caps = CapBlocks(hall=self.hall, clock=self.clock)
        self._started = self.clock()
        self.hearing = Hearing(trip_safe_ratio=self.trip_safe_ratio, monotonic=self.monotonic)
        self.deciding = Deciding(
            mode=self.mode,
            controller=self.controller,
            resolver=self.resolver,
            wants=self.wants,
            lease=self.lease,
            trail=self.trail,
            inputs=self.inputs,
            signals=self.signals,
            remembering=self.remembering,
            cycle_seconds=self.cycle_seconds,
            monotonic=self.monotonic,
        )

    # What core calls.

    async def follow(self, inventory: Inventory, ways: Ways) -> None:
        """What stands in the hall, and how its devices are reached."""
        hearing = self.hearing
        if hearing.executor is None:
            hearing.executor = self.open_executor(ways.actuators, hearing.heard)
        else:
            await hearing.executor.follow(ways.actuators)
        hearing.follow(inventory, ways)
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Decide once a cycle until `stop` is set. What is in the devices stays there."""
        self._loop = asyncio.get_running_loop()
        worker = ThreadPoolExecutor(1, thread_name_prefix="power")
        beats = self.hearing.beats = Beats(
            heard=self.hearing.beat_heard,
            fence=self._living,
            safe_watts=lambda node: self.deciding.safe.get(node, {}),
            every_seconds=self.cycle_seconds,
        )
        beats.follow(self.hearing.ways.agents)
        due = self.monotonic()
        try:
            while not stop.is_set():
                self._wake.clear()
                await self._cycle(worker)
                due = max(due + self.cycle_seconds, self.monotonic())
                await self._until(due, stop)
        finally:
            await beats.close()
            if self.hearing.executor is not None:
                await self.hearing.executor.close()
            await asyncio.get_running_loop().run_in_executor(worker, self.deciding.end)
            worker.shutdown(wait=True)

    def _living(self) -> Fence | None:
        """By what agents are told that we live: beats that go on while the loop stands still are no life."""
        fence = self.deciding.fence
        if self.mode is not Mode.ENFORCE or fence is None or not self.monotonic() < fence.valid_until:
            return None
        return fence

    async def _until(self, due: float, stop: asyncio.Event) -> None:
        """Sleep until the next cycle is due, somebody changed what is wanted, or it is over."""
        waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())]
        try:
            await asyncio.wait(waits, timeout=max(0.0, due - self.monotonic()), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _cycle(self, worker: ThreadPoolExecutor) -> None:
        executor, deciding = self.hearing.executor, self.deciding
        if executor is None:
            return  # no inventory yet
        executor.verify_due(deciding.fence if deciding.is_warm and self.mode is Mode.ENFORCE else None)
        fleet = self.hearing.current_fleet()
        telemetry = self.hearing.telemetry
        if telemetry is None:
            return
        loop = asyncio.get_running_loop()
        looked = self.monotonic()
        seen = await loop.run_in_executor(worker, deciding.look, self.hall.snapshot(), fleet, self.hearing.inventory)
        telemetry.take_meters(seen.meters, looked)
        telemetry.take_uncapped(seen.uncapped)
        at, monotonic = self.clock(), self.monotonic()
        columns = executor.columns(fleet)
        view = telemetry.view(columns, at=at, monotonic=monotonic)
        executor.draws(fleet, view.node_watts, view.node_age)
        decided = await loop.run_in_executor(worker, deciding.decide, fleet, view, seen.signals, telemetry.metered_ratio)
        self._last = decided
        orders, fence = decided.decision.orders, deciding.fence
        if orders and fence is not None:
            executor.start(orders, fence)
        self._post(decided, executor)
        if is_urgent(decided.decision):
            # Each write has a record of its own before it; an emergency does not wait for megabytes of inputs.
            await loop.run_in_executor(worker, deciding.keep, decided.decision, decided.resolved)

    def _post(self, decided: Decided, executor: Executor) -> None:
        unique = {(each.metric, each.labels): each for each in decided.samples}
        self._caps.post(executor.news())
        self.hall.post(
            Block(
                key=BLOCK,
                samples=tuple(unique.values()),
                taken_at=self.clock(),
                interval_seconds=max(5.0, 3 * self.cycle_seconds),
            )
        )

    # What the desk calls, from threads of its own.

    def status(self) -> dict[str, Any]:
        """The answer of /api/power/status."""
        decided, fence, executor = self._last, self.deciding.fence, self.hearing.executor
        leader = {"holder": fence.holder if fence else self.lease.leader, "token": fence.token if fence else None}
        common = {"mode": self.mode.value, "leader": {**leader, "leads": fence is not None}}
        if decided is None or executor is None:
            return {**common, **answers.NOTHING_YET}
        held_back = {} if self.deciding.is_warm else {"held_back": "caps and power of the servers are still being read"}
        troubles = (self.wants.trouble, self.wants.file_trouble, self.lease.away, self.deciding.trouble)
        left = () if self.mode is Mode.ENFORCE else answers.left_behind(executor, self._started)
        findings = (*executor.findings(), *self.hearing.frozen, *left)
        return {**common, **answers.standing(decided, findings=findings, troubles=troubles), **held_back}

    def give_back(self, scope: Scope, why: str, *, dry_run: bool) -> Preview:
        """Give devices back to their operator. Raises `Busy`."""
        if self.mode is Mode.ENFORCE:
            raise Busy(
                "power.mode is enforce: caps rise by themselves where no policy binds; set it to observe and start again"
            )
        loop = self._loop
        if loop is None or self._last is None:
            raise Busy("nothing has been decided yet: core has just started")
        return asyncio.run_coroutine_threadsafe(self._give_back(self._last, scope, why, dry_run=dry_run), loop).result(10.0)

    async def _give_back(self, decided: Decided, scope: Scope, why: str, *, dry_run: bool) -> Preview:
        executor, fence = self.hearing.executor, self.deciding.fence
        assert executor is not None  # noqa: S101 - it has decided
        found = answers.given_back(decided, executor.ours(), scope, rules=self.controller.rules, fence=fence, why=why)
        if not dry_run and fence is not None:
            executor.start(found.orders, fence)
        return found.preview

    def preview(self, wish: Wish) -> Preview:
        """What would be different if this stood instead of what stands."""
        if self._last is None:
            return Preview(notes=("nothing has been decided yet: core has just started",))
        tuning = self.controller.tuning
        return answers.preview_of(self._last, wish, timezone=self.timezone, floor_ratio=self.floor_ratio, tuning=tuning)

    def devices(self, scope: Scope) -> int | None:
        """How many servers and GPUs a scope means now; None before the first decision."""
        return None if self._last is None else answers.devices(self._last, scope)

    def brake(self, emergencies: Sequence[Emergency]) -> None:
        """Emergencies that no database could take."""
        self.wants.brake(emergencies)
        self.changed()

    def changed(self) -> None:
        """Decide again at once."""
        self.deciding.standings_due = 0.0
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake.set)
