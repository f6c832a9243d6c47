"""Which runs a question is about: conditions that indices can answer, in an order that pages can be cut from."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from energy.books.tables import ENDLESS, REACHES, run_nodes, runs
from wattstat.api.energy import JobQuery
from wattstat.jobs import State

Condition = sa.ColumnElement[bool]
# A search without a span looks back so far; ids that match wholly are found however old they are.
SEARCH_DAYS = 100
_DAY = 86_400.0


def _end(now: float) -> Any:
    return sa.func.coalesce(runs.c.ended, sa.literal(now, sa.Double))


def _ratio(part: str, whole: str) -> Any:
    """Unknown is below everything known."""
    return sa.func.coalesce(runs.c[part] / sa.func.nullif(runs.c[whole], 0), -1.0)


# What `JobQuery.sort` names; `now` is when the first page was asked for.
SORTS: dict[str, Callable[[float], Any]] = {
    "start": lambda _: runs.c.started,
    "end": _end,
    "energy": lambda _: runs.c.energy_joules,
    "cost": lambda _: runs.c.cost,
    "carbon": lambda _: runs.c.location_grams,
    "gpus": lambda _: runs.c.gpus,
    "duration": lambda now: _end(now) - runs.c.started,
    "sm_active": lambda _: _ratio("sm_active_seconds", "sm_active_seconds_known"),
    "idle": lambda _: _ratio("held_idle_seconds", "held_seconds"),
    "name": lambda _: runs.c.name,
    "user": lambda _: runs.c.user_name,
    "account": lambda _: runs.c.account,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the run with this value of the sorted column and this number."""

    sort: str
    value: Any
    run: int
    now: float

    def cursor(self) -> str:
        """As text for addresses."""
        text = json.dumps([self.sort, self.value, self.run, self.now], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str, sort: str) -> Place:
        """The place of a cursor. Raises `ValueError` for one of another list."""
        try:
            found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            its_sort, value, run, now = found
            place = cls(str(its_sort), value, int(run), float(now))
        except (binascii.Error, UnicodeDecodeError, ValueError, TypeError) as err:
            raise ValueError(f"the cursor {cursor!r} is none of ours; expected the `next` of the page before") from err
        if place.sort != sort or not isinstance(value, int | float | str):
            raise ValueError(f"the cursor belongs to a list sorted by {place.sort}, not by {sort}; begin with the first page")
        return place


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list. The run's number decides between equals, so that no page repeats or skips a run."""

    expression: Any
    descends: bool

    @classmethod
    def of(cls, sort: str, now: float) -> Order:
        """The order that `JobQuery.sort` names. Raises `ValueError`."""
        name = sort.removeprefix("-")
        if name not in SORTS:
            raise ValueError(f"there is no order {sort!r}; expected one of {', '.join(SORTS)}, with - in front to descend")
        return cls(SORTS[name](now), sort.startswith("-"))

    def by(self) -> Sequence[Any]:
        """For ORDER BY."""
        return [each.desc() if self.descends else each.asc() for each in (self.expression, runs.c.id)]

    def after(self, place: Place) -> Condition:
        """What comes after a place."""
        # Written out, since SQLite uses an index for the first part but not for a comparison of pairs with expressions.
        beyond = self.expression < place.value if self.descends else self.expression > place.value
        at_least = self.expression <= place.value if self.descends else self.expression >= place.value
        later = runs.c.id < place.run if self.descends else runs.c.id > place.run
        return sa.and_(at_least, sa.or_(beyond, later))


def alive_at(moment: float) -> Iterator[Condition]:
    """Runs that began before a moment and were alive at it, by classes of length: few rows are looked at in each."""
    # The clock of a node may have been off by a little when its first posting was written.
    for number, seconds in enumerate(REACHES):
        yield sa.and_(runs.c.reach == number, runs.c.started < moment, runs.c.started > moment - seconds - _DAY)
    yield sa.and_(runs.c.reach == ENDLESS, runs.c.started < moment)


def streams(query: JobQuery, now: float) -> list[list[Condition]]:
    """Sets of conditions, each for an index of its own; together they are the runs of the query, none of them twice."""
    filters = list(_filters(query))
    if not query.search:
        return [[*span, *filters] for span in _spans(query.start, query.end)]
    by_id = runs.c.job_id == query.search
    exact = [[by_id, *span, *filters] for span in _spans(query.start, query.end)]
    since = query.start if query.start is not None or query.end is not None else now - SEARCH_DAYS * _DAY
    columns = (runs.c.job_id, runs.c.name, runs.c.user_name, runs.c.account)
    some = sa.or_(*(column.icontains(query.search, autoescape=True) for column in columns))
    return [*exact, *([~by_id, some, *span, *filters] for span in _spans(since, query.end))]


def _spans(start: float | None, end: float | None) -> Iterator[list[Condition]]:
    """Alive in a span: began in it, or was alive at its start."""
    before = [] if end is None else [runs.c.started < end]
    if start is None:
        yield before
        return
    yield [runs.c.started >= start, *before]
    still = sa.or_(runs.c.ended.is_(None), runs.c.ended > start)
    for long_enough in alive_at(start):
        yield [long_enough, still, *before]


def _filters(query: JobQuery) -> Iterator[Condition]:
    for column, value in (
        (runs.c.user_name, query.user),
        (runs.c.account, query.account),
        (runs.c.partition, query.partition),
        (runs.c.scheduler, query.scheduler),
        (runs.c.state, query.state),
    ):
        if value:
            yield column == value
    if query.state and query.state not in set(State):
        raise ValueError(f"there is no state {query.state!r}; expected one of {', '.join(State)}")
    if query.node:
        yield runs.c.id.in_(sa.select(run_nodes.c.run_id).where(run_nodes.c.node == query.node))


def page_of(
    connection: sa.Connection, conditions: Iterable[Sequence[Condition]], order: Order, place: Place | None, limit: int
) -> list[Any]:
    """The next runs in order: their number and the value that they are sorted by."""
    found: list[Any] = []
    beyond = [] if place is None else [order.after(place)]
    for each in conditions:
        wanted = sa.select(runs.c.id, order.expression.label("value")).where(*each, *beyond)
        found += connection.execute(wanted.order_by(*order.by()).limit(limit)).all()
    found.sort(key=lambda row: (row.value, row.id), reverse=order.descends)
    return found[:limit]


def count(connection: sa.Connection, conditions: Iterable[Sequence[Condition]], most: int) -> int:
    """How many runs there are, but at most `most`: counting millions takes longer than anybody wants to wait."""
    total = 0
    for each in conditions:
        if total < most:
            some = sa.select(runs.c.id).where(*each).limit(most - total).subquery()
            total += connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return total
