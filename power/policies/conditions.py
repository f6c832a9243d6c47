"""Whether a policy's conditions are met, and for which servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import numpy as np

from power.model import Bools, Floats
from power.policies.masks import Masks, Units
from power.policies.model import Policy
from power.policies.resolved import Holds, Memory, Trigger
from power.policies.schedule import Timetable, timetable
from power.policies.signals import Signals
from power.policies.when import Demand, Event, FeedLost, Schedule, Signal, Temperature


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Whether conditions are met. `nodes`: for these servers only (None: all of the scope). `until`: known to last so long."""

    state: Holds
    why: str = ""
    nodes: Bools | None = None
    until: float = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What conditions are judged by.

    `at` is Unix time; `steady` counts seconds and never jumps, and `seconds` of them have passed since the moment before.
    """

    at: float
    steady: float
    seconds: float
    signals: Signals
    masks: Masks
    memory: Memory


@dataclass(slots=True)
class Judge:
    """Judges conditions; keeps timetables. What it saw of triggers is in `triggers`, to be remembered."""

    timezone: str
    triggers: dict[tuple[str, str], Trigger] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _timetables: dict[Schedule, Timetable] = field(default_factory=dict)

    def judge(self, policy: Policy, moment: Moment) -> Met:
        """Whether all of the policy's conditions are met. Every trigger is followed, whatever the others say."""
        if moment.at >= policy.expires_unix:
            return Met(state=Holds.ENDED, why="it has expired")
        found = [self._one(policy, name, condition, moment) for name, condition in policy.when.given.items()]
        until = min([policy.expires_unix, *(met.until for met in found)])
        worst = next((met for state in (Holds.ENDED, Holds.WAITING) for met in found if met.state is state), None)
        if worst is not None:
            return Met(state=worst.state, why=worst.why, until=until)
        nodes = None
        for met in found:
            nodes = met.nodes if nodes is None else nodes if met.nodes is None else nodes & met.nodes
        if nodes is not None and not nodes.any():
            return Met(state=Holds.WAITING, why="its conditions are met for different servers", until=until)
        return Met(state=Holds.YES, why="; ".join(met.why for met in found), nodes=nodes, until=until)

    def _one(self, policy: Policy, name: str, condition: object, moment: Moment) -> Met:
        match condition:
            case Schedule():
                return self._schedule(condition, moment.at)
            case Event():
                return _event(condition, moment.at)
            case Temperature():
                return self._temperature(policy, name, condition, moment)
            case FeedLost():
                return self._feed_lost(policy, name, condition, moment)
            case Signal():
                return self._signal(policy, name, condition, moment)
            case Demand():
                return self._demand(policy, name, condition, moment)
        raise TypeError(f"no way to judge {name}")

    def _schedule(self, schedule: Schedule, at: float) -> Met:
        known = self._timetables.get(schedule)
        if known is None or not known.knows(at):
            known = self._timetables[schedule] = timetable(schedule, self.timezone, at)
        state = Holds.YES if known.holds(at) else Holds.WAITING
        return Met(state=state, why="by its schedule", until=known.next_edge(at))

    def _temperature(self, policy: Policy, name: str, asked: Temperature, moment: Moment) -> Met:
        column = moment.signals.inlet_celsius if asked.sensor == "inlet" else moment.signals.exhaust_celsius
        units = moment.masks.units(policy.scope, asked.per)
        hottest = np.full(len(units.names), np.nan)
        np.fmax.at(hottest, units.unit, column[units.nodes])
        state = self._step(
            (policy.name, name),
            units.names,
            moment,
            past=hottest > asked.above,
            back=hottest < asked.release_celsius,
            known=~np.isnan(hottest),
            after=asked.after_seconds,
            hold=60 * asked.hold_minutes,
        )
        self._note_unknown(policy, f"{asked.sensor} temperature", units, hottest)
        why = f"{asked.sensor} over {asked.above:g} °C"
        return _met(units, state.on, f"{why} at {_named(units.names, state.on)}", f"no {why}")

    def _feed_lost(self, policy: Policy, name: str, asked: FeedLost, moment: Moment) -> Met:
        units = moment.masks.units(policy.scope, asked.per)
        ratio = moment.signals.lost_ratio[units.nodes]
        known = ~np.isnan(ratio)
        count = np.bincount(units.unit, weights=known, minlength=len(units.names))
        lost = np.bincount(units.unit, weights=known & (np.nan_to_num(ratio) >= 0.5), minlength=len(units.names))
        percent = np.divide(100 * lost, count, out=np.full(len(units.names), np.nan), where=count > 0)
        state = self._step(
            (policy.name, name),
            units.names,
            moment,
            past=percent >= asked.servers_percent,
            back=percent < asked.servers_percent,
            known=count > 0,
            after=asked.after_seconds,
            hold=60 * asked.hold_minutes,
        )
        self._note_unknown(policy, "state of power supplies", units, percent)
        return _met(units, state.on, f"a feed is lost at {_named(units.names, state.on)}", "no feed is lost")

    def _signal(self, policy: Policy, name: str, asked: Signal, moment: Moment) -> Met:
        value = np.array([moment.signals.numbers.get(asked.name, np.nan)])
        threshold = asked.below if asked.above is None else asked.above
        sign = -1.0 if asked.above is None else 1.0
        release = threshold if asked.release is None else asked.release
        past = np.array([False]) if threshold is None else sign * value > sign * threshold
        back = np.array([False]) if release is None else sign * value <= sign * release
        if np.isnan(value[0]):
            self.notes.append(f"{policy.name}: nobody tells {asked.name}; it stays as it was")
        known = ~np.isnan(value)
        state = self._step(
            (policy.name, name),
            (asked.name,),
            moment,
            past=past,
            back=back,
            known=known,
            after=asked.after_seconds,
            hold=60 * asked.hold_minutes,
        )
        shown = f"{asked.name} is {value[0]:g}" if known[0] else f"{asked.name} is not known"
        return Met(state=Holds.YES if state.on[0] else Holds.WAITING, why=shown)

    def _demand(self, policy: Policy, name: str, asked: Demand, moment: Moment) -> Met:
        used = moment.signals.utilisation[moment.masks.gpus(policy.scope)]
        used = used[~np.isnan(used)]
        percent = np.array([100 * used.mean() if used.size else np.nan])
        if not used.size:
            self.notes.append(f"{policy.name}: no GPU of {policy.scope} tells its utilisation; it stays as it was")
        state = self._step(
            (policy.name, name),
            ("demand",),
            moment,
            past=percent < asked.below_percent,
            back=percent > asked.returns_percent,
            known=~np.isnan(percent),
            after=60 * asked.after_minutes,
            hold=0,
        )
        shown = f"{percent[0]:.0f} % of the GPUs' time is used" if used.size else "utilisation is not known"
        return Met(state=Holds.YES if state.on[0] else Holds.WAITING, why=shown)

    def _step(
        self,
        key: tuple[str, str],
        names: tuple[str, ...],
        moment: Moment,
        *,
        past: Bools,
        back: Bools,
        known: Bools,
        after: float,
        hold: float,
    ) -> Trigger:
        """One step of hysteresis for every unit. What is not known now changes nothing."""
        before = _as_of(moment.memory.triggers.get(key), names)
        now = moment.steady
        since_past = np.where(known, np.where(past, np.where(np.isnan(before.past), now, before.past), np.nan), before.past)
        begins = ~before.on & known & past & (now - since_past >= after)
        ends = before.on & known & back & (now - before.since >= hold)
        state = Trigger(
            units=names,
            on=(before.on | begins) & ~ends,
            past=since_past,
            since=np.where(begins, now, before.since),
        )
        self.triggers[key] = state
        return state

    def _note_unknown(self, policy: Policy, what: str, units: Units, values: Floats) -> None:
        unknown = np.isnan(values)
        if not len(units.names):
            self.notes.append(f"{policy.name}: there is no server in {policy.scope}")
        elif unknown.any():
            self.notes.append(f"{policy.name}: no {what} of {_named(units.names, unknown)}; there it stays as it was")


def _met(units: Units, on: Bools, yes: str, no: str) -> Met:
    if not on.any():
        return Met(state=Holds.WAITING, why=no)
    return Met(state=Holds.YES, why=yes, nodes=units.rows(on))


def _as_of(before: Trigger | None, names: tuple[str, ...]) -> Trigger:
    """The trigger of before for these units; units that are new are off."""
    if before is not None and before.units == names:
        return before
    off = Trigger(units=names, on=np.zeros(len(names), np.bool_), past=np.full(len(names), np.nan), since=np.zeros(len(names)))
    if before is None:
        return off
    row = {name: position for position, name in enumerate(before.units)}
    for position, name in enumerate(names):
        if (earlier := row.get(name)) is not None:
            off.on[position], off.past[position], off.since[position] = (
                before.on[earlier],
                before.past[earlier],
                before.since[earlier],
            )
    return off


def _event(event: Event, at: float) -> Met:
    if at >= event.end_unix:
        return Met(state=Holds.ENDED, why="its event is over")
    if at < event.down_unix:
        return Met(state=Holds.WAITING, why=f"its event begins at {event.start:%Y-%m-%d %H:%M %Z}", until=event.down_unix)
    return Met(state=Holds.YES, why="a demand response event", until=event.end_unix)


def _named(names: tuple[str, ...], chosen: Bools) -> str:
    found = [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
