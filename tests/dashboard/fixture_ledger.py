"""A made-up ledger for the dashboard's tests: jobs on the fixture's hall, sorted, filtered and paged as the real one does."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fixture_hall import NOW

from wattstat.api.energy import (
    Balance,
    BalanceRow,
    By,
    GpuOfJob,
    Inference,
    JobDetail,
    JobFinding,
    JobHour,
    JobPage,
    JobQuery,
    JobRow,
    LedgerUnavailable,
    Parts,
    Report,
    ReportRow,
)  # fmt: skip

USERS = {"anna.lindqvist": "climate", "bo": "climate", "chen": "llm", "dmitri": "llm", "elif": "drug-discovery-collaboration"}
NAMES = ("pretrain-34b", "finetune", "md-npt", "eval", "a-job-with-a-name-that-was-generated-from-all-its-parameters-lr3e-4")
PARTS = ("gpu", "cpu", "rest", "allocated_idle")
HOUR = 3600.0


def row(number: int, at: float) -> JobRow:
    """Job 4200 + number. The first twenty are alive."""
    rng = random.Random(number)
    user = rng.choice(list(USERS))
    nodes = ("gpu-03",) if number % 4 else tuple(f"gpu-{i:02d}" for i in range(1, 9))
    gpus = 8 * len(nodes) if number % 4 == 0 else rng.choice((1, 2, 4, 8))
    length = rng.choice((240.0, 1800.0, 5 * HOUR, 26 * HOUR))
    is_alive = number < 20
    start = at - length if is_alive else at - length - number * 400.0
    end = None if is_alive else start + length
    busy = rng.uniform(0.02, 0.95)
    gpu_joules = length * gpus * (110 + 560 * busy)
    idle = gpu_joules * rng.choice((0.0, 0.0, 0.03, 0.6))
    energy = Parts(gpu=gpu_joules - idle, cpu=0.12 * gpu_joules, rest=0.3 * gpu_joules, allocated_idle=idle)
    job_id = "ml-team/serve-70b-0" if number == 3 else f"{4200 + number}" if number % 5 else f"{4200 + number}_7"
    state = "running" if is_alive else rng.choice(("completed", "completed", "failed", "cancelled", "node_fail", "timeout"))
    return JobRow(
        scheduler="kubernetes" if number == 3 else "slurm", job_id=job_id, instance="0", name=NAMES[number % len(NAMES)],
        user=user, account=USERS[user], partition="gpu" if number % 3 else "gpu-long", qos="normal", state=state,
        submitted=start - 300, start=start, end=end, nodes=nodes, gpus=gpus, energy_joules=energy.total, energy=energy,
        error_joules=energy.total * 0.004, estimated_joules=energy.total * 0.01 if number % 7 == 0 else 0.0,
        methods=("counter", "integral", "estimated") if number % 7 == 0 else ("counter", "integral"),
        settled_until=min(at - 45, end or at), currency="EUR", cost=energy.total / 3.6e6 * 0.24,
        priced_ratio=1.0 if number % 6 else 0.8, carbon_grams=energy.total / 3.6e6 * 380, carbon_market_grams=0.0,
        gpu_seconds=gpus * length, average_gpu_watts=110 + 560 * busy, sm_active_ratio=busy if number % 9 else None,
        busy_ratio=min(1.0, busy + 0.1), idle_ratio=idle / gpu_joules, capped_ratio=0.2 * busy,
        memory_peak_ratio=rng.uniform(0.1, 0.98), findings=int(busy < 0.2) + int(idle > 0),
    )  # fmt: skip


_SORTS: dict[str, Callable[[JobRow], Any]] = {
    "start": lambda job: job.start, "end": lambda job: job.end or math.inf, "energy": lambda job: job.energy_joules,
    "cost": lambda job: job.cost, "carbon": lambda job: job.carbon_grams, "gpus": lambda job: job.gpus,
    "duration": lambda job: job.gpu_seconds / job.gpus, "sm_active": lambda job: job.sm_active_ratio or 0.0,
    "idle": lambda job: job.idle_ratio, "name": lambda job: job.name, "user": lambda job: job.user,
    "account": lambda job: job.account,
}  # fmt: skip


@dataclass
class FakeReports:
    """Answers like the ledger's reports. `down` makes its database silent."""

    at: float = NOW
    count: int = 230
    down: bool = False
    asked: list[Any] = field(default_factory=list)

    def rows(self) -> list[JobRow]:
        return [row(number, self.at) for number in range(self.count)]

    def jobs(self, query: JobQuery) -> JobPage:
        self._answer(query)
        if query.cursor and not query.cursor.isdecimal():
            raise ValueError(f"“{query.cursor}” is no cursor of this list; begin with the first page")
        found = [job for job in self.rows() if _fits(job, query)]
        found.sort(key=_SORTS[query.sort.removeprefix("-")], reverse=query.sort.startswith("-"))
        first = int(query.cursor or 0)
        last = first + query.limit
        return JobPage(items=tuple(found[first:last]), total=len(found), next=str(last) if last < len(found) else None)

    def job(self, job_id: str, instance: str | None = None, scheduler: str = "") -> JobDetail | None:
        self._answer((job_id, instance))
        job = next((each for each in self.rows() if each.job_id == job_id and instance in {None, each.instance}), None)
        return None if job is None else detail(job, self.at)

    def report(self, by: By, start: float, end: float, *, limit: int | None = None, cursor: str = "") -> Report:
        self._answer((by, start, end))
        jobs = [job for job in self.rows() if job.start < end and (job.end or math.inf) > start]
        groups: dict[str, list[JobRow]] = defaultdict(list)
        for job in jobs:
            groups[_group(job, by)].append(job)
        lines = [_line(key, members) for key, members in sorted(groups.items())]
        used = sum(line.energy_joules for line in lines)
        lines += [_other("(idle)", used * 0.31), _other("(overhead)", used * 0.04)]
        total = _sum("total", lines)
        return Report(by=by, start=start, end=end, currency="EUR", pue=None, settled_until=min(end, self.at - 45),
                      items=tuple(lines[:limit]), total=total)  # fmt: skip

    def balance(self, start: float, end: float, *, node: str = "", by: Literal["node", "day"] = "node") -> Balance:
        self._answer((start, end, node, by))
        total = self.report("account", start, end).total.energy_joules
        jobs, idle, overhead = total / 1.35, total / 1.35 * 0.31, total / 1.35 * 0.04
        keys = [f"gpu-{i:02d}" for i in range(1, 15)] if by == "node" else ["2026-09-20", "2026-09-21"]
        items = [_balance(key, jobs / len(keys), idle / len(keys), overhead / len(keys), i) for i, key in enumerate(keys)]
        whole = replace(
            _balance("total", jobs, idle, overhead, 0),
            residual_joules=sum(item.residual_joules for item in items),
            measured_joules=sum(item.measured_joules for item in items),
        )
        return Balance(start=start, end=end, settled_until=min(end, self.at - 45), total=whole, items=tuple(items))

    def _answer(self, asked: Any) -> None:
        self.asked.append(asked)
        if self.down:
            raise LedgerUnavailable("the ledger's database does not answer (disk full); see core's log")


def _fits(job: JobRow, query: JobQuery) -> bool:
    in_time = (query.end is None or job.start < query.end) and (query.start is None or (job.end or math.inf) > query.start)
    texts = (job.job_id, job.name, job.user)
    return (
        in_time
        and query.user in {"", job.user}
        and query.account in {"", job.account}
        and query.partition in {"", job.partition}
        and query.state in {"", job.state}
        and (not query.node or query.node in job.nodes)
        and any(query.search.lower() in text.lower() for text in texts)
    )


def _group(job: JobRow, by: By) -> str:
    return {
        "job": job.job_id, "user": job.user, "account": job.account, "partition": job.partition, "node": job.nodes[0],
        "day": "2026-09-21",
    }[by]  # fmt: skip


def _line(key: str, jobs: Iterable[JobRow]) -> ReportRow:
    listed = list(jobs)
    parts = Parts(**{name: sum(getattr(job.energy, name) for job in listed) for name in PARTS})
    return ReportRow(
        key=key, account="job", jobs=len(listed), gpu_hours=sum(job.gpu_seconds for job in listed) / 3600,
        energy_joules=parts.total, energy=parts, error_joules=sum(job.error_joules for job in listed),
        estimated_joules=sum(job.estimated_joules for job in listed), cost=sum(job.cost or 0 for job in listed),
        carbon_grams=sum(job.carbon_grams or 0 for job in listed), carbon_market_grams=0.0, facility_joules=None,
    )  # fmt: skip


def _other(key: str, joules: float) -> ReportRow:
    return ReportRow(
        key=key, account="", jobs=None, gpu_hours=0, energy_joules=joules, energy=Parts(gpu=joules * 0.7, rest=joules * 0.3),
        error_joules=joules * 0.01, estimated_joules=0, cost=joules / 3.6e6 * 0.24, carbon_grams=joules / 3.6e6 * 380,
        carbon_market_grams=0.0, facility_joules=None,
    )  # fmt: skip


def _sum(key: str, lines: Iterable[ReportRow]) -> ReportRow:
    listed = list(lines)
    parts = Parts(**{name: sum(getattr(line.energy, name) for line in listed) for name in PARTS})
    return ReportRow(
        key=key, account="", jobs=sum(line.jobs or 0 for line in listed), gpu_hours=sum(line.gpu_hours for line in listed),
        energy_joules=parts.total, energy=parts, error_joules=sum(line.error_joules for line in listed),
        estimated_joules=sum(line.estimated_joules for line in listed), cost=sum(line.cost or 0 for line in listed),
        carbon_grams=sum(line.carbon_grams or 0 for line in listed), carbon_market_grams=0.0, facility_joules=None,
    )  # fmt: skip


def _balance(key: str, jobs: float, idle: float, overhead: float, number: int) -> BalanceRow:
    residual = (jobs + idle + overhead) * 2e-4 * (-1) ** number
    measured = jobs + idle + overhead + residual
    return BalanceRow(
        key=key, measured_joules=measured, jobs_joules=jobs, idle_joules=idle, overhead_joules=overhead,
        residual_joules=residual, residual_ratio=residual / measured if measured else None, error_joules=measured * 0.004,
        hole_seconds=120.0 if number == 4 else 0.0, source="integrated" if number % 3 == 2 else "counter",
    )  # fmt: skip


def detail(job: JobRow, at: float) -> JobDetail:
    """All of one run: the second GPU of its last server is slow."""
    per_node = job.gpus // len(job.nodes)
    places = [(node, index) for node in job.nodes for index in range(per_node)]
    seconds = (job.end or at) - job.start
    gpus = tuple(_gpu(job, node, index, seconds, is_slow=(node, index) == (job.nodes[-1], 1)) for node, index in places)
    first = int(job.start // HOUR * HOUR)
    starts = range(first, int(job.end or at), int(HOUR))
    share = 1 / max(1, len(starts))
    hours = tuple(
        JobHour(start=start, energy=Parts(**{name: getattr(job.energy, name) * share for name in PARTS}),
                error_joules=job.error_joules * share, cost=(job.cost or 0) * share, carbon_grams=None)
        for start in starts
    )  # fmt: skip
    findings = (
        JobFinding(kind="straggler", severity="warning", text="GPU 1 on gpu-03 worked at half the pace of the others.",
                   evidence={"name": f"{job.nodes[-1]}/1", "sm_active_ratio": 0.31, "median_sm_active_ratio": 0.78}),
        JobFinding(kind="idle_gpus", severity="warning", text="2 of 8 GPUs were held and hardly used.",
                   evidence={"gpus": 2.0, "of": 8.0}, wasted_joules=job.energy.allocated_idle),
    )  # fmt: skip
    served = (
        (Inference(model="llama-70b", requests=12_400, tokens=3.1e6, energy_joules=job.energy_joules,
                   joules_per_request=job.energy_joules / 12_400, joules_per_1000_tokens=job.energy_joules / 3100),)
        if job.scheduler == "kubernetes" else ()
    )  # fmt: skip
    before = replace(job, instance="1", state="requeued", start=job.start - 7200, end=job.start - 3600)
    return JobDetail(job=job, gpus=gpus, hours=hours, findings=findings[: job.findings], other_runs=(before,), inference=served)


def _gpu(job: JobRow, node: str, index: int, seconds: float, *, is_slow: bool) -> GpuOfJob:
    pace = 0.4 if is_slow else 1.0 - 0.01 * index
    joules = (job.energy.gpu + job.energy.allocated_idle) / job.gpus * pace
    activity = None if job.sm_active_ratio is None else job.sm_active_ratio * pace
    return GpuOfJob(
        node=node, uuid=f"GPU-{sum(node.encode()):08x}-{index:04x}", index=index, instance="", model="NVIDIA H100 80GB HBM3",
        fraction=1.0, energy_joules=joules, idle_joules=job.energy.allocated_idle / job.gpus, seconds=seconds,
        average_watts=joules / seconds, limit_watts=700.0, sm_active_ratio=activity, busy_ratio=(job.busy_ratio or 0) * pace,
        tensor_active_ratio=None if activity is None else activity * 0.5, idle_ratio=job.idle_ratio,
        capped_ratio=job.capped_ratio, memory_peak_bytes=(job.memory_peak_ratio or 0) * 80 * 2**30,
        memory_total_bytes=80 * 2**30,
    )  # fmt: skip
