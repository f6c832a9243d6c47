"""A finding: what it asks of history, what it makes of the answers (pure), and how it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from alerts.findings.past import Past
from alerts.model import Conditions, Raised
from alerts.shipped import LOCAL_URL
from wattstat.api.alerts import Category, EvidenceLine

Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Generic[Facts]):
    """A `Finder` in two halves, so that the thinking half can be tried on numbers alone."""

    name: str
    every_seconds: float
    conditions: Conditions
    summary: str
    past: Past
    fetch: Callable[[Past, float], Awaitable[Facts]]
    judge: Callable[[Facts], Sequence[Raised]]

    async def look(self, at: float) -> Sequence[Raised]:
        """Everything that holds at this moment. Raises `QueryError`."""
        facts = await self.fetch(self.past, at)
        # Over a large site this takes a second; whoever looks at a page meanwhile should not wait for it.
        return await asyncio.to_thread(self.judge, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What all alerts of a finding have in common."""

    name: str
    severity: str
    component: str
    category: Category
    summary: str

    def say(
        self,
        labels: Mapping[str, str],
        description: str,
        *,
        value: float,
        page: str,
        evidence: Sequence[EvidenceLine],
        severity: str = "",
    ) -> Raised:
        """One alert about the device that `labels` name. `page` is the path where it is seen best."""
        return Raised(
            labels={
                **{name: text for name, text in labels.items() if text},
                "alertname": self.name,
                "severity": severity or self.severity,
                "component": self.component,
                "category": self.category,
            },
            annotations={
                "summary": self.summary,
                "description": description,
                "runbook_url": f"{LOCAL_URL}/runbooks/{self.name}",
                "dashboard_url": f"{LOCAL_URL}{page}",
            },
            value=value,
            evidence=tuple(evidence),
        )
