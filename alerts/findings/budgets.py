"""BudgetBreachForecast: power grows towards a limit and will be over it within the hour.

Who would shout at each start of a job would not be heard. So a line must tell the past better than three levels could, which is
what jobs that start and end look like; it must still be growing; and nothing may keep it under the limit: neither a controller
that enforces and has enough to take away, nor caps under which all devices together could not draw as much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Floats, Key, Past, Table
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine

NAME = "BudgetBreachForecast"
SUMMARY = "A budget will be exceeded within the hour, and nothing holds it"
SPAN_SECONDS, STEP_SECONDS = 7200.0, 300.0
HORIZON_SECONDS = 3600.0
SPANS = (25, 19, 13)
"""Two hours, one and a half, or one, in points of five minutes: after a large step only what came since tells of growth."""
GROWS_RATIO = 0.5
"""In the newer half power must grow at this share of the pace of the whole."""
SURE = 6.0
"""So many times its own error the pace must be: by chance never, though budgets are many and asked often."""
LEAST_RATIO = 0.02
"""And this share of the limit at least: less is no growth that anybody could act on."""

VOICE = Voice(name=NAME, severity="warning", component="power", category="capacity", summary=SUMMARY)
_BUDGET = "budget kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All budgets by (budget, kind): power over two hours, and what holds now."""

    power: Table
    limit: Mapping[Key, float]
    envelope: Mapping[Key, float]
    coverage: Mapping[Key, float]
    enforced: bool
    """A controller leads and enforces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Where the power of a budget goes. `seconds` is the time until it reaches the limit."""

    watts: float
    watts_per_hour: float
    expected_watts: float
    seconds: float


def finder(past: Past) -> Finding[Facts]:
    """Ask every five minutes, as often as there is a new mean; two looks must agree."""
    return Finding(
        name=NAME,
        every_seconds=300,
        conditions=Conditions(for_seconds=300, keep_firing_seconds=900),
        summary=SUMMARY,
        past=past,
        fetch=fetch,
        judge=judge,
    )


async def fetch(past: Past, at: float) -> Facts:
    """Means of five minutes over two hours: shorter swings are iterations of training."""
    means = "avg_over_time(wattstat_budget_power_watts[5m])"
    enforces = await past.now('wattstat_controller_mode{mode="enforce"}', "", at)
    leads = await past.now("wattstat_controller_leader", "", at)
    return Facts(
        power=await past.table(means, _BUDGET, at, seconds=SPAN_SECONDS, step=STEP_SECONDS),
        limit=await past.now("wattstat_budget_limit_watts", _BUDGET, at),
        envelope=await past.now("wattstat_budget_envelope_watts", _BUDGET, at),
        coverage=await past.now("wattstat_budget_coverage_ratio", _BUDGET, at),
        enforced=enforces.get((), 0.0) > 0 and leads.get((), 0.0) > 0,
    )


def judge(facts: Facts) -> list[Raised]:
    """Every budget that nothing holds and that will be exceeded."""
    return list(_found(facts))


def _found(facts: Facts) -> Iterator[Raised]:
    for key, limit in facts.limit.items():
        if held_by(facts, key, limit):
            continue
        seen = forecast(facts.power, key, limit)
        if seen is not None:
            yield _told(facts, key, limit, seen)


def held_by(facts: Facts, key: Key, limit: float) -> str:
    """What keeps a budget from being exceeded; empty where nothing does."""
    envelope = facts.envelope.get(key)
    if envelope is not None and envelope <= limit:
        return "caps"  # all devices together cannot draw more
    least = _least(facts, key)
    if facts.enforced and least is not None and least <= limit:
        return "controller"  # it has enough to take away
    return ""


def _least(facts: Facts, key: Key) -> float | None:
    """The worst case with every cap at its lowest; None where nothing bounds what could be drawn."""
    envelope = facts.envelope.get(key)
    # Coverage is told of the worst case under the highest caps, which today's is at most: this is rather too low than too high.
    return None if envelope is None else envelope * (1 - facts.coverage.get(key, 0.0))


def forecast(power: Table, key: Key, limit: float) -> Forecast | None:
    """When power will be over the limit if it goes on growing; None where it does not grow, or is over it already."""
    watts = power[key]
    now = float(np.median(watts[-3:]))
    if not now <= limit:
        return None
    for count in SPANS:
        per_second = pace(watts[-count:], LEAST_RATIO * limit)
        if per_second is not None and now + per_second * HORIZON_SECONDS > limit:
            return Forecast(
                watts=now,
                watts_per_hour=per_second * 3600,
                expected_watts=now + per_second * HORIZON_SECONDS,
                seconds=(limit - now) / per_second,
            )
    return None


def pace(watts: Floats, least_watts: float) -> float | None:
    """Watts a second by which these means grow; None where they do not, or where steps tell as much as a line does."""
    if np.isnan(watts).any():
        return None
    line = _line(watts)
    half = _line(watts[len(watts) // 2 :])
    grown = line.slope * (len(watts) - 1)
    if grown < least_watts or line.slope < SURE * line.error or half.slope < GROWS_RATIO * line.slope:
        return None
    return line.slope / STEP_SECONDS if line.squares < by_steps(watts) else None


class Line(NamedTuple):
    """The line of least squares: its slope from point to point, the slope's error, the sum of squares that it leaves."""

    slope: float
    error: float
    squares: float


def _line(watts: Floats) -> Line:
    places = np.arange(len(watts)) - (len(watts) - 1) / 2
    weight = float((places**2).sum())
    slope = float((places * watts).sum()) / weight
    squares = float(((watts - watts.mean() - slope * places) ** 2).sum())
    return Line(slope, math.sqrt(squares / (len(watts) - 2) / weight), squares)


def by_steps(watts: Floats) -> float:
    """The least sum of squares that three levels, one behind the other, leave of these values."""
    sums, squares = np.concatenate([[0.0], np.cumsum(watts)]), np.concatenate([[0.0], np.cumsum(watts**2)])
    ends = np.arange(len(watts) + 1)
    counts = ends[None, :] - ends[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        left = squares[None, :] - squares[:, None] - (sums[None, :] - sums[:, None]) ** 2 / counts
    left = np.where(counts > 0, left, np.inf)  # of each span from one place to another
    return float((left[0, 1:-1, None] + left[1:-1, 1:-1] + left[None, 1:-1, -1]).min())


def _told(facts: Facts, key: Key, limit: float, seen: Forecast) -> Raised:
    budget, kind = key
    where = f'{{budget="{budget}",kind="{kind}"}}'
    minutes = math.ceil(seen.seconds / 60)
    envelope = facts.envelope.get(key)
    if facts.enforced:
        why = "The controller enforces, but even with every cap at its lowest the worst case is above the limit."
        first = "Take load away: move or stop jobs, or raise the limit if the breaker allows."
    else:
        why = "Nobody enforces it (mode observe or advise, or no controller leads)."
        first = "Start fewer jobs, or let a policy hold it: `wattstat power simulate` shows what that would cost."
    most = "" if envelope is None else f" Under today's caps it could be {_kilowatts(envelope)}."
    whole = f"{kind} {budget}" if kind != "site" else f"site {budget}"
    return VOICE.say(
        {"budget": budget, "kind": kind},
        f"{whole} draws {_kilowatts(seen.watts)} and grows by {_kilowatts(seen.watts_per_hour)} an hour; in {minutes} minutes "
        f"it is over its limit of {_kilowatts(limit)}. {why}{most} {first}",
        value=seen.expected_watts,
        page=f"/power?budget={budget}",
        evidence=[
            EvidenceLine(
                text=f"In one hour {_kilowatts(seen.expected_watts)}, if it goes on as in the last two.",
                expression=f"avg_over_time(wattstat_budget_power_watts{where}[5m])",
                limit_expression=f"wattstat_budget_limit_watts{where}",
                unit="watts",
            ),
            EvidenceLine(
                text=f"{why}{most}",
                expression=f"wattstat_budget_envelope_watts{where}",
                limit_expression=f"wattstat_budget_limit_watts{where}",
                unit="watts",
            ),
        ],
    )


def _kilowatts(watts: float) -> str:
    return f"{watts / 1000:.1f} kW"
