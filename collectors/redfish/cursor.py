"""How far a log has been read, and what was new in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from wattstat.members import Body, text

# Entries that somebody logged in or out, or that the entry before was repeated: Dell writes them for our own sessions.
OWN_NOISE = ("USR0030", "USR0032", "LOG007")


@dataclass(kw_only=True)
class Cursor:
    """Where a log stands. `newest` is its newest entry's time as the log writes it, `seen` are the entries of that time."""

    newest: str = ""
    seen: frozenset[str] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)
    begun: bool = False

    def take(self, entries: Iterable[Body]) -> None:
        """Count entries that are newer than what was read; the first reading only finds out where the log stands."""
        rows = [(_time(text(entry.get("Created"))), text(entry.get("Id")), entry) for entry in entries]
        limit = _time(self.newest)
        fresh = [row for row in rows if row[0] > limit or (row[0] == limit and row[1] not in self.seen)]
        if self.begun:
            self.counts.update(text(entry.get("Severity")) or "OK" for _, _, entry in fresh if not _noise(entry))
        self.begun = True
        for at, name, entry in sorted(fresh, key=lambda row: row[0]):
            self.seen = self.seen | {name} if at == limit else frozenset({name})
            self.newest, limit = text(entry.get("Created")), at


def _noise(entry: Body) -> bool:
    return text(entry.get("MessageId")).endswith(OWN_NOISE)


def _time(written: str) -> float:
    """Unix seconds; minus infinity for what is no time. Offsets change with daylight saving, so texts do not compare."""
    try:
        return datetime.fromisoformat(written).timestamp()
    except (ValueError, OverflowError, OSError):
        return float("-inf")
