"""Sums over a span, each from the smallest table that has it: days where they are whole, hours at the ragged ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from energy.books.spans import Cut
from energy.books.tables import (
    AMOUNTS,
    METERED,
    meter_days,
    meter_hours,
    node_days,
    postings,
    run_days,
    runs,
    site_hours,
    site_meter_hours,
    usage_days,
    usage_hours,
)
from energy.reports.run_search import alive_at

Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Source:
    """A table of days and the one of hours that has the same at its edges."""

    days: sa.Table
    hours: sa.Table


USAGE = Source(usage_days, usage_hours)
NODES = Source(node_days, postings)
METERS = Source(meter_days, meter_hours)


def summed(
    connection: sa.Connection, source: Source, cut: Cut, keys: Sequence[str], names: Sequence[str], **only: str
) -> list[Any]:
    """The sums of columns over a span, by keys; `only` are columns that must have a value."""
    pieces = [
        sa.select(*(table.c[name] for name in (*keys, *names))).where(
            time >= since, time < until, *(table.c[name] == value for name, value in only.items())
        )
        for table, time, since, until in _pieces(source, cut)
    ]
    found = sa.union_all(*pieces).subquery()
    grouped = [found.c[key] for key in keys]
    sums = [sa.func.coalesce(sa.func.sum(found.c[name]), 0).label(name) for name in names]
    return list(connection.execute(sa.select(*grouped, *sums).group_by(*grouped)))


def _pieces(source: Source, cut: Cut) -> Iterable[tuple[sa.Table, Any, int, int]]:
    if cut.days[0] < cut.days[1]:
        yield source.days, source.days.c.day, *cut.days
    for since, until in cut.edges:
        yield source.hours, source.hours.c.hour, since, until


def site(connection: sa.Connection, cut: Cut) -> list[Any]:
    """Everything that was posted, by the hour and by what it was posted to."""
    hour = site_hours.c.hour
    return list(connection.execute(sa.select(site_hours).where(hour >= cut.start, hour < cut.end).order_by(hour)))


def site_meters(connection: sa.Connection, cut: Cut) -> list[Any]:
    """Everything that the nodes' meters counted, by the hour."""
    hour = site_meter_hours.c.hour
    return list(connection.execute(sa.select(site_meter_hours).where(hour >= cut.start, hour < cut.end).order_by(hour)))


def running_into(connection: sa.Connection, cut: Cut, key: str | None) -> dict[str, int]:
    """How many runs were posted to before the span and still in it, by a column of `runs`."""
    column = sa.literal("") if key is None else runs.c[key]
    pieces = [
        sa.select(column.label("key")).where(each, runs.c.first_hour < cut.start, runs.c.last_hour >= cut.start)
        for each in alive_at(cut.start)
    ]
    found = sa.union_all(*pieces).subquery()
    rows = connection.execute(sa.select(found.c.key, sa.func.count()).group_by(found.c.key))
    return {str(name): int(number) for name, number in rows}


def whole_runs(connection: sa.Connection, cut: Cut, after: tuple[float, int] | None, limit: int | None) -> list[Any]:
    """Runs of which everything was posted within the span, by energy: number and energy."""
    energy = runs.c.energy_joules
    wanted = sa.select(runs.c.id, energy).where(
        runs.c.first_hour >= cut.start, runs.c.first_hour < cut.end, runs.c.last_hour < cut.end
    )
    if after is not None:
        wanted = wanted.where(sa.or_(energy < after[0], sa.and_(energy == after[0], runs.c.id > after[1])))
    return list(connection.execute(wanted.order_by(energy.desc(), runs.c.id).limit(limit)))


def partial_runs(connection: sa.Connection, cut: Cut) -> list[Any]:
    """Runs over one end of the span, or both, with what was posted to them within it."""
    first, last = runs.c.first_hour, runs.c.last_hour
    over_start = [sa.select(runs.c.id).where(each, first < cut.start, last >= cut.start) for each in alive_at(cut.start)]
    over_end = [
        sa.select(runs.c.id).where(each, first < cut.end, last >= cut.end, first >= cut.start) for each in alive_at(cut.end)
    ]
    ids = sa.union_all(*over_start, *over_end).cte("over_the_ends")
    wanted = sa.select(ids.c.id)
    pieces = []
    if cut.days[0] < cut.days[1]:
        day = run_days.c.day
        pieces.append(
            sa.select(*(run_days.c[name] for name in ("run_id", *AMOUNTS))).where(
                run_days.c.run_id.in_(wanted), day >= cut.days[0], day < cut.days[1]
            )
        )
    for since, until in cut.edges:
        hour = postings.c.hour
        pieces.append(
            sa.select(*(postings.c[name] for name in ("run_id", *AMOUNTS))).where(
                postings.c.run_id.in_(wanted), hour >= since, hour < until
            )
        )
    found = sa.union_all(*pieces).subquery()
    sums = [sa.func.sum(found.c[name]).label(name) for name in AMOUNTS]
    return list(connection.execute(sa.select(found.c.run_id, *sums).group_by(found.c.run_id)))


def metered(connection: sa.Connection, cut: Cut, node: str) -> list[Any]:
    """What the nodes' meters counted, by node; `source` is that of most hours."""
    only = {"node": node} if node else {}
    return summed(connection, METERS, cut, ("node", "source"), METERED, **only)
