"""From a scraped body to samples: which series each line is, and which series have ended."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wattstat.promql import Labels
from wattstat.promql.raw import STALE, STALE_BITS
from wattstat.store.protocol import Recorded
from wattstat.store.rows import Rows
from wattstat.store.series_index import Known, SeriesIndex
from wattstat.store.text_format import ExpositionError, parse_line, parse_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a scrape went, beside its body. `samples` says how many lines with a value the body had."""

    up: bool
    duration_seconds: float
    samples: int = 0
    series_added: int = 0

    def about(self) -> list[tuple[str, float]]:
        """The series that Prometheus writes about each scrape."""
        return [
            ("up", float(self.up)),
            ("scrape_duration_seconds", self.duration_seconds),
            ("scrape_samples_scraped", float(self.samples)),
            ("scrape_samples_post_metric_relabeling", float(self.samples)),
            ("scrape_series_added", float(self.series_added)),
        ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scrape:
    """What one scrape writes: new series (id, labels, first time) and samples."""

    new_series: Sequence[tuple[int, Labels, int]]
    rows: Rows


@dataclass(kw_only=True)
class Ingest:
    """Turns bodies into rows. Remembers every line's beginning, and which series the previous scrape had.

    `target_labels` (job and instance) are added to every series, as Prometheus adds them.
    """

    index: SeriesIndex
    target_labels: Labels = ()
    _prefixes: dict[str, int] = field(default_factory=dict)
    _previous: frozenset[int] = frozenset()
    _recorded: dict[str, frozenset[int]] = field(default_factory=dict)
    _new: list[tuple[int, Labels, int]] = field(default_factory=list)

    def scrape(self, body: str | None, time_ms: int, duration_seconds: float) -> Scrape:
        """The rows of one scrape; without a body (it failed) all series of the previous one end. Raises `ExpositionError`."""
        found: dict[int, float] = {}
        times: dict[int, int] = {}
        lines = 0
        if body is not None:
            lines = self._read(body, time_ms, found, times)
        current = frozenset(found.keys() - times.keys())
        added = len(current - self._previous)
        ended = self._previous - found.keys()
        found.update(dict.fromkeys(ended, STALE))
        outcome = Outcome(up=body is not None, duration_seconds=duration_seconds, samples=lines, series_added=added)
        for name, value in outcome.about():
            found[self.number_of(self._labelled((("__name__", name),)), time_ms)] = value
        self._previous = current
        if len(self._prefixes) > 2 * len(current) + 10_000:
            self.forget_prefixes()  # series that come and go must not fill the memory
        ids = np.fromiter(found.keys(), np.int64, len(found))
        moments = np.full(len(ids), time_ms, np.int64)
        for place in [place for place, number in enumerate(found) if number in times] if times else ():
            moments[place] = times[int(ids[place])]
        self.index.touch(found, time_ms)
        rows = Rows(ids=ids, times=moments, values=np.fromiter(found.values(), np.float64, len(found)))
        return Scrape(new_series=self.unwritten(), rows=rows)

    def record(self, written: Sequence[Recorded], time_ms: int) -> Scrape:
        """The rows of computed series: as they are, without a target's labels; what a source leaves out has ended."""
        found: dict[int, float] = {}
        for each in written:
            mine = {self.number_of(tuple(sorted(labels.items())), time_ms): value for labels, value in each.samples}
            found.update(dict.fromkeys(self._recorded.get(each.source, frozenset()) - mine.keys(), STALE))
            found.update(mine)
            self._recorded[each.source] = frozenset(number for number, value in mine.items() if not _is_end(value))
        self.index.touch(found, time_ms)
        ids = np.fromiter(found.keys(), np.int64, len(found))
        times, values = np.full(len(ids), time_ms, np.int64), np.fromiter(found.values(), np.float64, len(found))
        return Scrape(new_series=self.unwritten(), rows=Rows(ids=ids, times=times, values=values))

    def written(self) -> None:
        """The last scrape is in the database. Until then its new series are handed out again with the next one."""
        self._new.clear()

    def _read(self, body: str, time_ms: int, found: dict[int, float], times: dict[int, int]) -> int:
        lines = 0
        prefixes = self._prefixes
        for line in body.split("\n"):
            if not line or line[0] == "#":
                continue
            prefix, _, text = line.rpartition(" ")
            number = prefixes.get(prefix)
            if number is not None:
                try:
                    value = float(text)
                except ValueError:
                    value = parse_value(text, line)
            elif line.strip() and not line.lstrip().startswith("#"):
                number, value = self._learn(line, prefix, time_ms, times)
            else:
                continue
            lines += 1
            found.setdefault(number, value)  # Of two equal lines Prometheus keeps the first.
        return lines

    def _learn(self, line: str, prefix: str, time_ms: int, times: dict[int, int]) -> tuple[int, float]:
        parsed = parse_line(line)
        number = self.number_of(self._labelled(parsed.labels), time_ms if parsed.time_ms is None else parsed.time_ms)
        if parsed.time_ms is None:
            self._prefixes[prefix] = number
        else:
            times[number] = parsed.time_ms
        return number, parsed.value

    def _labelled(self, labels: Labels) -> Labels:
        """With the target's labels; a scraped label of the same name is kept as `exported_…`, as Prometheus does."""
        if not self.target_labels:
            return labels
        taken = {name for name, _ in self.target_labels}
        scraped = ((f"exported_{name}" if name in taken else name, value) for name, value in labels)
        return tuple(sorted([*scraped, *self.target_labels]))

    def translate(self, series: Mapping[int, Labels], time_ms: int) -> dict[int, int]:
        """Our ids for series with ids of their own, as an imported history has them."""
        return {theirs: self.number_of(self._labelled(labels), time_ms) for theirs, labels in series.items()}

    def unwritten(self) -> tuple[tuple[int, Labels, int], ...]:
        """New series (id, labels, first time) that are not in the database yet."""
        return tuple(self._new)

    def number_of(self, labels: Labels, time_ms: int) -> int:
        """The id of a series, new if it is not known yet."""
        number = self.index.ids.get(labels)
        if number is None:
            number = self.index.new_id(labels)
            self.index.add(number, Known(labels=labels, first_ms=time_ms, last_ms=time_ms))
            self._new.append((number, labels, time_ms))
        return number

    def forget_prefixes(self) -> None:
        """Look every line up anew, because series were removed."""
        self._prefixes.clear()


def _is_end(value: float) -> bool:
    return struct.pack("<d", value) == _STALE_BYTES


_STALE_BYTES = struct.pack("<Q", STALE_BITS)

__all__ = ["ExpositionError", "Ingest", "Outcome", "Scrape"]
