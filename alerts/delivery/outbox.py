"""What one address is to be sent next: one message a group, worst first, no more a minute than it may get."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alerts.delivery.backoff import Backoff
from alerts.delivery.board import Board, Waiting
from alerts.delivery.receivers import Destination
from wattstat.api.alerts import SEVERITIES

MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes into one message: the entries of one group, or of several that are put together."""

    entries: tuple[Waiting, ...]
    groups: tuple[str, ...]


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
        """The next message; None where nothing waits. The last that may go within a minute takes all that is left."""
        groups = self.waiting(board)
        if not groups:
            return None
        self.free_at(now)
        ranked = sorted(groups, key=lambda each: _rank(board, list(groups[each].values())))
        is_last = self.per_minute - len(self._sent_at) <= 1
        chosen = ranked if is_last else ranked[:1]
        return Parcel(tuple(entry for each in chosen for entry in groups[each].values()), tuple(chosen))

    def succeeded(self, now: float) -> None:
        """A message was taken."""
        self.sent += 1
        self._sent_at.append(now)
        self.backoff.succeeded()

    def refused(self, now: float, reason: str) -> None:
        """A message was not taken. It counts: a service that limits us shall not be asked more often for it."""
        self.failed += 1
        self._sent_at.append(now)
        self.backoff.failed(now, reason)


def _rank(board: Board, entries: Sequence[Waiting]) -> tuple[int, float]:
    severities = [board.alerts[each.fingerprint].labels.get("severity", "none") for each in entries]
    worst = min(SEVERITIES.index(each) if each in SEVERITIES else len(SEVERITIES) for each in severities)
    return worst, min(each.since for each in entries)
