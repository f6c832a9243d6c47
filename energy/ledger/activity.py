"""What GPUs did between two entries of a node's journal: shares of time, by GPU and by part of a GPU."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from energy.ledger.lines import Activity
from wattstat.journal import Entry, GpuCounts


@dataclass(slots=True, kw_only=True)
class Frames:
    """The stretches between entries, oldest first; `boots` are those of the agent that wrote each entry."""

    entries: Sequence[Entry]
    boots: Sequence[str]
    times: list[float] = field(init=False)
    _found: dict[tuple[int, str], Activity | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.times = [entry.at for entry in self.entries]

    def places(self, cuts: Sequence[float]) -> list[int]:
        """For each slice between cuts the stretch that it lies in; -1 where there is none, or the agent began anew."""
        return [self._place((since + until) / 2) for since, until in pairwise(cuts)]

    def gpu(self, place: int, uuid: str) -> Activity | None:
        """What a GPU did in a stretch."""
        if place < 0:
            return None
        key = place, uuid
        if key not in self._found:
            self._found[key] = self._activity(place, uuid)
        return self._found[key]

    def is_at_rest(self, uuid: str, since: float, until: float, idle_ratio: float) -> bool:
        """Whether a GPU is known to have done nothing all the time, as a whole and in its parts."""
        first, last = bisect_left(self.times, since), bisect_right(self.times, until) - 1
        if not 0 <= first < last or self.boots[first] != self.boots[last]:
            return False
        before, after = self.entries[first], self.entries[last]
        if uuid not in before.gpus or uuid not in after.gpus:
            return False
        seconds = self.times[last] - self.times[first]
        told = [_activity(before.gpus[uuid], after.gpus[uuid], seconds).used]
        told += [_rate(before.shares.get(key, 0.0), value, seconds) for key, value in after.shares.items() if key[0] == uuid]
        known = [activity for activity in told if activity is not None]
        return bool(known) and max(known) < idle_ratio

    def share(self, place: int, uuid: str, holder: str) -> float | None:
        """The active share of a part of a GPU, within that part; None where nobody tells."""
        if place < 0:
            return None
        before = self.entries[place].shares.get((uuid, holder))
        after = self.entries[place + 1].shares.get((uuid, holder))
        if after is None:
            return None
        # A holder that was not there before has been active since it came, all within this stretch.
        return _rate(before or 0.0, after, self.times[place + 1] - self.times[place])

    def _place(self, at: float) -> int:
        place = bisect_right(self.times, at) - 1
        if place < 0 or place + 1 >= len(self.times) or self.boots[place] != self.boots[place + 1]:
            return -1
        return place

    def _activity(self, place: int, uuid: str) -> Activity | None:
        before, after = self.entries[place].gpus.get(uuid), self.entries[place + 1].gpus.get(uuid)
        if before is None or after is None:
            return None
        return _activity(before, after, self.times[place + 1] - self.times[place])


def _activity(before: GpuCounts, after: GpuCounts, seconds: float) -> Activity:
    return Activity(
        sm=_rate(before.sm_active_seconds, after.sm_active_seconds, seconds),
        busy=_rate(before.busy_seconds, after.busy_seconds, seconds),
        tensor=_rate(before.tensor_active_seconds, after.tensor_active_seconds, seconds),
        capped=_rate(before.capped_seconds, after.capped_seconds, seconds),
        memory=after.memory_bytes,
    )


def _rate(before: float | None, after: float | None, seconds: float) -> float | None:
    if before is None or after is None or after < before:
        return None
    return min(1.0, (after - before) / seconds)
