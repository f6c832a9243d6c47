"""Energy made of power, for servers that have no energy counter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Meter:
    """Integrates power over time by trapezoids.

    Over a pause longer than `longest_gap_seconds` nothing is added, for nobody measured.
    """

    longest_gap_seconds: float
    joules: float | None = None
    _watts: float = 0.0
    _at: float = 0.0

    def read(self, watts: float | None, at: float) -> float | None:
        """The joules since the first reading, with `watts` measured at `at` (monotonic seconds); None before any reading."""
        if watts is None:
            return self.joules
        elapsed = at - self._at
        if self.joules is None:
            self.joules = 0.0
        elif 0 < elapsed <= self.longest_gap_seconds:
            self.joules += (watts + self._watts) / 2 * elapsed
        self._watts, self._at = watts, at
        return self.joules
