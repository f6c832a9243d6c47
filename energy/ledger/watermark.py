"""Until when a node can be settled: never further than everybody has spoken who has a say, unless he is silent for long.

Held readings cost memory and lateness, guesses cost truth; how long to hold depends on what a late word could still bring.
"""

from __future__ import annotations

from dataclasses import dataclass

# After a start, schedulers get this long to say their first word; without any, nodes serve no jobs.
FIRST_WORD_SECONDS = 60.0
# A scheduler's word may be this much older than its answer: it is put together before it is sent.
WORD_LAG_SECONDS = 2.0
# Jobs go on while their scheduler is silent; it is waited for, and its word then tells who ran. Then those known go on to pay.
SCHEDULER_SECONDS = 3600.0
# An agent remembers two hours: what it has not told by then, it has lost.
JOURNAL_SECONDS = 7200.0
# A gauge that was not read cannot be read later; a BMC's counter comes back with it. Longer than it takes to restart a BMC.
METER_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """When each party last spoke of a node, in steady time; None: never."""

    now: float
    started: float
    lag: float
    word: float | None
    journal: float | None
    had_journal: bool
    meter: float | None
    is_managed: bool


def watermark(watch: Watch) -> float | None:
    """Until when to settle; None: not at all yet."""
    until = watch.now - watch.lag
    if watch.word is not None:
        if watch.now - watch.word < SCHEDULER_SECONDS:
            until = min(until, watch.word - WORD_LAG_SECONDS)
    elif watch.now - watch.started < (SCHEDULER_SECONDS if watch.is_managed else FIRST_WORD_SECONDS):
        return None
    is_early = watch.meter is None or watch.now - watch.started < JOURNAL_SECONDS
    if watch.journal is None and watch.had_journal and is_early:
        return None
    return min(until, *_meters(watch))


def _meters(watch: Watch) -> list[float]:
    """How far the node's meters reach: all of them, or those that are not silent for too long; in any case the furthest."""
    reach = [(watch.journal, JOURNAL_SECONDS), (watch.meter, METER_SECONDS)]
    known = [(newest, patience) for newest, patience in reach if newest is not None]
    if not known:
        return [watch.now]
    awaited = [newest for newest, patience in known if watch.now - newest < patience]
    return [*awaited, max(newest for newest, _ in known)]
