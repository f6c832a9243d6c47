"""One query's view of the history: what the evaluator reads from."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from wattstat.promql import Matcher, PromqlError, Raw, Want
from wattstat.store import downsampling
from wattstat.store.rows import Rows, in_order
from wattstat.store.series_index import SeriesIndex

MAX_SAMPLES = 50_000_000
"""How many samples one selector may bring into memory (24 bytes each)."""

FOREVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads in one transaction of a connection of its own.

    Before `fine_from_ms` samples may be gone; their five-minute steps are there.
    """

    connection: duckdb.DuckDBPyConnection
    index: SeriesIndex
    lock: threading.Lock
    fine_from_ms: int

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, want: Want) -> Raw:
        """The samples of the matching series; series without samples in the span are left out."""
        with self.lock:
            ids = self.index.select(matchers, start_ms, end_ms)
            labels = {number: self.index.by_id[number].labels for number in ids}
        if not ids:
            nothing = np.zeros(0)
            return Raw(labels=(), offsets=np.zeros(1, np.int64), times=nothing.astype(np.int64), values=nothing)
        coarse_before = FOREVER if downsampling.suffices(want, end_ms - start_ms) else self.fine_from_ms
        rows = self._read(ids, start_ms, end_ms, coarse_before, want)
        starts = np.flatnonzero(np.concatenate([[len(rows.ids) > 0], rows.ids[1:] != rows.ids[:-1]]))
        return Raw(
            labels=[labels[number] for number in rows.ids[starts].tolist()],
            offsets=np.append(starts, len(rows.ids)),
            times=rows.times,
            values=rows.values,
            resolution_ms=downsampling.STEP_MS if start_ms < coarse_before else 0,
        )

    def _read(self, ids: Sequence[int], start_ms: int, end_ms: int, coarse_before: int, want: Want) -> Rows:
        """What was sorted long ago coarsely, the rest as it is."""
        value, there = downsampling.select(want)
        fine, countable = downsampling.select_fine(want, beside_steps=start_ms < coarse_before)
        among = _among(ids)
        queries: list[str] = []
        if start_ms < coarse_before:
            span = f"time_ms BETWEEN {start_ms} AND {min(end_ms, coarse_before - 1)}"
            queries.append(f"SELECT id, time_ms, {value} AS value FROM coarse WHERE {among} AND {span} AND {there}")  # noqa: S608 - numbers only
        if end_ms >= coarse_before:
            span = f"time_ms BETWEEN {max(start_ms, coarse_before)} AND {end_ms}"
            queries.append(f"SELECT id, time_ms, {fine} AS value FROM samples WHERE {among} AND {span} AND {countable}")  # noqa: S608
        span = f"time_ms BETWEEN {start_ms} AND {end_ms}"
        recent = f"SELECT id, time_ms, {fine} AS value FROM recent WHERE {among} AND {span} AND {countable}"  # noqa: S608
        queries.append(f"{recent} ORDER BY id, time_ms")
        self.connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            if len(ids) * (end_ms - start_ms) // 1000 > MAX_SAMPLES:  # at one sample a second there might be more
                self._refuse_too_many(queries)
            parts = [self._columns(query) for query in queries]
        finally:
            self.connection.execute("COMMIT")
        return in_order([part for part in parts if len(part.ids)])

    def _refuse_too_many(self, queries: Sequence[str]) -> None:
        counts = [self.connection.execute(f"SELECT count(*) FROM ({query})").fetchall() for query in queries]  # noqa: S608
        count = sum(row[0] for rows in counts for row in rows)
        if count > MAX_SAMPLES:
            raise PromqlError(
                f"query processing would load too many samples into memory: a selector takes {count:,}, "
                f"{MAX_SAMPLES:,} are allowed; ask for fewer series or a shorter time"
            )

    def _columns(self, query: str) -> Rows:
        found = self.connection.sql(query).to_arrow_table(1_000_000)
        return Rows(ids=found["id"].to_numpy(), times=found["time_ms"].to_numpy(), values=found["value"].to_numpy())


def _among(ids: Sequence[int]) -> str:
    """A condition that the zone maps understand: the span of ids, and which of them where the span holds others."""
    span = f"id BETWEEN {ids[0]} AND {ids[-1]}"
    if ids[-1] - ids[0] == len(ids) - 1:
        return span
    return f"{span} AND id IN ({','.join(map(str, ids))})"
