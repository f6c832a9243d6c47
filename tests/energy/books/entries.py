"""Batches and runs for tests of the books."""

from __future__ import annotations

from energy.model import Account, Checkpoint, GpuUse, Method, NodeBatch, NodeHour, Posting
from wattstat.jobs import GpuHold, Placement, Run, RunKey, State

T0 = 1_767_225_600  # 2026-01-01, a Thursday, 00:00 UTC
HOUR = 3600
DAY = 24 * HOUR


def run_of(job_id: str, *, node: str = "n1", start: float = T0, end: float | None = None, user: str = "ada", **others) -> Run:
    values = {
        "account": "physics",
        "partition": "gpu",
        "state": State.RUNNING if end is None else State.COMPLETED,
        "placements": (Placement(node=node, gpus=(GpuHold(index=0), GpuHold(index=1)), cpus=32),),
    }
    return Run(key=RunKey("slurm", job_id), user=user, started=start, ended=end, **{**values, **others})


def posting(
    run: Run | None, hour: int, joules: float, *, node: str = "n1", account: Account | None = None, **others
) -> Posting:
    """Joules by parts: 60 % GPUs, 20 % processors, 15 % rest, 5 % idle GPUs; idle and overhead have no idle GPUs."""
    to = account or (Account.JOB if run else Account.IDLE)
    idle = 0.05 * joules if to is Account.JOB else 0.0
    values = {
        "gpu_joules": 0.6 * joules,
        "cpu_joules": 0.2 * joules,
        "rest_joules": joules - 0.8 * joules - idle,
        "idle_joules": idle,
        "error_joules": 0.001 * joules,
        "methods": Method.COUNTER,
        "gpu_seconds": 60.0,
        "cost": joules / 3.6e6 * 0.25,
        "priced_joules": joules,
        "location_grams": joules / 3.6e6 * 400,
        "location_joules": joules,
    }
    return Posting(hour=hour, node=node, account=to, run=run.key if run else None, **{**values, **others})


def use(run: Run, *, node: str = "n1", gpu: int = 0, **others) -> GpuUse:
    values = {
        "joules": 600.0,
        "idle_joules": 50.0,
        "seconds": 60.0,
        "idle_seconds": 6.0,
        "sm_active_seconds": 30.0,
        "busy_seconds": 45.0,
        "capped_seconds": 3.0,
        "memory_peak_bytes": 40e9,
        "memory_total_bytes": 80e9,
        "limit_watts": 700.0,
        "model": "NVIDIA H100",
    }
    return GpuUse(run=run.key, node=node, uuid=f"GPU-{node}-{gpu}", index=gpu, **{**values, **others})


def batch(since: float | None, until: float, *postings: Posting, node: str = "n1", uses=(), measured=None) -> NodeBatch:
    """A settlement of a node whose meter counted what is posted, unless `measured` says otherwise."""
    hours: dict[int, list[Posting]] = {}
    for each in postings:
        hours.setdefault(each.hour, []).append(each)
    balance = tuple(
        NodeHour(
            hour=hour,
            node=node,
            measured_joules=sum(each.joules for each in lines) if measured is None else measured / len(hours),
            error_joules=sum(each.error_joules for each in lines),
        )
        for hour, lines in hours.items()
    )
    checkpoint = Checkpoint(node=node, settled_until=until, state="{}")
    return NodeBatch(since=since, checkpoint=checkpoint, postings=postings, uses=tuple(uses), hours=balance)
