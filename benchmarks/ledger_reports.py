"""A month's report over 600,000 runs, lists of runs, a commit of 1,000 nodes; beside the same sums by reading every posting."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from benchmarks.table import Row
from energy.books.booking import SqlBooks
from energy.books.tables import AMOUNTS
from energy.database import open_books, open_reports
from energy.model import Account, Checkpoint, GpuUse, Method, NodeBatch, NodeHour, Posting
from energy.reports.reports import SqlReports
from wattstat.api.energy import BYS, JobQuery
from wattstat.config import Config
from wattstat.jobs import GpuHold, Placement, Run, RunKey

NODES, GPUS = 1000, 8
# 20,000 runs a day, a day before and after the month.
T0, DAY, HOUR = 1_767_225_600, 86_400, 3600
FIRST, DAYS, RUNS_A_DAY = T0 - DAY, 32, 20_000
MONTH = (T0, T0 + 30 * DAY)
# Ten minutes to four hours; one in a hundred goes on for two days.
LENGTH = "CASE WHEN id % 100 = 0 THEN 172800 ELSE 600 + id * 7919 % 13800 END"
ROUNDS = 5
COMMITS = 8


def _fill(connection: sa.Connection) -> None:
    """Runs by arithmetic, postings of each hour of theirs, and every table of sums made from the postings."""
    amounts = ", ".join(AMOUNTS)
    summed = ", ".join(f"sum({name})" for name in AMOUNTS)
    begin = f"{FIRST} + id * {DAY} / {RUNS_A_DAY}"
    joules = "1e5 * (1 + id % 13)"
    parts = "0.6 * j, 0.2 * j, 0.15 * j, 0.05 * j, 0.001 * j, 0, 3600, j / 3.6e6 * 0.25, j, j / 3.6e6 * 400, j, 0, 0"
    totals = ", ".join(f"({part.strip()}) * hours" for part in parts.split(","))
    runs = f"""
        WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < {DAYS * RUNS_A_DAY}),
        times AS (SELECT id, {begin} AS started, {begin} + {LENGTH} AS ended, {joules} AS j FROM ids),
        hours AS (SELECT *, started - started % {HOUR} AS first, (ended - 1) - (ended - 1) % {HOUR} AS last FROM times),
        counted AS (SELECT *, (last - first) / {HOUR} + 1 AS hours FROM hours)
        INSERT INTO runs (id, scheduler, job_id, instance, name, user_name, account, partition, qos, state, started, ended,
            reach, gpus, closed, first_hour, last_hour, energy_joules, {amounts}, held_seconds, held_joules)
        SELECT id, 'slurm', CAST(id AS TEXT), '0', 'train', 'user' || id % 300, 'account' || id % 30, 'part' || id % 4,
            'normal', 'completed', started, ended, ended - started >= {DAY}, 8, 1, first, last, j * hours, {totals}, 8 * 3600, j
        FROM counted"""
    statements = [
        runs,
        """INSERT INTO run_nodes (run_id, node, position, started)
            SELECT id, 'n' || (id * 31 % 1000), 0, started FROM runs""",
        f"""WITH RECURSIVE steps(step) AS (SELECT 0 UNION ALL SELECT step + 1 FROM steps WHERE step < 48)
            INSERT INTO postings (hour, node, posted_to, run_id, {amounts}, methods)
            SELECT hour, node, 'job', id, {parts}, 1 FROM (
                SELECT first_hour + step * {HOUR} AS hour, 'n' || (id * 31 % 1000) AS node, id, {joules} AS j
                FROM runs JOIN steps ON first_hour + step * {HOUR} <= last_hour ORDER BY 1, 2, 3)""",
        f"""WITH RECURSIVE hours(hour) AS (SELECT {FIRST} UNION ALL SELECT hour + {HOUR} FROM hours
                WHERE hour < {FIRST + (DAYS + 2) * DAY}),
            nodes(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM nodes WHERE number < {NODES - 1})
            INSERT INTO postings (hour, node, posted_to, run_id, rest_joules, methods)
            SELECT hour, 'n' || number, 'idle', 0, 1e5, 1 FROM hours, nodes""",
        f"""INSERT INTO node_days (day, node, posted_to, {amounts})
            SELECT hour - hour % {DAY} AS day, node, posted_to, {summed} FROM postings GROUP BY day, node, posted_to""",
        f"""INSERT INTO site_hours (hour, posted_to, {amounts}) SELECT hour, posted_to, {summed} FROM postings
            GROUP BY hour, posted_to""",
        f"""INSERT INTO usage_hours (hour, posted_to, user_name, account, partition, begun, {amounts})
            SELECT hour, posted_to, coalesce(user_name, ''), coalesce(account, ''), coalesce(partition, ''),
                sum(hour = coalesce(first_hour, 0)), {", ".join(f"sum(postings.{name})" for name in AMOUNTS)}
            FROM postings LEFT JOIN runs ON runs.id = run_id GROUP BY 1, 2, 3, 4, 5""",
        """UPDATE site_hours SET begun = (SELECT sum(begun) FROM usage_hours WHERE usage_hours.hour = site_hours.hour)
            WHERE posted_to = 'job'""",
        f"""INSERT INTO usage_days (day, posted_to, user_name, account, partition, begun, {amounts})
            SELECT hour - hour % {DAY} AS day, posted_to, user_name, account, partition, sum(begun), {summed}
            FROM usage_hours GROUP BY 1, 2, 3, 4, 5""",
        f"""INSERT INTO run_days (run_id, day, {amounts})
            SELECT run_id, hour - hour % {DAY} AS day, {", ".join(f"sum(postings.{name})" for name in AMOUNTS)}
            FROM postings JOIN runs ON runs.id = run_id
            WHERE first_hour / {DAY} < last_hour / {DAY} GROUP BY 1, 2""",
        """INSERT INTO meter_hours (hour, node, measured_joules, source)
            SELECT hour, node, sum(gpu_joules + cpu_joules + rest_joules + idle_joules), 'counter' FROM postings
            GROUP BY hour, node""",
        f"""INSERT INTO meter_days (day, node, measured_joules, source)
            SELECT hour - hour % {DAY} AS day, node, sum(measured_joules), source FROM meter_hours GROUP BY day, node""",
        "INSERT INTO site_meter_hours (hour, measured_joules) SELECT hour, sum(measured_joules) FROM meter_hours GROUP BY hour",
    ]
    for statement in statements:
        connection.exec_driver_sql(statement)


def _median(question: Callable[[], object]) -> float:
    """Milliseconds, after one call to warm up."""
    question()
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        question()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def _plain(books: SqlBooks, key: str) -> float:
    """Milliseconds of the same sums by one query over all postings of the month."""
    sums = ", ".join(f"sum(postings.{name})" for name in AMOUNTS)
    query = f"""SELECT {key}, {sums} FROM postings LEFT JOIN runs ON runs.id = run_id
        WHERE hour >= {MONTH[0]} AND hour < {MONTH[1]} GROUP BY 1 ORDER BY 2 DESC LIMIT 100"""
    with books._engine.connect() as connection:  # noqa: SLF001 - the plain way has no other door
        began = time.perf_counter()
        connection.exec_driver_sql(query).all()
        return (time.perf_counter() - began) * 1000


def _reports(books: SqlBooks, reports: SqlReports) -> list[Row]:
    plain = {by: _plain(books, key) for by, key in {"user": "user_name", "node": "node", "job": "run_id"}.items()}
    month = reports.report("user", *MONTH).total.jobs
    rows = []
    for by in BYS:
        # A month of Berlin: its first and last hours are no whole UTC days.
        span = (MONTH[0] - HOUR, MONTH[1] - HOUR)
        taken = _median(lambda by=by, span=span: reports.report(by, *span, limit=100))  # type: ignore[misc]
        rows.append(
            Row(
                what=f"ledger: a month's report by {by}, first 100 lines",
                measured=f"{taken:.0f} ms",
                peer=f"one query over all postings {plain[by]:,.0f} ms" if by in plain else "",
                reach="1 s",
                note=f"{month:,} runs in the month, SQLite, median of {ROUNDS}",
            )
        )
    balance = [_median(lambda by=by: reports.balance(*MONTH, by=by)) for by in ("node", "day")]  # type: ignore[misc]
    rows.append(
        Row(
            what="ledger: a month's balance by node (by day)",
            measured=f"{balance[0]:.0f} ms ({balance[1]:.0f})",
            peer="",
            reach="1 s",
            note=f"{NODES} nodes",
        )
    )
    return rows


def _lists(reports: SqlReports) -> list[Row]:
    span = {"start": float(MONTH[0]), "end": float(MONTH[1])}
    queries = {
        "the newest": JobQuery(),
        "the month's newest": JobQuery(**span),
        "the month's most energy": JobQuery(**span, sort="-energy"),
        "the month's most energy of a user": JobQuery(**span, sort="-energy", user="user7"),
        "the month's longest": JobQuery(**span, sort="-duration"),
        "of a node": JobQuery(node="n7"),
        "one job id": JobQuery(search="123456"),
    }
    deep = reports.jobs(JobQuery(limit=10_000))
    queries["the page after 10,000"] = JobQuery(cursor=deep.next or "")
    return [
        Row(
            what=f"ledger: list of jobs, 50 of {DAYS * RUNS_A_DAY:,}: {name}",
            measured=f"{_median(lambda query=query: reports.jobs(query)):.0f} ms",  # type: ignore[misc]
            peer="",
            reach="300 ms",
            note=f"with the total (counted up to 100,000), median of {ROUNDS}",
        )
        for name, query in queries.items()
    ]


def _batch(node: int, run: Run, since: float | None, until: float) -> NodeBatch:
    name, hour = f"m{node}", T0 + 60 * DAY
    energy = {"gpu_joules": 1e5, "cpu_joules": 1e4, "rest_joules": 2e4, "gpu_seconds": 240.0, "methods": Method.COUNTER}
    return NodeBatch(
        since=since,
        checkpoint=Checkpoint(node=name, settled_until=until, state="{" + " " * 2000 + "}"),
        postings=(
            Posting(hour=hour, node=name, account=Account.JOB, run=run.key, **energy),  # type: ignore[arg-type]
            Posting(hour=hour, node=name, account=Account.IDLE, rest_joules=100.0),
        ),
        uses=tuple(
            GpuUse(run=run.key, node=name, uuid=f"GPU-{node}-{gpu}", index=gpu, joules=1e4, seconds=30.0, busy_seconds=20.0)
            for gpu in range(GPUS)
        ),
        hours=(NodeHour(hour=hour, node=name, measured_joules=130_100.0),),
    )


def _commits(books: SqlBooks) -> Row:
    start = T0 + 60 * DAY
    gpus = tuple(GpuHold(index=index) for index in range(GPUS))
    runs = [
        Run(key=RunKey("slurm", f"c{node}"), started=start, user="ada", placements=(Placement(node=f"m{node}", gpus=gpus),))
        for node in range(NODES)
    ]
    used, taken = [], []
    for step in range(COMMITS):
        since = start + 30.0 * step if step else None
        batches = [_batch(node, runs[node], since, start + 30.0 * (step + 1)) for node in range(NODES)]
        cpu, began = time.process_time(), time.perf_counter()
        books.commit(batches, runs)
        used.append(time.process_time() - cpu)
        taken.append(time.perf_counter() - began)
    return Row(
        what=f"ledger: one commit of {NODES:,} nodes and {NODES * GPUS:,} GPUs",
        measured=f"{statistics.median(used[1:]):.2f} s of CPU, {statistics.median(taken[1:]):.2f} s",
        peer="",
        reach="0.5 s of CPU, once in 30 s",
        note="2 postings and 8 GPU uses a node, SQLite with fsync",
    )


def run() -> list[Row]:
    """The rows of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(data_dir=Path(folder))
        books = open_books(config)
        with books._engine.begin() as connection:  # noqa: SLF001 - three years cannot be committed one by one here
            _fill(connection)
        reports = open_reports(config)
        rows = [*_reports(books, reports), *_lists(reports), _commits(books)]
        reports.close()
        books.close()
        return rows
