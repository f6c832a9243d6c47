"""What comes of evaluations: on disk first, then told. An end is on disk until delivery has taken it over."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import structlog

from alerts.evaluation.aside import aside
from alerts.evaluation.follow import GroupState, changes, notice
from alerts.memory import Change, Memory, MemoryFailed, Remembered
from alerts.model import Alert, Notice, Tell

log = structlog.get_logger(__name__)

_DAY = 86400.0


class Keeper:
    """Writes what changed, tells delivery, and remembers what could not be done: the next evaluation does it."""

    def __init__(self, memory: Memory, tell: Tell | None, *, public_url: str, history_days: float) -> None:
        self._memory = memory
        self._tell = tell
        self._public_url = public_url
        self._history_days = history_days
        self._untold: dict[tuple[str, float], Notice] = {}
        self._saving = asyncio.Lock()
        self._expired_at = -math.inf
        self._troubles: dict[str, str] = {}

    @property
    def troubles(self) -> Mapping[str, str]:
        """What cannot be written or told now, and why."""
        return self._troubles

    def trouble(self, what: str, why: str) -> None:
        """Note that something fails, or (empty) works. Logged when it changes."""
        if why and what not in self._troubles:
            log.error("alerts are evaluated, but not everything can be done with them", what=what, reason=why)
        if not why and what in self._troubles:
            log.info("this works again for alerts", what=what)
        self._troubles.pop(what, None)
        if why:
            self._troubles[what] = why

    async def load(self) -> Remembered:
        """What the last process left. Raises `MemoryFailed`."""
        remembered = await asyncio.to_thread(self._memory.load)
        self._untold = {(each.fingerprint, each.starts_at): each for each in remembered.untold}
        return remembered

    def ended(self, alerts: Iterable[Alert], at: float) -> None:
        """These have ended; delivery is to be told."""
        if self._tell is not None:
            told = [notice(alert, self._public_url, ended_at=at) for alert in alerts]
            self._untold.update({(each.fingerprint, each.starts_at): each for each in told})

    async def end_orphans(self, orphans: Sequence[Change], at: float) -> None:
        """Alerts of rules that are gone end. Raises `MemoryFailed`."""
        ended = [each.before for each in orphans if each.before is not None and each.before.state == "firing"]
        self.ended(ended, at)
        log.info("alerts ended because their rules are gone", alerts=len(ended))
        async with self._saving:
            await asyncio.to_thread(self._memory.save, "", at, orphans, list(self._untold.values()))

    async def keep(self, state: GroupState, at: float) -> None:
        """On disk: what changed. Where that fails people are told all the same, and the next evaluation writes it."""
        size = sum(len(followed.active) + len(followed.saved) for followed in state.rules)
        changed = await aside(size, lambda: [change for followed in state.rules for change in changes(followed)])
        async with self._saving:
            try:
                await asyncio.to_thread(self._memory.save, state.group.key, at, changed, list(self._untold.values()))
                if at - self._expired_at >= _DAY:
                    await asyncio.to_thread(self._memory.expire, at - self._history_days * _DAY)
                    self._expired_at = at
            except MemoryFailed as err:
                self.trouble("memory", str(err))
                return
        self.trouble("memory", "")
        for followed in state.rules:
            followed.saved = followed.active

    async def tell(self, state: GroupState, at: float) -> None:
        """Everything of a group that fires, and all ends that delivery has not taken over yet.

        Also where that is nothing: by this delivery knows that somebody evaluates.
        """
        if self._tell is None:
            return
        active = [alert for followed in state.rules for alert in followed.active.values()]
        firing = await aside(len(active), self._firing, active)
        # Taken out at once, so that two groups that end together do not tell the same twice.
        ends, self._untold = self._untold, {}
        try:
            await self._tell.tell([*ends.values(), *firing], at)
        except (OSError, sqlite3.Error) as err:
            self._untold = {**ends, **self._untold}
            self.trouble("delivery", f"delivery takes nothing over: {err}")
            return
        self.trouble("delivery", "")
        if ends:
            await self._forget(list(ends.values()))

    def _firing(self, alerts: Sequence[Alert]) -> list[Notice]:
        return [notice(alert, self._public_url) for alert in alerts if alert.state == "firing"]

    async def _forget(self, ends: Sequence[Notice]) -> None:
        async with self._saving:
            try:
                await asyncio.to_thread(self._memory.told, ends)
            except MemoryFailed as err:
                self.trouble("memory", str(err))
