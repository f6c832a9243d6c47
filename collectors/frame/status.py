"""What the frame knows about each tier of each target, and the metrics made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from wattstat.catalogue import own
from wattstat.catalogue.metric import Samples


@dataclass(kw_only=True)
class TierStatus:
    """One tier of one target. Times are Unix seconds; None where nothing was collected yet."""

    collector: str
    target: str
    tier: str
    every_seconds: float
    success: bool | None = None
    supported: bool = True
    duration_seconds: float | None = None
    last_success: float | None = None
    failing_since: float | None = None
    error: str = ""
    resource_errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    samples: int = 0


@dataclass(kw_only=True)
class Counts:
    """What is counted over the life of the process."""

    errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    resource_errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    skipped: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def forget(self, collector: str, target: str) -> None:
        for counter in (self.errors, self.resource_errors, self.skipped):
            for key in [key for key in counter if key[:2] == (collector, target)]:
                del counter[key]


def status_samples(status: TierStatus) -> Samples:
    """Samples of one tier; a tier that was never collected has no success to report."""
    out = Samples()
    labels = (status.collector, status.target, status.tier)
    if status.success is not None:
        out.add(own.COLLECTOR_INTERVAL_SECONDS, status.every_seconds, *labels)
    out.add(own.COLLECTOR_SUCCESS, status.success, *labels)
    out.add(own.COLLECTOR_DURATION_SECONDS, status.duration_seconds, *labels)
    out.add(own.COLLECTOR_LAST_SUCCESS_TIMESTAMP_SECONDS, status.last_success, *labels)
    return out


def count_samples(counts: Counts) -> Samples:
    """Samples of the counters."""
    out = Samples()
    for key, value in counts.errors.items():
        out.add(own.COLLECTOR_ERRORS_TOTAL, value, *key)
    for key, value in counts.resource_errors.items():
        out.add(own.COLLECTOR_RESOURCE_ERRORS_TOTAL, value, *key)
    for key, value in counts.skipped.items():
        out.add(own.COLLECTOR_SKIPPED_TOTAL, value, *key)
    return out
