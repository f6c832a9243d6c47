"""The caps in the simulated devices: what is in force, what is on its way, and devices that refuse, lie, revert or stay silent.

Every write is a message to one server: it takes its time, and the device itself compares the fencing token.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from power.model import Bools, Floats, Ints
from power.scenarios.hall import Layout

LAG_SECONDS = 0.25
"""Within this time constant power follows a new limit."""
IN_BAND_SECONDS = (0.6, 1.0)
BMC_SECONDS = (2.0, 5.0)
DEAD_MAN_SECONDS = 60.0
NO_TOKEN = 0


class Reply(IntEnum):
    """What a server answers to a write; `limit` in the answer is what it then has."""

    DONE = 0
    REFUSED = 1
    STALE = 2
    SILENT = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What came back to whoever wrote: by server, and the limits that they read back."""

    nodes: Ints
    replies: Ints
    limits: Floats


@dataclass(slots=True, kw_only=True, eq=False)
class _Flight:
    """Writes on their way: one entry a server."""

    sender: str

    nodes: Ints
    watts: Floats
    due: Floats
    token: int
    landed: Bools


@dataclass(slots=True, kw_only=True, eq=False)
class Counts:
    """What happened at the devices. One change is one GPU whose limit became another."""

    sent: int = 0
    changes: int = 0
    refused: int = 0
    out_of_bounds: int = 0
    stale_refused: int = 0
    stale_accepted: int = 0
    dead_man: int = 0


class Devices:
    """All limits, servers x GPUs."""

    def __init__(self, hall: Layout, rng: np.random.Generator, *, delay: tuple[float, float]) -> None:
        """All at the factory's limit: the highest."""
        shape = hall.nodes, hall.gpus
        self._hall, self._rng = hall, rng
        self.delay = delay
        self.limit: Floats = np.full(shape, hall.gpu_max_watts)
        self.felt: Floats = self.limit.copy()
        """The limit that power follows, behind `limit` by the lag."""
        self.now = 0.0
        self.token: Ints = np.full(hall.nodes, NO_TOKEN)
        """The highest that each server has seen."""
        self.silent: Bools = np.zeros(hall.nodes, bool)
        self.refuses: Bools = np.zeros(hall.nodes, bool)
        self.lies: Bools = np.zeros(hall.nodes, bool)
        self.reverts_after = np.full(hall.nodes, np.inf)
        self.answer_seconds = np.zeros(hall.nodes)
        """Added to the time that a write takes."""
        self.brake_ratio = np.ones(hall.nodes)
        """The share of full power that a server's own brake leaves it."""
        self.counts = Counts()
        self.touched = np.full(hall.nodes, np.inf)
        """When each server last heard a controller; infinite: no dead-man is armed."""
        self.safe_watts = np.full(shape, np.inf)
        self.sent_of_node: Ints = np.zeros(hall.nodes, int)
        self.landed_at = np.full(hall.nodes, -np.inf)
        self.answers: defaultdict[str, list[Answers]] = defaultdict(list)
        """By sender; whoever reads them takes them away."""
        self._flights: list[_Flight] = []
        self._last_due = np.zeros(hall.nodes)
        self._revert_at = np.full(hall.nodes, np.inf)

    def write(self, nodes: Ints, watts: Floats, *, token: int = NO_TOKEN, sender: str = "") -> None:
        """Send limits to servers (entries x GPUs, NaN leaves a GPU alone)."""
        if not len(nodes):
            return
        self.counts.sent += int(np.isfinite(watts).sum())
        self.sent_of_node[nodes] += 1
        outside = (watts < self._hall.gpu_min_watts - 1e-6) | (watts > self._hall.gpu_max_watts + 1e-6)
        self.counts.out_of_bounds += int(outside.sum())
        took = self._rng.uniform(*self.delay, len(nodes)) + self.answer_seconds[nodes]
        due = np.maximum(self.now + took, self._last_due[nodes])
        self._last_due[nodes] = due
        self._flights.append(
            _Flight(
                sender=sender,
                nodes=nodes,
                watts=np.where(outside, np.nan, watts),
                due=due,
                token=token,
                landed=np.zeros(len(nodes), bool),
            )
        )

    def touch(self, nodes: Bools, token: int, safe_watts: Floats) -> None:
        """A keep-alive that arms the dead-man. Servers that have seen a higher token, or are silent, take none."""
        heard = nodes & ~self.silent & (token >= self.token)
        self.token[heard] = token
        self.touched[heard] = self.now
        self.safe_watts[heard] = safe_watts[heard]

    def reset(self, mask: Bools) -> None:
        """Somebody else puts these GPUs back to their highest limit."""
        self.limit[mask] = self._hall.gpu_max_watts

    @property
    def ceiling(self) -> Floats:
        """The highest limit that each GPU may have in the next moment: in force, or on its way."""
        found = self.limit.copy()
        for flight in self._flights:
            open_ = ~flight.landed
            np.maximum.at(found, flight.nodes[open_], np.nan_to_num(flight.watts[open_], nan=0.0))
        return found

    def advance(self, seconds: float) -> None:
        """Let time pass: writes land, caps revert, dead-men fire, power follows."""
        self.now += seconds
        for flight in self._flights:
            due = ~flight.landed & (flight.due <= self.now)
            if due.any():
                flight.landed |= due
                self._land(flight, due)
        self._flights = [flight for flight in self._flights if not flight.landed.all()]
        self._revert()
        self._dead_men()
        self.felt += (self.limit - self.felt) * (1 - np.exp(-seconds / LAG_SECONDS))

    def _land(self, flight: _Flight, due: Bools) -> None:
        nodes, watts = flight.nodes[due], flight.watts[due]
        # The device compares before it looks at anything else; a broken comparison here is what `stale_accepted` would find.
        stale = flight.token < self.token[nodes]
        self.counts.stale_refused += int(stale.sum())
        away = self.silent[nodes] | (self.answer_seconds[nodes] > 0)
        hears = ~stale & ~away & ~self.refuses[nodes]
        self.counts.refused += int(np.isfinite(watts[~hears]).sum())
        asked = nodes
        nodes, watts = nodes[hears], watts[hears]
        self.counts.stale_accepted += int((flight.token < self.token[nodes]).sum())
        self.token[nodes] = flight.token
        self.landed_at[nodes] = self.now
        faithful = ~self.lies[nodes]
        nodes, watts = nodes[faithful], watts[faithful]
        new = np.where(np.isfinite(watts), watts, self.limit[nodes])
        self.counts.changes += int((np.abs(new - self.limit[nodes]) > 0.5).sum())
        self.limit[nodes] = new
        self._revert_at[nodes] = self.now + self.reverts_after[nodes]
        if flight.sender:
            replies = np.select([stale, away, ~hears], [Reply.STALE, Reply.SILENT, Reply.REFUSED], default=Reply.DONE)
            self.answers[flight.sender].append(Answers(nodes=asked, replies=replies, limits=self.limit[asked]))

    def _revert(self) -> None:
        back = self._revert_at <= self.now
        if back.any():
            self.limit[back] = self._hall.gpu_max_watts
            self._revert_at[back] = np.inf

    def _dead_men(self) -> None:
        fired = self.now - self.touched > DEAD_MAN_SECONDS
        if fired.any():
            self.counts.dead_man += int(fired.sum())
            self.limit[fired] = np.minimum(self.limit[fired], self.safe_watts[fired])
            self.touched[fired] = np.inf
