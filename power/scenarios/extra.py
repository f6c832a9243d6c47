"""Figures that only some scenarios ask for: recovery from a lost feed, reductions reached and held, swings."""

from __future__ import annotations

import numpy as np

from power.model import Floats
from power.scenarios.faults import Faults
from power.scenarios.plant import Plant

SWING_SECONDS = 60.0
"""Longer than an iteration and its neighbours: what swings slower than that is the controller."""
BASELINE_SECONDS = 300.0


class Extra:
    """Watches one run."""

    def __init__(self, plant: Plant, faults: Faults) -> None:
        """Nothing seen."""
        self._plant = plant
        self._lost = [fault.start for fault in faults.drawn if fault.kind == "feed_loss"]
        self._over_until = -np.inf
        self._second_overload = 0.0
        self._at: list[float] = []
        self._site: list[float] = []
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        """The step that just ended."""
        plant = self._plant
        self._at.append(plant.now)
        self._site.append(float(plant.node_watts.sum()))
        self._seconds.append(seconds)
        if (
            self._lost
            and plant.now > self._lost[0]
            and any((plant.carried(layer) > layer.rating_watts).any() for layer in plant.hall.layers)
        ):
            self._over_until = plant.now

    def figures(self) -> dict[str, float]:
        """By the name of the criterion."""
        at, site, seconds = np.array(self._at), np.array(self._site), np.array(self._seconds)
        found: dict[str, float] = {"swing_ratio": self._swing(at, site, seconds)}
        if self._lost:
            found["recovered_seconds"] = max(self._over_until - self._lost[0], 0.0)
        asks = self._plant.scenario.asks
        reached: list[float] = []
        early: list[float] = []
        errors, within = [], []
        for ask in asks:
            notice = ask.at - ask.notice_seconds
            before = (at > notice - ask.baseline_seconds) & (at <= notice)
            target = (1 - ask.ratio) * float(np.average(site[before], weights=seconds[before]))
            smooth = _mean_of(site, seconds, 3.0 if ask.emergency else 10.0)
            deadline = ask.at + ask.within_seconds
            begins, ends = (ask.at, ask.at + 60) if ask.emergency else (notice, ask.at)
            over = (at > begins) & (at <= ends) & (smooth > 1.01 * target)
            last = float(at[over][-1]) if over.any() else begins
            (reached if ask.emergency else early).append(last - ask.at)
            held = (at >= deadline) & (at < ask.at + ask.seconds)
            errors.append(float(np.average(site[held], weights=seconds[held])) / target - 1 if held.any() else float("nan"))
            within.append(float((smooth[held] / target - 1).max(initial=0.0)) if held.any() else float("nan"))
        if asks:
            found |= {"held_error": max(errors), "held_excursion": max(within)}
            found |= {"reached_seconds": max(reached)} if reached else {}
            found |= {"early_seconds": max(early)} if early else {}
        return found

    def _swing(self, at: Floats, site: Floats, seconds: Floats) -> float:
        smooth = _mean_of(site, seconds, SWING_SECONDS)
        steady = at > self._plant.scenario.warm_up_seconds + SWING_SECONDS
        if not steady.any():
            return float("nan")
        return float(np.ptp(smooth[steady])) / self._plant.hall.site_budget_watts


def _mean_of(values: Floats, seconds: Floats, window: float) -> Floats:
    """The mean over the window that ends at each step; steps may differ in length."""
    at = np.cumsum(seconds)
    joules = np.concatenate([[0.0], np.cumsum(values * seconds)])
    first = np.searchsorted(at, at - window + 1e-9)
    span = at - np.concatenate([[0.0], at])[first]
    found: Floats = (joules[1:] - joules[first]) / span
    return found
