"""Alerts that a site's Prometheus evaluates: read from its rules, shown as ours are."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from alerts.model import WATCHDOG, Alert, Clock, fingerprint
from wattstat.store.protocol import QueryError

KEPT_SECONDS = 5.0
"""How long an answer is shared between those who ask."""

Json = Mapping[str, Any]
Ask = Callable[[], Awaitable[Sequence[Json]]]


class Peer:
    """What another server evaluates. `ask` gives the groups of its `/api/v1/rules`."""

    def __init__(self, ask: Ask, clock: Clock = time.time) -> None:
        self._ask = ask
        self._clock = clock
        self._groups: Sequence[Json] = ()
        self._asked_at: float | None = None
        self.failure = ""
        """Why it could not be asked the last time; empty where it could."""

    async def groups(self) -> Sequence[Json]:
        """Its rule groups; those of the last time where it does not answer now."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at >= KEPT_SECONDS:
            self._asked_at = now
            try:
                self._groups, self.failure = await self._ask(), ""
            except QueryError as err:
                self.failure = str(err)
        return self._groups

    async def active(self) -> list[Alert]:
        """What is firing or pending there."""
        return list(alerts_of(await self.groups()))

    async def evaluated(self) -> tuple[float, bool] | None:
        """When it last evaluated a group, in Unix time, and whether its watchdog fires; None where it cannot tell now."""
        groups = await self.groups()
        moments = [at for group in groups if (at := _unix(group.get("lastEvaluation"))) and at > 0]
        if self.failure or not moments:
            return None
        return max(moments), any(alert.name == WATCHDOG and alert.state == "firing" for alert in alerts_of(groups))

    async def failing(self) -> dict[str, str]:
        """Rules that it could not evaluate, and whether it could be asked at all."""
        groups = await self.groups()
        failing = {
            str(rule["name"]): str(rule.get("lastError") or "failed") for rule in _rules(groups) if rule.get("health") == "err"
        }
        return failing if not self.failure else {"Prometheus": self.failure, **failing}


def alerts_of(groups: Sequence[Json]) -> Iterator[Alert]:
    """The alerts in an answer of `/api/v1/rules`. One without a moment or without labels is left out: it would be nobody's."""
    for group in groups:
        for rule in group.get("rules") or ():
            for alert in rule.get("alerts") or ():
                found = _alert(alert, rule, str(group.get("name", "")))
                if found is not None:
                    yield found


def _rules(groups: Sequence[Json]) -> Iterator[Json]:
    for group in groups:
        yield from group.get("rules") or ()


def _alert(told: Json, rule: Json, group: str) -> Alert | None:
    labels, active_at = told.get("labels") or {}, _unix(told.get("activeAt"))
    if "alertname" not in labels or active_at is None:
        return None
    state: Literal["pending", "firing"] = "firing" if told.get("state") == "firing" else "pending"
    return Alert(
        fingerprint=fingerprint(labels),
        labels=labels,
        annotations=told.get("annotations") or {},
        state=state,
        value=_number(told.get("value")),
        active_at=active_at,
        fired_at=active_at + float(rule.get("duration") or 0) if state == "firing" else None,
        keep_firing_since=_unix(told.get("keepFiringSince")),
        group=group,
        expression=str(rule.get("query") or ""),
    )


def _unix(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(_to_microseconds(str(text))).timestamp()
    except ValueError:
        return None


def _to_microseconds(text: str) -> str:
    """Go writes nine digits behind the seconds, of which Python reads six."""
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    return f"{head}.{digits[:6]:<06}{tail[len(digits) :]}"


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")
