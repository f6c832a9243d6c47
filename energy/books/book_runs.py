"""The runs in the books: written when they change, summed up, moved to another owner, closed when nothing more will come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from energy.books import run_record
from energy.books.tables import (
    ACTIVITIES,
    AMOUNTS,
    IS_OPEN,
    checkpoints,
    postings,
    run_days,
    run_details,
    run_nodes,
    runs,
    site_hours,
    usage_days,
    usage_hours,
)
from energy.books.tally import DAY, Owner, RunSum, Tally
from energy.books.upsert import Bulk, greater, lesser, upsert
from energy.model import HOUR, Account, GpuUse
from wattstat.jobs import Run, RunKey, State

Each = TypeVar("Each")
_IDENTITY = ("name", "user_name", "account", "partition", "qos")
_ACTIVITY_SUMS = tuple(name for activity in ACTIVITIES for name in (activity, f"{activity}_known"))
_ADDED = ("energy_joules", *AMOUNTS, "held_seconds", "held_idle_seconds", "held_joules", *_ACTIVITY_SUMS)
# How long after its end a run waits for nodes of which the books have never heard.
_PATIENCE = float(DAY)
# Parameters of one statement are limited, on SQLite to 32,766.
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit found out about runs: their numbers and owners, the first and last hours of their postings before it."""

    ids: Mapping[RunKey, int]
    owners: Mapping[int, Owner]
    hours: Mapping[int, tuple[int | None, int | None]]
    runs: Sequence[Run]


class BookRuns:
    """Writes `runs` and what hangs on it. Remembers what it wrote, so that an unchanged run costs nothing."""

    def __init__(self, dialect: str) -> None:
        self._known: dict[RunKey, Run] = {}
        self._upsert = upsert(
            dialect,
            runs,
            key=("job_id", "scheduler", "instance"),
            replaced=("state", "submitted", "started", "ended", "reach", "gpus", "closed"),
            kept_if_empty=_IDENTITY,
        )
        self._upsert_details = upsert(dialect, run_details, replaced=("body",))
        self._count = {table: upsert(dialect, table, added=("begun",)) for table in (usage_hours, usage_days, site_hours)}
        self._move = {table: upsert(dialect, table, added=AMOUNTS, joined=("methods",)) for table in (usage_hours, usage_days)}
        self._add_days = upsert(dialect, run_days, added=AMOUNTS, joined=("methods",))
        new: dict[str, Any] = {
            name: sa.bindparam(f"new_{name}") for name in (*_ADDED, "methods", "first_hour", "last_hour", "memory_peak_ratio")
        }
        self._add = Bulk(
            sa.update(runs)
            .where(runs.c.id == sa.bindparam("run_id"))
            .values(
                **{name: runs.c[name] + new[name] for name in _ADDED},
                methods=runs.c.methods.bitwise_or(new["methods"]),
                first_hour=lesser(runs.c.first_hour, sa.cast(new["first_hour"], sa.BigInteger)),
                last_hour=greater(runs.c.last_hour, sa.cast(new["last_hour"], sa.BigInteger)),
                memory_peak_ratio=greater(runs.c.memory_peak_ratio, sa.cast(new["memory_peak_ratio"], sa.Double)),
            )
        )

    def write(self, connection: sa.Connection, told: Sequence[Run], mentioned: Mapping[RunKey, float]) -> Written:
        """Write runs that changed. `mentioned` are those to which something will be posted, with the time of it."""
        changed = {run.key: run for run in told if self._known.get(run.key) != run}
        before = _stored(connection, {*changed, *mentioned})
        for key, at in mentioned.items():
            if key not in before and key not in changed:
                # Nobody described it, and its joules are true all the same.
                changed[key] = Run(key=key, state=State.GONE, started=at, ended=at)
        if changed:
            connection.execute(self._upsert, [run_record.columns(run) for run in changed.values()])
        after = _stored(connection, [*changed, *(key for key in mentioned if key not in changed)]) if changed else before
        ids = {key: row.id for key, row in after.items()}
        self._write_details(connection, {ids[key]: run for key, run in changed.items()})
        for key, row in before.items():
            if row.first_hour is not None and _owner(row) != _owner(after[key]):
                self._move_usage(connection, row.id, _owner(row), _owner(after[key]), row.first_hour)
        owners = {row.id: _owner(row) for row in after.values()}
        return Written(
            ids, owners, {row.id: (row.first_hour, row.last_hour) for row in after.values()}, tuple(changed.values())
        )

    def remember(self, written: Written) -> None:
        """The commit is through."""
        self._known |= {run.key: run for run in written.runs}
        if len(self._known) > 4 * _AT_ONCE:
            self._known = {key: run for key, run in self._known.items() if run.ended is None}

    def add(self, connection: sa.Connection, sums: Tally, uses: Iterable[GpuUse], written: Written) -> None:
        """Add a commit's postings and uses to the runs' totals."""
        self._spread_over_days(connection, sums, written)
        rows = {run: _posted(run, found) for run, found in sums.runs.items()}
        for use in uses:
            run = written.ids[use.run]
            _add_use(rows.setdefault(run, _nothing(run)), use)
        self._add.execute(connection, list(rows.values()))
        self._count_begun(connection, sums.runs, written)

    def _spread_over_days(self, connection: sa.Connection, sums: Tally, written: Written) -> None:
        """Keep runs over several days by the day. On its second day a run's first one is what its totals were until then."""
        several: set[int] = set()
        began: list[dict[str, int]] = []
        for run, found in sums.runs.items():
            first, last = written.hours[run]
            days = {hour // DAY for hour in (first, last, found.first_hour, found.last_hour) if hour is not None}
            if len(days) > 1:
                several.add(run)
                if first is not None and last is not None and first // DAY == last // DAY:
                    began.append({"of": run, "first": first - first % DAY})
        if began:
            names = ["run_id", "day", *AMOUNTS, "methods"]
            until_now = sa.select(
                runs.c.id, sa.cast(sa.bindparam("first"), sa.BigInteger), *(runs.c[name] for name in names[2:])
            ).where(runs.c.id == sa.bindparam("of"))
            connection.execute(sa.insert(run_days).from_select(names, until_now), began)
        rows = [row for row in sums.run_days.rows() if row["run_id"] in several]
        if rows:
            connection.execute(self._add_days, rows)

    def close(self, connection: sa.Connection) -> None:
        """Mark runs to which nothing more can be posted: they ended, and their nodes are settled beyond that."""
        newest = sa.select(sa.func.max(checkpoints.c.settled_until)).scalar_subquery()
        unsettled = (
            sa.select(run_nodes.c.run_id)
            .select_from(run_nodes.outerjoin(checkpoints, checkpoints.c.node == run_nodes.c.node))
            .where(
                run_nodes.c.run_id == runs.c.id,
                sa.or_(
                    checkpoints.c.settled_until < runs.c.ended,
                    sa.and_(checkpoints.c.node.is_(None), newest < runs.c.ended + _PATIENCE),
                ),
            )
        )
        # The sum keeps SQLite from the index of ends, in which all runs are, for that of open runs.
        has_ended = (runs.c.ended + 0).is_not(None)
        connection.execute(sa.update(runs).where(IS_OPEN, has_ended, ~unsettled.exists()).values(closed=1))

    def _write_details(self, connection: sa.Connection, changed: Mapping[int, Run]) -> None:
        if not changed:
            return
        rows = [{"run_id": run_id, "body": run_record.details(run)} for run_id, run in changed.items()]
        connection.execute(self._upsert_details, rows)
        connection.execute(
            sa.delete(run_nodes).where(run_nodes.c.run_id == sa.bindparam("of")), [{"of": each} for each in changed]
        )
        nodes = [
            {"run_id": run_id, "node": node, "position": position, "started": run.started}
            for run_id, run in changed.items()
            for position, node in enumerate(dict.fromkeys(run.nodes))
        ]
        if nodes:
            connection.execute(sa.insert(run_nodes), nodes)

    def _count_begun(self, connection: sa.Connection, sums: Mapping[int, RunSum], written: Written) -> None:
        """Count each run once, in the hour of its first posting."""
        counts: list[tuple[int, Owner, int]] = []
        for run, found in sums.items():
            first = written.hours[run][0]
            if first is not None and first <= found.first_hour:
                continue
            counts.append((found.first_hour, written.owners[run], 1))
            if first is not None:
                counts.append((first, written.owners[run], -1))
        self._count_rows(connection, counts)

    def _count_rows(self, connection: sa.Connection, counts: Sequence[tuple[int, Owner, int]]) -> None:
        if not counts:
            return
        job = str(Account.JOB)
        for table, step in ((usage_hours, HOUR), (usage_days, DAY)):
            name = table.primary_key.columns[0].name
            rows = [{name: at - at % step, "posted_to": job, **owner._asdict(), "begun": n} for at, owner, n in counts]
            connection.execute(self._count[table], rows)
        connection.execute(self._count[site_hours], [{"hour": at, "posted_to": job, "begun": n} for at, _, n in counts])

    def _move_usage(self, connection: sa.Connection, run: int, old: Owner, new: Owner, first_hour: int) -> None:
        """A run's owner became known, or was corrected, after something was posted: give it to the new one."""
        hours = _summed(postings, postings.c.hour, postings.c.run_id == run)
        days = _summed(run_days, run_days.c.day, run_days.c.run_id == run)
        # A run within one day has no row by day, its totals are those of the day.
        day = first_hour - first_hour % DAY
        whole = _summed(runs, sa.literal(day, sa.BigInteger), runs.c.id == run)
        for table, posted in (
            (usage_hours, connection.execute(hours).mappings().all()),
            (
                usage_days,
                connection.execute(days).mappings().all() or connection.execute(whole).mappings().all(),
            ),
        ):
            name = table.primary_key.columns[0].name
            rows = [{name: row["at"], "posted_to": str(Account.JOB), **_amounts(row)} for row in posted]
            taken = [{**row, **{each: -row[each] for each in AMOUNTS}, "methods": 0, **old._asdict()} for row in rows]
            given = [{**row, "methods": found["methods"], **new._asdict()} for row, found in zip(rows, posted, strict=True)]
            if rows:
                connection.execute(self._move[table], [*taken, *given])
        self._count_rows(connection, [(first_hour, old, -1), (first_hour, new, 1)])


def _summed(table: sa.Table, at: Any, where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    sums = [sa.func.sum(table.c[name]).label(name) for name in AMOUNTS]
    return sa.select(at.label("at"), *sums, sa.func.max(table.c.methods).label("methods")).where(where).group_by(at)


def _amounts(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in AMOUNTS}


def _stored(connection: sa.Connection, keys: Iterable[RunKey]) -> dict[RunKey, Any]:
    found: dict[RunKey, Any] = {}
    names = (runs.c.job_id, runs.c.scheduler, runs.c.instance)
    wanted = sa.select(
        runs.c.id, *names, runs.c.user_name, runs.c.account, runs.c.partition, runs.c.first_hour, runs.c.last_hour
    )
    for some in _chunks(keys):
        listed = [(key.job_id, key.scheduler, key.instance) for key in some]
        for row in connection.execute(wanted.where(sa.tuple_(*names).in_(listed))):
            found[RunKey(row.scheduler, row.job_id, row.instance)] = row
    return found


def _chunks(items: Iterable[Each]) -> Iterator[list[Each]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _owner(row: Any) -> Owner:
    return Owner(row.user_name, row.account, row.partition)


def _nothing(run: int) -> dict[str, Any]:
    names = {f"new_{name}": 0.0 for name in _ADDED}
    return {
        "run_id": run,
        **names,
        "new_methods": 0,
        "new_first_hour": None,
        "new_last_hour": None,
        "new_memory_peak_ratio": None,
    }


def _posted(run: int, found: RunSum) -> dict[str, Any]:
    amounts = dict(zip(AMOUNTS, found.amounts, strict=True))
    parts = amounts["gpu_joules"] + amounts["cpu_joules"] + amounts["rest_joules"] + amounts["idle_joules"]
    return {
        **_nothing(run),
        **{f"new_{name}": value for name, value in amounts.items()},
        "new_energy_joules": parts,
        "new_methods": found.methods,
        "new_first_hour": found.first_hour,
        "new_last_hour": found.last_hour,
    }


def _add_use(row: dict[str, Any], use: GpuUse) -> None:
    row["new_held_seconds"] += use.seconds
    row["new_held_idle_seconds"] += use.idle_seconds
    row["new_held_joules"] += use.joules + use.idle_joules
    for name in ACTIVITIES:
        value = getattr(use, name)
        if value is not None:
            row[f"new_{name}"] += value
            row[f"new_{name}_known"] += use.seconds
    if use.memory_peak_bytes is not None and use.memory_total_bytes:
        peak = use.memory_peak_bytes / use.memory_total_bytes
        row["new_memory_peak_ratio"] = max(peak, row["new_memory_peak_ratio"] or 0.0)
