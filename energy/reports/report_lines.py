"""The lines of a report. All of them add up to its total, which is what was posted in the span."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import islice
from typing import Any

import sqlalchemy as sa

from energy.books.spans import Cut
from energy.books.tables import AMOUNTS, runs
from energy.model import Account
from energy.reports.balance import day_name
from energy.reports.job_rows import known, parts
from energy.reports.report_sums import NODES, USAGE, partial_runs, running_into, site, summed, whole_runs
from wattstat.api.energy import By, Report, ReportRow

# What usage is grouped by, as the tables call it.
COLUMNS: Mapping[str, str] = {"user": "user_name", "account": "account", "partition": "partition"}
# Lines of a statement's parameters, see SQLite's limit.
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, and what stands in every answer."""

    by: By
    cut: Cut
    limit: int | None
    cursor: str
    zone: tzinfo
    pue: float | None
    currency: str
    settled_until: float | None
    books_begin: float | None


@dataclass(slots=True)
class Line:
    """Amounts added up, in the order of `AMOUNTS`."""

    amounts: list[float]
    jobs: int = 0

    @classmethod
    def empty(cls) -> Line:
        return cls([0.0] * len(AMOUNTS))

    def add(self, row: Any) -> None:
        """Add the amounts of a row of any table."""
        found = row._mapping  # noqa: SLF001 - SQLAlchemy's public name, in spite of the underscore
        self.amounts = [held + found[name] for held, name in zip(self.amounts, AMOUNTS, strict=True)]

    def row(self, key: str, pue: float | None, *, jobs: int | None, account: str = "", **labels: str) -> ReportRow:
        """As people get it."""
        sums = _Sums(**dict(zip(AMOUNTS, self.amounts, strict=True)))
        energy = parts(sums)
        return ReportRow(
            key=key,
            account=account,
            jobs=jobs,
            gpu_hours=sums.gpu_seconds / 3600,
            energy_joules=energy.total,
            energy=energy,
            error_joules=sums.error_joules,
            estimated_joules=sums.estimated_joules,
            cost=known(sums.cost, sums.priced_joules),
            carbon_grams=known(sums.location_grams, sums.location_joules),
            carbon_market_grams=known(sums.market_grams, sums.market_joules),
            facility_joules=None if pue is None else energy.total * pue,
            labels=labels,
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    gpu_joules: float
    cpu_joules: float
    rest_joules: float
    idle_joules: float
    error_joules: float
    estimated_joules: float
    gpu_seconds: float
    cost: float
    priced_joules: float
    location_grams: float
    location_joules: float
    market_grams: float
    market_joules: float


def report_of(connection: sa.Connection, asked: Asked) -> Report:
    """The page of the report."""
    hours = site(connection, asked.cut)
    accounts = {str(account): Line.empty() for account in Account}
    total = Line.empty()
    for row in hours:
        accounts[row.posted_to].add(row)
        accounts[row.posted_to].jobs += row.begun
        total.add(row)
    total.jobs = accounts[Account.JOB].jobs + sum(running_into(connection, asked.cut, None).values())
    nobody = [
        accounts[each].row(f"({each})", asked.pue, jobs=None, account=f"({each})")
        for each in (Account.IDLE, Account.OVERHEAD)
        if any(accounts[each].amounts)
    ]
    if asked.by == "job":
        items, following = _jobs(connection, asked, nobody)
    else:
        lines = _lines(connection, asked, hours, nobody)
        first = _number(asked.cursor)
        last = len(lines) if asked.limit is None else first + asked.limit
        items, following = lines[first:last], str(last) if last < len(lines) else None
    return Report(
        by=asked.by,
        start=asked.cut.start,
        end=asked.cut.end,
        currency=asked.currency,
        pue=asked.pue,
        settled_until=asked.settled_until,
        items=tuple(items),
        total=total.row("total", asked.pue, jobs=total.jobs),
        next=following,
        books_begin=asked.books_begin,
    )


def _lines(connection: sa.Connection, asked: Asked, hours: Iterable[Any], nobody: Sequence[ReportRow]) -> list[ReportRow]:
    if asked.by == "node":
        nodes = summed(connection, NODES, asked.cut, ("node",), AMOUNTS)
        rows = [_line_of(row).row(row.node, asked.pue, jobs=None) for row in nodes]
        return sorted(rows, key=_by_energy)
    if asked.by == "day":
        return _days(asked, hours)
    column = COLUMNS[asked.by]
    counts = running_into(connection, asked.cut, column)
    rows = []
    for row in summed(connection, USAGE, asked.cut, (column,), (*AMOUNTS, "begun"), posted_to=str(Account.JOB)):
        key = getattr(row, column)
        jobs = row.begun + counts.get(key, 0)
        if jobs or any(row._mapping[name] for name in AMOUNTS):  # noqa: SLF001 - as above
            account = key if asked.by == "account" else ""
            rows.append(_line_of(row).row(key, asked.pue, jobs=jobs, account=account))
    return [*sorted(rows, key=_by_energy), *nobody]


def _line_of(row: Any) -> Line:
    line = Line.empty()
    line.add(row)
    return line


def _by_energy(row: ReportRow) -> tuple[float, str]:
    return -row.energy_joules, row.key


def _days(asked: Asked, hours: Iterable[Any]) -> list[ReportRow]:
    days: dict[str, Line] = {}
    for row in hours:
        days.setdefault(day_name(row.hour, asked.zone), Line.empty()).add(row)
    return [line.row(day, asked.pue, jobs=None) for day, line in sorted(days.items())]


def _number(cursor: str) -> int:
    if cursor and not cursor.isdecimal():
        raise ValueError(f"the cursor {cursor!r} is none of ours; expected the `next` of the page before")
    return int(cursor or 0)


def _jobs(connection: sa.Connection, asked: Asked, nobody: Sequence[ReportRow]) -> tuple[list[ReportRow], str | None]:
    """Runs by energy within the span, then idle and overhead on the last page.

    Most runs lie wholly within it, and an index has them by energy; those over its ends are few and summed one by one.
    """
    after = _place(asked.cursor)
    limit = None if asked.limit is None else asked.limit + 1
    partial = {row.run_id: _line_of(row) for row in partial_runs(connection, asked.cut)}
    found = [(row.energy_joules, row.id) for row in whole_runs(connection, asked.cut, after, limit)]
    for number, line in partial.items():
        energy = sum(line.amounts[:4])
        if after is None or (-energy, number) > (-after[0], after[1]):
            found.append((energy, number))
    found.sort(key=lambda each: (-each[0], each[1]))
    page = found if asked.limit is None else found[: asked.limit]
    items: list[ReportRow] = []
    numbers = iter(number for _, number in page)
    while some := list(islice(numbers, _AT_ONCE)):
        rows = {row.id: row for row in connection.execute(sa.select(runs).where(runs.c.id.in_(some)))}
        items += [_job_line(rows[each], partial.get(each), asked.pue) for each in some]
    if len(found) > len(page):
        return items, _cursor(*page[-1])
    return [*items, *nobody], None


def _job_line(row: Any, line: Line | None, pue: float | None) -> ReportRow:
    return (line or _line_of(row)).row(
        row.job_id,
        pue,
        jobs=1,
        account=row.account,
        scheduler=row.scheduler,
        instance=row.instance,
        name=row.name,
        user=row.user_name,
        partition=row.partition,
        state=row.state,
    )


def _cursor(energy: float, number: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([energy, number]).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[float, int] | None:
    if not cursor:
        return None
    try:
        energy, number = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(energy), int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError) as err:
        raise ValueError(f"the cursor {cursor!r} is none of ours; expected the `next` of the page before") from err
