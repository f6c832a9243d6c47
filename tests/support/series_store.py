"""A store in memory with the real evaluator: thousands of evaluations a second, at any moments."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from wattstat import promql
from wattstat.promql import Labels, Matcher, Raw, Want
from wattstat.promql.raw import STALE, is_stale
from wattstat.store.embedded import answer
from wattstat.store.protocol import Answer, QueryError, Recorded


class SeriesStore:
    """Asked like a store; filled with `add` and, by an engine, with `record`. Samples behind a moment are not seen by it."""

    def __init__(self) -> None:
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}
        self._by_name: dict[str, list[Labels]] = {}
        self._written: dict[str, set[Labels]] = {}

    def add(self, labels: Mapping[str, str], samples: Iterable[tuple[int, float]]) -> None:
        """Samples in order of time, in Unix milliseconds."""
        times, values = self._of(tuple(sorted(labels.items())))
        for time_ms, value in samples:
            assert not times or time_ms > times[-1], f"{labels} has two samples at {time_ms}"
            times.append(time_ms)
            values.append(value)

    def _of(self, labels: Labels) -> tuple[list[int], list[float]]:
        if labels not in self._series:
            self._series[labels] = ([], [])
            self._by_name.setdefault(dict(labels)["__name__"], []).append(labels)
        return self._series[labels]

    async def record(self, written: Sequence[Recorded], time_ms: int) -> None:
        """As the embedded store does it."""
        for each in written:
            found = {tuple(sorted(labels.items())): value for labels, value in each.samples}
            ended = self._written.get(each.source, set()) - found.keys()
            for labels, value in [*found.items(), *((labels, STALE) for labels in ended)]:
                self.add(dict(labels), [(time_ms, value)])
            self._written[each.source] = set(found)

    def samples(self, name: str) -> dict[Labels, dict[float, float]]:
        """All samples of a metric but staleness markers, by labels without the name, and by time in seconds."""
        found = {}
        for labels in self._by_name.get(name, ()):
            times, values = self._series[labels]
            stale = is_stale(np.array(values))
            plain = tuple(pair for pair in labels if pair[0] != "__name__")
            found[plain] = {time / 1000: value for time, value, ended in zip(times, values, stale, strict=True) if not ended}
        return found

    async def query(self, expression: str, at: float | None = None) -> Answer:
        assert at is not None
        try:
            return answer(promql.instant_query(self, expression, round(at * 1000)))
        except promql.PromqlError as err:
            raise QueryError(str(err), kind=err.kind) from err

    async def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        try:
            return answer(promql.range_query(self, expression, *(round(each * 1000) for each in (start, end, step))))
        except promql.PromqlError as err:
            raise QueryError(str(err), kind=err.kind) from err

    async def series(self, selectors: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        return [dict(labels) for text in selectors for labels in self._matching(promql.selector(text))]

    async def labels(self, selectors: Sequence[str], start: float | None = None, end: float | None = None) -> list[str]:
        return sorted({name for each in await self.series(selectors, 0, 0) for name in each})

    async def label_values(
        self, name: str, selectors: Sequence[str], start: float | None = None, end: float | None = None
    ) -> list[str]:
        return sorted({each[name] for each in await self.series(selectors, 0, 0) if name in each})

    async def close(self) -> None:
        """Nothing is held."""

    def _matching(self, matchers: Sequence[Matcher]) -> list[Labels]:
        name = next((m.value for m in matchers if m.name == "__name__" and m.op == "="), None)
        found = list(self._series) if name is None else list(self._by_name.get(name, ()))
        for matcher in matchers:
            values = [dict(labels).get(matcher.name, "") for labels in found]
            allowed = matcher.allowed(set(values))
            found = [labels for labels, value in zip(found, values, strict=True) if value in allowed]
        return found

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, want: Want) -> Raw:
        """What the evaluator reads."""
        found, times, values, offsets = [], [], [], [0]
        for labels in self._matching(matchers):
            at, held = self._series[labels]
            low, high = bisect.bisect_left(at, start_ms), bisect.bisect_right(at, end_ms)
            if low < high:
                found.append(labels)
                times += at[low:high]
                values += held[low:high]
                offsets.append(len(times))
        return Raw(
            labels=found,
            offsets=np.array(offsets, np.int64),
            times=np.array(times, np.int64),
            values=np.array(values, np.float64),
        )
