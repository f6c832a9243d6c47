"""What was told and is not taken in yet: little, but for the time in which the books cannot be opened.

That may be a night, and memory is bounded. What waits is thinned out when it grows too large: of a node's entries, which are
counters, every second one goes, and so does every second word of a scheduler. No joule, no start or end that a node told, and
no run that ended goes with them; only the shape in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import Lock

from wattstat.inventory import Inventory
from wattstat.jobs import Observed
from wattstat.journal import NodeJournal

# Entries of nodes (2.5 KB each with eight GPUs) and runs in words of schedulers (1 KB).
MOST_HELD = 100_000

Told = Observed | NodeJournal | Inventory


@dataclass(kw_only=True)
class Inbox:
    """Filled by the event loop, emptied by the ledger's thread."""

    most: int = MOST_HELD
    _told: list[Told] = field(default_factory=list)
    _held: int = 0
    _lock: Lock = field(default_factory=Lock)

    def put(self, told: Told) -> None:
        """Keep what was told until it is taken."""
        with self._lock:
            self._told.append(told)
            self._held += _weight(told)
            if self._held > self.most:
                self._told = _thinned(self._told)
                # What is left may be more than half: then the next thinning waits until it has grown by as much.
                self._held = min(sum(map(_weight, self._told)), self.most // 2)

    def take(self) -> list[Told]:
        """All of it."""
        with self._lock:
            told, self._told, self._held = self._told, [], 0
        return told


def _weight(told: Told) -> int:
    match told:
        case NodeJournal():
            return 1 + len(told.entries)
        case Observed():
            return 1 + len(told.runs)
    return 1


def _thinned(told: Iterable[Told]) -> list[Told]:
    inventories: list[Told] = []
    words: dict[str, list[Observed]] = {}
    journals: dict[tuple[str, str], list[NodeJournal]] = {}
    for each in told:
        match each:
            case NodeJournal():
                journals.setdefault((each.node, each.boot), []).append(each)
            case Observed():
                words.setdefault(each.scheduler, []).append(each)
            case _:
                inventories = [each]
    # Schedulers first: who knows a run finds a start or an end that its node told.
    return [*inventories, *(word for some in words.values() for word in _fewer(some)), *map(_joined, journals.values())]


def _fewer(words: list[Observed]) -> list[Observed]:
    """Every second word, the first and the newest always; runs that had ended go into the next one that stays."""
    out: list[Observed] = []
    left: list[Observed] = []
    for place, word in enumerate(words):
        if place % 2 and place < len(words) - 1:
            left = [word]
            continue
        mentioned = {run.key for run in word.runs}
        ended = [run for each in left for run in each.runs if run.ended is not None and run.key not in mentioned]
        out.append(replace(word, runs=(*word.runs, *ended)) if ended else word)
        left = []
    return out


def _joined(journals: list[NodeJournal]) -> NodeJournal:
    """One journal of several, with every second entry, the first and the newest always."""
    entries = [entry for journal in journals for entry in journal.entries]
    return replace(
        journals[-1],
        entries=tuple(entry for place, entry in enumerate(entries) if place % 2 == 0 or place == len(entries) - 1),
        boundaries=tuple({each.id: each for journal in journals for each in journal.boundaries}.values()),
        complete=all(journal.complete for journal in journals),
    )
