"""The books beside the meters: what was counted and what was posted, by node or by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Literal

import sqlalchemy as sa

from energy.books.spans import DAY, Cut
from energy.books.tables import AMOUNTS, meter_days, meter_hours, node_days, postings, thinned
from energy.model import HOUR
from energy.reports.report_sums import NODES, metered, site, site_meters, summed
from wattstat.api.energy import Balance, BalanceRow

# A year of hours is asked for one by one: SQLite then looks up each, instead of reading all nodes' lines in between.
_MOST_HOURS = 400 * 24


@dataclass(slots=True)
class _Line:
    """What one line is made of; `sources` by what they measured."""

    measured: float = 0.0
    posted: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("job", "idle", "overhead"), 0.0))
    error: float = 0.0
    holes: float = 0.0
    sources: dict[str, float] = field(default_factory=dict)

    def post(self, row: Any) -> None:
        self.posted[row.posted_to] += row.gpu_joules + row.cpu_joules + row.rest_joules + row.idle_joules

    def measure(self, row: Any, source: str) -> None:
        self.measured += row.measured_joules
        self.error += row.error_joules
        self.holes += row.hole_seconds
        if source:
            self.sources[source] = self.sources.get(source, 0.0) + row.measured_joules

    def row(self, key: str) -> BalanceRow:
        residual = self.measured - sum(self.posted.values())
        return BalanceRow(
            key=key,
            measured_joules=self.measured,
            jobs_joules=self.posted["job"],
            idle_joules=self.posted["idle"],
            overhead_joules=self.posted["overhead"],
            residual_joules=residual,
            residual_ratio=residual / self.measured if self.measured > 0 else None,
            error_joules=self.error,
            hole_seconds=self.holes,
            source=max(self.sources, key=lambda each: self.sources[each], default=""),
        )


Lines = dict[str, _Line]


def balance_of(
    connection: sa.Connection,
    cut: Cut,
    *,
    node: str,
    by: Literal["node", "day"],
    zone: tzinfo,
    settled_until: float | None,
) -> Balance:
    """The balance of a span; of one node where it is named."""
    nodes = _by_node(connection, cut, node)
    total = _Line()
    for line in nodes.values():
        _join(total, line)
    lines = nodes if by == "node" else _by_day(connection, cut, node, zone)
    rows = tuple(line.row(key) for key, line in sorted(lines.items()))
    return Balance(start=cut.start, end=cut.end, settled_until=settled_until, total=total.row("total"), items=rows)


def _by_node(connection: sa.Connection, cut: Cut, node: str) -> Lines:
    lines: Lines = {}
    only = {"node": node} if node else {}
    for row in summed(connection, NODES, cut, ("node", "posted_to"), AMOUNTS, **only):
        lines.setdefault(row.node, _Line()).post(row)
    for row in metered(connection, cut, node):
        lines.setdefault(row.node, _Line()).measure(row, row.source)
    return lines


def _by_day(connection: sa.Connection, cut: Cut, node: str, zone: tzinfo) -> Lines:
    lines: Lines = {}
    if node:
        for posted, measured in _of_node(connection, cut, node):
            for row in posted:
                lines.setdefault(day_name(row.at, zone), _Line()).post(row)
            for row in measured:
                lines.setdefault(day_name(row.at, zone), _Line()).measure(row, row.source)
        return lines
    for row in site(connection, cut):
        lines.setdefault(day_name(row.hour, zone), _Line()).post(row)
    for row in site_meters(connection, cut):
        lines.setdefault(day_name(row.hour, zone), _Line()).measure(row, "")
    return lines


def _of_node(connection: sa.Connection, cut: Cut, node: str) -> Iterable[tuple[Sequence[Any], Sequence[Any]]]:
    """A node's postings and its meter by the hour; by UTC days (told by their noon) where there are no hours any more."""
    known_from = connection.execute(sa.select(sa.func.max(thinned.c.until))).scalar() or 0
    if cut.end - max(cut.start, known_from) > _MOST_HOURS * HOUR:
        known_from = cut.end - cut.end % DAY
    first = min(max(cut.start, known_from), cut.end)
    days = (cut.start - cut.start % DAY, first - first % DAY)
    hours = range(first, cut.end, HOUR)
    yield _rows(connection, node_days, node, days), _rows(connection, meter_days, node, days)
    yield _rows(connection, postings, node, hours), _rows(connection, meter_hours, node, hours)


def _rows(connection: sa.Connection, table: sa.Table, node: str, when: tuple[int, int] | range) -> Sequence[Any]:
    """A node's rows with the time that tells their day: the hour, or noon of the UTC days between two."""
    at: sa.ColumnElement[int] = table.c.hour if isinstance(when, range) else table.c.day + DAY // 2
    within = table.c.hour.in_(when) if isinstance(when, range) else sa.and_(table.c.day >= when[0], table.c.day < when[1])
    return connection.execute(sa.select(table, at.label("at")).where(table.c.node == node, within)).all()


def _join(total: _Line, line: _Line) -> None:
    total.measured += line.measured
    total.error += line.error
    total.holes += line.holes
    for name, joules in line.posted.items():
        total.posted[name] += joules
    for source, joules in line.sources.items():
        total.sources[source] = total.sources.get(source, 0.0) + joules


def day_name(at: float, zone: tzinfo) -> str:
    """The date of a moment."""
    return datetime.fromtimestamp(at, zone).date().isoformat()
