"""Targets whose settings cannot be used fail with the reason, where failing targets show, and cost nobody else anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from collectors.frame.errors import Misconfigured
from collectors.frame.source import Fetched, Source, Tier
from wattstat.catalogue.metric import Samples


class Unusable(Source[None]):
    """Stands in the place of a source that could not be made."""

    def __init__(self, *, collector: str, target: str, tier: Tier, reason: str) -> None:
        self.collector = collector  # type: ignore[misc]  # any collector's targets can be unusable
        self.target = target
        self.tiers = (tier,)
        self._reason = reason

    async def fetch(self, tier: str) -> Fetched:
        raise Misconfigured(self._reason)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> None:
        return None

    def samples(self, reading: None) -> Samples:
        return Samples()


def made(make: Callable[[], Source[Any]], *, collector: str, target: str, tier: Tier) -> Source[Any]:
    """What `make` makes; an `Unusable` with its reason where it raises `ValueError` (a missing secret, a bad certificate)."""
    try:
        return make()
    except (ValueError, OSError) as error:
        return Unusable(collector=collector, target=target, tier=tier, reason=str(error))
