"""Rows of the books as the shapes that people get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from energy.books.tables import checkpoints, gpu_uses, run_nodes, runs
from energy.model import Method
from energy.reports.efficiency import findings
from wattstat.api.energy import GpuOfJob, JobHour, JobRow, Parts


def job_rows(connection: sa.Connection, ids: Sequence[int], currency: str) -> list[JobRow]:
    """Runs by number, in the order of the numbers."""
    rows = {row.id: row for row in connection.execute(sa.select(runs).where(runs.c.id.in_(ids)))}
    places = connection.execute(
        sa.select(run_nodes.c.run_id, run_nodes.c.node, checkpoints.c.settled_until)
        .outerjoin(checkpoints, checkpoints.c.node == run_nodes.c.node)
        .where(run_nodes.c.run_id.in_(ids))
        .order_by(run_nodes.c.run_id, run_nodes.c.position)
    )
    nodes: dict[int, list[Any]] = {}
    for place in places:
        nodes.setdefault(place.run_id, []).append(place)
    uses: dict[int, list[GpuOfJob]] = {}
    for use in connection.execute(sa.select(gpu_uses).where(gpu_uses.c.run_id.in_(ids))):
        uses.setdefault(use.run_id, []).append(gpu_of_job(use))
    return [_job_row(rows[each], nodes.get(each, []), uses.get(each, []), currency) for each in ids if each in rows]


def _job_row(row: Any, places: Sequence[Any], gpus: Sequence[GpuOfJob], currency: str) -> JobRow:
    found = JobRow(
        scheduler=row.scheduler,
        job_id=row.job_id,
        instance=row.instance,
        name=row.name,
        user=row.user_name,
        account=row.account,
        partition=row.partition,
        qos=row.qos,
        state=row.state,
        submitted=row.submitted,
        start=row.started,
        end=row.ended,
        nodes=tuple(place.node for place in places),
        gpus=row.gpus,
        energy_joules=row.energy_joules,
        energy=parts(row),
        error_joules=row.error_joules,
        estimated_joules=row.estimated_joules,
        methods=Method(row.methods).names,
        settled_until=_settled(row, places),
        currency=currency,
        cost=known(row.cost, row.priced_joules),
        priced_ratio=min(ratio(row.priced_joules, row.energy_joules) or 0.0, 1.0),
        carbon_grams=known(row.location_grams, row.location_joules),
        carbon_market_grams=known(row.market_grams, row.market_joules),
        gpu_seconds=row.gpu_seconds,
        average_gpu_watts=ratio(row.held_joules, row.held_seconds),
        sm_active_ratio=ratio(row.sm_active_seconds, row.sm_active_seconds_known),
        busy_ratio=ratio(row.busy_seconds, row.busy_seconds_known),
        idle_ratio=ratio(row.held_idle_seconds, row.held_seconds),
        capped_ratio=ratio(row.capped_seconds, row.capped_seconds_known),
        memory_peak_ratio=row.memory_peak_ratio,
        findings=0,
    )
    return replace(found, findings=len(findings(found, gpus)))


def _settled(row: Any, places: Iterable[Any]) -> float | None:
    """Until when all of its nodes are settled, but not beyond its end."""
    if row.closed:
        return float(row.ended)
    settled: list[float | None] = [place.settled_until for place in places]
    known_until = [each for each in settled if each is not None]
    if not settled or len(known_until) < len(settled):
        return None
    return min(known_until) if row.ended is None else min(*known_until, row.ended)


def gpu_of_job(row: Any) -> GpuOfJob:
    """What one GPU did for a run."""
    energy = row.joules + row.idle_joules
    return GpuOfJob(
        node=row.node,
        uuid=row.uuid,
        index=row.gpu,
        instance=row.instance,
        model=row.model,
        fraction=row.fraction,
        energy_joules=energy,
        idle_joules=row.idle_joules,
        seconds=row.seconds,
        average_watts=ratio(energy, row.seconds),
        limit_watts=row.limit_watts,
        sm_active_ratio=ratio(row.sm_active_seconds, row.sm_active_seconds_known),
        busy_ratio=ratio(row.busy_seconds, row.busy_seconds_known),
        tensor_active_ratio=ratio(row.tensor_active_seconds, row.tensor_active_seconds_known),
        idle_ratio=ratio(row.idle_seconds, row.seconds),
        capped_ratio=ratio(row.capped_seconds, row.capped_seconds_known),
        memory_peak_bytes=row.memory_peak_bytes,
        memory_total_bytes=row.memory_total_bytes,
    )


def job_hour(row: Any) -> JobHour:
    """A run's energy in one hour."""
    return JobHour(
        start=float(row.hour),
        energy=parts(row),
        error_joules=row.error_joules,
        cost=known(row.cost, row.priced_joules),
        carbon_grams=known(row.location_grams, row.location_joules),
    )


def parts(row: Any) -> Parts:
    """Energy by what drew it."""
    return Parts(gpu=row.gpu_joules, cpu=row.cpu_joules, rest=row.rest_joules, allocated_idle=row.idle_joules)


def known(value: float, of_joules: float) -> float | None:
    """A cost or an amount of carbon; None where it covers no energy at all."""
    return value if of_joules > 0 else None


def ratio(part: float | None, whole: float) -> float | None:
    """A share; None where there is nothing to have a share of."""
    return None if part is None or whole <= 0 else part / whole
