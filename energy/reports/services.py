"""What all inference services answered in a span, by service and model, and what that took."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import ceil
from typing import NamedTuple

from energy.model import HOUR
from energy.reports.inference import counted, grown, per, shared
from wattstat.api.energy import EnergyReports, JobDetail, ServiceReport, ServiceRow
from wattstat.catalogue.inference import INFERENCE_REQUEST_SECONDS_TOTAL, INFERENCE_REQUESTS_TOTAL, INFERENCE_TOKENS_TOTAL
from wattstat.catalogue.metric import Metric
from wattstat.store.protocol import Store


class Job(NamedTuple):
    """A job by its scheduler's name for it."""

    scheduler: str
    job_id: str


class Served(NamedTuple):
    """A model of a service."""

    service: str
    model: str


Counts = Mapping[Job, Mapping[Served, float]]


async def services(store: Store, reports: EnergyReports, start: float, end: float) -> ServiceReport:
    """All services. Raises `QueryError`, and what the reports raise."""
    metrics = (INFERENCE_REQUESTS_TOTAL, INFERENCE_TOKENS_TOTAL, INFERENCE_REQUEST_SECONDS_TOTAL)
    requests, tokens, seconds = await asyncio.gather(*(_counts(store, metric, start, end) for metric in metrics))
    jobs = sorted({*requests, *tokens})
    joules = await asyncio.to_thread(lambda: {job: spent(reports, job, start, end) for job in jobs})
    return ServiceReport(start=start, end=end, items=tuple(lines(requests, tokens, seconds, joules)))


def lines(requests: Counts, tokens: Counts, seconds: Counts, joules: Mapping[Job, float | None]) -> Iterator[ServiceRow]:
    """A line for each model of each service. Within a job its models share the joules; over its jobs a service adds them up."""
    shares = {
        job: shared(requests.get(job, {}), tokens.get(job, {}), whole) for job, whole in joules.items() if whole is not None
    }
    jobs_of: dict[Served, list[Job]] = defaultdict(list)
    for job in joules:
        for served in {**requests.get(job, {}), **tokens.get(job, {})}:
            jobs_of[served].append(job)
    for served, jobs in sorted(jobs_of.items()):
        energy = _sum(shares, served, jobs) if all(job in shares for job in jobs) else None
        asked, told = _sum(requests, served, jobs), _sum(tokens, served, jobs)
        yield ServiceRow(
            service=served.service,
            model=served.model,
            jobs=sum(bool(job.job_id) for job in jobs),
            requests=asked,
            tokens=told,
            seconds_per_request=per(_sum(seconds, served, jobs), asked),
            energy_joules=energy,
            joules_per_request=per(energy, asked),
            joules_per_1000_tokens=per(energy, told, 1000),
        )


def spent(reports: EnergyReports, job: Job, start: float, end: float) -> float | None:
    """A job's joules in a span, over all its runs; hours at the edges of the span by their share. None for an unknown job."""
    newest = reports.job(job.job_id) if job.job_id else None
    if newest is None:
        return None
    others = (
        reports.job(job.job_id, row.instance)
        for row in newest.other_runs
        if row.scheduler == job.scheduler and row.start < end and (row.end or end) > start
    )
    runs = [each for each in (newest, *others) if each is not None and each.job.scheduler == job.scheduler]
    return sum(_within(each, start, end) for each in runs) if runs else None


def _within(run: JobDetail, start: float, end: float) -> float:
    overlaps = ((hour, min(hour.start + HOUR, end) - max(hour.start, start)) for hour in run.hours)
    return sum(hour.energy.total * overlap / HOUR for hour, overlap in overlaps if overlap > 0)


async def _counts(store: Store, metric: Metric, start: float, end: float) -> Counts:
    """What was counted in the span: the growth of counters that were there before, all of those that began in it."""
    seconds = ceil(end - start)
    began = f"({counted(metric.name, seconds)}) unless max_over_time({metric.name}[1h] offset {seconds}s)"
    by = "scheduler, job_id, service, model"
    answer = await store.query(f"sum by ({by}) (({began}) or {grown(metric.name, seconds)})", end)
    found: dict[Job, dict[Served, float]] = defaultdict(dict)
    for series in answer.series:
        label = series.labels
        job = Job(label.get("scheduler", ""), label.get("job_id", ""))
        found[job][Served(label.get("service", ""), label.get("model", ""))] = float(series.values[0])
    return found


def _sum(counts: Counts, served: Served, jobs: list[Job]) -> float | None:
    found = [counts[job][served] for job in jobs if served in counts.get(job, {})]
    return sum(found) if found else None
