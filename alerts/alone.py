"""What nobody foresaw costs one message, one group of rules or one loop: it is told, left alone for a while, and tried again.

This is the third place of the house that catches everything, beside `collectors/frame/runner.py: execute` and
`energy/ledger/alone.py`. Labels come from devices, words from templates that sites write, and a hundred services are spoken
to by code that is not ours; whatever one of them breaks, the other alerts must be told, and the pages must not go with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from alerts.delivery.backoff import Backoff
from alerts.model import Clock

log = structlog.get_logger(__name__)

PARTS = ("room", "evaluation", "taking over", "deciding", "wording", "sending", "delivery")
"""What may fail, in the words of the metric."""

MOST_KEPT = 100
"""Of so many things it is known that they fail; what failed first is forgotten first."""


@dataclass(slots=True, kw_only=True)
class Alone:
    """Tries work that concerns one of many, and remembers what failed, why and since when."""

    clock: Clock
    failures: Counter[str] = field(default_factory=Counter)
    """How often each kind of work failed."""
    _troubles: dict[tuple[str, str], Backoff] = field(default_factory=dict)

    @contextmanager
    def trying(self, what: str, whose: str = "") -> Iterator[None]:
        """Run the body; what it raises ends it, is told once with its trace, and goes no further."""
        try:
            yield
        except Exception as error:
            known = self._troubles.setdefault((what, whose), Backoff())
            if not known.failures:
                log.exception("alerting has a bug: please report this; the rest goes on", what=what, whose=whose)
            known.failed(self.clock(), f"{type(error).__name__}: {error}")
            self.failures[what] += 1
            if len(self._troubles) > MOST_KEPT:
                del self._troubles[next(iter(self._troubles))]
        else:
            if self._troubles.pop((what, whose), None) is not None:
                log.info("this works again for alerts", what=what, whose=whose)

    def next_at(self, what: str, whose: str = "") -> float:
        """When to try again, in Unix time; 0 where it did not fail."""
        known = self._troubles.get((what, whose))
        return 0.0 if known is None else known.next_at

    def troubles(self) -> Mapping[str, str]:
        """In words, what fails now and why."""
        return {
            ": ".join(filter(None, key)): f"{known.reason} (a bug: web's log has the trace)"
            for key, known in self._troubles.items()
        }

    def since(self) -> tuple[float, str] | None:
        """Since when the oldest of them fails, and what it is; None where nothing does."""
        failing = [(known.failing_since, f"{what} fails: {known.reason}") for (what, _), known in self._troubles.items()]
        return min(((at, why) for at, why in failing if at is not None), default=None)
