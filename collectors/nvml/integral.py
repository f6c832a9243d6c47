"""A gauge added up over time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Integral:
    """A gauge over time. `total` is None until the gauge was read once."""

    longest_gap_seconds: float
    total: float | None = None
    seconds: float = 0.0
    _at: float = 0.0
    _value: float | None = None

    def see(self, at: float, value: float | None, *, average_seconds: float = 0.0) -> None:
        """Add the time since the reading before. A value that is the average over that time counts as it is."""
        if value is None:
            self._value = None
            return
        gap = at - self._at
        self.total = self.total or 0.0
        if self._value is not None and 0 < gap <= self.longest_gap_seconds:
            is_average = gap <= average_seconds
            self.total += gap * (value if is_average else (value + self._value) / 2)
            self.seconds += gap
        self._at, self._value = at, value

    def begin(self, at: float) -> None:
        """Count from a time on at which there was nothing yet."""
        self.total, self._at, self._value = self.total or 0.0, at, 0.0

    def interrupt(self) -> None:
        """The next value does not follow the one before: it measures something else."""
        self._value = None
