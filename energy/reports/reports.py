"""What people ask the ledger, answered from the database.

A span is cut to whole hours (`energy.spans`): an answer's `start` and `end` say which were summed. A run that is alive has the
numbers of its `settled_until`. Days are those of the site's time zone where hours are known, and UTC's before `detail_days`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from energy.books import schema
from energy.books.engine import reader, transaction
from energy.books.spans import DAY, Cut, cut
from energy.books.tables import (
    AMOUNTS,
    checkpoints,
    gpu_uses,
    meter_days,
    node_days,
    postings,
    runs,
    site_hours,
    site_meter_hours,
    thinned,
)
from energy.model import BooksError
from energy.reports.balance import balance_of
from energy.reports.capped_runs import CappedRun, capped_runs
from energy.reports.efficiency import findings
from energy.reports.job_rows import gpu_of_job, job_hour, job_rows
from energy.reports.report_lines import Asked, report_of
from energy.reports.run_search import Order, Place, count, page_of, streams
from wattstat.api.energy import BYS, Balance, By, JobDetail, JobPage, JobQuery, NoSuchNode, Report
from wattstat.config.energy import Energy

# Up to so many runs are counted exactly; what people do with a list does not need more.
MOST_COUNTED = 100_000
MOST_OTHER_RUNS = 100
MOST_ON_A_PAGE = 10_000


class SqlReports:
    """`EnergyReports` from a database that somebody else writes."""

    def __init__(self, url: sa.URL, settings: Energy, *, zone: tzinfo = UTC, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._engine = reader(url)
        self._settings = settings
        self._zone = zone
        self._clock = clock
        self._is_current = False

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def jobs(self, query: JobQuery) -> JobPage:
        """Runs that match."""
        if not 1 <= query.limit <= MOST_ON_A_PAGE:
            raise ValueError(f"a page of {query.limit} runs; expected 1 to {MOST_ON_A_PAGE}")
        if query.start is not None and query.end is not None and query.start >= query.end:
            raise ValueError("the span is empty; expected an end after the start")
        place = Place.of(query.cursor, query.sort) if query.cursor else None
        now = self._clock() if place is None else place.now
        order = Order.of(query.sort, now)
        conditions = streams(query, now)
        with self._reading() as connection:
            found = page_of(connection, conditions, order, place, query.limit + 1)
            total = count(connection, conditions, MOST_COUNTED)
            shown = found[: query.limit]
            items = job_rows(connection, [row.id for row in shown], self._settings.tariff.currency)
        more = len(found) > query.limit
        following = Place(query.sort, shown[-1].value, shown[-1].id, now).cursor() if more else None
        return JobPage(items=tuple(items), total=total, next=following, total_is_exact=total < MOST_COUNTED)

    def job(self, job_id: str, instance: str | None = None, scheduler: str = "") -> JobDetail | None:
        """The newest run of a job (or the one of that instance); None where there is none.

        Raises `ValueError` where several schedulers know the id and none is named: a bill must not be somebody else's.
        """
        newest = (runs.c.started.desc(), runs.c.id.desc())
        wanted = sa.select(runs.c.id, runs.c.instance).where(runs.c.job_id == job_id).order_by(*newest)
        if scheduler:
            wanted = wanted.where(runs.c.scheduler == scheduler)
        with self._reading() as connection:
            if not scheduler:
                _require_one_scheduler(connection, job_id)
            all_runs = connection.execute(wanted.limit(MOST_OTHER_RUNS)).all()
            if instance is None:
                asked = all_runs[:1]
            else:
                asked = connection.execute(wanted.where(runs.c.instance == instance).limit(1)).all()
            if not asked:
                return None
            chosen = asked[0].id
            others = [row.id for row in all_runs if row.id != chosen]
            (job, *other_runs) = job_rows(connection, [chosen, *others], self._settings.tariff.currency)
            uses = connection.execute(sa.select(gpu_uses).where(gpu_uses.c.run_id == chosen)).all()
            sums = [sa.func.sum(postings.c[name]).label(name) for name in AMOUNTS]
            hours = connection.execute(
                sa.select(postings.c.hour, *sums)
                .where(postings.c.run_id == chosen)
                .group_by(postings.c.hour)
                .order_by(postings.c.hour)
            ).all()
        places = {node: position for position, node in enumerate(job.nodes)}
        gpus = sorted(map(gpu_of_job, uses), key=lambda gpu: (places.get(gpu.node, len(places)), gpu.index, gpu.instance))
        return JobDetail(
            job=job,
            gpus=tuple(gpus),
            hours=tuple(map(job_hour, hours)),
            findings=findings(job, gpus),
            other_runs=tuple(other_runs),
        )

    def capped_runs(self, since: float) -> list[CappedRun]:
        """Finished runs since a moment, with the power limit that they had."""
        with self._reading() as connection:
            return capped_runs(connection, since)

    def report(self, by: By, start: float, end: float, *, limit: int | None = None, cursor: str = "") -> Report:
        """Who used how much."""
        if by not in BYS:
            raise ValueError(f"there is no report by {by!r}; expected one of {', '.join(BYS)}")
        if limit is not None and limit < 1:
            raise ValueError(f"a page of {limit} lines; expected at least one")
        with self._reading() as connection:
            span = self._cut(connection, start, end)
            asked = Asked(
                by=by,
                cut=span,
                limit=limit,
                cursor=cursor,
                zone=self._zone,
                pue=self._settings.pue,
                currency=self._settings.tariff.currency,
                settled_until=_settled(connection),
                books_begin=_begin(connection),
            )
            return report_of(connection, asked)

    def balance(self, start: float, end: float, *, node: str = "", by: Literal["node", "day"] = "node") -> Balance:
        """Whether the books agree with the meters."""
        if by not in {"node", "day"}:
            raise ValueError(f"there is no balance by {by!r}; expected node or day")
        with self._reading() as connection:
            span = self._cut(connection, start, end)
            if node and not _is_known(connection, node):
                raise NoSuchNode(f"no such node in the books: {node!r}; the balance without a node lists them")
            found = balance_of(connection, span, node=node, by=by, zone=self._zone, settled_until=_settled(connection))
            return replace(found, books_begin=_begin(connection))

    def _cut(self, connection: sa.Connection, start: float, end: float) -> Cut:
        newest = connection.execute(sa.select(sa.func.max(site_hours.c.hour))).scalar()
        until = connection.execute(sa.select(sa.func.max(thinned.c.until))).scalar()
        return cut(start, end, newest=newest, thinned=until or 0)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A connection whose answers all show one state of the books. Raises `BooksError`."""
        path = self._url.database or ""
        if self._url.get_backend_name() == "sqlite" and not Path(path).exists():
            raise BooksError(f"there is no ledger at {path} yet; core makes it when it starts with energy.enabled")
        with transaction(self._engine) as connection:
            if not self._is_current:
                self._check(schema.found(connection))
            yield connection

    def _check(self, found: str | None) -> None:
        expected = schema.newest()
        if found is None:
            raise BooksError("there is no ledger in the database yet; core makes it when it starts with energy.enabled")
        if found != expected:
            raise BooksError(
                f"the ledger's tables are of revision {found}, this Wattstat expects {expected};"
                " start core of the same version, which brings them up to date"
            )
        self._is_current = True


def _begin(connection: sa.Connection) -> float | None:
    """The first hour that the books know anything of; None while they are empty."""
    firsts = (connection.execute(sa.select(sa.func.min(table.c.hour))).scalar() for table in (site_hours, site_meter_hours))
    return min((float(first) for first in firsts if first is not None), default=None)


def _is_known(connection: sa.Connection, node: str) -> bool:
    """Whether the node was ever settled. Its checkpoint is found at once; the days know nodes that have none any more."""
    return any(
        connection.execute(sa.select(table.c.node).where(table.c.node == node).limit(1)).first()
        for table in (checkpoints, meter_days, node_days)
    )


def _require_one_scheduler(connection: sa.Connection, job_id: str) -> None:
    found = connection.execute(sa.select(runs.c.scheduler).where(runs.c.job_id == job_id).distinct()).scalars().all()
    if len(found) > 1:
        names = ", ".join(sorted(found))
        raise ValueError(f"several schedulers know a job {job_id!r}: {names}; name one of them as `scheduler`")


def _settled(connection: sa.Connection) -> float | None:
    """Until when every node is settled; those silent for over a day hold nobody up."""
    newest = sa.select(sa.func.max(checkpoints.c.settled_until) - DAY).scalar_subquery()
    until = checkpoints.c.settled_until
    found: float | None = connection.execute(sa.select(sa.func.min(until)).where(until >= newest)).scalar()
    return found
