"""Evaluates groups of rules and findings at their moments, and tells delivery what fires and what ended.

An alert is on disk before anybody is told of it, and its end is on disk until delivery has taken it over: whenever the process
is killed, the next one goes on where it was. What cannot be asked changes nothing: no alert ends because a query failed.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from alerts.evaluation import asking, documents
from alerts.evaluation.asking import RuleFailed, Surroundings
from alerts.evaluation.loader import WRITTEN_URL
from alerts.evaluation.rules import AlertRule, FindingRule, Group, RecordingRule, Rule, group_of
from alerts.evaluation.schedule import Slots
from alerts.evaluation.states import Origin, step
from alerts.memory import Change, Episode, Memory, MemoryFailed
from alerts.model import Alert, Clock, Finder, Notice, Raised, Tell, Written, fingerprint
from wattstat.store.protocol import QueryError, Store, StoreError

log = structlog.get_logger(__name__)

SETTLE_SECONDS = 60.0
"""So long after a start, or two intervals, what was active stays so though it is not found: scrapes begin anew, too."""

_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a bug in one finding or in the evaluation of one expression looks like. It costs that one, and is told."""

_DAY = 86400.0

Record = Callable[[Sequence[Written], int], Awaitable[None]]
"""Writes series into the history, with the time in Unix milliseconds. Raises `StoreError`."""


@dataclass(slots=True, kw_only=True)
class Followed:
    """One rule, and what is known of it."""

    rule: Rule
    active: Mapping[str, Alert] = field(default_factory=dict)
    saved: Mapping[str, Alert] = field(default_factory=dict)
    """What of it is on disk."""
    restored: frozenset[str] = frozenset()
    """Alerts of the last process that were not found yet."""
    error: str = ""
    evaluated_at: float | None = None
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class GroupState:
    """One group, and what is known of it."""

    group: Group
    rules: tuple[Followed, ...]
    evaluated_at: float | None = None
    seconds: float = 0.0
    missed: int = 0
    before: float | None = None
    """When the last process evaluated it last."""


class Engine:
    """All groups. `evaluate` one at a moment, or `run` them at theirs.

    `record` writes ALERTS and recording rules into the history; None where that is not ours to write. `tell` is delivery.
    """

    def __init__(
        self,
        *,
        store: Store,
        memory: Memory,
        groups: Sequence[Group],
        finders: Sequence[Finder] = (),
        tell: Tell | None = None,
        record: Record | None = None,
        clock: Clock = time.time,
        external_labels: Mapping[str, str] | None = None,
        public_url: str = WRITTEN_URL,
        history_days: float = 400.0,
    ) -> None:
        self._store = store
        self._memory = memory
        self._tell = tell
        self._record = record
        self._clock = clock
        self._around = Surroundings(external_labels=dict(external_labels or {}), external_url=public_url)
        self._history_days = history_days
        whole = (*groups, *map(group_of, finders))
        self.groups = tuple(
            GroupState(group=group, rules=tuple(Followed(rule=rule) for rule in group.rules)) for group in whole
        )
        self._by_key = {state.group.key: state for state in self.groups}
        self._untold: dict[tuple[str, float], Notice] = {}
        self._troubles: dict[str, str] = {}
        self._saving = asyncio.Lock()
        self._started_at: float | None = None
        self._expired_at = -math.inf
        self.last_evaluation: float | None = None
        """When any group was last evaluated to its end."""
        self.fired: dict[str, int] = {}
        """How many alerts began to fire, by severity."""
        self.errors: dict[tuple[str, str], int] = {}
        """How many evaluations failed, by group and rule."""

    # What is known

    def active(self) -> Sequence[Alert]:
        """Everything that is pending or firing."""
        return [alert for state in self.groups for followed in state.rules for alert in followed.active.values()]

    def episodes(self, start: float, end: float) -> list[Episode]:
        """What fired within a span of time, newest first. Reads the disk: call it in a thread. Raises `MemoryFailed`."""
        return self._memory.episodes(start, end)

    def failing(self) -> Mapping[str, str]:
        """By rule or finding, why its newest evaluation failed; and what else fails."""
        rules = {f.rule.name: f.error for state in self.groups for f in state.rules if f.error}
        return {**rules, **self._troubles}

    def rule_groups(self) -> list[dict[str, object]]:
        """The groups as Prometheus' `/api/v1/rules` has them."""
        return documents.rule_groups(self.groups)

    def prometheus_alerts(self) -> list[dict[str, object]]:
        """The alerts as Prometheus' `/api/v1/alerts` has them."""
        return [documents.alert(each) for each in self.active()]

    # Evaluation

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate every group at its moments until `stop` is set. Raises `MemoryFailed` when the past cannot be read."""
        await self.start()
        async with asyncio.TaskGroup() as tasks:
            for state in self.groups:
                tasks.create_task(self._follow(state, stop))

    async def start(self) -> None:
        """Go on where the last process ended. Raises `MemoryFailed`."""
        remembered = await asyncio.to_thread(self._memory.load)
        self._started_at = self._clock()
        known = {f.rule.key: f for state in self.groups for f in state.rules}
        orphans: list[Change] = []
        for key, alerts in remembered.active.items():
            followed = known.get(key)
            if followed is None:
                orphans += [Change(rule=key, now=None, before=alert) for alert in alerts.values()]
                continue
            followed.active = followed.saved = alerts
            followed.restored = frozenset(alerts)
        for state in self.groups:
            state.before = remembered.evaluated.get(state.group.key)
        self._untold = {(each.fingerprint, each.starts_at): each for each in remembered.untold}
        if orphans:
            await self._end_orphans(orphans, self._started_at)

    async def _end_orphans(self, orphans: Sequence[Change], at: float) -> None:
        """Alerts of rules that are gone end."""
        ended = [each.before for each in orphans if each.before is not None and each.before.state == "firing"]
        self._note_ends([self._notice(alert, at, ended=True) for alert in ended])
        log.info("alerts ended because their rules are gone", alerts=len(ended))
        await asyncio.to_thread(self._memory.save, "", at, orphans, list(self._untold.values()))

    async def _follow(self, state: GroupState, stop: asyncio.Event) -> None:
        slots = Slots(state.group.key, state.group.interval_seconds)
        due = slots.after(self._clock())
        while (reached := await slots.wait(due, self._clock, stop)) is not None:
            await self.evaluate(state.group, reached)
            missed = slots.missed(reached, self._clock())
            state.missed += missed
            due = round(reached + (missed + 1) * state.group.interval_seconds, 3)

    async def evaluate(self, group: Group, at: float) -> None:
        """Evaluate one group as of a moment, keep what came of it, and tell delivery."""
        state = self._by_key[group.key]
        began = time.monotonic()
        if self._started_at is None:
            self._started_at = at
        waiting: list[Written] = []
        for followed in state.rules:
            if waiting and _reads(followed.rule, waiting):
                await self._write(waiting, at)
                waiting = []
            written = await self._evaluate(state, followed, at)
            if written is not None:
                waiting.append(written)
        await self._write(waiting, at)
        await self._keep(state, at)
        await self._tell_all(state, at)
        state.evaluated_at, state.seconds = at, time.monotonic() - began
        self.last_evaluation = at

    async def _evaluate(self, state: GroupState, followed: Followed, at: float) -> Written | None:
        """One rule: what it writes, or None where nothing is known."""
        began = time.monotonic()
        rule, written = followed.rule, None
        try:
            if isinstance(rule, RecordingRule):
                written = await self._recorded(state, rule, at)
            else:
                raised = await self._raised(rule, at)
                _refuse_more(state.group, len(raised))
                self._advance(state, followed, raised, at)
                written = Written(source=rule.key, samples=documents.series(followed.active.values()))
        except (QueryError, RuleFailed, TimeoutError) as err:
            self._failed(state, followed, str(err) or "it took too long")
        except _UNFORESEEN as err:
            if not followed.error:
                log.exception("a rule cannot be evaluated: please report this", rule=rule.name)
            self._failed(state, followed, f"{type(err).__name__}: {err}")
        else:
            if followed.error:
                log.info("a rule can be evaluated again", group=state.group.name, rule=rule.name)
            followed.error = ""
        followed.evaluated_at, followed.seconds = at, time.monotonic() - began
        return written

    def _failed(self, state: GroupState, followed: Followed, why: str) -> None:
        key = (state.group.name, followed.rule.name)
        self.errors[key] = self.errors.get(key, 0) + 1
        if not followed.error:
            log.warning("a rule cannot be evaluated; its alerts stay as they are", group=key[0], rule=key[1], reason=why)
        followed.error = why

    async def _recorded(self, state: GroupState, rule: RecordingRule, at: float) -> Written | None:
        if self._record is None:
            raise RuleFailed(
                "a recording rule cannot write into this history; give its file to the Prometheus that holds the history"
            )
        samples = await asking.recorded(rule, self._store, at)
        _refuse_more(state.group, len(samples))
        return Written(source=rule.key, samples=samples)

    async def _raised(self, rule: AlertRule | FindingRule, at: float) -> Mapping[str, Raised]:
        if isinstance(rule, AlertRule):
            return await asking.raised(rule, self._store, at, self._around)
        async with asyncio.timeout(max(rule.finder.every_seconds, SETTLE_SECONDS)):
            found = await rule.finder.look(at)
        return {fingerprint(each.labels): each for each in found}

    def _advance(self, state: GroupState, followed: Followed, raised: Mapping[str, Raised], at: float) -> None:
        """The states of a rule's alerts after an evaluation."""
        rule = followed.rule
        if isinstance(rule, RecordingRule):
            return
        origin = Origin(
            group=state.group.name,
            expression=rule.expression if isinstance(rule, AlertRule) else "",
            source="rule" if isinstance(rule, AlertRule) else "finding",
        )
        before = followed.active
        if followed.restored:
            before = self._resumed(state, followed, raised, at)
        done = step(before, raised, rule.conditions, at, origin=origin, held=followed.restored)
        self._note_ends([self._notice(alert, at, ended=True) for alert in done.ended])
        for key, alert in done.active.items():
            if alert.fired_at == at and (key not in before or before[key].state == "pending"):
                self.fired[alert.severity] = self.fired.get(alert.severity, 0) + 1
        followed.active = done.active

    def _resumed(self, state: GroupState, followed: Followed, raised: Mapping[str, Raised], at: float) -> Mapping[str, Alert]:
        """Alerts of the last process: the time in which nobody looked does not count towards `for`, as in Prometheus."""
        interval = state.group.interval_seconds
        found = followed.restored & raised.keys()
        down = 0.0 if state.before is None else max(at - state.before - interval, 0.0)
        before = dict(followed.active)
        for key in found:
            if before[key].state == "pending":
                before[key] = replace(before[key], active_at=before[key].active_at + down)
        settled = at - (self._started_at or at) >= max(SETTLE_SECONDS, 2 * interval)
        followed.restored = frozenset() if settled else followed.restored - found
        return before

    # What comes of it

    def _note_ends(self, notices: Sequence[Notice]) -> None:
        if self._tell is not None:
            self._untold.update({(each.fingerprint, each.starts_at): each for each in notices})

    async def _write(self, written: Sequence[Written], at: float) -> None:
        """Series into the history. Without them nothing is lost but a line in a plot."""
        if self._record is None or not written:
            return
        try:
            await self._record(written, round(at * 1000))
        except StoreError as err:
            self._trouble("history", str(err))
        else:
            self._trouble("history", "")

    async def _keep(self, state: GroupState, at: float) -> None:
        """On disk: what changed. Where that fails people are told all the same, and the next evaluation writes it."""
        changes = [change for followed in state.rules for change in _changes(followed)]
        async with self._saving:
            try:
                await asyncio.to_thread(self._memory.save, state.group.key, at, changes, list(self._untold.values()))
                if at - self._expired_at >= _DAY:
                    await asyncio.to_thread(self._memory.expire, at - self._history_days * _DAY)
                    self._expired_at = at
            except MemoryFailed as err:
                self._trouble("memory", str(err))
                return
        self._trouble("memory", "")
        for followed in state.rules:
            followed.saved = followed.active

    async def _tell_all(self, state: GroupState, at: float) -> None:
        """Everything that fires, and all ends that delivery has not taken over yet."""
        if self._tell is None:
            return
        firing = [
            self._notice(alert, at) for followed in state.rules for alert in followed.active.values() if alert.state == "firing"
        ]
        # Taken out at once, so that two groups that end together do not tell the same twice.
        ends, self._untold = self._untold, {}
        if not firing and not ends:
            return
        try:
            await self._tell.tell([*ends.values(), *firing], at)
        except (OSError, sqlite3.Error) as err:
            self._untold = {**ends, **self._untold}
            self._trouble("delivery", f"delivery takes nothing over: {err}")
            return
        self._trouble("delivery", "")
        if ends:
            await self._forget_told(list(ends.values()))

    async def _forget_told(self, ends: Sequence[Notice]) -> None:
        async with self._saving:
            try:
                await asyncio.to_thread(self._memory.told, ends)
            except MemoryFailed as err:
                self._trouble("memory", str(err))

    def _trouble(self, what: str, why: str) -> None:
        if why and what not in self._troubles:
            log.error("alerts cannot be kept", what=what, reason=why)
        if why:
            self._troubles[what] = why
        else:
            self._troubles.pop(what, None)

    def _notice(self, alert: Alert, at: float, *, ended: bool = False) -> Notice:
        return Notice(
            labels=alert.labels,
            annotations=alert.annotations,
            starts_at=alert.active_at if alert.fired_at is None else alert.fired_at,
            ends_at=at if ended else None,
            value=alert.value,
            generator_url=f"{self._around.external_url.rstrip('/')}/alerts/{alert.fingerprint}",
        )


def _refuse_more(group: Group, count: int) -> None:
    if 0 < group.limit < count:
        raise RuleFailed(f"exceeded limit of {group.limit} with {count} alerts or series")


def _reads(rule: Rule, waiting: Sequence[Written]) -> bool:
    """Whether a rule may ask for what the ones before it wrote."""
    if isinstance(rule, FindingRule):
        return False
    return rule.reads is None or any(labels["__name__"] in rule.reads for written in waiting for labels, _ in written.samples)


def _changes(followed: Followed) -> list[Change]:
    """What is not on disk as it is."""
    saved, active = followed.saved, followed.active
    if saved is active:
        return []
    changed = [
        Change(rule=followed.rule.key, now=alert, before=saved.get(key))
        for key, alert in active.items()
        if key not in saved or _moved(saved[key], alert)
    ]
    return [*changed, *(Change(rule=followed.rule.key, now=None, before=saved[key]) for key in saved.keys() - active.keys())]


def _moved(one: Alert, other: Alert) -> bool:
    """Values and texts are made anew by every evaluation; the rest must survive."""
    return (one.state, one.active_at, one.fired_at, one.keep_firing_since) != (
        other.state, other.active_at, other.fired_at, other.keep_firing_since,
    )  # fmt: skip
