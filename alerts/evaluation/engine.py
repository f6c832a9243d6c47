"""Evaluates groups of rules and findings at their moments, and tells delivery what fires and what ended.

An alert is on disk before anybody is told of it, and its end is on disk until delivery has taken it over: whenever the process
is killed, the next one goes on where it was. What cannot be asked changes nothing: no alert ends because a query failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from alerts.alone import Alone
from alerts.evaluation import asking, documents
from alerts.evaluation.aside import aside
from alerts.evaluation.asking import Surroundings
from alerts.evaluation.follow import SETTLE_SECONDS, Followed, GroupState, advanced, ended_series, resumed
from alerts.evaluation.keeper import Keeper
from alerts.evaluation.loader import WRITTEN_URL
from alerts.evaluation.rules import AlertRule, FindingRule, Group, RecordingRule, Rule, group_of
from alerts.evaluation.schedule import Slots
from alerts.evaluation.sight import Sight
from alerts.evaluation.template_queries import RuleFailed
from alerts.memory import Change, Episode, Memory
from alerts.model import Alert, Clock, Finder, Raised, Tell, Written, fingerprint
from wattstat.store.protocol import QueryError, Store, StoreError

log = structlog.get_logger(__name__)

_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a bug in one finding or in the evaluation of one expression looks like. It costs that one, and is told."""

Record = Callable[[Sequence[Written], int], Awaitable[None]]
"""Writes series into the history, with the time in Unix milliseconds. Raises `StoreError`."""


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
        alone: Alone | None = None,
    ) -> None:
        self._store = store
        self._memory = memory
        self._record = record
        self._sight = Sight(store, is_all_cores=record is not None)
        self._clock = clock
        self.alone = Alone(clock=clock) if alone is None else alone
        """What nobody foresaw: costs one group."""
        self._around = Surroundings(external_labels=dict(external_labels or {}), external_url=public_url)
        self._keeper = Keeper(memory, tell, public_url=public_url, history_days=history_days)
        whole = (*groups, *map(group_of, finders))
        self.groups = tuple(
            GroupState(group=group, rules=tuple(Followed(rule=rule) for rule in group.rules)) for group in whole
        )
        self._by_key = {state.group.key: state for state in self.groups}
        self._started_at: float | None = None
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
        return {**rules, **self._keeper.troubles, **self.alone.troubles()}

    def rule_groups(self) -> list[dict[str, Any]]:
        """The groups as Prometheus' `/api/v1/rules` has them. With thousands of alerts: call it in a thread."""
        return documents.rule_groups(self.groups)

    def prometheus_alerts(self) -> list[dict[str, Any]]:
        """The alerts as Prometheus' `/api/v1/alerts` has them. With thousands of alerts: call it in a thread."""
        return [documents.alert(each) for each in self.active()]

    # Evaluation

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate every group at its moments until `stop` is set. Raises `MemoryFailed` when the past cannot be read."""
        await self.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stop.wait())  # also where there is nothing to evaluate
            for state in self.groups:
                tasks.create_task(self._follow(state, stop))

    async def start(self) -> None:
        """Go on where the last process ended. Raises `MemoryFailed`."""
        remembered = await self._keeper.load()
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
            followed.left = documents.series(alerts.values())
        for state in self.groups:
            state.before = remembered.evaluated.get(state.group.key)
        if orphans:
            await self._keeper.end_orphans(orphans, self._started_at)

    async def _follow(self, state: GroupState, stop: asyncio.Event) -> None:
        slots = Slots(state.group.key, state.group.interval_seconds)
        due = slots.after(self._clock())
        while (reached := await slots.wait(due, self._clock, stop)) is not None:
            with self.alone.trying("evaluation", state.group.name):
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
        names: set[str] = set()
        for followed in state.rules:
            if _reads(followed.rule, names):
                await self._write(waiting, at)
                waiting, names = [], set()
            written = await self._tried(state, followed, at)
            if written is not None:
                waiting.append(written)
                names |= _writes(followed.rule)
        await self._write(waiting, at)
        with self.alone.trying("evaluation", f"{group.name}, keeping"):
            await self._keeper.keep(state, at)
        await self._keeper.tell(state, at)
        state.evaluated_at, state.seconds = at, time.monotonic() - began
        self.last_evaluation = at

    async def _tried(self, state: GroupState, followed: Followed, at: float) -> Written | None:
        """One rule: what it writes, or None where nothing is known."""
        began = time.monotonic()
        written = None
        try:
            written = await self._evaluated(state, followed, at)
        except (QueryError, RuleFailed) as err:
            self._failed(state, followed, str(err))
        except TimeoutError:
            self._failed(state, followed, "it took too long")
        except _UNFORESEEN as err:
            if not followed.error:
                log.exception("a rule cannot be evaluated: please report this", rule=followed.rule.name)
            self._failed(state, followed, f"{type(err).__name__}: {err}")
        else:
            if followed.error:
                log.info("a rule can be evaluated again", group=state.group.name, rule=followed.rule.name)
            followed.error = ""
        followed.evaluated_at, followed.seconds = at, time.monotonic() - began
        return written

    def _failed(self, state: GroupState, followed: Followed, why: str) -> None:
        key = (state.group.name, followed.rule.name)
        self.errors[key] = self.errors.get(key, 0) + 1
        if not followed.error:
            log.warning("a rule cannot be evaluated; its alerts stay as they are", group=key[0], rule=key[1], reason=why)
        followed.error = why

    async def _evaluated(self, state: GroupState, followed: Followed, at: float) -> Written:
        """What a rule writes. Raises `QueryError`, `RuleFailed`, `TimeoutError`."""
        rule = followed.rule
        if isinstance(rule, RecordingRule):
            return Written(source=rule.key, samples=await self._recorded(state, rule, at))
        raised = await self._raised(rule, at)
        _refuse_more(state.group, len(raised))
        if followed.restored:
            resumed(state, followed, raised, at, at if self._started_at is None else self._started_at)
        before, held = followed.active, followed.restored
        is_blind = _would_end(before, raised) and await self._sight.is_lost(rule, at)
        done = await aside(
            len(before) + len(raised), advanced, rule, state.group.name, before, raised, at, held=held, is_blind=is_blind
        )
        await aside(len(done.ended), self._keeper.ended, done.ended, at)
        for alert in done.began:
            self.fired[alert.severity] = self.fired.get(alert.severity, 0) + 1
        followed.active = done.active
        left, followed.left = followed.left, ()
        return Written(source=rule.key, samples=[*done.series, *ended_series(left, done.series)] if left else done.series)

    async def _recorded(self, state: GroupState, rule: RecordingRule, at: float) -> Sequence[tuple[Mapping[str, str], float]]:
        if self._record is None:
            raise RuleFailed(
                "a recording rule cannot write into this history; give its file to the Prometheus that holds the history"
            )
        samples = await asking.recorded(rule, self._store, at)
        _refuse_more(state.group, len(samples))
        return samples

    async def _raised(self, rule: AlertRule | FindingRule, at: float) -> Mapping[str, Raised]:
        if isinstance(rule, AlertRule):
            return await asking.raised(rule, self._store, at, self._around)
        async with asyncio.timeout(max(rule.finder.every_seconds, SETTLE_SECONDS)):
            found = await rule.finder.look(at)
        return {fingerprint(each.labels): self._linked(each) for each in found}

    def _linked(self, found: Raised) -> Raised:
        """Links of a finding lead where people reach the dashboard, as the loader sees to for rules."""
        url = self._around.external_url
        if url == WRITTEN_URL:
            return found
        return replace(found, annotations={name: text.replace(WRITTEN_URL, url) for name, text in found.annotations.items()})

    async def _write(self, written: Sequence[Written], at: float) -> None:
        """Series into the history. Without them nothing is lost but a line in a plot."""
        if self._record is None or not written:
            return
        with self.alone.trying("evaluation", "writing history"):
            try:
                await self._record(written, round(at * 1000))
            except StoreError as err:
                self._keeper.trouble("history", str(err))
            else:
                self._keeper.trouble("history", "")


def _refuse_more(group: Group, count: int) -> None:
    if 0 < group.limit < count:
        raise RuleFailed(f"exceeded limit of {group.limit} with {count} alerts or series")


def _would_end(before: Mapping[str, Alert], raised: Mapping[str, Raised]) -> bool:
    return any(alert.state == "firing" and key not in raised for key, alert in before.items())


def _writes(rule: Rule) -> set[str]:
    """Names of the series that a rule leaves."""
    return {rule.name} if isinstance(rule, RecordingRule) else {"ALERTS", "ALERTS_FOR_STATE"}


def _reads(rule: Rule, names: set[str]) -> bool:
    """Whether a rule may ask for what the ones before it wrote."""
    if isinstance(rule, FindingRule) or not names:
        return False
    return rule.reads is None or not names.isdisjoint(rule.reads)
