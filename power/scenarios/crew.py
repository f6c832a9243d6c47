"""All controllers of a rehearsal: killed, restarted, paused, doubled, with their disk full; and what that came to."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from power.scenarios.devices import Devices
from power.scenarios.faults import Drawn, Faults
from power.scenarios.oracle import Claims
from power.scenarios.ours import Ours
from power.scenarios.plant import Plant
from power.scenarios.telemetry import Seen

RESTART_SECONDS = 5.0
"""How long a supervisor takes to start a killed process again."""


class Crew:
    """One controller or several, under one lease."""

    name = "wattstat"
    period_seconds = 1.0

    def __init__(self, plant: Plant, faults: Faults) -> None:
        """The first controller, and a standby where the scenario has one."""
        self._plant, self._faults = plant, faults
        self._engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        self._made = 0
        self._audited = np.zeros(plant.hall.nodes, int)
        self._crew: list[Ours] = [self._another()]
        if plant.scenario.standby:
            self._crew.append(self._another())
        self._done: set[int] = set()
        self._restart_at: list[float] = []
        self._paused: dict[int, tuple[Ours, float]] = {}
        self._leaderless_since: float | None = None
        self.takeover_seconds = 0.0
        self.claims = Claims()

    @property
    def leader(self) -> Ours | None:
        """Whoever has the lease."""
        return next((each for each in self._crew if each.fence is not None), None)

    def act(self, seen: Seen, devices: Devices) -> None:
        """A cycle of everyone who lives."""
        now = seen.now
        for number, fault in enumerate(self._faults.controllers):
            if number not in self._done and now >= fault.start:
                self._done.add(number)
                self._strike(fault, now, seen, devices)
        for at in [at for at in self._restart_at if at <= now]:
            self._restart_at.remove(at)
            self._crew.append(self._another())
        for number, (sleeper, until) in list(self._paused.items()):
            if now >= until:
                # It was stopped after its own check of the lease: only the devices can refuse what it sends now.
                del self._paused[number]
                sleeper.carry_out(devices)
                self._crew.append(sleeper)
        full = any(each.kind == "disk_full" and each.start <= now < each.end for each in self._faults.controllers)
        for each in self._crew:
            each.disk_full = full
            each.act(seen, devices)
        self._watch(now)

    def figures(self) -> dict[str, float]:
        """What only we have."""
        found = {"takeover_seconds": self.takeover_seconds}
        leader = self.leader
        if leader is not None:
            found |= _classified(self._plant, leader, self._faults)
        return found

    def _another(self) -> Ours:
        self._made += 1
        return Ours(self._plant, self._engine, f"core-{self._made}", audited=self._audited)

    def _strike(self, fault: Drawn, now: float, seen: Seen, devices: Devices) -> None:
        """What hits, hits the leader."""
        hit = self.leader or (self._crew[0] if self._crew else None)
        if fault.kind == "twin":
            self._crew.append(self._another())
        if fault.kind == "partition" and hit is not None:
            hit.lose_database(until=fault.end)
        if hit is None or fault.kind not in {"kill", "pause", "corrupt_state"}:
            return
        hit.decide(seen, devices)
        if fault.kind == "pause":
            self._paused[id(fault)] = hit, fault.end
        elif fault.amount > 0:
            # Killed in the middle of its writes: some servers have got theirs.
            hit.decided = hit.decided[: int(len(hit.decided) * fault.amount)]
            hit.carry_out(devices)
        self._crew.remove(hit)
        if fault.kind != "pause":
            dead = fault.end - fault.start if np.isfinite(fault.end) else 0.0
            self._restart_at.append(now + max(dead, RESTART_SECONDS))

    def _watch(self, now: float) -> None:
        leader = self.leader
        if leader is None:
            # Nobody lives who could lead: that is what the dead-men are for.
            if self._leaderless_since is None or not self._crew:
                self._leaderless_since = now
            self.claims = Claims()
            return
        if self._leaderless_since is not None and self._leaderless_since > 1:
            self.takeover_seconds = max(self.takeover_seconds, now - self._leaderless_since)
        self._leaderless_since = None
        self.claims = leader.claims


def _classified(plant: Plant, leader: Ours, faults: Faults) -> dict[str, float]:
    """How long it took until devices that hold no caps were known, from the first write; and changed caps, from the change."""
    found: dict[str, float] = {}
    kinds = {"refuse", "lie", "timeout", "unlicensed"}
    bad = np.zeros(plant.hall.nodes, bool)
    for fault in faults.drawn:
        if fault.kind in kinds:
            bad |= fault.mask
    held = leader.held
    took = (held.known_at - held.asked_at).reshape(plant.hall.nodes, -1)[bad]
    if np.isfinite(took).any():
        found["classified_seconds"] = float(np.nanmax(took))
    rogue = [fault for fault in faults.drawn if fault.kind == "rogue"]
    if rogue:
        drift = held.drift_at.reshape(plant.hall.nodes, -1)[rogue[0].mask]
        found["found_seconds"] = float(np.nanmin(drift) - rogue[0].start) if np.isfinite(drift).any() else float("nan")
    return found
