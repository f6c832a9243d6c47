"""More of the peers' algorithms: those of clouds (RUMD, POLCA) and of batch systems (EARGM, Slurm).

Figures that the papers give in clocks of their part are taken over as shares of its highest clock.
"""

from __future__ import annotations

import numpy as np

from power.model import Floats
from power.scenarios.baselines import Baseline
from power.scenarios.devices import Devices
from power.scenarios.hall import Layout
from power.scenarios.telemetry import Seen


class Rumd(Baseline):
    """Thunderbolt's reactive control (OSDI'20): random unthrottling, multiplicative decrease, every second on the meter."""

    name = "RUMD"
    period_seconds = 1.0
    high, low, hard, soft = 0.98, 0.96, 0.01, 0.75
    wait_seconds = (1.0, 10.0)

    def __init__(self, hall: Layout, priority: Floats, *, floor_ratio: float = 0.5) -> None:
        super().__init__(hall, priority, floor_ratio=floor_ratio)
        self._rng = np.random.default_rng(7)
        self._throttleable = priority <= np.median(np.unique(priority))
        self._free_at = np.full(hall.nodes, np.inf)

    def act(self, seen: Seen, devices: Devices) -> None:
        """One cycle. The quota is a share of the range of limits."""
        hall = self._hall
        load = (seen.row_watts / hall.row_budget_watts)[hall.row_of_node]
        quota = (self._sent - hall.gpu_min_watts) / (hall.gpu_max_watts - hall.gpu_min_watts)
        hard, soft = self._throttleable & (load > self.high), self._throttleable & (load > self.low) & (load <= self.high)
        quota = np.where(hard, quota * self.hard, np.where(soft, quota * self.soft, quota))
        calm = (quota < 1) & ~hard & ~soft
        begin = calm & np.isinf(self._free_at)
        self._free_at[begin] = seen.now + self._rng.uniform(*self.wait_seconds, int(begin.sum()))
        self._free_at[hard | soft] = np.inf
        free = calm & (seen.now >= self._free_at)
        quota[free] = 1.0
        self._free_at[free] = np.inf
        self._send(devices, hall.gpu_min_watts + quota * (hall.gpu_max_watts - hall.gpu_min_watts))


class Polca(Baseline):
    """POLCA (ASPLOS'24): two thresholds of a row, low priority first, clocks as shares of 1,410 MHz, brake at the limit.

    Clocks become limits: power over idle is taken as proportional to the clock's square.
    """

    name = "POLCA"
    period_seconds = 2.0
    first, second, back = 0.80, 0.89, 0.05
    low_first, low_second, high_second, brake = 1275 / 1410, 1110 / 1410, 1305 / 1410, 288 / 1410
    actuation_seconds = 40.0

    def __init__(self, hall: Layout, priority: Floats, *, floor_ratio: float = 0.5) -> None:
        super().__init__(hall, priority, floor_ratio=floor_ratio)
        self._low = priority <= np.median(np.unique(priority))
        self._level = np.zeros(hall.rows, int)
        self._since = np.zeros(hall.rows)

    def act(self, seen: Seen, devices: Devices) -> None:
        """One cycle: each row's level, 0 free to 4 braked."""
        load = seen.row_watts / self._hall.row_budget_watts
        level = self._level.copy()
        waited = seen.now - self._since >= self.actuation_seconds
        level = np.where((level < 1) & (load >= self.first), 1, level)
        level = np.where((level < 2) & (load >= self.second), 2, level)
        level = np.where((self._level == 2) & (load >= self.second) & waited, 3, level)
        level = np.where(load >= 1.0, 4, level)
        level = np.where((load < self.second - self.back) & (level >= 2), 1, level)
        level = np.where(load < self.first - self.back, 0, level)
        self._since = np.where(level != self._level, seen.now, self._since)
        self._level = level
        low = np.array([1.0, self.low_first, self.low_second, self.low_second, self.brake])
        high = np.array([1.0, 1.0, 1.0, self.high_second, self.brake])
        clock = np.where(self._low, low[level[self._hall.row_of_node]], high[level[self._hall.row_of_node]])
        idle, top = self._hall.gpu_idle_watts, self._hall.gpu_max_watts
        self._send(devices, idle + (top - idle) * clock**2)


class Eargm(Baseline):
    """EAR's global manager, hard mode: every 120 s what nodes do not use goes to greedy ones (from its source, 23c1d334)."""

    name = "EARGM"
    cycle_seconds = 120.0
    greedy_ratio = 0.97

    def __init__(self, hall: Layout, priority: Floats, *, floor_ratio: float = 0.5) -> None:
        super().__init__(hall, priority, floor_ratio=floor_ratio)
        self._most = np.zeros(hall.nodes)
        self._due = 0.0

    def act(self, seen: Seen, devices: Devices) -> None:
        """Defaults first; nodes at their cap get an equal share of what is free; too little is taken from extras evenly.

        A node that did not answer stops the whole cycle, as in the source. Each node's own daemon looks every second and tells
        whether it was held back.
        """
        self._most = np.fmax(self._most, seen.gpu_watts.max(axis=1))
        if seen.now < self._due:
            return
        is_first = not self._due
        self._due = seen.now + self.cycle_seconds
        if (seen.node_age > 5).any():
            return
        hall = self._hall
        default, row_watts = self._equal_share()
        granted = default if is_first else self._sent
        greedy = self._most >= self.greedy_ratio * granted
        needed = np.where(greedy, np.maximum(granted, default), np.minimum(granted, 1.05 * self._most))
        self._most = np.zeros(hall.nodes)
        free = row_watts - hall.by_row(needed)
        hungry = np.maximum(hall.by_row(greedy.astype(float)), 1)
        needed = needed + np.where(greedy, np.maximum(free / hungry, 0)[hall.row_of_node], 0)
        extra = np.maximum(needed - default, 0)
        over = np.maximum(hall.by_row(needed) - row_watts, 0)
        total = np.maximum(hall.by_row(extra), 1)
        needed = needed - extra * np.minimum(over / total, 1)[hall.row_of_node]
        self._send(devices, np.maximum(needed, self._floor))


class SlurmLike(Baseline):
    """Slurm's power plugin with `job_level`, for GPUs: every 30 s caps follow use; a young job's nodes get the most."""

    name = "Slurm-like"
    cycle_seconds = 30.0
    lower, upper = 0.90, 0.95
    decrease, increase = 0.5, 0.2
    young_seconds = 300.0

    def __init__(self, hall: Layout, priority: Floats, *, floor_ratio: float = 0.5, job: np.ndarray | None = None) -> None:
        super().__init__(hall, priority, floor_ratio=floor_ratio)
        self._job = np.full(hall.nodes, -1) if job is None else job
        self._busy_since = np.full(hall.nodes, np.inf)
        self._first = True
        self._samples: list[Floats] = []
        self._due = 0.0

    def act(self, seen: Seen, devices: Devices) -> None:
        """One cycle, on the mean power since the last."""
        self._samples.append(seen.gpu_watts.mean(axis=1))
        if seen.now < self._due:
            return
        self._due = seen.now + self.cycle_seconds
        mean = np.mean(self._samples, axis=0)
        self._samples = []
        hall = self._hall
        top, low = hall.gpu_max_watts, self._floor
        share, row_watts = self._equal_share()
        cap = share if self._first else self._sent
        self._first = False
        power = np.where(np.isfinite(mean), mean, cap)
        self._busy_since = np.where(power < 1.5 * hall.gpu_idle_watts, np.inf, np.minimum(self._busy_since, seen.now))
        less = np.minimum((cap - power) / 2, self.decrease * (top - low))
        raised = np.where(power > self.upper * cap, cap + self.increase * (top - low), cap)
        cap = np.where(power < self.lower * cap, cap - less, raised)
        young = (seen.now - self._busy_since < self.young_seconds) & (seen.now > self.young_seconds)
        cap = np.clip(np.where(young, top, cap), low, top)
        spare = (row_watts - hall.by_row(cap)) / np.bincount(hall.row_of_node, minlength=hall.rows)
        self._send(devices, self._level(np.clip(cap + spare[hall.row_of_node], low, top)))

    def _level(self, caps: Floats) -> Floats:
        """One cap in a job: the mean of its nodes."""
        has = self._job >= 0
        if not has.any():
            return caps
        sums = np.bincount(self._job[has], weights=caps[has])
        counts = np.bincount(self._job[has])
        found = caps.copy()
        found[has] = (sums / np.maximum(counts, 1))[self._job[has]]
        return found
