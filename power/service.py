"""The loop at work in the core process: once a second what is known, what is wanted, who gets what, and off it goes.

The event loop talks to devices. One worker thread decides, because 80,000 GPUs take a tenth of a second. Whatever fails here
leaves the caps in the devices as they are; the envelope was made so that they hold alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import structlog

from power import publish
from power.actuators.executor import Executor
from power.actuators.findings import Finding, Why
from power.audit.inputs import Inputs
from power.audit.replay import keep_decision
from power.audit.trail import AuditError, Trail
from power.beats import Beating, Beats
from power.controller import Controller, Decision
from power.desk.steering import Busy, Preview, Wish
from power.give_back import giving
from power.guard.lease import Lease
from power.model import Actuator, Device, DeviceCaps, Fence, Fleet, Mode
from power.observe import Meters, Telemetry, found_by_node, meters_of
from power.policies.database import StoreError
from power.policies.masks import Masks
from power.policies.remembering import Remembering
from power.policies.resolve import Resolver
from power.policies.resolved import Memory as Remembered
from power.policies.resolved import Resolved
from power.policies.scope import Scope
from power.policies.signals import Signals
from power.policies.standing import Bounds, Emergency
from power.posting import CapBlocks
from power.preview import Moment, preview
from power.safe import safe_caps
from power.tree.budgets import BudgetStatus
from power.tree.build import build
from power.tree.ceilings import counts
from power.wants import Standings, Wants
from wattstat.catalogue import power as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.hall import Block, BlockKey, Hall, Snapshot
from wattstat.inventory import Inventory

log = structlog.get_logger(__name__)

BLOCK = BlockKey("power", "core", "power")
STANDINGS_SECONDS = 5.0
SAFE_SECONDS = 10.0
# Caps are read before the first write; who does not answer within this time is charged in full, and the rest begins.
COLD_SECONDS = 20.0
# A fleet is made anew at most this often while agents come up one by one.
BUILD_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Who can be asked and told, by server."""

    actuators: Mapping[str, Sequence[Actuator]] = field(default_factory=dict)
    agents: Mapping[str, Beating] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Decided:
    """What the worker brings back."""

    decision: Decision
    resolved: Resolved
    standings: Standings
    budgets: tuple[BudgetStatus, ...]
    samples: Samples
    signals: Signals


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
    _inventory: Inventory = field(default_factory=Inventory)
    _ways: Ways = field(default_factory=Ways)
    _executor: Executor | None = None
    _telemetry: Telemetry | None = None
    _found: dict[str, tuple[DeviceCaps, ...]] = field(default_factory=dict)
    _identities: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    _build_due: float | None = None
    _fence: Fence | None = None
    _last: _Decided | None = None
    _remembered: Remembered | None = None
    _standings: Standings = field(default_factory=Standings)
    _standings_due: float = 0.0
    _safe: dict[str, Mapping[str, float]] = field(default_factory=dict)
    _safe_key: tuple[object, ...] = ()
    _safe_due: float = 0.0
    _breach_seconds: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    _decided_at: float | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _beats: Beats | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _trouble: str = ""
    _began: float | None = None
    _is_warm: bool = False
    _caps: CapBlocks = field(init=False)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._caps = CapBlocks(hall=self.hall, clock=self.clock)
        self._started = self.clock()

    # What core calls.

    async def follow(self, inventory: Inventory, ways: Ways) -> None:
        """What stands in the hall, and how its devices are reached."""
        self._inventory = inventory
        if self._executor is None:
            self._executor = self.open_executor(ways.actuators, self._heard)
        else:
            await self._executor.follow(ways.actuators)
        self._ways = ways
        if self._beats is not None:
            self._beats.follow(ways.agents)
        self._build_due = self.monotonic()
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Decide once a cycle until `stop` is set. What is in the devices stays there."""
        self._loop = asyncio.get_running_loop()
        worker = ThreadPoolExecutor(1, thread_name_prefix="power")
        self._beats = Beats(
            heard=self._beat_heard,
            fence=self._living,
            safe_watts=lambda node: self._safe.get(node, {}),
            every_seconds=self.cycle_seconds,
        )
        self._beats.follow(self._ways.agents)
        due = self.monotonic()
        try:
            while not stop.is_set():
                self._wake.clear()
                await self._cycle(worker)
                due = max(due + self.cycle_seconds, self.monotonic())
                await self._until(due, stop)
        finally:
            await self._beats.close()
            if self._executor is not None:
                await self._executor.close()
            await asyncio.get_running_loop().run_in_executor(worker, self._end)
            worker.shutdown(wait=True)

    def _living(self) -> Fence | None:
        """By what agents are told that we live: beats that go on while the loop stands still are no life."""
        fence = self._fence
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
        executor = self._executor
        if executor is None:
            return  # no inventory yet
        executor.verify_due(self._fence if self._is_warm and self.mode is Mode.ENFORCE else None)
        fleet = self._current_fleet()
        telemetry = self._telemetry
        if telemetry is None:
            return
        loop = asyncio.get_running_loop()
        looked = self.monotonic()
        meters, signals = await loop.run_in_executor(worker, self._look, self.hall.snapshot(), fleet)
        telemetry.take_meters(meters, looked)
        at, monotonic = self.clock(), self.monotonic()
        columns = executor.columns(fleet)
        view = telemetry.view(columns, at=at, monotonic=monotonic)
        executor.draws(fleet, view.node_watts, view.node_age)
        decided = await loop.run_in_executor(worker, self._decide, fleet, view, signals)
        self._last = decided
        orders, fence = decided.decision.orders, self._fence
        if orders and fence is not None:
            executor.start(orders, fence)
        self._post(decided, executor)
        if _is_urgent(decided.decision):
            # Each write has a record of its own before it; an emergency does not wait for megabytes of inputs.
            await loop.run_in_executor(worker, self._keep, decided.decision, decided.resolved)

    # In the worker.

    def _look(self, snapshot: Snapshot, fleet: Fleet) -> tuple[Meters, Signals]:
        """What the hall says. The worker alone asks for signals: whoever reads them keeps what has not changed."""
        return meters_of(snapshot), self.signals(snapshot, fleet, snapshot.taken_at)

    def _decide(self, fleet: Fleet, view: Any, signals: Signals) -> _Decided:
        self._fence = self.lease.tick()
        if view.monotonic >= self._standings_due:
            # Before it is read: who changes something meanwhile makes it due again.
            self._standings_due = view.monotonic + STANDINGS_SECONDS
            self._standings = self.wants.read()
        else:
            self._standings = self.wants.now_with_brakes()
        resolved = self.resolver.resolve(
            self._standings.policies,
            fleet,
            signals,
            view.at,
            monotonic=view.monotonic,
            bounds=Bounds.of(view),
            holds=self._standings.holds,
            emergencies=self._standings.emergencies,
            mode=self.mode,
            memory=self._recalled(),
        )
        self._remember(resolved.memory)
        fence = self._fence
        if fence is None and self._standings.emergencies:
            fence = self._fence = self.lease.brake()
        if fence is not None and not self._is_warm:
            # An emergency in one rack is no reason to cut the others for what has not been read yet.
            fence = replace(fence, urgent_only=True) if self._standings.emergencies else None
        decision = self.controller.decide(fleet, view, resolved.intent, fence, late_seconds=self.monotonic() - view.monotonic)
        self._warm_up(decision)
        if not _is_urgent(decision):
            self._keep(decision, resolved)
        self._renew_safe(decision)
        budgets = decision.budgets()
        return _Decided(
            decision=decision,
            resolved=resolved,
            standings=self._standings,
            budgets=budgets,
            samples=self._samples(decision, resolved, budgets),
            signals=signals,
        )

    def _recalled(self) -> Remembered:
        """What policies remember, from before this process began if the database has it."""
        if self._remembered is None:
            try:
                self._remembered = self.remembering.recall()
            except StoreError as error:
                self._tell(f"what policies remembered cannot be read, they begin anew: {error}")
                self._remembered = Remembered()
        return self._remembered

    def _remember(self, memory: Remembered) -> None:
        self._remembered = memory
        with contextlib.suppress(StoreError):  # told already: the same database tells what stands
            self.remembering.keep(memory)

    def _warm_up(self, decision: Decision) -> None:
        """Nothing is written before enough has been read, or long enough waited for it; what is known then decides."""
        now = decision.view.monotonic
        if self._began is None:
            self._began = now
        # What never told its power counts at the most it could draw: a hall is not cut for answers that come in some seconds.
        metered = 0.0 if self._telemetry is None else self._telemetry.metered_ratio
        is_ready = decision.readiness.complete and metered >= self.controller.rules.complete_ratio
        self._is_warm = self._is_warm or is_ready or now - self._began > COLD_SECONDS

    def _keep(self, decision: Decision, resolved: Resolved) -> None:
        """Put decisions that act into the trail, with all that they were made of."""
        if not decision.orders:
            return
        body = {
            "orders": len(decision.orders),
            "raises": sum(order.raises for order in decision.orders),
            "urgent": sum(order.urgent for order in decision.orders),
            "why": sorted({order.why for order in decision.orders}),
            "devices": [order.node for order in decision.orders],
            "policies": sorted(each.name for each in resolved.in_force if each.counts),
        }
        try:
            keep_decision(self.trail, self.inputs, {"given": decision.given}, decision.decided, body)
        except AuditError as error:
            # The executor refuses everything but urgent cuts by itself while the trail cannot be written.
            self._tell(f"decisions cannot be recorded: {error}")
        else:
            self._tell("")

    def _renew_safe(self, decision: Decision) -> None:
        """What each agent goes down to when it hears nothing."""
        intent, view, fleet = decision.given.intent, decision.view, decision.fleet
        counted = (counts(view.gpu_state), counts(view.node_state))
        columns = (intent.limit_watts, intent.gpu_cap_watts, view.gpu_max_watts, *counted)
        key = (fleet, *(column.tobytes() for column in columns))
        if key == self._safe_key or view.monotonic < self._safe_due:
            return
        self._safe_key, self._safe_due = key, view.monotonic + SAFE_SECONDS
        watts = safe_caps(fleet, view, intent, self.controller.tuning)
        safe: dict[str, dict[str, float]] = {}
        for row in np.flatnonzero(np.isfinite(watts)):
            device = fleet.gpus[row]
            safe.setdefault(device.node, {})[device.uuid] = float(watts[row])
        self._safe = dict(safe)

    def _samples(self, decision: Decision, resolved: Resolved, budgets: Sequence[BudgetStatus]) -> Samples:
        out = publish.mode_samples(self.mode)
        out.extend(publish.budget_samples(budgets))
        elapsed = 0.0 if self._decided_at is None else min(decision.view.monotonic - self._decided_at, 10 * self.cycle_seconds)
        self._decided_at = decision.view.monotonic
        for key in publish.breached(budgets):
            self._breach_seconds[key] += elapsed
        for each in budgets:
            if each.kind != "node" and each.limit_watts is not None:
                out.add(catalogue.POWER_BREACH_SECONDS_TOTAL, self._breach_seconds[each.name, each.kind], each.name, each.kind)
        binding = publish.binding_counts(decision)
        for policy in resolved.in_force:
            standing = policy.standing
            labels = (
                policy.name,
                str(standing.version),
                standing.policy.ask.kind,
                standing.policy.mode.value,
                policy.state.value,
            )
            out.add(catalogue.POLICY_INFO, 1, *labels)
            out.add(catalogue.POLICY_BINDING_DEVICES, binding.get(policy.name, 0), policy.name)
        fence = self._fence
        out.add(catalogue.CONTROLLER_LEADER, fence is not None, self.lease.holder)
        out.add(catalogue.CONTROLLER_FENCE, fence.token if fence else None)
        out.add(catalogue.CONTROLLER_CYCLE_SECONDS, decision.seconds)
        out.add(catalogue.CONTROLLER_VIEW_RATIO, decision.readiness.ratio)
        for emergency in self._standings.emergencies:
            out.add(catalogue.CONTROLLER_EMERGENCY, 1, str(emergency.scope))
        return out

    def _end(self) -> None:
        self.lease.release()
        self.trail.close()

    # On the event loop.

    def _heard(self, caps: tuple[DeviceCaps, ...], asked_at: float) -> None:
        """What the executor read or set: by a BMC, or by an agent before its first beat.

        An agent that answers tells the same better each second.
        """
        silent = self._beats.silent if self._beats is not None else {}
        by_node: defaultdict[str, list[DeviceCaps]] = defaultdict(list)
        for each in caps:
            if each.device.uuid:
                by_node[each.device.node].append(each)
        for node, mine in by_node.items():
            if node not in self._ways.agents or node in silent:
                # After a write these are the ones that were written: the server's others are there as before.
                known = {each.device: each for each in self._found.get(node, ())}
                self._learn(node, tuple((known | {each.device: each for each in mine}).values()))
                self._take(tuple(mine), asked_at)

    def _beat_heard(self, node: str, caps: tuple[DeviceCaps, ...], asked_at: float) -> None:
        if self._executor is not None:
            self._executor.take(caps, asked_at)
        # An agent that has just begun sees no GPUs yet: it says nothing of those that it has shown before.
        if caps or not self._found.get(node):
            self._learn(node, caps)
        self._take(caps, asked_at)

    def _learn(self, node: str, caps: tuple[DeviceCaps, ...]) -> None:
        """Which GPUs a server has: all of them."""
        identity = tuple((each.device.uuid, each.index) for each in caps)
        if self._identities.get(node) != identity:
            self._identities[node] = identity
            self._found[node] = caps
            if self._build_due is None:
                self._build_due = self.monotonic() + BUILD_SECONDS

    def _take(self, caps: tuple[DeviceCaps, ...], asked_at: float) -> None:
        if self._telemetry is not None:
            self._telemetry.take(caps, asked_at)

    def _current_fleet(self) -> Fleet:
        """The fleet, made anew when inventory or GPUs changed."""
        telemetry = self._telemetry
        if telemetry is not None and (self._build_due is None or self.monotonic() < self._build_due):
            return telemetry.fleet
        self._build_due = None
        known = {node.name for node in self._inventory.nodes}
        found = {node: caps for node, caps in found_by_node(self._found).items() if node in known}
        fleet = build(self._inventory, found, trip_safe_ratio=self.trip_safe_ratio)
        self._telemetry = Telemetry(fleet)
        if telemetry is not None:
            self._telemetry.inherit(telemetry)
        log.info("fleet", servers=len(fleet.nodes), gpus=len(fleet.gpus), limits=len(fleet.tree.limits))
        return fleet

    def _post(self, decided: _Decided, executor: Executor) -> None:
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

    def _tell(self, trouble: str) -> None:
        if trouble and not self._trouble:
            log.error("power", trouble=trouble)
        self._trouble = trouble

    # What the desk calls, from threads of its own.

    def status(self) -> dict[str, Any]:
        """The answer of /api/power/status."""
        decided, fence, executor = self._last, self._fence, self._executor
        leads = {"holder": fence.holder if fence else self.lease.leader, "token": fence.token if fence else None}
        common = {"mode": self.mode.value, "leader": {**leads, "leads": fence is not None}}
        if decided is None or executor is None:
            return {**common, **publish.NOTHING_YET}
        troubles = (self.wants.trouble, self.wants.file_trouble, self.lease.away, self._trouble, *decided.resolved.notes)
        return {
            **common,
            **publish.decision_document(decided.decision),
            **({} if self._is_warm else {"held_back": "caps and power of the servers are still being read"}),
            "budgets": [each.document() for each in decided.budgets if each.kind != "node"],
            "devices": publish.devices(decided.decision),
            "policies": publish.policies(decided.decision, decided.resolved),
            "emergencies": [publish.emergency(each) for each in decided.standings.emergencies],
            "findings": [
                publish.finding(each) for each in (*executor.findings(), *self._frozen(), *self._left_behind(executor))
            ],
            "troubles": [each for each in troubles if each],
        }

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

    async def _give_back(self, decided: _Decided, scope: Scope, why: str, *, dry_run: bool) -> Preview:
        executor, fence, decision = self._executor, self._fence, decided.decision
        assert executor is not None  # noqa: S101 - it has decided
        masks = Masks(decision.fleet)
        masks.use(decided.signals.jobs)
        chosen = {decision.fleet.nodes[row] for row in np.flatnonzero(masks.nodes(scope))}
        ours = {device: watts for device, watts in executor.ours().items() if device.node in chosen}
        found = giving(
            decision.fleet, decision.view, decision.given.intent, ours, rules=self.controller.rules, fence=fence, why=why
        )
        if not dry_run and fence is not None:
            executor.start(found.orders, fence)
        return found.preview

    def _left_behind(self, executor: Executor) -> tuple[Finding, ...]:
        """Caps that were set while this was enforcing, and hold on."""
        if self.mode is Mode.ENFORCE:
            return ()
        counts = Counter(device.node for device in executor.ours())
        since = self._started
        advice = "from here in force, and power.mode enforces nothing: wattstat power give-back"
        return tuple(
            Finding(device=Device(node), why=Why.LEFT_BEHIND, since=since, detail=f"{count} caps {advice}")
            for node, count in sorted(counts.items())
        )

    def _frozen(self) -> tuple[Finding, ...]:
        return self._telemetry.frozen if self._telemetry is not None else ()

    def preview(self, wish: Wish) -> Preview:
        """What would be different if this stood instead of what stands."""
        decided = self._last
        if decided is None:
            return Preview(notes=("nothing has been decided yet: core has just started",))
        decision = decided.decision
        moment = Moment(
            fleet=decision.fleet,
            view=decision.view,
            signals=decided.signals,
            remembered=decided.resolved.memory,
            timezone=self.timezone,
            floor_ratio=self.floor_ratio,
            tuning=self.controller.tuning,
        )
        after = Standings(policies=wish.standings, holds=wish.holds, emergencies=wish.emergencies)
        return preview(moment, decided.standings, after)

    def devices(self, scope: Scope) -> int | None:
        """How many servers and GPUs a scope means now; None before the first decision."""
        decided = self._last
        if decided is None:
            return None
        masks = Masks(decided.decision.fleet)
        masks.use(decided.signals.jobs)
        return int(masks.nodes(scope).sum()) + len(masks.gpus(scope))

    def brake(self, emergencies: Sequence[Emergency]) -> None:
        """Emergencies that no database could take."""
        self.wants.brake(emergencies)
        self.changed()

    def changed(self) -> None:
        """Decide again at once."""
        self._standings_due = 0.0
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake.set)


def _is_urgent(decision: Decision) -> bool:
    return any(order.urgent for order in decision.orders)
