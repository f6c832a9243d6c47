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
    if watch.journal is not None:
        if watch.meter is None or watch.now - watch.journal < JOURNAL_SECONDS:
            until = min(until, watch.journal)
    elif watch.had_journal and (watch.meter is None or watch.now - watch.started < JOURNAL_SECONDS):
        return None
    if watch.meter is not None and (watch.journal is None or watch.now - watch.meter < METER_SECONDS):
        until = min(until, watch.meter)
    return until
