"""The peers' algorithms, as published, to stand beside ours: their periods, thresholds and what they do without readings.

Each sees the same telemetry and writes through the same devices. They set one limit for all GPUs of a server.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import numpy as np

from power.model import Bools, Floats
from power.scenarios.devices import Devices
from power.scenarios.hall import Layout
from power.scenarios.oracle import Claims
from power.scenarios.telemetry import Seen


class Controller(Protocol):
    """What a run drives once a second of virtual time."""

    name: str
    period_seconds: float

    @property
    def claims(self) -> Claims:
        """What it says of itself."""

    def act(self, seen: Seen, devices: Devices) -> None:
        """Look and write."""

    def figures(self) -> dict[str, float]:
        """What only it can tell, by the name of the criterion."""


class Baseline:
    """What all have: caps that were sent last, and estimates for servers without a fresh reading."""

    name = "baseline"
    period_seconds = 1.0
    claims = Claims()

    def __init__(self, hall: Layout, priority: Floats, *, floor_ratio: float = 0.5) -> None:
        """Nothing sent yet."""
        self._hall = hall
        self._priority = priority
        self._floor = max(hall.gpu_min_watts, floor_ratio * hall.gpu_max_watts)
        self._sent = np.full(hall.nodes, hall.gpu_max_watts)

    @abstractmethod
    def act(self, seen: Seen, devices: Devices) -> None:
        """Look and write."""

    def figures(self) -> dict[str, float]:
        """Nothing of its own."""
        return {}

    def _send(self, devices: Devices, caps: Floats) -> None:
        """Write what changed."""
        caps = np.clip(caps, self._hall.gpu_min_watts, self._hall.gpu_max_watts)
        nodes = np.nonzero(np.abs(caps - self._sent) > 0.5)[0]
        self._sent = caps.copy()
        devices.write(nodes, np.repeat(caps[nodes, None], self._hall.gpus, axis=1))

    def _node_caps(self, node_watts: Floats) -> Floats:
        """The GPU limits that keep servers at these watts."""
        return (node_watts - self._hall.rest_watts) / self._hall.gpus

    def _equal_share(self) -> tuple[Floats, Floats]:
        """The GPU limit that everyone has when a row's budget is split evenly, and the sum of such limits by row."""
        hall = self._hall
        servers = np.bincount(hall.row_of_node, minlength=hall.rows)
        equal = self._node_caps(hall.row_budget_watts / servers)
        return equal[hall.row_of_node], equal * servers


class NoControl(Baseline):
    """Nobody does anything."""

    name = "none"

    def act(self, seen: Seen, devices: Devices) -> None:
        """Nothing."""


class EqualStatic(Baseline):
    """One cap for every GPU, so that a row of servers at their caps draws the budget."""

    name = "equal static"
    period_seconds = 60.0

    def act(self, seen: Seen, devices: Devices) -> None:
        """Once; repeated only where it is not in force."""
        self._send(devices, self._equal_share()[0])


class ThreeBand(Baseline):
    """Dynamo, leaf controllers of rows and an upper one of the site (ISCA'16).

    Every 3 s: over 99 % of the limit cut to 95 %, lowest priority first, highest draw first; under 90 % uncap. A missing
    server counts as the mean of its kind; with more than a fifth missing nothing is done.
    """

    name = "three-band"
    period_seconds = 3.0
    cut, aim, release = 0.99, 0.95, 0.90
    most_missing = 0.2
    bucket_watts = 20.0

    def __init__(self, hall: Layout, priority: Floats, *, floor_ratio: float = 0.5) -> None:
        super().__init__(hall, priority, floor_ratio=floor_ratio)
        self._contract = np.full(hall.rows, np.inf)
        self._turn = 0

    def act(self, seen: Seen, devices: Devices) -> None:
        """One leaf cycle; every third also the upper level's."""
        power, missing = self._power(seen)
        hall = self._hall
        rows = hall.by_row(power)
        if self._turn % 3 == 0:
            self._upper(rows)
        self._turn += 1
        limit = np.minimum(hall.row_budget_watts, self._contract)
        few_missing = hall.by_row(missing.astype(float)) <= self.most_missing * np.bincount(hall.row_of_node)
        caps = self._sent.copy()
        for row in np.nonzero(few_missing & (rows > self.cut * limit))[0]:
            self._cut_row(int(row), rows[row] - self.aim * limit[row], power, caps)
        free = few_missing & (rows < self.release * limit)
        caps[free[hall.row_of_node]] = hall.gpu_max_watts
        self._send(devices, caps)

    def _power(self, seen: Seen) -> tuple[Floats, Bools]:
        missing = ~(seen.node_age <= 2 * self.period_seconds)
        if not missing.any():
            return seen.node_watts, missing
        power = seen.node_watts.copy()
        for kind in np.unique(self._priority):
            same = self._priority == kind
            known = same & ~missing
            power[same & missing] = power[known].mean() if known.any() else self._hall.nameplate_watts
        return power, missing

    def _upper(self, rows: Floats) -> None:
        site, total = self._hall.site_budget_watts, rows.sum()
        if total > self.cut * site:
            quota = self._hall.row_budget_watts * site / self._hall.row_budget_watts.sum()
            excess = np.maximum(rows - quota, 0)
            cut = total - self.aim * site
            share = excess / excess.sum() if excess.sum() else np.full(len(rows), 1 / len(rows))
            self._contract = rows - cut * share
        elif total < self.release * site:
            self._contract[:] = np.inf

    def _cut_row(self, row: int, cut: float, power: Floats, caps: Floats) -> None:
        """Spread a cut over the servers that draw most, lowest priority first."""
        hall = self._hall
        inside = hall.row_of_node == row
        floor = hall.rest_watts + hall.gpus * self._floor
        for kind in np.unique(self._priority[inside]):
            nodes = np.nonzero(inside & (self._priority == kind))[0]
            nodes = nodes[np.argsort(-power[nodes])]
            bucket = np.floor((power[nodes[0]] - power[nodes]) / self.bucket_watts)
            room = np.maximum(power[nodes] - floor, 0)
            reach = np.cumsum(room)
            enough = int(np.searchsorted(reach, cut))
            last = bucket[min(enough, len(nodes) - 1)]
            chosen = bucket <= last
            take = min(cut, float(room[chosen].sum()))
            part = _even(room[chosen], take)
            caps[nodes[chosen]] = np.minimum(caps[nodes[chosen]], self._node_caps(power[nodes[chosen]] - part))
            cut -= take
            if cut <= 1:
                return


def _even(room: Floats, take: float) -> Floats:
    """Spread `take` evenly, nobody over its room."""
    part = np.zeros_like(room)
    while take > 1e-6:
        open_ = room - part > 1e-6
        if not open_.any():
            break
        each = take / open_.sum()
        step = np.where(open_, np.minimum(each, room - part), 0)
        part += step
        take -= step.sum()
    return part
