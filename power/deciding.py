"""What the loop's worker thread does: it reads what stands, decides, and puts decisions that act into the trail."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import structlog

from power import publish
from power.audit.inputs import Inputs
from power.audit.replay import keep_decision
from power.audit.trail import AuditError, Trail
from power.controller import Controller, Decision
from power.guard.lease import Lease
from power.model import Fence, Fleet, Mode, View
from power.observe import Meters, meters_of
from power.policies.database import StoreError
from power.policies.remembering import Remembering
from power.policies.resolve import Resolver
from power.policies.resolved import Memory as Remembered
from power.policies.resolved import Resolved
from power.policies.signals import Signals
from power.policies.standing import Bounds
from power.safe import safe_caps
from power.tree.budgets import BudgetStatus
from power.tree.ceilings import counts
from power.wants import Standings, Wants
from wattstat.catalogue import power as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory
from wattstat.rackpower import device_power

log = structlog.get_logger(__name__)

STANDINGS_SECONDS = 5.0
SAFE_SECONDS = 10.0
# Caps are read before the first write; who does not answer within this time is charged in full, and the rest begins.
COLD_SECONDS = 20.0


class Seen(NamedTuple):
    """What the hall says at one moment: servers' own meters, the watts of what takes no cap, by name, and signals."""

    meters: Meters
    uncapped: Mapping[str, float]
    signals: Signals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decided:
    """What the worker brings back."""

    decision: Decision
    resolved: Resolved
    standings: Standings
    budgets: tuple[BudgetStatus, ...]
    samples: Samples
    signals: Signals


@dataclass(kw_only=True)
class Deciding:
    """Remembers from one decision to the next. Everything runs in one thread; its attributes may be read from others."""

    mode: Mode
    controller: Controller
    resolver: Resolver
    wants: Wants
    lease: Lease
    trail: Trail
    inputs: Inputs
    signals: Callable[[Snapshot, Fleet, float], Signals]
    remembering: Remembering
    cycle_seconds: float
    monotonic: Callable[[], float] = time.monotonic
    fence: Fence | None = None
    is_warm: bool = False
    """Whether enough was read for caps to be written."""
    standings_due: float = 0.0
    trouble: str = ""
    safe: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What each agent goes down to when it hears nothing: watts by UUID, by server."""
    _standings: Standings = field(default_factory=Standings)
    _remembered: Remembered | None = None
    _safe_key: tuple[object, ...] = ()
    _safe_due: float = 0.0
    _breach_seconds: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    _decided_at: float | None = None
    _began: float | None = None

    def look(self, snapshot: Snapshot, fleet: Fleet, inventory: Inventory) -> Seen:
        """What the hall says. The worker alone asks for signals: whoever reads them keeps what has not changed."""
        uncapped = {name: reading.watts for name, reading in device_power(snapshot, inventory).items()}
        return Seen(meters_of(snapshot), uncapped, self.signals(snapshot, fleet, snapshot.taken_at))

    def decide(self, fleet: Fleet, view: View, signals: Signals, metered_ratio: float) -> Decided:
        """What follows from all that is known and wanted; `metered_ratio` of the servers have told their power."""
        self.fence = self.lease.tick()
        if view.monotonic >= self.standings_due:
            # Before it is read: who changes something meanwhile makes it due again.
            self.standings_due = view.monotonic + STANDINGS_SECONDS
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
        late_seconds = self.monotonic() - view.monotonic
        decision = self.controller.decide(fleet, view, resolved.intent, self._fence_for_now(), late_seconds=late_seconds)
        self._warm_up(decision, metered_ratio)
        if not is_urgent(decision):
            self.keep(decision, resolved)
        self._renew_safe(decision)
        budgets = decision.budgets()
        return Decided(
            decision=decision,
            resolved=resolved,
            standings=self._standings,
            budgets=budgets,
            samples=self._samples(decision, resolved, budgets),
            signals=signals,
        )

    def keep(self, decision: Decision, resolved: Resolved) -> None:
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

    def end(self) -> None:
        """Leave the lead to another."""
        self.lease.release()
        self.trail.close()

    def _fence_for_now(self) -> Fence | None:
        """By what may be written: not everything before enough is known, or while the database is away."""
        if self.fence is None and self._standings.emergencies:
            self.fence = self.lease.brake()
        if self.fence is None or self.is_warm:
            return self.fence
        # An emergency in one rack is no reason to cut the others for what has not been read yet.
        return replace(self.fence, urgent_only=True) if self._standings.emergencies else None

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

    def _warm_up(self, decision: Decision, metered_ratio: float) -> None:
        """Nothing is written before enough has been read, or long enough waited for it; what is known then decides."""
        now = decision.view.monotonic
        if self._began is None:
            self._began = now
        # What never told its power counts at the most it could draw: a hall is not cut for answers that come in some seconds.
        is_ready = decision.readiness.complete and metered_ratio >= self.controller.rules.complete_ratio
        self.is_warm = self.is_warm or is_ready or now - self._began > COLD_SECONDS

    def _renew_safe(self, decision: Decision) -> None:
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
        self.safe = safe

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
        out.extend(publish.policy_samples(decision, resolved))
        fence = self.fence
        out.add(catalogue.CONTROLLER_LEADER, fence is not None, self.lease.holder)
        out.add(catalogue.CONTROLLER_FENCE, fence.token if fence else None)
        out.add(catalogue.CONTROLLER_CYCLE_SECONDS, decision.seconds)
        out.add(catalogue.CONTROLLER_VIEW_RATIO, decision.readiness.ratio)
        for emergency in self._standings.emergencies:
            out.add(catalogue.CONTROLLER_EMERGENCY, 1, str(emergency.scope))
        return out

    def _tell(self, trouble: str) -> None:
        if trouble and not self.trouble:
            log.error("power", trouble=trouble)
        self.trouble = trouble


def is_urgent(decision: Decision) -> bool:
    """Whether something is cut for an emergency."""
    return any(order.urgent for order in decision.orders)
