"""Our own controller in a rehearsal: the real policies, allocator, guard, orders and lease, on the simulated hall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from power.control.tuning import Tuning
from power.controller import Controller
from power.guard.guard import Rules
from power.guard.lease import Lease
from power.model import Bools, ControlState, Fence, Fleet, Floats, Ints, Mode, NodeOrder, View
from power.policies.resolve import Resolver
from power.policies.resolved import Memory as PolicyMemory
from power.policies.standing import Bounds, Emergency
from power.safe import safe_caps
from power.scenarios.devices import Devices
from power.scenarios.fleet import fleet_of
from power.scenarios.held import HeldCaps
from power.scenarios.oracle import Claims
from power.scenarios.plant import Plant
from power.scenarios.telemetry import Seen
from power.scenarios.wishes import Watch, emergencies, policies

LEASE_SECONDS = 10.0


@dataclass(kw_only=True, eq=False)
class _Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Ours:
    """One running controller. Several share a lease by its engine."""

    name = "wattstat"
    period_seconds = 1.0

    def __init__(
        self, plant: Plant, engine: sa.Engine, holder: str, *, tuning: Tuning | None = None, audited: Ints | None = None
    ) -> None:
        """Cold: nothing read, nothing ordered. `audited` counts the records of the trail that all share, by server."""
        self.holder = holder
        self.tuning = tuning or Tuning()
        self.fence: Fence | None = None
        self.claims = Claims()
        self.disk_full = False
        self.decided: tuple[NodeOrder, ...] = ()
        self._plant = plant
        self._clock = _Clock(now=plant.now)
        self._lease = Lease(engine, holder, LEASE_SECONDS, self._clock)
        self._standing = policies(plant.scenario, plant)
        self._emergencies: tuple[Emergency, ...] = ()
        self._resolver = Resolver()
        self._policy_memory = PolicyMemory()
        self._controller = Controller(self.tuning, Rules(holder=holder), seed=1)
        self._alive: Bools = np.ones(plant.hall.feeds, bool)
        self.fleet: Fleet = fleet_of(plant.hall, self._alive)
        self._watch = Watch(plant, self.fleet)
        self.held = HeldCaps(plant.hall.nodes, plant.hall.gpus)
        self.audited: Ints = np.zeros(plant.hall.nodes, int) if audited is None else audited
        self._cut_off_until = 0.0
        count = plant.hall.nodes * plant.hall.gpus
        self._least = np.full(count, plant.hall.gpu_min_watts)
        self._most = np.full(count, plant.hall.gpu_max_watts)
        self._safe: Floats | None = None
        self._row = {name: row for row, name in enumerate(self.fleet.nodes)}
        self._gpu = {device.uuid: row % plant.hall.gpus for row, device in enumerate(self.fleet.gpus)}

    def lose_database(self, *, until: float) -> None:
        """Between it and the lease's database the network is gone for a while."""
        self._cut_off_until = until

    def act(self, seen: Seen, devices: Devices) -> None:
        """One cycle: look, decide, record, write."""
        self.decide(seen, devices)
        self.carry_out(devices)

    def decide(self, seen: Seen, devices: Devices) -> None:
        """Look and decide; what is to be written stands in `decided`."""
        now = self._clock.now = seen.now
        for answers in devices.answers.pop(self.holder, ()):
            self.held.answered(answers, now)
        self.held.read(seen.limit_watts, now - seen.limit_age, now)
        self._follow_feeds(seen)
        led = self.fence is not None
        self.fence = self._lease.fence if now < self._cut_off_until else self._lease.tick()
        if led != (self.fence is not None):
            self.held.lead(leads=not led)
        view = self._view(seen)
        self._emergencies = emergencies(self._plant.scenario, seen.wall)
        resolved = self._resolver.resolve(
            self._standing,
            self.fleet,
            self._watch.signals(seen),
            seen.wall,
            monotonic=now,
            bounds=Bounds.of(view),
            emergencies=self._emergencies,
            mode=Mode.ENFORCE,
            memory=self._policy_memory,
        )
        self._policy_memory, self.intent = resolved.memory, resolved.intent
        decision = self._controller.decide(self.fleet, view, resolved.intent, self.fence)
        self.decided = decision.orders
        if self._safe is None and np.isfinite(view.gpu_limit_watts).all():
            self._safe = safe_caps(self.fleet, view, resolved.intent, self.tuning).reshape(-1, self._plant.hall.gpus)
        unfaithful: Bools = self.held.state.reshape(-1, self._plant.hall.gpus) >= int(ControlState.UNCONTROLLED)
        self.claims = Claims(
            safe=decision.envelope().safe,
            audited=self.audited,
            read_at=self.held.read_at.reshape(-1, self._plant.hall.gpus).max(axis=1),
            charged=np.asarray(unfaithful.any(axis=1)),
            floor_watts=self.tuning.floor_ratio * self._plant.hall.gpu_max_watts,
        )

    def carry_out(self, devices: Devices) -> None:
        """Record, then write what was decided and what is to be tried again; keep agents' dead-men quiet."""
        fence, hall = self.fence, self._plant.hall
        if fence is None:
            return
        watts = np.full((hall.nodes, hall.gpus), np.nan)
        again = self.held.due(self._clock.now)
        watts.ravel()[again] = self.held.wanted[again]
        free = self.held.may_write(self._clock.now).reshape(hall.nodes, hall.gpus)
        for order in self.decided:
            if self.disk_full and (order.raises or not order.urgent):
                continue
            row = self._row[order.node]
            for uuid, cap in order.gpu_watts.items():
                column = self._gpu[uuid]
                if free[row, column] or order.urgent:
                    watts[row, column] = cap
        self.decided = ()
        nodes = np.flatnonzero(np.isfinite(watts).any(axis=1))
        if len(nodes):
            self.audited[nodes] += 1
            rows = np.flatnonzero(np.isfinite(watts.ravel()))
            self.held.begin(rows, watts.ravel()[rows], self._clock.now)
            devices.write(nodes, watts[nodes], token=fence.token, sender=self.holder)
        if self._safe is not None:
            devices.touch(np.ones(hall.nodes, bool), fence.token, self._safe)

    def _follow_feeds(self, seen: Seen) -> None:
        """A feed that most servers see dead carries nothing: the other carries all."""
        alive = seen.feed_lost.mean(axis=0) < 0.5
        if np.array_equal(alive, self._alive) or not alive.any():
            return
        self._alive = alive
        self.fleet = fleet_of(self._plant.hall, alive)

    def _view(self, seen: Seen) -> View:
        hall, held = self._plant.hall, self.held
        counted_limit = held.counted
        gpu_watts = seen.gpu_watts.ravel()
        gpu_age = np.repeat(seen.gpu_age, hall.gpus)
        nothing = np.full(hall.nodes, np.nan)
        return View(
            at=seen.wall,
            monotonic=seen.now,
            gpu_watts=gpu_watts,
            gpu_age=gpu_age,
            gpu_peak_watts=gpu_watts,
            gpu_limit_watts=counted_limit,
            gpu_own_watts=counted_limit,
            gpu_limit_age=seen.now - held.read_at,
            gpu_min_watts=self._least,
            gpu_max_watts=self._most,
            gpu_default_watts=self._most,
            gpu_state=held.state,
            node_watts=seen.node_watts,
            node_age=seen.node_age,
            node_peak_watts=seen.node_watts,
            node_cap_watts=nothing,
            node_cap_age=np.full(hall.nodes, np.inf),
            node_cap_min_watts=nothing,
            node_cap_max_watts=nothing,
            node_state=np.zeros(hall.nodes, np.int64),
        )


def alone(plant: Plant) -> Ours:
    """One controller, with a lease of its own."""
    return Ours(plant, sa.create_engine("sqlite://", poolclass=sa.StaticPool), "one")
