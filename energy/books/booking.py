"""The books that the ledger writes: everything that a settlement brought, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from energy.books import retention, run_record
from energy.books.book_runs import BookRuns, Written
from energy.books.engine import transaction
from energy.books.tables import (
    ACTIVITIES,
    AMOUNTS,
    IS_OPEN,
    METERED,
    checkpoints,
    gpu_uses,
    meter_days,
    meter_hours,
    node_days,
    postings,
    run_details,
    runs,
    site_hours,
    site_meter_hours,
    usage_days,
    usage_hours,
)
from energy.books.tally import DAY, Tally, checked, tally, use_row
from energy.books.upsert import Bulk, upsert
from energy.model import Checkpoint, NodeBatch, NodeHour
from wattstat.jobs import Run, RunKey


class SqlBooks:
    """`Books` in a database. One thread at a time; several processes may commit, each node's batches are taken once."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._runs = BookRuns(engine.dialect.name)
        dialect = engine.dialect.name
        sums = (postings, node_days, usage_hours, usage_days, site_hours)
        self._add_sums = {table: Bulk(upsert(dialect, table, added=AMOUNTS, joined=("methods",))) for table in sums}
        self._add_metered = {
            meter_hours: Bulk(upsert(dialect, meter_hours, added=METERED, replaced=("source",))),
            meter_days: Bulk(upsert(dialect, meter_days, added=METERED, replaced=("source",))),
            site_meter_hours: Bulk(upsert(dialect, site_meter_hours, added=METERED)),
        }
        self._add_use = Bulk(
            upsert(
                dialect,
                gpu_uses,
                replaced=("gpu", "model", "fraction"),
                added=("joules", "idle_joules", "seconds", "idle_seconds", *(f"{name}_known" for name in ACTIVITIES)),
                added_if_known=ACTIVITIES,
                greatest=("memory_peak_bytes",),
                replaced_if_known=("memory_total_bytes", "limit_watts"),
            )
        )
        self._set_checkpoint = Bulk(upsert(dialect, checkpoints, replaced=("settled_until", "state")))

    def checkpoints(self) -> dict[str, Checkpoint]:
        """The newest checkpoint of every node."""
        with transaction(self._engine) as connection:
            rows = connection.execute(sa.select(checkpoints)).all()
        return {row.node: Checkpoint(node=row.node, settled_until=row.settled_until, state=row.state) for row in rows}

    def open_runs(self) -> tuple[Run, ...]:
        """Runs that were alive when last seen, or ended after some node of theirs was last settled."""
        wanted = sa.select(runs, run_details.c.body).join(run_details).where(IS_OPEN)
        with transaction(self._engine) as connection:
            rows = connection.execute(wanted).all()
        # Sorted here: for an ORDER BY SQLite would walk through the starts of all runs.
        return tuple(run_record.run(row, row.body) for row in sorted(rows, key=lambda row: (row.started, row.id)))

    def commit(self, batches: Sequence[NodeBatch], runs: Sequence[Run]) -> tuple[str, ...]:
        """Write runs as they are now and every batch, in one transaction. Returns the nodes whose batches were refused."""
        with transaction(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                # Writers one after the other, as SQLite has it; who reads is not held up.
                connection.execute(sa.text("LOCK TABLE checkpoints IN EXCLUSIVE MODE"))
            taken, refused = self._take(connection, batches)
            written = self._runs.write(connection, runs, _mentioned(taken))
            self._post(connection, taken, written)
            self._runs.close(connection)
        # Not before: what was rolled back is not remembered as written.
        self._runs.remember(written)
        return refused

    def thin(self, now: float, detail_days: float) -> int:
        """Remove what is kept by the hour and older than `detail_days`; returns how many rows went. Once a day is enough."""
        return retention.thin(self._engine, now=now, detail_days=detail_days)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _take(self, connection: sa.Connection, batches: Sequence[NodeBatch]) -> tuple[list[NodeBatch], tuple[str, ...]]:
        """Which batches follow on what is settled, and the nodes of those that do not; the checkpoints of the former."""
        nodes = {batch.checkpoint.node for batch in batches}
        stored = connection.execute(
            sa.select(checkpoints.c.node, checkpoints.c.settled_until).where(checkpoints.c.node.in_(nodes))
        )
        settled: dict[str, float] = {row.node: row.settled_until for row in stored}
        taken: list[NodeBatch] = []
        refused: list[str] = []
        for batch in batches:
            node = batch.checkpoint.node
            if settled.get(node) == batch.since:
                taken.append(batch)
                settled[node] = batch.checkpoint.settled_until
            else:
                refused.append(node)
        newest = {batch.checkpoint.node: batch.checkpoint for batch in taken}
        rows = [{"node": each.node, "settled_until": each.settled_until, "state": each.state} for each in newest.values()]
        self._set_checkpoint.execute(connection, rows)
        return taken, tuple(dict.fromkeys(refused))

    def _post(self, connection: sa.Connection, batches: Sequence[NodeBatch], written: Written) -> None:
        sums = tally((checked(each) for batch in batches for each in batch.postings), written.ids, written.owners)
        for table, found in self._tables(sums):
            self._add_sums[table].execute(connection, found)
        hours = [hour for batch in batches for hour in batch.hours]
        self._add_metered[meter_hours].execute(connection, [_metered(each, hour=each.hour, node=each.node) for each in hours])
        days = ({"day": each.hour - each.hour % DAY, "node": each.node} for each in hours)
        self._add_metered[meter_days].execute(
            connection, [_metered(each, **key) for each, key in zip(hours, days, strict=True)]
        )
        self._add_metered[site_meter_hours].execute(connection, _by_hour(hours))
        uses = [use for batch in batches for use in batch.uses]
        self._add_use.execute(connection, [use_row(use, written.ids[use.run]) for use in uses])
        self._runs.add(connection, sums, uses, written)

    @staticmethod
    def _tables(sums: Tally) -> Iterable[tuple[sa.Table, list[dict[str, Any]]]]:
        yield postings, sums.lines.rows()
        yield node_days, sums.node_days.rows()
        yield site_hours, sums.site_hours.rows()
        yield usage_hours, sums.usage_hours.rows()
        yield usage_days, sums.usage_days.rows()


def _mentioned(batches: Iterable[NodeBatch]) -> dict[RunKey, float]:
    """Runs to which something is posted, and when."""
    found: dict[RunKey, float] = {}
    for batch in batches:
        for posting in batch.postings:
            if posting.run is not None:
                found.setdefault(posting.run, posting.hour)
        for use in batch.uses:
            found.setdefault(use.run, batch.checkpoint.settled_until)
    return found


def _metered(found: NodeHour, **key: Any) -> dict[str, Any]:
    return {**key, **{name: getattr(found, name) for name in METERED}, "source": found.source}


def _by_hour(hours: Iterable[NodeHour]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for each in hours:
        row = found.setdefault(each.hour, {"hour": each.hour, **dict.fromkeys(METERED, 0.0)})
        for name in METERED:
            row[name] += getattr(each, name)
    return list(found.values())
