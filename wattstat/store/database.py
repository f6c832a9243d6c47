"""The history in one DuckDB file.

Scrapes are appended to `recent`. From time to time its rows move to `samples`, sorted by (series, time): the series of a metric
then stand side by side where the zone maps find them, and compress to a few bytes a sample. Every step is one transaction, so
that a process killed at any line loses at most the scrape that was being written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wattstat.promql import Labels, PromqlError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id BIGINT, labels VARCHAR, first_ms BIGINT, last_ms BIGINT);
CREATE TABLE IF NOT EXISTS recent (id BIGINT, time_ms BIGINT, value DOUBLE);
CREATE TABLE IF NOT EXISTS samples (id BIGINT, time_ms BIGINT, value DOUBLE);
"""

Ids = npt.NDArray[np.int64]
Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class StoreError(Exception):
    """The database cannot be opened or is not ours; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Samples in order of (series, time)."""

    ids: Ids
    times: Times
    values: Values


class Span(NamedTuple):
    """When a series has its first and its last sample, and how many."""

    number: int
    first_ms: int
    last_ms: int
    samples: int


_TRANSLATION = pa.schema([("theirs", pa.int64()), ("ours", pa.int64())])


def labels_to_text(labels: Labels) -> str:
    """Labels as the table holds them: a JSON object."""
    return json.dumps(dict(labels), separators=(",", ":"), ensure_ascii=False)


def labels_from_text(text: str) -> Labels:
    """The labels that a series was stored with."""
    return tuple(sorted((str(name), str(value)) for name, value in json.loads(text).items()))


class Database:
    """One connection. `cursor()` gives another one to the same database, for another thread."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, path: Path, *, memory_limit: str, threads: int) -> Database:
        """Open or create the file. Raises `StoreError`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(path.with_suffix(".tmp")),
        }
        try:
            connection = duckdb.connect(str(path), config=settings)
            connection.execute(_SCHEMA)
        except duckdb.Error as err:
            raise StoreError(f"the history {path} cannot be opened: {err}") from err
        return cls(connection)

    def cursor(self) -> Database:
        return Database(self.connection.cursor())

    def close(self) -> None:
        self.connection.close()

    # Writing

    def append(self, new_series: Sequence[tuple[int, Labels, int]], rows: Rows) -> None:
        """One scrape: its new series (id, labels, first time) and its samples, all or nothing."""
        with self._transaction():
            if new_series:
                self._insert_series(new_series)
            self._insert(rows)

    def _insert_series(self, new_series: Sequence[tuple[int, Labels, int]]) -> None:
        table = pa.table(
            {
                "id": pa.array([number for number, _, _ in new_series], pa.int64()),
                "labels": pa.array([labels_to_text(labels) for _, labels, _ in new_series], pa.string()),
                "first_ms": pa.array([first for _, _, first in new_series], pa.int64()),
            }
        )
        self.connection.register("new_series", table)
        self.connection.execute("INSERT INTO series SELECT id, labels, first_ms, first_ms FROM new_series")
        self.connection.unregister("new_series")

    def _insert(self, rows: Rows) -> None:
        table = pa.table({"id": rows.ids, "time_ms": rows.times, "value": rows.values})
        self.connection.register("scrape", table)
        self.connection.execute("INSERT INTO recent SELECT id, time_ms, value FROM scrape")
        self.connection.unregister("scrape")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def compact(self) -> None:
        """Move what was appended to the sorted table."""
        with self._transaction():
            self.connection.execute("INSERT INTO samples SELECT id, time_ms, value FROM recent ORDER BY id, time_ms")
            self.connection.execute(
                "UPDATE series SET last_ms = newest.last_ms"
                " FROM (SELECT id, max(time_ms) AS last_ms FROM recent GROUP BY id) newest WHERE series.id = newest.id"
            )
            self.connection.execute("DELETE FROM recent")
        self.connection.execute("CHECKPOINT")

    def import_samples(
        self, path: Path, new_series: Sequence[tuple[int, Labels, int]], numbers: Mapping[int, int]
    ) -> list[Span]:
        """Samples from a Parquet file (id, time_ms, value), its ids translated by `numbers`, as one sorted run.

        Returns, for each series, what was brought.
        """
        translated = pa.table({"theirs": list(numbers), "ours": list(numbers.values())}, schema=_TRANSLATION)
        with self._transaction():
            if new_series:
                self._insert_series(new_series)
            self.connection.register("translated", translated)
            self.connection.execute(
                "INSERT INTO samples SELECT ours, time_ms, value FROM read_parquet(?) JOIN translated ON id = theirs"
                " ORDER BY ours, time_ms",
                [str(path)],
            )
            spans = self.connection.execute(
                "SELECT ours, min(time_ms), max(time_ms), count(*) FROM read_parquet(?) JOIN translated ON id = theirs"
                " GROUP BY ours",
                [str(path)],
            ).fetchall()
            self.connection.unregister("translated")
            self._widen(spans)
        self.connection.execute("CHECKPOINT")
        return [Span(*span) for span in spans]

    def _widen(self, spans: Sequence[tuple[int, int, int, int]]) -> None:
        """Enter that series have samples between two moments."""
        columns = [pa.array(column, pa.int64()) for column in zip(*spans, strict=True)] or [pa.array([], pa.int64())] * 4
        self.connection.register("spans", pa.table(columns, names=["id", "first_ms", "last_ms", "samples"]))
        self.connection.execute(
            "UPDATE series SET first_ms = least(series.first_ms, spans.first_ms),"
            " last_ms = greatest(series.last_ms, spans.last_ms) FROM spans WHERE series.id = spans.id"
        )
        self.connection.unregister("spans")

    # Reading

    def read_parquet(self, path: Path, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of a Parquet file."""
        return self.connection.execute(f"SELECT {', '.join(columns)} FROM read_parquet(?)", [str(path)]).fetchall()  # noqa: S608 - fixed names

    def series(self) -> list[tuple[int, Labels, int, int]]:
        """All series: id, labels, first and newest time."""
        rows = self.connection.execute(
            "SELECT series.id, labels, first_ms, greatest(last_ms, coalesce(newest, last_ms)) FROM series"
            " LEFT JOIN (SELECT id, max(time_ms) AS newest FROM recent GROUP BY id) USING (id) ORDER BY series.id"
        ).fetchall()
        return [(number, labels_from_text(text), first, last) for number, text, first, last in rows]

    def recent_rows(self) -> tuple[int, int | None]:
        """How many samples wait to be sorted, and the time of the oldest."""
        row = self.connection.execute("SELECT count(*), min(time_ms) FROM recent").fetchone()
        return (0, None) if row is None else (row[0], row[1])

    def read(self, ids: Sequence[int], start_ms: int, end_ms: int, limit: int) -> Rows:
        """The samples of some series between two moments, both included. Raises `PromqlError` beyond `limit` samples."""
        with self._transaction():
            if len(ids) * (end_ms - start_ms) // 1000 > limit:  # more than this there can be at one sample a second
                self._refuse_more_than(limit, ids, start_ms, end_ms)
            parts = [self._read("samples", ids, start_ms, end_ms), self._read("recent", ids, start_ms, end_ms)]
        return in_order([part for part in parts if len(part.ids)])

    def _refuse_more_than(self, limit: int, ids: Sequence[int], start_ms: int, end_ms: int) -> None:
        where = f"WHERE {_among(ids)} AND time_ms BETWEEN {start_ms} AND {end_ms}"
        query = f"SELECT (SELECT count(*) FROM samples {where}) + (SELECT count(*) FROM recent {where})"  # noqa: S608 - numbers only
        row = self.connection.execute(query).fetchone()
        if row is not None and row[0] > limit:
            raise PromqlError(
                f"query processing would load too many samples into memory: a selector takes {row[0]:,}, "
                f"{limit:,} are allowed; ask for fewer series or a shorter time"
            )

    def _read(self, table: str, ids: Sequence[int], start_ms: int, end_ms: int) -> Rows:
        order = " ORDER BY id, time_ms" if table == "recent" else ""
        query = f"SELECT id, time_ms, value FROM {table} WHERE {_among(ids)} AND time_ms BETWEEN ? AND ?{order}"  # noqa: S608 - numbers and a fixed name
        found = self.connection.sql(query, params=[start_ms, end_ms]).to_arrow_table(1_000_000)
        return Rows(ids=found["id"].to_numpy(), times=found["time_ms"].to_numpy(), values=found["value"].to_numpy())


def _among(ids: Sequence[int]) -> str:
    """A condition that the zone maps understand: the span of ids, and which of them where the span holds others."""
    span = f"id BETWEEN {ids[0]} AND {ids[-1]}"
    if ids[-1] - ids[0] == len(ids) - 1:
        return span
    return f"{span} AND id IN ({','.join(map(str, ids))})"


def in_order(parts: Sequence[Rows]) -> Rows:
    """Rows that consist of sorted runs, as one sorted run.

    Each part is a row of runs (one for each time that `recent` was emptied); in a run the samples of a series stand together,
    so only these segments are sorted, not the samples.
    """
    if not parts:
        return Rows(ids=np.zeros(0, np.int64), times=np.zeros(0, np.int64), values=np.zeros(0))
    ids = np.concatenate([part.ids for part in parts]) if len(parts) > 1 else parts[0].ids
    times = np.concatenate([part.times for part in parts]) if len(parts) > 1 else parts[0].times
    values = np.concatenate([part.values for part in parts]) if len(parts) > 1 else parts[0].values
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    if (ids[starts][1:] > ids[starts][:-1]).all():
        return _checked(Rows(ids=ids, times=times, values=values))
    ends = np.append(starts[1:], len(ids))
    order = np.lexsort((times[starts], ids[starts]))
    slices = [slice(start, end) for start, end in zip(starts[order].tolist(), ends[order].tolist(), strict=True)]
    return _checked(
        Rows(
            ids=np.repeat(ids[starts[order]], (ends - starts)[order]),
            times=np.concatenate([times[part] for part in slices]),
            values=np.concatenate([values[part] for part in slices]),
        )
    )


def _checked(rows: Rows) -> Rows:
    """Sorted for certain, and one sample a moment: overlapping imports may have brought two, of which the later one counts."""
    forward = (rows.ids[1:] != rows.ids[:-1]) | (rows.times[1:] > rows.times[:-1])
    if forward.all():
        return rows
    order = np.lexsort((rows.times, rows.ids))
    ids, times, values = rows.ids[order], rows.times[order], rows.values[order]
    newest = np.append((ids[1:] != ids[:-1]) | (times[1:] != times[:-1]), True)
    return Rows(ids=ids[newest], times=times[newest], values=values[newest])
