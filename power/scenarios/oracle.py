"""An independent judge: looks at the simulated hall's truth after every step and says which invariants were broken.

Written from the definitions alone. It must not import the tree, the guard or the allocator: it would repeat their mistakes.

I1 no breaker trips. I2 whenever the controller says "safe", what the devices could draw under the limits in them stays below
1.05 of every rating, and below 1.00 but for 60 s; the claim is withdrawn within two periods. I3 no write out of a device's
bounds. I4 no write accepted with an older token. I5 every write has its record before, and is read back. I6 nothing of higher
priority is cut while something lower on the same row has room.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from power.model import Bools, Floats, Ints
from power.scenarios.plant import Plant
from power.scenarios.work import IDLE

SHORT_RATIO, LONG_RATIO, LONG_SECONDS = 1.05, 1.00, 60.0
READ_BACK_SECONDS = 65.0
ROOM_RATIO = 0.05
CUT_RATIO = 0.97
SETTLE_SECONDS = 45.0
"""Moving watts takes two writes and a rate-limited raise: unfair for longer is unfair."""
WANT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claims:
    """What a controller says of itself. A baseline says nothing."""

    safe: bool = False
    period_seconds: float = 1.0
    audited: Ints | None = None
    """Records of writes so far, by server."""
    read_at: Floats | None = None
    """When each server's limits were last read."""
    charged: Bools | None = None
    """Servers counted at what they could draw, since they do not obey."""
    floor_watts: float = 350.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken invariant."""

    invariant: str
    at: float
    what: str


@dataclass(slots=True, kw_only=True, eq=False)
class _Heat:
    """A breaker's thermal state by the definition: d heat = dt / t_trip over its rating, cooling in ten minutes."""

    of_node: Ints
    rating: Floats
    k: float
    feed: int
    kind: str
    names: tuple[str, ...]
    heat: Floats
    over_since: Floats = field(default_factory=lambda: np.empty(0))


class Oracle:
    """Judges one run."""

    def __init__(self, plant: Plant) -> None:
        """Cold breakers, nothing seen."""
        self._plant = plant
        self._heat = [
            _Heat(
                of_node=layer.of_node,
                rating=layer.rating_watts,
                k=layer.k,
                feed=layer.feed,
                kind=layer.kind,
                names=layer.names,
                heat=np.zeros(len(layer.names)),
                over_since=np.full(len(layer.names), np.inf),
            )
            for layer in plant.hall.layers
        ]
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self._false_since = np.inf
        self._sent_before = np.zeros(plant.hall.nodes, int)
        self._unfair_since = np.full(plant.hall.rows, np.inf)
        self._want = np.zeros(plant.hall.nodes)
        self._want_before = np.zeros(plant.hall.nodes)
        self._want_turn = 0.0
        self.worst_slack = np.inf

    def look(self, seconds: float, claims: Claims) -> None:
        """Judge the step that just ended."""
        self._i1(seconds)
        self._i2(claims)
        counts = self._plant.devices.counts
        self._count("I3", counts.out_of_bounds, "writes out of the device's bounds")
        self._count("I4", counts.stale_accepted, "writes accepted with an older token")
        if claims.audited is not None and claims.read_at is not None:
            self._i5(claims.audited, claims.read_at)
        self._i6(claims)

    def _report(self, invariant: str, what: str) -> None:
        self.counts[invariant] += 1
        if self.counts[invariant] <= 5:
            self.violations.append(Violation(invariant=invariant, at=round(self._plant.now, 1), what=what))

    def _count(self, invariant: str, total: int, what: str) -> None:
        if total > self.counts[invariant]:
            new = total - self.counts[invariant]
            self._report(invariant, f"{new} {what}")
            self.counts[invariant] = total

    def _shares(self) -> Floats:
        """The share of a server's power that each feed carries now."""
        alive = self._plant.feed_alive
        found: Floats = alive / max(int(alive.sum()), 1)
        return found

    def _i1(self, seconds: float) -> None:
        shares = self._shares()
        for part in self._heat:
            watts = np.zeros(len(part.rating))
            np.add.at(watts, part.of_node, self._plant.node_watts * shares[part.feed])
            ratio = watts / part.rating
            hot = ratio > 1
            if hot.any():
                part.heat[hot] += seconds / (part.k * (ratio[hot] - 1) ** -2.04)
            part.heat[~hot] = np.maximum(part.heat[~hot] - seconds / 600, 0)
            for number in np.nonzero((part.heat >= 1) | (ratio >= 5))[0]:
                self._report("I1", f"{part.names[number]} trips at {ratio[number]:.0%} of its rating")
                part.heat[number] = 0.0

    def _i2(self, claims: Claims) -> None:
        plant, now = self._plant, self._plant.now
        worst = np.minimum(plant.devices.ceiling.sum(axis=1) + plant.hall.rest_watts, plant.hall.nameplate_watts)
        shares = self._shares()
        is_safe, what = True, ""
        for part in self._heat:
            watts = np.zeros(len(part.rating))
            np.add.at(watts, part.of_node, worst * shares[part.feed])
            ratio = watts / part.rating
            part.over_since = np.where(ratio > LONG_RATIO + 1e-6, np.minimum(part.over_since, now), np.inf)
            bad = (ratio > SHORT_RATIO + 1e-6) | (now - part.over_since > LONG_SECONDS)
            self.worst_slack = min(self.worst_slack, float((1 - ratio).min()))
            if bad.any():
                number = int(np.argmax(np.where(bad, ratio, 0)))
                is_safe, what = False, f"{part.names[number]} could draw {ratio[number]:.1%} of its rating"
        self._false_since = np.inf if is_safe else min(self._false_since, now)
        if claims.safe and now - self._false_since > 2 * claims.period_seconds + 1e-6:
            self._report("I2", f"claimed safe, but {what} since {self._false_since:.0f} s")

    def _i5(self, audited: Ints, read_at: Floats) -> None:
        sent = self._plant.devices.sent_of_node
        missing = sent > audited
        if missing.any():
            self._report("I5", f"server {int(np.argmax(missing))} was written to without a record")
        late = (self._plant.now - self._plant.devices.landed_at > READ_BACK_SECONDS) & (read_at < self._plant.devices.landed_at)
        late &= ~self._plant.devices.silent & ~self._plant.telemetry.dark
        if late.any():
            self._report("I5", f"server {int(np.argmax(late))} was not read back within {READ_BACK_SECONDS:.0f} s")

    def _i6(self, claims: Claims) -> None:
        plant, now = self._plant, self._plant.now
        if claims.audited is None:
            return
        self._want = np.maximum(self._want, plant.wanted_watts)
        if now >= self._want_turn:
            self._want_before, self._want, self._want_turn = self._want, plant.wanted_watts.copy(), now + WANT_SECONDS
        want = np.maximum(self._want, self._want_before)
        limit = plant.devices.limit
        working = plant.work.kind != IDLE
        obeys = np.ones(plant.hall.nodes, bool) if claims.charged is None else ~claims.charged
        priority = plant.priority
        span = plant.hall.gpu_max_watts - claims.floor_watts
        is_cut = working & obeys & (limit.max(axis=1) < CUT_RATIO * want)
        has_room = working & obeys & (limit.min(axis=1) > claims.floor_watts + ROOM_RATIO * span)
        rows = plant.hall.row_of_node
        highest_cut = np.full(plant.hall.rows, -1.0)
        lowest_room = np.full(plant.hall.rows, np.inf)
        np.maximum.at(highest_cut, rows[is_cut], priority[is_cut])
        np.minimum.at(lowest_room, rows[has_room], priority[has_room])
        unfair = highest_cut > lowest_room
        self._unfair_since = np.where(unfair, np.minimum(self._unfair_since, now), np.inf)
        bad = now - self._unfair_since > SETTLE_SECONDS
        if bad.any():
            row = int(np.argmax(bad))
            self._report("I6", f"row {row + 1}: priority {highest_cut[row]:.0f} is cut while {lowest_room[row]:.0f} has room")
            self._unfair_since[bad] = now
