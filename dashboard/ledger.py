"""What the pages ask the ledger, and the jobs that are alive now. Answers are shared between viewers for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from dashboard.shared import Shared
from wattstat.api.energy import Balance, By, EnergyReports, JobDetail, JobPage, JobQuery, LedgerUnavailable, Report
from wattstat.api.live import LiveSnapshot
from wattstat.catalogue import job

LIST_SECONDS = 5.0
REPORT_SECONDS = 20.0

ALIVE_METRICS = (job.JOB_POWER_WATTS, job.JOB_INFO, job.JOB_GPU_INFO, job.SCHEDULER_JOBS)
JobName = tuple[str, str]  # scheduler, job id

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The jobs that core sees now: power by job, who holds each GPU, how many there are by state."""

    watts: Mapping[JobName, float]
    holders: Mapping[str, tuple[Mapping[str, str], ...]]
    counts: Mapping[str, int]
    names: Mapping[JobName, str] = field(default_factory=dict)

    def watts_of(self, scheduler: str, job_id: str) -> float | None:
        return self.watts.get((scheduler, job_id))


def alive(snapshot: LiveSnapshot) -> Alive:
    """The jobs of a snapshot of the hall."""
    holders: dict[str, list[Mapping[str, str]]] = {}
    for sample in snapshot.find(job.JOB_GPU_INFO):
        holders.setdefault(sample.labels["uuid"], []).append(sample.labels)
    counts: dict[str, int] = {}
    for sample in snapshot.find(job.SCHEDULER_JOBS):
        counts[sample.labels["state"]] = counts.get(sample.labels["state"], 0) + int(sample.value)
    return Alive(
        watts={
            (sample.labels["scheduler"], sample.labels["job_id"]): sample.value for sample in snapshot.find(job.JOB_POWER_WATTS)
        },
        holders={uuid: tuple(found) for uuid, found in holders.items()},
        counts=counts,
        names={(one.labels["scheduler"], one.labels["job_id"]): one.labels["name"] for one in snapshot.find(job.JOB_INFO)},
    )


class Ledger:
    """The ledger's reports as the pages use them. All raise `LedgerUnavailable`, and `ValueError` for a senseless question."""

    def __init__(self, reports: EnergyReports | None, shared: Shared) -> None:
        self._reports = reports
        self._shared = shared

    async def jobs(self, query: JobQuery, *, seconds: float = LIST_SECONDS) -> JobPage:
        return await self._ask(("jobs", query), seconds, lambda reports: reports.jobs(query))

    async def job(self, job_id: str, instance: str | None, scheduler: str = "") -> JobDetail | None:
        key = ("job", job_id, instance, scheduler)
        return await self._ask(key, LIST_SECONDS, lambda reports: reports.job(job_id, instance, scheduler))

    async def report(self, by: By, start: float, end: float, *, limit: int | None = None, cursor: str = "") -> Report:
        key = ("report", by, start, end, limit, cursor)
        return await self._ask(key, REPORT_SECONDS, lambda reports: reports.report(by, start, end, limit=limit, cursor=cursor))

    async def balance(self, start: float, end: float, *, node: str = "", by: Literal["node", "day"] = "node") -> Balance:
        key = ("balance", start, end, node, by)
        return await self._ask(key, REPORT_SECONDS, lambda reports: reports.balance(start, end, node=node, by=by))

    async def _ask(self, key: Hashable, seconds: float, ask: Callable[[EnergyReports], T]) -> T:
        reports = self._reports
        if reports is None:
            raise LedgerUnavailable("This site keeps no ledger: energy.enabled is off in wattstat.yaml.")
        return await self._shared.get(key, seconds, lambda: asyncio.to_thread(ask, reports))
