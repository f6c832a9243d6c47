"""Runs a scenario in virtual time, with one controller, and says what it came to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from power.scenarios.baselines import Controller, EqualStatic, NoControl, ThreeBand
from power.scenarios.baselines_periodic import Eargm, Polca, Rumd, SlurmLike
from power.scenarios.crew import RESTART_SECONDS, Crew
from power.scenarios.extra import Extra
from power.scenarios.faults import Faults
from power.scenarios.oracle import Oracle, Violation
from power.scenarios.plant import Plant
from power.scenarios.scenario import Scenario
from power.scenarios.tally import Figures, Tally

Make = Callable[[Plant, Faults], Controller]

BASELINES: Mapping[str, Make] = {
    NoControl.name: lambda plant, _: NoControl(plant.hall, plant.priority),
    EqualStatic.name: lambda plant, _: EqualStatic(plant.hall, plant.priority),
    ThreeBand.name: lambda plant, _: ThreeBand(plant.hall, plant.priority),
    Rumd.name: lambda plant, _: Rumd(plant.hall, plant.priority),
    Polca.name: lambda plant, _: Polca(plant.hall, plant.priority),
    Eargm.name: lambda plant, _: Eargm(plant.hall, plant.priority),
    SlurmLike.name: lambda plant, _: SlurmLike(plant.hall, plant.priority, job=plant.work.job),
}


OURS = Crew.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One seed of one scenario under one controller."""

    scenario: str
    controller: str
    seed: int
    figures: Figures
    measured: Mapping[str, float] = field(default_factory=dict)
    """Figures that only some scenarios have, by the name of the criterion."""
    violations: tuple[Violation, ...] = ()
    broken: Mapping[str, int] = field(default_factory=dict)
    """How often each invariant was broken."""
    wall_seconds: float = 0.0


def run(scenario: Scenario, seed: int, name: str, make: Make) -> Result:
    """One run."""
    began = time.perf_counter()
    plant = Plant(scenario, seed)
    faults, oracle, tally = Faults(plant), Oracle(plant), Tally(plant)
    controller = make(plant, faults)
    extra = Extra(plant, faults)
    due = 0.0
    while plant.now < scenario.duration_seconds - 1e-6:
        faults.advance(plant.now)
        step = faults.step(plant.now)
        plant.step(step)
        if plant.now >= due - 1e-6 and (isinstance(controller, Crew) or not _is_down(faults, plant.now)):
            controller.act(plant.seen(), plant.devices)
            due = plant.now + controller.period_seconds
        oracle.look(step, controller.claims)
        tally.add(step)
        extra.add(step)
    return Result(
        scenario=scenario.name,
        controller=name,
        seed=seed,
        figures=tally.figures(),
        measured=extra.figures() | controller.figures(),
        violations=tuple(oracle.violations),
        broken=dict(oracle.counts),
        wall_seconds=time.perf_counter() - began,
    )


def _is_down(faults: Faults, now: float) -> bool:
    """Whether whoever controls is dead or paused. A baseline comes back as it was, started again as ours is."""
    return any(
        fault.start <= now < (fault.end if np.isfinite(fault.end) else fault.start + RESTART_SECONDS)
        for fault in faults.controllers
        if fault.kind in {"kill", "pause"}
    )


def run_baselines(scenario: Scenario, seeds: Sequence[int], names: Sequence[str] = tuple(BASELINES)) -> list[Result]:
    """All seeds under each of the peers' algorithms."""
    return [run(scenario, seed, name, BASELINES[name]) for name in names for seed in seeds]


def summary(results: Sequence[Result]) -> Figures:
    """All seeds together: counts and times add up, shares are means, worst figures are the worst."""
    figures = [each.figures for each in results]
    worst = {"worst_episode_seconds", "back_p99_seconds", "inference_slowdown_p99", "peak_ratio", "raise_ratio"}
    mean = {"throughput", "training_throughput", "changes_per_device_hour", "mean_ratio"}
    if len(figures) == 1:
        return figures[0]
    found: dict[str, Any] = {}
    for name in Figures.__dataclass_fields__:
        values = [getattr(each, name) for each in figures]
        found[name] = max(values) if name in worst else sum(values) / len(values) if name in mean else sum(values)
    return replace(figures[0], **found)


def broken(results: Sequence[Result]) -> Counter[str]:
    """Invariants broken over all seeds."""
    total: Counter[str] = Counter()
    for each in results:
        total.update(each.broken)
    return total
