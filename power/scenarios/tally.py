"""What a run is judged by: time over budget, episodes, throughput, caps changed, how high and how fast."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from power.model import Floats
from power.scenarios.plant import Plant

HERD_SECONDS = 8.5
"""Ten, less what a write's way may be shorter than the one before: a raise every ten seconds is seen once."""
SLOWDOWN_SHARE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one run. NaN: does not apply."""

    trips: int
    row_seconds: float
    over_seconds: float
    worst_episode_seconds: float
    back_p99_seconds: float
    throughput: float
    training_throughput: float
    inference_slowdown_p99: float
    changes_per_device_hour: float
    refused: int
    stale_refused: int
    stale_accepted: int
    dead_man: int
    peak_ratio: float
    """Of the breakers' ratings."""
    raise_ratio: float
    mean_ratio: float
    """Mean power as a share of the budgets."""

    @classmethod
    def nothing(cls) -> Self:
        """Of what has no hall."""
        none: dict[str, Any] = {name: 0 if kind == "int" else float("nan") for name, kind in cls.__annotations__.items()}
        return cls(**none)

    @property
    def over_ratio(self) -> float:
        """Share of row-seconds over budget."""
        return self.over_seconds / self.row_seconds if self.row_seconds else float("nan")


class Tally:
    """Counts one run."""

    def __init__(self, plant: Plant) -> None:
        """Nothing counted."""
        self._plant = plant
        rows = plant.hall.rows
        self._episode = np.zeros(rows)
        self._episodes: list[float] = []
        self._over = self._seconds = self._joules = 0.0
        self._limits: deque[tuple[float, Floats]] = deque()
        self._raise = 0.0
        self._peak = 0.0
        self._changes_before = 0
        self._done_before: Floats | None = None
        self._wished_before: Floats | None = None
        self.site_watts: list[tuple[float, float]] = []

    def add(self, seconds: float) -> None:
        """Count the step that just ended."""
        plant = self._plant
        self._watch_raises()
        watts = plant.row_watts
        self.site_watts.append((plant.now, float(watts.sum())))
        if plant.now <= plant.scenario.warm_up_seconds:
            return
        if self._done_before is None:
            self._done_before, self._wished_before = plant.work.done.copy(), plant.work.wished.copy()
            plant.work.slow_seconds[:] = 0
            self._changes_before = plant.devices.counts.changes
        over = watts > plant.hall.row_budget_watts
        self._over += float(over.sum()) * seconds
        self._seconds += seconds
        self._joules += float((watts / plant.hall.row_budget_watts).mean()) * seconds
        ended = (self._episode > 0) & ~over
        self._episodes += self._episode[ended].tolist()
        self._episode = np.where(over, self._episode + seconds, 0.0)
        ratios = [float((plant.carried(layer) / layer.rating_watts).max()) for layer in plant.hall.layers]
        self._peak = max(self._peak, *ratios)

    def _watch_raises(self) -> None:
        """How much a row's caps rose within ten seconds, as a share of their range."""
        plant = self._plant
        if self._limits and plant.now - self._limits[-1][0] < 1 - 1e-6:
            return
        hall = plant.hall
        now = hall.by_row(plant.devices.limit.sum(axis=1))
        self._limits.append((plant.now, now))
        while plant.now - self._limits[0][0] > HERD_SECONDS:
            self._limits.popleft()
        least = np.min([each for _, each in self._limits], axis=0)
        per_row = np.bincount(hall.row_of_node) * hall.gpus * (hall.gpu_max_watts - hall.gpu_min_watts)
        if plant.now > plant.scenario.warm_up_seconds:
            self._raise = max(self._raise, float(((now - least) / per_row).max()))

    def figures(self) -> Figures:
        """What it came to."""
        plant = self._plant
        counts, work, hall = plant.devices.counts, plant.work, plant.hall
        episodes = np.array([*self._episodes, *self._episode[self._episode > 0]])
        zeros = np.zeros(hall.nodes)
        done = work.done - (zeros if self._done_before is None else self._done_before)
        wished = work.wished - (zeros if self._wished_before is None else self._wished_before)
        hours = self._seconds / 3600
        return Figures(
            trips=int(sum(breaker.trips.sum() for breaker in plant.breakers)),
            row_seconds=self._seconds * hall.rows,
            over_seconds=self._over,
            worst_episode_seconds=float(episodes.max(initial=0.0)),
            back_p99_seconds=float(np.percentile(episodes, 99)) if len(episodes) else 0.0,
            throughput=_ratio(done, wished),
            training_throughput=_ratio(done[work.trainers], wished[work.trainers]),
            inference_slowdown_p99=_slowdown(work.slow_seconds),
            changes_per_device_hour=(counts.changes - self._changes_before) / (hall.nodes * hall.gpus * max(hours, 1e-9)),
            refused=counts.refused,
            stale_refused=counts.stale_refused,
            stale_accepted=counts.stale_accepted,
            dead_man=counts.dead_man,
            peak_ratio=self._peak,
            raise_ratio=self._raise,
            mean_ratio=self._joules / max(self._seconds, 1e-9),
        )


def _ratio(done: Floats, wished: Floats) -> float:
    return float(done.sum() / wished.sum()) if wished.sum() else float("nan")


def _slowdown(seconds: Floats) -> float:
    """The slowdown that 99 % of the seconds of inference stay under, to a percent."""
    if not seconds.sum():
        return float("nan")
    reached = np.cumsum(seconds) / seconds.sum()
    return float(np.searchsorted(reached, SLOWDOWN_SHARE)) / 100
