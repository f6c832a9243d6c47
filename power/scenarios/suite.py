"""A whole scenario judged: all seeds under our controller, under equal static caps to compare with, and under the peers'."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from power.scenarios import timetables, trees
from power.scenarios.baselines import EqualStatic
from power.scenarios.crew import Crew
from power.scenarios.run import BASELINES, OURS, Result, run, summary
from power.scenarios.scenario import Scenario
from power.scenarios.table import Check, checks, row, verdict
from power.scenarios.tally import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one scenario."""

    scenario: Scenario
    results: tuple[Result, ...]
    """Our controller's runs."""
    rows: tuple[Mapping[str, Any], ...]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every criterion and every invariant held."""
        return all(check.passed for check in self.checks)

    @property
    def verdict(self) -> str:
        """passed, or what failed."""
        return verdict(self.checks)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "about": self.scenario.about.strip(),
            "passed": self.passed,
            "rows": [dict(each) for each in self.rows],
            "checks": [asdict(each) for each in self.checks],
            "violations": [asdict(each) for result in self.results for each in result.violations],
        }


def judge(scenario: Scenario, seeds: Iterable[int], *, with_baselines: bool = False) -> Report:
    """Run and judge."""
    numbers = tuple(seeds)
    results = tuple(ours(scenario, seed) for seed in numbers)
    names: Sequence[str] = ()
    if scenario.baselines and with_baselines and scenario.kind == "hall":
        names = tuple(BASELINES)
    elif scenario.passes.points_over_static is not None:
        names = (EqualStatic.name,)
    others = {name: [run(scenario, seed, name, BASELINES[name]) for seed in numbers] for name in names}
    static = summary(others[EqualStatic.name]) if EqualStatic.name in others else None
    found = checks(scenario, results, static)
    rows = [row(scenario, results, verdict(found)), *(row(scenario, each, "") for each in others.values())]
    return Report(scenario=scenario, results=results, rows=tuple(rows), checks=found)


def ours(scenario: Scenario, seed: int) -> Result:
    """One seed under our controller; with its throughput as a share of the same seed's without faults where that counts."""
    if scenario.kind != "hall":
        return _cases(scenario, seed)
    result = run(scenario, seed, OURS, Crew)
    if scenario.passes.throughput_of_faultless is None:
        return result
    calm = run(scenario.model_copy(update={"faults": ()}), seed, OURS, Crew)
    share = result.figures.throughput / calm.figures.throughput
    return replace(result, measured={**result.measured, "throughput_of_faultless": share})


def _cases(scenario: Scenario, seed: int) -> Result:
    """Random cases against brute force."""
    began = time.perf_counter()
    kind: Callable[[int, int], Any] = timetables.run if scenario.kind == "schedule" else trees.run
    return Result(
        scenario=scenario.name,
        controller=OURS,
        seed=seed,
        figures=Figures.nothing(),
        measured={name: float(value) for name, value in asdict(kind(scenario.cases, seed)).items()},
        wall_seconds=time.perf_counter() - began,
    )
