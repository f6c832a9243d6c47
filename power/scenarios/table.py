"""What came of rehearsals, as rows: figures of every controller, and each criterion passed or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from power.scenarios.run import Result, broken, summary
from power.scenarios.scenario import Scenario
from power.scenarios.tally import Figures

INVARIANTS = ("I1", "I2", "I3", "I4", "I5", "I6")
AT_LEAST = frozenset({"throughput", "points_over_static", "throughput_of_faultless"})
COLUMNS = (
    "scenario",
    "controller",
    "trips",
    "over",
    "worst_s",
    "back_p99_s",
    "throughput",
    "slow_p99",
    "changes",
    "refused",
    "invariants",
    "verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One criterion. `found` is None where nothing was measured, and then it is not passed."""

    name: str
    wanted: float
    found: float | None
    passed: bool

    def __str__(self) -> str:
        found = "nothing measured" if self.found is None else f"{self.found:.4g}"
        sign = "at least" if self.name in AT_LEAST else "at most"
        return f"{self.name} {found}, wanted {sign} {self.wanted:g}"


def checks(scenario: Scenario, results: Sequence[Result], static: Figures | None = None) -> tuple[Check, ...]:
    """Every criterion of a scenario against all seeds together; `static` is what equal caps reached."""
    found = _found(results, static)
    rows = []
    for name, wanted in scenario.passes:
        if wanted is None:
            continue
        value = found.get(name)
        good = value is not None and not math.isnan(value)
        passed = good and value is not None and (value >= wanted if name in AT_LEAST else value <= wanted)
        rows.append(Check(name=name, wanted=wanted, found=value if good else None, passed=passed))
    kept = broken(results)
    rows += [Check(name=name, wanted=0, found=float(kept[name]), passed=not kept[name]) for name in INVARIANTS if name in kept]
    return tuple(rows)


def _found(results: Sequence[Result], static: Figures | None) -> dict[str, float]:
    total = summary(results)
    found: dict[str, float] = {name: float(getattr(total, name)) for name in Figures.__dataclass_fields__}
    found["over_ratio"] = total.over_ratio
    if static is not None:
        found["points_over_static"] = 100 * (total.throughput - static.throughput)
    for name in {name for each in results for name in each.measured}:
        values = [each.measured[name] for each in results if name in each.measured]
        found[name] = min(values) if name in AT_LEAST else max(values)
    return found


def row(scenario: Scenario, results: Sequence[Result], verdict: str) -> Mapping[str, Any]:
    """One line of the table."""
    total, kept = summary(results), broken(results)
    return {
        "scenario": scenario.name,
        "controller": results[0].controller,
        "trips": total.trips,
        "over": _told(total.over_ratio, ".3%"),
        "worst_s": _told(total.worst_episode_seconds, ".1f"),
        "back_p99_s": _told(total.back_p99_seconds, ".1f"),
        "throughput": _told(total.throughput, ".4f"),
        "slow_p99": _told(total.inference_slowdown_p99, ".0%"),
        "changes": _told(total.changes_per_device_hour, ".1f"),
        "refused": total.refused,
        "invariants": ", ".join(f"{name} {kept[name]}x" for name in sorted(kept)) or "kept",
        "verdict": verdict,
    }


def verdict(found: Sequence[Check]) -> str:
    """passed, or what failed."""
    failed = [each.name for each in found if not each.passed]
    return f"failed: {', '.join(failed)}" if failed else "passed"


def _told(value: float, form: str) -> str:
    """A number, or nothing where there is none."""
    return "" if math.isnan(value) else format(value, form)
