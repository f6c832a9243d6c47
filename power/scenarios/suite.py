"""A whole scenario judged: all seeds under our controller, under equal static caps to compare with, and under the peers'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from power.scenarios.baselines import EqualStatic
from power.scenarios.run import BASELINES, Make, Result, run, summary
from power.scenarios.scenario import Scenario
from power.scenarios.table import Check, checks, row, verdict

OURS = "wattstat"


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


def judge(scenario: Scenario, seeds: Sequence[int], *, with_baselines: bool, controller: tuple[str, Make]) -> Report:
    """Run and judge."""
    name, make = controller
    results = [run(scenario, seed, name, make) for seed in seeds]
    others: dict[str, list[Result]] = {}
    if scenario.baselines and with_baselines:
        others = {each: [run(scenario, seed, each, BASELINES[each]) for seed in seeds] for each in BASELINES}
    elif scenario.passes.points_over_static is not None:
        others = {EqualStatic.name: [run(scenario, seed, EqualStatic.name, BASELINES[EqualStatic.name]) for seed in seeds]}
    static = summary(others[EqualStatic.name]) if EqualStatic.name in others else None
    found = checks(scenario, results, static)
    rows = [row(scenario, results, verdict(found)), *(row(scenario, each, "") for each in others.values())]
    return Report(scenario=scenario, results=tuple(results), rows=tuple(rows), checks=found)
