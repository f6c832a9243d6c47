"""How long a service that fails is left alone."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 300.0


@dataclass(slots=True)
class Backoff:
    """The state of one service. Times are Unix seconds."""

    failures: int = 0
    failing_since: float | None = None
    next_at: float = 0.0
    reason: str = ""

    def failed(self, now: float, reason: str) -> None:
        """It failed: twice as long a pause as after the last time."""
        self.failures += 1
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.reason = reason
        self.next_at = now + min(FIRST_SECONDS * 2.0 ** min(self.failures - 1, 16), LONGEST_SECONDS)

    def succeeded(self) -> None:
        """It works."""
        self.failures, self.failing_since, self.next_at, self.reason = 0, None, 0.0, ""
