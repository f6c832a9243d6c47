"""Thinning: what is kept by the hour goes after `detail_days`, days and jobs stay.

A UTC day is thinned as a whole: its hourly postings, usage and meters; and what the GPUs did for runs that ended by then. All
of that stands summed up in `runs`, `run_days`, `node_days`, `usage_days`, `meter_days`, `site_hours` and `site_meter_hours`,
which nothing here touches. The postings and GPUs of an open run stay until it is closed, however long it lives.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from energy.books.engine import transaction
from energy.books.spans import DAY
from energy.books.tables import IS_OPEN, gpu_uses, meter_hours, postings, runs, thinned, usage_hours
from energy.books.upsert import upsert

# Runs whose GPUs are forgotten in one transaction: the ledger's commit waits for it no longer than for another commit.
RUNS_AT_ONCE = 2000

_OPEN = sa.select(runs.c.id).where(IS_OPEN)


def thin(engine: sa.Engine, *, now: float, detail_days: float) -> int:
    """Remove what is older than `detail_days`; returns how many rows went. Raises `BooksError`.

    Small transactions, one a day and table: killed in between it goes on where it was, since what is gone is not found again.
    """
    until = int((now - detail_days * DAY) // DAY) * DAY
    with transaction(engine) as connection:
        first = connection.execute(sa.select(sa.func.min(usage_hours.c.hour))).scalar()
        first = until if first is None else min(first - first % DAY, until)
        if first < until:
            # Before anything goes, so that no report asks for hours of a day that is half gone.
            mark = upsert(engine.dialect.name, thinned, greatest=("until",))
            connection.execute(mark, [{"id": 1, "until": until}])
    closed = postings.c.run_id.not_in(_OPEN)
    # Of runs that were open when their days were thinned.
    removed = _delete(engine, sa.delete(postings).where(postings.c.hour < first, closed))
    for day in range(first, until, DAY):
        removed += _delete(engine, sa.delete(postings).where(postings.c.hour >= day, postings.c.hour < day + DAY, closed))
        for table in (meter_hours, usage_hours):
            removed += _delete(engine, sa.delete(table).where(table.c.hour >= day, table.c.hour < day + DAY))
    for run_ids in _runs_with_old_gpus(engine, until):
        removed += _delete(engine, sa.delete(gpu_uses).where(gpu_uses.c.run_id.in_(run_ids)))
    return removed


def _runs_with_old_gpus(engine: sa.Engine, until: int) -> Iterator[list[int]]:
    """Closed runs that ended before `until` and still have their GPUs, some at a time, the oldest numbers first.

    Numbers follow the runs' starts nearly, so that a whole lot without one that is old enough ends the search.
    """
    after = 0
    while True:
        some = sa.select(gpu_uses.c.run_id).where(gpu_uses.c.run_id > after).distinct().order_by(gpu_uses.c.run_id)
        lot = some.limit(RUNS_AT_ONCE).subquery()
        with transaction(engine) as connection:
            found = connection.execute(
                sa.select(runs.c.id, runs.c.ended, runs.c.closed).join(lot, lot.c.run_id == runs.c.id)
            ).all()
        old = [row.id for row in found if row.closed and row.ended < until]
        if not old:
            return
        yield old
        after = max(row.id for row in found)


def _delete(engine: sa.Engine, statement: sa.Delete) -> int:
    with transaction(engine) as connection:
        return connection.execute(statement).rowcount
