"""A small site's books in memory, behind the interface that the real ones have."""

from __future__ import annotations

from dataclasses import replace

from wattstat.api.energy import (
    Balance,
    BalanceRow,
    GpuOfJob,
    Inference,
    JobDetail,
    JobFinding,
    JobHour,
    JobPage,
    JobRow,
    NoSuchNode,
    Parts,
    Report,
    ReportRow,
)

NOW = 1_795_392_000.0  # 2026-11-23T00:00:00Z

JOB = JobRow(
    scheduler="slurm",
    job_id="1234",
    instance="0",
    name="train",
    user="ada",
    account="physics",
    partition="gpu",
    qos="normal",
    state="completed",
    submitted=NOW - 90_000,
    start=NOW - 86_400,
    end=NOW - 79_200,
    nodes=("gpu01", "gpu02"),
    gpus=16,
    energy_joules=90e6,
    energy=Parts(gpu=60e6, cpu=9e6, rest=18e6, allocated_idle=3e6),
    error_joules=0.09e6,
    estimated_joules=0.9e6,
    methods=("counter", "estimated"),
    settled_until=NOW - 60,
    currency="EUR",
    cost=7.5,
    priced_ratio=1.0,
    carbon_grams=9500.0,
    carbon_market_grams=0.0,
    gpu_seconds=115_200,
    average_gpu_watts=520.8,
    sm_active_ratio=0.71,
    busy_ratio=0.9,
    idle_ratio=0.06,
    capped_ratio=0.0,
    memory_peak_ratio=0.8,
    findings=1,
)
GPU = GpuOfJob(
    node="gpu01",
    uuid="GPU-1",
    index=3,
    instance="",
    model="NVIDIA H100 80GB HBM3",
    fraction=1.0,
    energy_joules=3.75e6,
    idle_joules=0.2e6,
    seconds=7200,
    average_watts=520.8,
    limit_watts=700,
    sm_active_ratio=0.71,
    busy_ratio=0.9,
    tensor_active_ratio=0.4,
    idle_ratio=0.06,
    capped_ratio=0.0,
    memory_peak_bytes=64 * 2**30,
    memory_total_bytes=80 * 2**30,
)
FINDING = JobFinding(
    kind="idle_gpus",
    severity="warning",
    text="1 of 16 GPUs did nothing: gpu02/7, idle for 2 h 00 min; 0.83 kWh went into it.",
    evidence={"gpus": 1, "gpu": "gpu02/7"},
    wasted_joules=3e6,
)
POD = replace(
    JOB, scheduler="kubernetes", job_id="team-a/bert-0", instance="9f2c-1", name="bert-0", user="", account="team-a",
    partition="team-a", state="running", end=None, nodes=("gpu03",), gpus=1, energy_joules=1.8e6,
    energy=Parts(gpu=1.8e6), cost=None, carbon_grams=None, carbon_market_grams=None, findings=0, methods=(),
)  # fmt: skip
HETEROGENEOUS = replace(JOB, job_id="77+1", instance="2", energy_joules=3.6e6, energy=Parts(gpu=3.6e6))


class BooksInMemory:
    """Runs, reports and balances of a list of rows. Remembers what it was asked."""

    def __init__(self, rows=(JOB, POD, HETEROGENEOUS), *, gpus=(GPU,), books_begin=None):
        self.rows = tuple(rows)
        self.gpus = tuple(gpus)
        self.books_begin = books_begin
        self.asked = []

    def jobs(self, query):
        self.asked.append(query)
        if query.cursor and not query.cursor.isdecimal():
            raise ValueError(f"cursor {query.cursor!r} is not one of ours; expected the `next` of a page")
        rows = [row for row in self.rows if not query.user or row.user == query.user]
        first = int(query.cursor or 0)
        last = first + query.limit
        return JobPage(items=tuple(rows[first:last]), total=len(rows), next=str(last) if last < len(rows) else None)

    def job(self, job_id, instance=None, scheduler=""):
        self.asked.append((job_id, instance))
        runs = [row for row in self.rows if row.job_id == job_id and instance in {None, row.instance}]
        if not runs:
            return None
        hour = JobHour(start=NOW - 86_400, energy=Parts(gpu=45e6), error_joules=1.0, cost=3.75, carbon_grams=4750.0)
        served = Inference(
            model="llama",
            requests=100,
            tokens=5e4,
            energy_joules=5e5,
            joules_per_request=5000,
            joules_per_1000_tokens=1e4,
            live_joules_per_1000_tokens=12.5,
        )
        return JobDetail(
            job=runs[0],
            gpus=self.gpus,
            hours=(hour,),
            findings=(FINDING,) * runs[0].findings,
            inference=(served,) if runs[0].job_id == POD.job_id else (),
        )

    def report(self, by, start, end, *, limit=None, cursor=""):
        self.asked.append((by, start, end, limit, cursor))
        lines = [line(row.account or "=cmd()", row.energy_joules) for row in self.rows] + [line("(idle)", 1e6, jobs=None)]
        first = int(cursor or 0)
        last = first + (limit or len(lines))
        return Report(
            by=by,
            start=start,
            end=end,
            currency="EUR",
            pue=1.3,
            settled_until=NOW - 60,
            items=tuple(lines[first:last]),
            total=line("total", sum(each.energy_joules for each in lines), jobs=len(self.rows)),
            next=str(last) if last < len(lines) else None,
            books_begin=self.books_begin,
        )

    def balance(self, start, end, *, node="", by="node"):
        self.asked.append((start, end, node, by))
        key = "2026-11-22" if by == "day" else "gpu01"
        if node == "nosuch":
            raise NoSuchNode(f"no such node in the books: {node!r}")
        return Balance(
            start=start,
            end=end,
            settled_until=end,
            total=balanced("total"),
            items=(balanced(key),),
            books_begin=self.books_begin,
        )


def line(key, joules, jobs=1):
    """A line of a report."""
    return ReportRow(
        key=key,
        account=key,
        jobs=jobs,
        gpu_hours=32.0,
        energy_joules=joules,
        energy=Parts(gpu=joules),
        error_joules=joules * 0.001,
        estimated_joules=0.0,
        cost=joules / 3.6e6 * 0.3,
        carbon_grams=joules / 3.6e6 * 380,
        carbon_market_grams=0.0,
        facility_joules=joules * 1.3,
        labels={"scheduler": "slurm"},
    )


def balanced(key):
    """A node whose books agree with its meter."""
    return BalanceRow(
        key=key,
        measured_joules=100e6,
        jobs_joules=90e6,
        idle_joules=9e6,
        overhead_joules=1e6,
        residual_joules=0.0,
        residual_ratio=0.0,
        error_joules=0.1e6,
        hole_seconds=0.0,
        source="counter",
    )
