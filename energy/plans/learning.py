"""What a site's own finished jobs teach a plan: what its GPUs draw at work, what stands round them, what energy costs there."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from energy.plans.boards import Board, of_model
from energy.plans.plan import Site
from energy.plans.quantity import Quantity, exact, next_of
from energy.reports.spread import known, weighted
from wattstat.api.energy import EnergyReports, GpuOfJob, JobDetail, JobQuery, JobRow
from wattstat.config.energy import Energy

LOOK_BACK_SECONDS = 180 * 86_400
MIN_JOBS = 5
"""With fewer, a mean says more about those jobs than about the next one."""
MAX_JOBS = 60
"""The largest ones; more would change little and cost time."""
MIN_JOB_SECONDS = 1800.0
"""Shorter runs spend too much of their time starting."""
AT_WORK_RATIO = 0.5
"""Training keeps its GPUs active for more than half of the time; other work says nothing about training."""
UNLIMITED_RATIO = 0.95
"""A GPU under a lower limit than that does not show what it would draw."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What one job teaches."""

    watts: float | None
    node_ratio: float | None
    tensor_active: float | None


def learn(reports: EnergyReports, board: Board, settings: Energy, now: float) -> Site:
    """What is known of the site for such a board. Blocking: asks the books for some dozens of jobs."""
    details = [*_training(reports, board, now)]
    lessons = [_lesson(detail, board) for detail in details]
    rows = [detail.job for detail in details]
    since = f"the site's own {len(details)} finished jobs on {board.name} in {LOOK_BACK_SECONDS // 86_400} days"
    known_already = by_settings(settings)
    return replace(
        known_already,
        jobs=len(details),
        gpu_watts=_next((each.watts for each in lessons), since),
        node_ratio=_next((each.node_ratio for each in lessons), since),
        tensor_active=_next((each.tensor_active for each in lessons), f"{since}: tensor cores active"),
        price_per_kwh=_price(rows) or known_already.price_per_kwh,
        grams_per_kwh=_grams(rows) or known_already.grams_per_kwh,
    )


def by_settings(settings: Energy) -> Site:
    """What the settings alone tell."""
    return Site(
        price_per_kwh=_constant(settings.tariff.price_per_kwh, "energy.tariff.price_per_kwh"),
        grams_per_kwh=_constant(settings.carbon.location_grams_per_kwh, "energy.carbon.location_grams_per_kwh"),
        pue=_constant(settings.pue, "energy.pue"),
        currency=settings.tariff.currency,
    )


def _training(reports: EnergyReports, board: Board, now: float) -> Iterator[JobDetail]:
    """The largest finished runs that kept whole GPUs of this model at work."""
    query = JobQuery(start=now - LOOK_BACK_SECONDS, end=now, state="completed", sort="-energy", limit=500)
    found = 0
    for row in reports.jobs(query).items:
        if not _is_training(row):
            continue
        detail = reports.job(row.job_id, row.instance, row.scheduler)
        if detail is None or not detail.gpus or not all(_is_whole(gpu, board) for gpu in detail.gpus):
            continue
        yield detail
        found += 1
        if found == MAX_JOBS:
            return


def _is_training(row: JobRow) -> bool:
    active = row.sm_active_ratio if row.sm_active_ratio is not None else row.busy_ratio
    lasted = (row.end or row.start) - row.start
    return row.gpus > 0 and lasted >= MIN_JOB_SECONDS and active is not None and active >= AT_WORK_RATIO and row.energy.gpu > 0


def _is_whole(gpu: GpuOfJob, board: Board) -> bool:
    return gpu.fraction == 1 and of_model(gpu.model) == board


def _lesson(detail: JobDetail, board: Board) -> _Lesson:
    watts, limit = weighted(detail.gpus, "average_watts"), weighted(detail.gpus, "limit_watts")
    is_free = limit is None or limit.mean >= UNLIMITED_RATIO * board.limit_watts
    tensor = [value for gpu in detail.gpus if (value := known(gpu.tensor_active_ratio))]
    energy = detail.job.energy
    devices = energy.gpu + energy.allocated_idle
    # A server without a meter has no rest: then the ratio would only say what was not measured.
    ratio = energy.total / devices if energy.rest > 0 and devices > 0 else None
    return _Lesson(
        watts=watts.mean if watts is not None and watts.mean > 0 and is_free else None,
        node_ratio=ratio,
        tensor_active=statistics.fmean(tensor) if tensor else None,
    )


def _next(samples: Iterable[float | None], source: str) -> Quantity | None:
    told = [each for each in samples if each is not None]
    return next_of(told, source) if len(told) >= MIN_JOBS else None


def _constant(value: float | None, setting: str) -> Quantity | None:
    return None if value is None else exact(value, f"the setting {setting}")


def _price(rows: Sequence[JobRow]) -> Quantity | None:
    """What a kilowatt-hour cost these jobs: with a tariff by time of use it is no number of the settings."""
    return _mean(rows, lambda row: row.cost, lambda row: row.energy_joules * row.priced_ratio, "paid for")


def _grams(rows: Sequence[JobRow]) -> Quantity | None:
    return _mean(rows, lambda row: row.carbon_grams, lambda row: row.energy_joules, "carbon of")


def _mean(
    rows: Sequence[JobRow], amount: Callable[[JobRow], float | None], joules: Callable[[JobRow], float], verb: str
) -> Quantity | None:
    told = [(value, joules(row)) for row in rows if (value := amount(row)) is not None and joules(row) > 0]
    if len(told) < MIN_JOBS:
        return None
    mean = 3.6e6 * sum(value for value, _ in told) / sum(energy for _, energy in told)
    return exact(mean, f"{verb} the site's own {len(told)} finished jobs")
