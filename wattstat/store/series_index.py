"""Which series there are, by label: in memory, because every query and every scrape asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wattstat.promql import Labels, Matcher

NAME = "__name__"
_SERIES_BITS = 32


@dataclass(slots=True, kw_only=True)
class Known:
    """A series and when its first and newest samples are, in Unix milliseconds."""

    labels: Labels
    first_ms: int
    last_ms: int


@dataclass(kw_only=True)
class SeriesIndex:
    """Series by id and by label.

    An id is the metric's number and the series' number within the metric, so that what is sorted by id has the series of one
    metric side by side. Ids are never used again.
    """

    by_id: dict[int, Known] = field(default_factory=dict)
    ids: dict[Labels, int] = field(default_factory=dict)
    _postings: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    _newest: dict[str, int] = field(default_factory=dict)

    def add(self, number: int, known: Known) -> None:
        """Enter a series with the id it has in the database."""
        self.by_id[number] = known
        self.ids[known.labels] = number
        for name, value in known.labels:
            self._postings.setdefault(name, {}).setdefault(value, set()).add(number)
        metric = dict(known.labels)[NAME]
        self._newest[metric] = max(self._newest.get(metric, 0), number)

    def new_id(self, labels: Labels) -> int:
        """An id for labels that have none."""
        metric = dict(labels)[NAME]
        newest = self._newest.get(metric)
        if newest is None:
            newest = (max((number >> _SERIES_BITS for number in self._newest.values()), default=0) + 1) << _SERIES_BITS
        self._newest[metric] = newest + 1
        return newest + 1

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget series that have no samples any more."""
        for number in numbers:
            known = self.by_id.pop(number)
            del self.ids[known.labels]
            for name, value in known.labels:
                holders = self._postings[name]
                holders[value].discard(number)
                if not holders[value]:
                    del holders[value]
                if not holders:
                    del self._postings[name]

    def touch(self, numbers: Iterable[int], time_ms: int) -> None:
        """Note that series have a sample at this moment."""
        for number in numbers:
            known = self.by_id[number]
            known.last_ms = max(known.last_ms, time_ms)

    def widen(self, spans: Iterable[tuple[int, int, int, int]]) -> None:
        """Note when series have samples: id, first and last time, how many."""
        for number, first_ms, last_ms, _ in spans:
            known = self.by_id[number]
            known.first_ms, known.last_ms = min(known.first_ms, first_ms), max(known.last_ms, last_ms)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[int]:
        """The series that match and may have samples between the two moments, in order of id."""
        found: set[int] | None = None
        # The matchers that leave few series come first: a name, then other equalities.
        for matcher in sorted(matchers, key=lambda matcher: (matcher.op != "=", matcher.name != NAME)):
            found = self._matching(matcher, found)
            if not found:
                return []
        by_id = self.by_id
        candidates = list(by_id) if found is None else found
        return sorted(n for n in candidates if by_id[n].last_ms >= start_ms and by_id[n].first_ms <= end_ms)

    def _matching(self, matcher: Matcher, among: set[int] | None) -> set[int]:
        postings = self._postings.get(matcher.name, {})
        if matcher.allowed([""]):  # then series without the label match, too
            refused = set(postings) - matcher.allowed(postings)
            everything = set(self.by_id) if among is None else among
            return everything.difference(*(postings[value] for value in refused))
        holders = set[int]().union(*(postings[value] for value in matcher.allowed(postings)))
        return holders if among is None else among & holders
