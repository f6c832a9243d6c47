"""What the pages ask the alert desk. Answers are shared between viewers for a moment, so that a storm costs once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar

from dashboard.shared import Shared
from wattstat.api.alerts import (
    AlertDesk,
    AlertsRefused,
    AlertView,
    DeskStatus,
    EvidenceLine,
    HealthView,
    RuleNoise,
    SilenceView,
)

ACTIVE_SECONDS = 2.0
HISTORY_SECONDS = 10.0
EVIDENCE_SECONDS = 30.0
HEALTH_SECONDS = 5.0
_RUNG_SECONDS = 10.0
"""History is asked in whole steps of this, so that neighbours share answers."""

T = TypeVar("T")


class NoDesk(AlertsRefused):
    """This web process has no alert desk."""

    def __init__(self) -> None:
        super().__init__("This web process has no alert desk: nothing is evaluated, and nobody is told.")


class Alerts:
    """The desk as the pages use it. All raise `AlertsRefused` (`NoDesk` where there is none) and `QueryError`."""

    def __init__(self, desk: AlertDesk | None, shared: Shared) -> None:
        self._desk = desk
        self._shared = shared

    @property
    def is_there(self) -> bool:
        """Whether there is a desk at all."""
        return self._desk is not None

    @property
    def desk(self) -> AlertDesk:
        """For what acts. Raises `NoDesk`."""
        if self._desk is None:
            raise NoDesk
        return self._desk

    async def active(self) -> Sequence[AlertView]:
        """What is firing or pending now, worst first, then the oldest."""
        return await self._ask("active", ACTIVE_SECONDS, lambda desk: desk.active())

    async def history(self, start: float, end: float) -> Sequence[AlertView]:
        """What fired within a span of time, newest first; what still fires included."""
        start, end = start // _RUNG_SECONDS * _RUNG_SECONDS, end // _RUNG_SECONDS * _RUNG_SECONDS
        return await self._ask(("history", start, end), HISTORY_SECONDS, lambda desk: desk.history(start, end))

    async def evidence(self, fingerprint: str) -> Sequence[EvidenceLine]:
        """What speaks for an alert."""
        return await self._ask(("evidence", fingerprint), EVIDENCE_SECONDS, lambda desk: desk.evidence(fingerprint))

    async def noise(self, start: float, end: float) -> Sequence[RuleNoise]:
        """The noisiest rules of a span of time."""
        start, end = start // _RUNG_SECONDS * _RUNG_SECONDS, end // _RUNG_SECONDS * _RUNG_SECONDS
        return await self._ask(("noise", start, end), HISTORY_SECONDS, lambda desk: desk.noise(start, end))

    async def silences(self) -> Sequence[SilenceView]:
        """All that are active or to come, and those that ended lately."""
        return await self._ask("silences", ACTIVE_SECONDS, lambda desk: desk.silences())

    async def health(self) -> Sequence[HealthView]:
        """Every device of the inventory, worst first."""
        return await self._ask("health", HEALTH_SECONDS, lambda desk: desk.health())

    async def status(self) -> DeskStatus:
        """Whether rules are evaluated and messages go out."""
        return await self._ask("status", ACTIVE_SECONDS, lambda desk: desk.status())

    def runbook(self, name: str) -> str:
        """A runbook in Markdown. Raises `NoSuchAlert`."""
        return self.desk.runbook(name)

    def changed(self) -> None:
        """Somebody has acted: what the desk told before is not shown any more."""
        self._shared.forget(lambda key: isinstance(key, tuple) and key[0] == "alerts")

    async def _ask(self, key: Hashable, seconds: float, ask: Callable[[AlertDesk], Awaitable[T]]) -> T:
        desk = self.desk
        return await self._shared.get(("alerts", key), seconds, lambda: ask(desk))
