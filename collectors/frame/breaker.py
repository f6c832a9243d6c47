"""The circuit breaker of one target: after repeated failures it is left alone, longer each time, out of step with others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from collectors.frame.errors import AuthFailed, CollectError, Throttled

FAILURES_TO_OPEN = 3
FIRST_BACKOFF_SECONDS = 15.0
LONGEST_BACKOFF_SECONDS = 300.0
# A refused login is not repeated soon: controllers lock accounts and fill their logs.
AUTH_BACKOFF_SECONDS = 300.0


@dataclass(kw_only=True)
class Breaker:
    """Closed: collect. Open: leave alone until `open_until` (monotonic seconds). Then one attempt decides."""

    monotonic: Callable[[], float]
    random: Random = field(default_factory=Random)
    longest_seconds: float = LONGEST_BACKOFF_SECONDS
    open_until: float | None = None
    failures: int = 0

    def allows(self) -> bool:
        """Whether the target may be asked now."""
        return self.open_until is None or self.monotonic() >= self.open_until

    @property
    def healthy(self) -> bool:
        """Whether the newest answer was a good one."""
        return self.failures == 0

    def succeeded(self) -> None:
        self.failures = 0
        self.open_until = None

    def failed(self, error: CollectError) -> None:
        """Count a failure; open after `FAILURES_TO_OPEN`, at once where the device itself asks for patience or refuses us."""
        self.failures += 1
        backoff = self._backoff(error)
        if backoff is not None:
            self.open_until = self.monotonic() + backoff

    def _backoff(self, error: CollectError) -> float | None:
        if isinstance(error, Throttled) and error.retry_after_seconds is not None:
            return min(error.retry_after_seconds, LONGEST_BACKOFF_SECONDS) * self.random.uniform(1.0, 1.2)
        if isinstance(error, AuthFailed):
            return AUTH_BACKOFF_SECONDS * self.random.uniform(0.8, 1.2)
        if isinstance(error, Throttled):
            return 45.0 * self.random.uniform(0.7, 1.3)
        if self.failures < FAILURES_TO_OPEN:
            return None
        longest: float = min(FIRST_BACKOFF_SECONDS * 2 ** (self.failures - FAILURES_TO_OPEN), self.longest_seconds)
        return longest * self.random.uniform(0.5, 1.0)
