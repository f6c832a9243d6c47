"""What one address is to be sent next: one message a group, worst first, no more a minute than it may get."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alerts.delivery.backoff import Backoff
from alerts.delivery.board import Board, Waiting
from alerts.delivery.receivers import Destination
from wattstat.api.alerts import SEVERITIES

MINUTE_SECONDS = 60.0
TRIES = 3
"""So often a message is tried before another that waits has its turn."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes into one message: the entries of one group, or of several that are put together."""

    entries: tuple[Waiting, ...]
    groups: tuple[str, ...]
    is_plain: bool = False
    """Its words were not taken while others were: say it in plain ones."""


@dataclass(slots=True)
class Outbox:
    """The queue of one address."""

    destination: Destination
    per_minute: int
    backoff: Backoff = field(default_factory=Backoff)
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    _sent_at: deque[float] = field(default_factory=deque)
    _refused: dict[str, int] = field(default_factory=dict)
    """By group: how often its message was refused."""
    _overtaken: set[str] = field(default_factory=set)
    """Groups that were refused before another's message was taken: the service works."""
    _blamed: set[str] = field(default_factory=set)
    """Groups whose message was refused again after that: it is the words that are not taken."""

    def waiting(self, board: Board) -> Mapping[str, Mapping[str, Waiting]]:
        """Entries by group."""
        return board.waiting.get(self.destination, {})

    def oldest(self, board: Board) -> float | None:
        """Since when the oldest waits."""
        return min((entry.since for entries in self.waiting(board).values() for entry in entries.values()), default=None)

    def free_at(self, now: float) -> float:
        """When the next message may go."""
        while self._sent_at and self._sent_at[0] <= now - MINUTE_SECONDS:
            self._sent_at.popleft()
        is_free = len(self._sent_at) < self.per_minute
        return max(self.backoff.next_at, now if is_free else self._sent_at[0] + MINUTE_SECONDS)

    def next_parcel(self, board: Board, now: float) -> Parcel | None:
        """The next message; None where nothing waits. The last that may go within a minute takes all that is left.

        A message that is refused again and again lets the others try: it may be that one that the service does not take.
        """
        groups = self.waiting(board)
        if not groups:
            return None
        self.free_at(now)
        self._forget(each for each in tuple(self._refused) if each not in groups)
        ranked = sorted(groups, key=lambda each: (self._rounds(each), _rank(board, list(groups[each].values()))))
        is_last = self.per_minute - len(self._sent_at) <= 1
        mixing = [each for each in ranked if not self._rounds(each) and each not in self._blamed]
        chosen = mixing if is_last and mixing else ranked[:1]
        entries = tuple(entry for each in chosen for entry in groups[each].values())
        return Parcel(entries, tuple(chosen), is_plain=chosen[0] in self._blamed)

    def succeeded(self, now: float, parcel: Parcel) -> None:
        """A message was taken."""
        self.sent += 1
        self._sent_at.append(now)
        self.backoff.succeeded()
        self._forget(parcel.groups)
        self._overtaken |= self._refused.keys()
        self._refused = {each: min(times, TRIES - 1) for each, times in self._refused.items()}

    def refused(self, now: float, reason: str, parcel: Parcel) -> None:
        """A message was not taken. It counts: a service that limits us shall not be asked more often for it."""
        for each in parcel.groups:
            self._refused[each] = self._refused.get(each, 0) + 1
            if len(parcel.groups) == 1 and self._refused[each] >= TRIES and each in self._overtaken:
                self._blamed.add(each)
        self.failed += 1
        self._sent_at.append(now)
        self.backoff.failed(now, reason)

    def _rounds(self, group: str) -> int:
        """How often it was its turn to be tried, in vain."""
        return self._refused.get(group, 0) // TRIES

    def _forget(self, groups: Iterable[str]) -> None:
        for each in groups:
            self._refused.pop(each, None)
            self._overtaken.discard(each)
            self._blamed.discard(each)


def _rank(board: Board, entries: Sequence[Waiting]) -> tuple[int, float]:
    severities = [board.alerts[each.fingerprint].labels.get("severity", "none") for each in entries]
    worst = min(SEVERITIES.index(each) if each in SEVERITIES else len(SEVERITIES) for each in severities)
    return worst, min(each.since for each in entries)
