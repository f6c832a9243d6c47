"""Limits that come of measuring: a share of the baseline before an event, what is left of an amount of energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from power.model import Floats
from power.policies.ask import EnergyAsk
from power.policies.conditions import Moment
from power.policies.masks import Masks
from power.policies.model import Policy
from power.policies.resolved import Measured
from power.policies.schedule import first_at, last_before, zone_of
from power.policies.when import Event

JOULES_PER_KWH = 3.6e6
# A gap that is longer says nothing of what was drawn in it.
_LONGEST_STEP = 60.0
# With less than this left of a period, what is left is spread over this.
_LEAST_REMAINING = 60.0


@dataclass(slots=True)
class Meter:
    """Measures baselines and used energy, moment after moment."""

    timezone: str
    baselines: dict[tuple[str, str], Measured] = field(default_factory=dict)
    used: dict[str, Measured] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def event_limits(
        self, policy: Policy, event: Event, moment: Moment, rows: Sequence[int], load: Floats
    ) -> list[tuple[int, float]]:
        """What each line may draw now. Until the event begins this measures the baseline; a line without one gets no limit."""
        ask = policy.ask.limit
        if ask is None or ask.percent is None:
            return []
        limits = []
        for row in rows:
            line = moment.masks.fleet.tree.limits[row].name
            baseline = event.baseline_watts or self._baseline(policy.name, line, event, moment, float(load[row]))
            if baseline is None:
                self.notes.append(f"{policy.name}: what {line} drew before the event is not known; it gets no limit")
                continue
            limits.append((row, _ramp(event, baseline, baseline * ask.percent / 100, moment.at)))
        return limits

    def energy_limit(self, policy: Policy, ask: EnergyAsk, moment: Moment, joules: Floats) -> tuple[float, float] | None:
        """What may be drawn now so that the amount lasts, and when the period ends; None outside of every period.

        `joules`: what each server drew since the moment before.
        """
        period = period_of(ask, zone_of(ask.timezone or self.timezone), moment.at)
        if period is None:
            return None
        start, end = period
        amount = ask.kwh * JOULES_PER_KWH
        known = moment.memory.used.get(policy.name)
        if known is None or known.start != start:
            began_unseen = known is None
            # Of a period that began before anybody measured, the time that has passed is taken to have used its even share.
            spent = amount * (moment.at - start) / (end - start) if began_unseen else 0.0
            known = Measured(joules=spent, start=start)
        rows = moment.masks.nodes(policy.scope)
        used = known.joules + float(np.nansum(joules[rows]))
        self.used[policy.name] = Measured(joules=used, seconds=moment.at - start, start=start)
        return max(amount - used, 0.0) / max(end - moment.at, _LEAST_REMAINING), end

    def _baseline(self, name: str, line: str, event: Event, moment: Moment, watts: float) -> float | None:
        key = (name, line)
        found = moment.memory.baselines.get(key, Measured())
        wanted = 60 * event.baseline_minutes
        step = min(moment.seconds, _LONGEST_STEP)
        measures = event.notice_unix - wanted <= moment.at < max(event.down_unix, event.notice_unix - wanted + 1)
        if measures and found.seconds < wanted and not np.isnan(watts):
            found = Measured(joules=found.joules + watts * step, seconds=found.seconds + step)
        elif not found.seconds and moment.at >= event.down_unix and not np.isnan(watts):
            # It came without notice: what is drawn now is all that is known.
            found = Measured(joules=watts, seconds=1.0)
        self.baselines[key] = found
        return found.joules / found.seconds if found.seconds else None


def drawn(masks: Masks, moment: Moment) -> Floats:
    """Joules that each server drew since the moment before: by its counter, else by its power, else at its nameplate."""
    fleet, memory, signals = masks.fleet, moment.memory, moment.signals
    by_power = np.where(np.isnan(signals.node_watts), fleet.nameplate_watts, signals.node_watts) * moment.seconds
    before = memory.energy_joules
    if before is None or before.size != by_power.size:
        return by_power
    counted = signals.energy_joules - before
    # A counter that went back began anew.
    joules: Floats = np.where(np.isnan(counted) | (counted < 0), by_power, counted)
    return joules


def loads(masks: Masks, node_watts: Floats) -> Floats:
    """What each line of the tree carries; a server that does not tell counts at its nameplate."""
    return masks.fleet.tree.load(np.where(np.isnan(node_watts), masks.fleet.nameplate_watts, node_watts))


def period_of(ask: EnergyAsk, zone: ZoneInfo, at: float) -> tuple[float, float] | None:
    """The period of a moment as Unix times; None outside of its dates."""
    today = datetime.fromtimestamp(at, zone).date()
    if ask.per is None:
        if ask.first_date is None or ask.last_date is None:
            return None
        first, after = ask.first_date, ask.last_date + timedelta(days=1)
    else:
        first, after = _around(ask.per, today)
    start, end = first_at(datetime.combine(first, time()), zone), last_before(datetime.combine(after, time()), zone)
    return (start, end) if start <= at < end else None


def _around(per: str, day: date) -> tuple[date, date]:
    match per:
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            first = day.replace(day=1)
            return first, (first + timedelta(days=32)).replace(day=1)
        case _:
            return day, day + timedelta(days=1)


def _ramp(event: Event, high: float, low: float, at: float) -> float:
    if event.ramp_seconds == 0:
        return low
    share = min(max((at - event.down_unix) / event.ramp_seconds, 0.0), 1.0)
    return high + (low - high) * share
