"""Answers that are as good as new: a time series is asked again when its next point is due, not sooner.

A cluster writes its points every five minutes, and tells with each answer how old the newest one is. So the rhythm is learnt
from two points, and the next question comes when it can bring something: fresher numbers for a tenth of the questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collectors.ecs import flux

# Whatever the rhythm looks like, nothing is left unasked for longer.
LONGEST_SECONDS = 300.0
_MARGIN_SECONDS = 2.0


@dataclass(slots=True)
class _Answer:
    document: Any
    newest_at: float
    due_at: float
    rhythm_seconds: float | None = None


@dataclass(slots=True)
class Held:
    """The last answers by measurement. Times are monotonic seconds, those of points the cluster's."""

    _answers: dict[str, _Answer] = field(default_factory=dict)

    def current(self, name: str, now: float) -> Any:
        """The last answer of a measurement, while nothing newer can be there; else None."""
        held = self._answers.get(name)
        return held.document if held is not None and now < held.due_at else None

    def keep(self, name: str, document: Any, now: float) -> None:
        """Remember an answer and when it will be old."""
        found = flux.rows(document)
        if not found:
            self._answers.pop(name, None)
            return
        newest = max(found, key=lambda row: row.at)
        before = self._answers.get(name)
        rhythm = before.rhythm_seconds if before is not None else None
        if before is not None and newest.at > before.newest_at:
            # Points that were missed between two questions make a rhythm look slower than it is; it is bounded for that.
            rhythm = min(newest.at - before.newest_at, LONGEST_SECONDS)
        wait = 0.0 if rhythm is None else max(rhythm - newest.age_seconds, 0.0)
        due_at = now + wait + _MARGIN_SECONDS if wait > 0 else now
        self._answers[name] = _Answer(document, newest.at, due_at, rhythm)
