"""The embedded store: a DuckDB file, filled by scrapes, asked in PromQL.

DuckDB and numpy work in threads; the event loop stays free. One thread writes, two read ranges, two what is asked of one
moment: no plot of a year delays an alert rule.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import duckdb

from wattstat import promql
from wattstat.promql import Labels, Matcher, PromqlError
from wattstat.store import downsampling
from wattstat.store.database import Database, labels_from_text
from wattstat.store.ingest import Ingest, Scrape
from wattstat.store.protocol import Answer, QueryError, Recorded, Series, StoreError
from wattstat.store.reading import Reader
from wattstat.store.series_index import Known, SeriesIndex

QUERY_SECONDS = 120
"""How long a query may take, its wait for a thread included, as in Prometheus."""

COMPACT_ROWS = 2_000_000
COMPACT_MS = 2 * 3_600_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long history is kept: every sample, and five-minute steps."""

    samples_days: float = 30
    coarse_days: float = 366

    def samples_from_ms(self, now: float) -> int:
        """The oldest samples that are kept, at a border between two steps."""
        return _steps_ago(now, self.samples_days)

    def coarse_from_ms(self, now: float) -> int:
        return _steps_ago(now, self.coarse_days)


def _steps_ago(now: float, days: float) -> int:
    return round((now - days * 86400) * 1000) // downsampling.STEP_MS * downsampling.STEP_MS


class EmbeddedStore:
    """History in one file; implements `Store`."""

    def __init__(
        self,
        path: Path,
        *,
        target_labels: Labels = (),
        keep: Keep | None = None,
        memory_limit: str = "1GiB",
        threads: int = 2,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._keep = keep or Keep()
        self._database = Database.open(path, memory_limit=memory_limit, threads=threads)
        self._index = SeriesIndex()
        for number, labels, first_ms, last_ms in self._database.series():
            self._index.add(number, Known(labels=labels, first_ms=first_ms, last_ms=last_ms))
        self._ingest = Ingest(index=self._index, target_labels=target_labels)
        self._waiting, self._oldest_ms = self._database.recent_rows()
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._instant_readers = ThreadPoolExecutor(2, thread_name_prefix="store-instant")

    # Writing

    async def ingest(self, body: str | None, time_ms: int, duration_seconds: float) -> None:
        """Write one scrape; None says that it failed. Raises `ExpositionError` when the body is not in the text format."""
        await self._in(self._writer, lambda: self._write(body, time_ms, duration_seconds))

    def _write(self, body: str | None, time_ms: int, duration_seconds: float) -> None:
        with self._lock:
            scrape = self._ingest.scrape(body, time_ms, duration_seconds)
        self._append(scrape, time_ms)

    async def record(self, written: Sequence[Recorded], time_ms: int) -> None:
        """Write series that were computed, all at one moment. A series that its source does not write again ends.

        Raises `StoreError`.
        """
        await self._in(self._writer, lambda: self._write_recorded(written, time_ms))

    def _write_recorded(self, written: Sequence[Recorded], time_ms: int) -> None:
        with self._lock:
            scrape = self._ingest.record(written, time_ms)
        if len(scrape.rows.ids):
            self._append(scrape, time_ms)

    def _append(self, scrape: Scrape, time_ms: int) -> None:
        try:
            self._database.append(scrape.new_series, scrape.rows)
            self._ingest.written()
            self._waiting += len(scrape.rows.ids)
            self._oldest_ms = time_ms if self._oldest_ms is None else self._oldest_ms
            if self._waiting >= COMPACT_ROWS or time_ms - self._oldest_ms >= COMPACT_MS:
                self._compact()
        except duckdb.Error as err:
            raise StoreError(f"the history cannot be written: {err}") from err

    async def import_history(self, directory: Path) -> int:
        """Bring in samples made elsewhere: `series.parquet` (id, name, labels as JSON), `samples.parquet` (id, time_ms, value).

        Returns how many. Raises `StoreError` saying which file is missing or not as expected.
        """
        return await self._in(self._writer, lambda: self._import(directory))

    def _import(self, directory: Path) -> int:
        try:
            series = {
                number: tuple(sorted([("__name__", name), *labels_from_text(labels)]))
                for number, name, labels in self._database.read_parquet(directory / "series.parquet", ["id", "name", "labels"])
            }
            with self._lock:
                numbers = self._ingest.translate(series, round(self._clock() * 1000))
            spans = self._database.import_samples(directory / "samples.parquet", self._ingest.unwritten(), numbers)
        except (duckdb.Error, ValueError) as err:
            raise StoreError(
                f"the history in {directory} cannot be imported: {err}; expected series.parquet (id, name, labels) "
                "and samples.parquet (id, time_ms, value)"
            ) from err
        self._ingest.written()
        with self._lock:
            self._index.widen(spans)
        return sum(span.samples for span in spans)

    async def compact(self) -> None:
        """Sort what was appended, now instead of later."""
        await self._in(self._writer, self._compact)

    def _compact(self) -> None:
        self._database.compact()
        self._waiting, self._oldest_ms = 0, None
        now = self._clock()
        gone = self._database.expire(self._keep.samples_from_ms(now), self._keep.coarse_from_ms(now))
        if gone:
            with self._lock:
                self._index.remove(gone)
                self._ingest.forget_prefixes()

    # Asking

    async def query(self, expression: str, at: float | None = None) -> Answer:
        """Evaluate at one moment; now when None. Raises `QueryError`."""
        moment = round((self._clock() if at is None else at) * 1000)
        deadline = time.monotonic() + QUERY_SECONDS
        return await self._ask(
            self._instant_readers, lambda source: promql.instant_query(source, expression, moment, deadline=deadline)
        )

    async def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        """Evaluate at start, start+step, … end. Raises `QueryError`."""
        times = [round(value * 1000) for value in (start, end, step)]
        deadline = time.monotonic() + QUERY_SECONDS
        return await self._ask(self._readers, lambda source: promql.range_query(source, expression, *times, deadline=deadline))

    async def _ask(self, threads: ThreadPoolExecutor, ask: Callable[[Reader], promql.Result]) -> Answer:
        def work() -> Answer:
            connection = self._database.cursor()
            fine_from_ms = self._keep.samples_from_ms(self._clock())
            try:
                return answer(ask(Reader(connection=connection, index=self._index, lock=self._lock, fine_from_ms=fine_from_ms)))
            except PromqlError as err:
                raise QueryError(str(err), kind=err.kind) from err
            except duckdb.Error as err:
                raise QueryError(f"the history cannot be read: {err}", kind="execution") from err
            finally:
                connection.close()

        return await self._in(threads, work)

    async def series(self, selectors: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        """Label sets of the series that match any selector."""
        return [dict(labels) for labels in sorted(await self._matching(selectors, start, end))]

    async def labels(self, selectors: Sequence[str], start: float | None = None, end: float | None = None) -> list[str]:
        """Names of labels."""
        return sorted({name for labels in await self._matching(selectors, start, end) for name, _ in labels})

    async def label_values(
        self, name: str, selectors: Sequence[str], start: float | None = None, end: float | None = None
    ) -> list[str]:
        """Values of a label."""
        matching = await self._matching(selectors, start, end)
        return sorted({value for labels in matching for label, value in labels if label == name})

    async def _matching(self, selectors: Sequence[str], start: float | None, end: float | None) -> set[Labels]:
        start_ms = -(2**62) if start is None or not math.isfinite(start) else round(start * 1000)
        end_ms = 2**62 if end is None or not math.isfinite(end) else round(end * 1000)
        try:
            wanted: list[tuple[Matcher, ...]] = [promql.selector(text) for text in selectors] or [()]
        except PromqlError as err:
            raise QueryError(str(err), kind=err.kind) from err

        def work() -> set[Labels]:
            with self._lock:
                by_id, select = self._index.by_id, self._index.select
                return {by_id[number].labels for matchers in wanted for number in select(matchers, start_ms, end_ms)}

        return await self._in(self._readers, work)

    async def close(self) -> None:
        """Finish what is being written and read, and close the file."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._instant_readers.shutdown)
        self._database.close()

    @staticmethod
    async def _in(executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work)


def answer(result: promql.Result) -> Answer:
    """A result as the protocol has it."""
    seconds: dict[int, Sequence[float]] = {}

    def times(points: promql.Points) -> Sequence[float]:
        # Nearly all series share one array of times.
        if id(points.times) not in seconds:
            seconds[id(points.times)] = cast("Sequence[float]", points.times / 1000)
        return seconds[id(points.times)]

    return Answer(
        kind=result.kind,
        text=result.text,
        series=tuple(
            Series(labels=dict(points.labels), times=times(points), values=cast("Sequence[float]", points.values))
            for points in result.points
        ),
    )
