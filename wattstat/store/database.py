"""The history in one DuckDB file.

Scrapes are appended to `recent`. From time to time its rows move to `samples`, sorted by (series, time): the series of a metric
then stand side by side where the zone maps find them, and compress to a few bytes a sample. Every step is one transaction, so
that a process killed at any line loses at most the scrape that was being written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from wattstat.promql import Labels
from wattstat.store import downsampling
from wattstat.store.protocol import StoreError
from wattstat.store.rows import Rows

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS series (id BIGINT, labels VARCHAR, first_ms BIGINT, last_ms BIGINT);
CREATE TABLE IF NOT EXISTS recent (id BIGINT, time_ms BIGINT, value DOUBLE);
CREATE TABLE IF NOT EXISTS samples (id BIGINT, time_ms BIGINT, value DOUBLE);
{downsampling.SCHEMA}
"""


class Span(NamedTuple):
    """When a series has its first and its last sample, and how many."""

    number: int
    first_ms: int
    last_ms: int
    samples: int


_TRANSLATED = "SELECT ours AS id, time_ms, value FROM read_parquet(?) JOIN translated ON id = theirs"
_TRANSLATION = pa.schema([("theirs", pa.int64()), ("ours", pa.int64())])


def labels_to_text(labels: Labels) -> str:
    """Labels as the table holds them: a JSON object."""
    return json.dumps(dict(labels), separators=(",", ":"), ensure_ascii=False)


def labels_from_text(text: str) -> Labels:
    """The labels that a series was stored with."""
    return tuple(sorted((str(name), str(value)) for name, value in json.loads(text).items()))


class Database:
    """The connection that writes."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, path: Path, *, memory_limit: str, threads: int) -> Database:
        """Open or create the file. Raises `StoreError`."""
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(path.with_suffix(".tmp")),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(str(path), config=settings)
            connection.execute(_SCHEMA)
        except (OSError, duckdb.Error) as err:
            raise StoreError(
                f"the history {path} cannot be opened: {err}; end the Wattstat that holds it, or move the file away"
            ) from err
        return cls(connection)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for another thread."""
        return self.connection.cursor()

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
        except BaseException:  # whatever ends the body, an open transaction must not outlive it
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def _checkpoint(self) -> None:
        """Write the log into the file, unless somebody else is at work: then DuckDB does so after a later commit."""
        with suppress(duckdb.TransactionException):
            self.connection.execute("CHECKPOINT")

    def compact(self) -> None:
        """Move what was appended to the sorted table."""
        with self._transaction():
            self.connection.execute("INSERT INTO samples SELECT id, time_ms, value FROM recent ORDER BY id, time_ms")
            self.connection.execute(downsampling.insert("SELECT id, time_ms, value FROM recent"))
            self.connection.execute(
                "UPDATE series SET last_ms = newest.last_ms"
                " FROM (SELECT id, max(time_ms) AS last_ms FROM recent GROUP BY id) newest WHERE series.id = newest.id"
            )
            self.connection.execute("DELETE FROM recent")
        self._checkpoint()

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
                f"INSERT INTO samples {_TRANSLATED} ORDER BY ours, time_ms",
                [str(path)],
            )
            self.connection.execute(downsampling.insert(_TRANSLATED), [str(path)])
            spans = self.connection.execute(
                "SELECT ours, min(time_ms), max(time_ms), count(*) FROM read_parquet(?) JOIN translated ON id = theirs"
                " GROUP BY ours",
                [str(path)],
            ).fetchall()
            self.connection.unregister("translated")
            self._widen(spans)
        self._checkpoint()
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

    def expire(self, samples_before_ms: int, coarse_before_ms: int) -> list[int]:
        """Delete what is older than it is kept. Returns the series that are gone with it."""
        with self._transaction():
            self.connection.execute("DELETE FROM samples WHERE time_ms < ?", [samples_before_ms])
            self.connection.execute("DELETE FROM coarse WHERE time_ms < ?", [coarse_before_ms])
            gone = self.connection.execute("DELETE FROM series WHERE last_ms < ? RETURNING id", [coarse_before_ms]).fetchall()
        return [number for (number,) in gone]

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
        [(count, oldest)] = self.connection.execute("SELECT count(*), min(time_ms) FROM recent").fetchall()
        return count, oldest
