"""What is known now, in columns: agents' answers each second, BMCs' power every ten, caps by read-back.

An answer is written into the columns when it comes, so that a look at 80,000 GPUs costs a copy and no loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from power.actuators.findings import Finding
from power.model import Bools, ControlState, DeviceCaps, Fleet, Floats, Ints, View
from power.still import LEAST_SHARE, METER_SECONDS, Named, Still, frozen_gpus, frozen_meters
from wattstat.catalogue.node import NODE_POWER_WATTS
from wattstat.hall import Snapshot

REST_READINGS = 10
"""Over so many readings of a server's meter what it draws beyond its GPUs is averaged. Meter and GPUs are not read in one
moment, and training swings by kilowatts within seconds: a single difference means nothing."""
# The BMC's own meter counts; the sum of its supplies where it has none. The baseboard's is a part only.
SOURCES = ("system", "psu_sum")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CapColumns:
    """What the executor knows of caps: state by GPU and server, the server's own cap as confirmed, and its age.

    `gpu_pending_watts` is what was written and not read back, NaN where nothing is: the higher of it and the limit counts.
    """

    gpu_state: Ints
    gpu_pending_watts: Floats
    node_state: Ints
    node_cap_watts: Floats
    node_cap_age: Floats
    node_cap_min_watts: Floats
    node_cap_max_watts: Floats


AHEAD_SECONDS = 2.0
"""A reading from so far in the time to come was taken before the wall clock was set back: nobody knows how old it is. Taken for
new it would stand for as long as the clock was set back, whatever is drawn."""


class Meter(NamedTuple):
    """What a server's own meter told, and how long ago."""

    watts: float
    age_seconds: float


Meters = Mapping[str, Meter]


def meters_of(snapshot: Snapshot) -> Meters:
    """The servers' own meters of the hall."""
    found: dict[str, tuple[int, Meter]] = {}
    for sample, age in snapshot.find(NODE_POWER_WATTS):
        node, source = sample.labels
        if source not in SOURCES or age < -AHEAD_SECONDS:
            continue
        rank = SOURCES.index(source)
        if node not in found or rank < found[node][0]:
            found[node] = rank, Meter(sample.value, max(age, 0.0))
    return {node: meter for node, (_, meter) in found.items()}


class Telemetry:
    """The newest answers about one fleet. Belongs to one thread; the views that it gives away are copies."""

    def __init__(self, fleet: Fleet) -> None:
        gpus, nodes = len(fleet.gpus), len(fleet.nodes)
        self.fleet = fleet
        self._gpu_row = {device: row for row, device in enumerate(fleet.gpus)}
        self._node_row = {name: row for row, name in enumerate(fleet.nodes)}
        self.gpu_watts, self.limit, self.own, self.least, self.most, self.default = (np.full(gpus, np.nan) for _ in range(6))
        self.gpu_at, self.limit_at = np.full(gpus, -math.inf), np.full(gpus, -math.inf)
        self._mean_meter, self._mean_gpus, self._readings = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes)
        self._fixed = fleet.tree.fixed_watts
        self._meter = np.full(nodes, np.nan)
        self._meter_at = np.full(nodes, -math.inf)
        self._still_gpus, self._still_meters = Still(count=gpus), Still(count=nodes)
        self._gpus_then = np.full(nodes, np.nan)
        self._named = Named()
        self._has_gpus = fleet.by_node(np.ones(gpus)) > 0

    def take(self, caps: Sequence[DeviceCaps], monotonic: float, *, age_seconds: float = 0.0) -> None:
        """What an agent or a baseboard told of its GPUs, asked at `monotonic`.

        GPUs that the fleet does not know are left out: it is made anew for them.
        """
        for each in caps:
            row = self._gpu_row.get(each.device)
            if row is None:
                continue
            if each.power_watts is not None:
                at = monotonic - age_seconds
                if each.power_watts != self.gpu_watts[row]:
                    self._still_gpus.moved_at[row] = at
                self.gpu_watts[row] = self._still_gpus.value[row] = each.power_watts
                self.gpu_at[row] = self._still_gpus.at[row] = at
            self.limit[row], self.own[row] = _number(each.limit_watts), _number(each.own_watts)
            self.least[row], self.most[row] = _number(each.min_watts), _number(each.max_watts)
            self.default[row] = _number(each.default_watts)
            self.limit_at[row] = monotonic

    def take_meters(self, meters: Meters, monotonic: float) -> None:
        """The servers' own meters, as they stood in the hall at `monotonic`."""
        found = {row: told for node, told in meters.items() if (row := self._node_row.get(node)) is not None}
        if not found:
            return
        rows = np.fromiter(found, np.int64, len(found))
        watts = np.array([told.watts for told in found.values()])
        at = monotonic - np.array([told.age_seconds for told in found.values()])
        is_new = at > self._meter_at[rows] + 0.5
        rows, watts, at = rows[is_new], watts[is_new], at[is_new]
        moved = rows[self._meter[rows] != watts]
        self._gpus_then[moved] = self._by_gpus()[moved]
        self._still_meters.take(rows, watts, at)
        self._meter[rows], self._meter_at[rows] = watts, at
        self._learn_rest(rows, watts, monotonic)

    def _learn_rest(self, rows: Ints, watts: Floats, monotonic: float) -> None:
        known = self._all_known(monotonic)[rows]
        rows, watts = rows[known], watts[known]
        gpus = self.fleet.by_node(self.gpu_watts)[rows]
        self._readings[rows] += 1
        weight = 1 / np.minimum(self._readings[rows], REST_READINGS)
        self._mean_meter[rows] += weight * (watts - self._mean_meter[rows])
        self._mean_gpus[rows] += weight * (gpus - self._mean_gpus[rows])

    def _rest(self) -> Floats:
        """What each server draws beyond its GPUs; the most that it can where its meter has not told yet."""
        fleet = self.fleet
        rest = np.clip(self._mean_meter - fleet.loss * self._mean_gpus, 0.0, fleet.rest_watts)
        return np.where(self._readings > 0, rest, fleet.rest_watts)

    def _by_gpus(self) -> Floats:
        return self.fleet.loss * self.fleet.by_node(self.gpu_watts)

    @property
    def frozen(self) -> tuple[Finding, ...]:
        """Sensors that stood still at the last look though they cannot."""
        return self._named.findings

    def _look_for_frozen(self, at: float, monotonic: float) -> tuple[Bools, Bools]:
        fleet, by_gpus = self.fleet, self._by_gpus()
        fresh = monotonic - self._meter_at <= METER_SECONDS
        unexplained = np.where(fresh, self._meter - by_gpus - fleet.rest_watts * (1 + LEAST_SHARE), np.nan)
        gpus = frozen_gpus(
            fleet, self._still_gpus.stands, self.gpu_watts, limit=self.limit, most=self.most, unexplained=unexplained
        )
        meters = frozen_meters(self._still_meters.stands, self._meter, by_gpus, self._gpus_then)
        self._named.note(fleet, gpus, meters, at)
        return gpus, meters

    @property
    def metered_ratio(self) -> float:
        """Share of the servers whose own meter has told anything: 1 in an empty hall."""
        told = np.isfinite(self._meter_at)
        return float(told.mean()) if len(told) else 1.0

    def _all_known(self, monotonic: float) -> Bools:
        """Servers all of whose GPUs told their power within some seconds."""
        stale = (monotonic - self.gpu_at > 15.0).astype(np.float64)
        known: Bools = self.fleet.by_node(stale) == 0
        return known

    def view(self, caps: CapColumns, *, at: float, monotonic: float) -> View:
        """All of it now. Peaks are the newest power here: the controller puts those of its window in their place."""
        fleet = self.fleet
        frozen, frozen_meter = self._look_for_frozen(at, monotonic)
        gpu_age = monotonic - np.where(frozen, self._still_gpus.moved_at, self.gpu_at)
        gpu_watts = self.gpu_watts.copy()
        sums = fleet.by_node(gpu_watts)  # NaN where a GPU has never told
        oldest = np.zeros(len(fleet.nodes))
        np.maximum.at(oldest, fleet.gpu_node, gpu_age)
        by_gpus = fleet.loss * sums + self._rest()
        meter_age = monotonic - np.where(frozen_meter, self._still_meters.moved_at, self._meter_at)
        # By its GPUs a server is known each second, by its meter every ten.
        use_gpus = self._has_gpus & np.isfinite(by_gpus) & (oldest <= meter_age)
        node_watts = np.where(use_gpus, by_gpus, self._meter)
        node_age = np.where(use_gpus, oldest, meter_age)
        return View(
            at=at,
            monotonic=monotonic,
            gpu_watts=gpu_watts,
            gpu_age=gpu_age,
            gpu_peak_watts=gpu_watts,
            gpu_limit_watts=np.where(
                np.isnan(caps.gpu_pending_watts), self.limit, np.maximum(self.limit, caps.gpu_pending_watts)
            ),
            gpu_own_watts=self.own.copy(),
            gpu_limit_age=monotonic - self.limit_at,
            gpu_min_watts=self.least.copy(),
            gpu_max_watts=self.most.copy(),
            gpu_default_watts=self.default.copy(),
            gpu_state=np.where(np.isfinite(self.limit), caps.gpu_state, ControlState.UNKNOWN),
            node_watts=node_watts,
            node_age=node_age,
            node_peak_watts=node_watts,
            node_cap_watts=caps.node_cap_watts,
            node_cap_age=caps.node_cap_age,
            node_cap_min_watts=caps.node_cap_min_watts,
            node_cap_max_watts=caps.node_cap_max_watts,
            node_state=caps.node_state,
            limit_fixed_watts=self._fixed,
        )

    def take_uncapped(self, known: Mapping[str, float]) -> None:
        """What switches, storage and the like draw, by name, as it stood in the hall."""
        self._fixed = self.fleet.tree.fixed_now(known)

    def inherit(self, older: Telemetry) -> None:
        """Take over what was known of the same devices when the fleet was made anew."""
        ours = np.array([row for device, row in self._gpu_row.items() if device in older._gpu_row], np.int64)
        theirs = np.array([older._gpu_row[self.fleet.gpus[row]] for row in ours], np.int64)
        nodes = np.array([row for name, row in self._node_row.items() if name in older._node_row], np.int64)
        before = np.array([older._node_row[self.fleet.nodes[row]] for row in nodes], np.int64)
        for still, before_still, to, of in (
            (self._still_gpus, older._still_gpus, ours, theirs),
            (self._still_meters, older._still_meters, nodes, before),
        ):
            for name in ("value", "at", "moved_at"):
                getattr(still, name)[to] = getattr(before_still, name)[of]
        for name in ("gpu_watts", "limit", "own", "least", "most", "default", "gpu_at", "limit_at"):
            getattr(self, name)[ours] = getattr(older, name)[theirs]
        for name in ("_mean_meter", "_mean_gpus", "_readings", "_meter", "_meter_at", "_gpus_then"):
            getattr(self, name)[nodes] = getattr(older, name)[before]


def unknown_caps(fleet: Fleet) -> CapColumns:
    """Before anything was read."""
    gpus, nodes = len(fleet.gpus), len(fleet.nodes)
    return CapColumns(
        gpu_state=np.zeros(gpus, np.int64),
        gpu_pending_watts=np.full(gpus, np.nan),
        node_state=np.zeros(nodes, np.int64),
        node_cap_watts=np.full(nodes, np.nan),
        node_cap_age=np.full(nodes, math.inf),
        node_cap_min_watts=np.full(nodes, np.nan),
        node_cap_max_watts=np.full(nodes, np.nan),
    )


def found_by_node(caps: Mapping[str, Sequence[DeviceCaps]]) -> dict[str, tuple[DeviceCaps, ...]]:
    """The GPUs of each server as read, in the order of their indices."""
    return {
        node: tuple(sorted((each for each in read if each.device.uuid), key=lambda each: (len(each.index), each.index)))
        for node, read in caps.items()
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value
