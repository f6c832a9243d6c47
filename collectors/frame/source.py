"""What a collector provides: sources, each one target with its tiers of fetch → parse → samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from collectors.frame.breaker import LONGEST_BACKOFF_SECONDS
from collectors.frame.errors import CollectError
from wattstat.catalogue.metric import Samples

Reading = TypeVar("Reading")


def _none() -> Mapping[str, CollectError]:
    return MappingProxyType({})


class Tier(NamedTuple):
    """How often a part of a target is read: `fast` for power, `medium` for thermals, `slow` for inventory."""

    name: str
    every_seconds: float
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetch brought: documents by resource, and the resources that failed with their reasons."""

    documents: Mapping[str, Any]
    errors: Mapping[str, CollectError] = field(default_factory=_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Samples that are older than the collection that brought them: somebody else read them, at an interval of their own."""

    name: str
    samples: Samples
    age_seconds: float
    interval_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection brought: samples for the hall, and the resources that failed with their reasons."""

    samples: Samples
    parts: tuple[Part, ...] = ()
    errors: Mapping[str, CollectError] = field(default_factory=_none)


class Source(ABC, Generic[Reading]):
    """One target of one collector, from `open` to `close`.

    `fetch` talks and may fail as a whole with a `CollectError` or in parts (`Fetched.errors`); `parse` and `samples` are pure,
    and total: a missing member gives None, None gives no sample.
    """

    collector: ClassVar[str]
    target: str
    tiers: tuple[Tier, ...]
    longest_backoff_seconds: float = LONGEST_BACKOFF_SECONDS  # how long a target that fails again and again is left alone
    host: str = ""  # targets that share a host share its bound on concurrent requests; empty: the target is its own host

    async def open(self) -> None:
        """Prepare; must not need the device to be there."""

    async def close(self) -> None:
        """Give back what the device holds for us (sessions). Called once, also after failures."""

    def renew(self, successor: Source[Any]) -> None:
        """The inventory changed, this target did not: take over what `successor`, made of the new one, knows of the nodes."""

    @abstractmethod
    async def fetch(self, tier: str) -> Fetched:
        """Talk to the device. Raises `CollectError` when nothing at all could be read."""

    @abstractmethod
    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Make typed readings of documents."""

    @abstractmethod
    def samples(self, reading: Reading) -> Samples:
        """Make samples of readings."""

    async def collect(self, tier: str) -> Collected:
        """fetch → parse → samples."""
        fetched = await self.fetch(tier)
        return Collected(samples=self.samples(self.parse(tier, fetched.documents)), errors=fetched.errors)
