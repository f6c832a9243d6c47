"""The agents on the GPU nodes, over HTTP: `/readings` of each, told on by the names of our own catalogue."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from collectors.agent_http import Address, Sessions
from collectors.frame.errors import BadPayload, CollectError
from collectors.frame.source import Collected, Fetched, Part, Source, Tier
from collectors.frame.unusable import made
from wattstat.catalogue import ALL
from wattstat.catalogue.metric import Metric, Samples
from wattstat.config import Config
from wattstat.inventory import Inventory, Node

_MOST = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReading:
    """What one tier of one of the agent's collectors read, and how long ago."""

    name: str
    age_seconds: float
    interval_seconds: float
    series: tuple[tuple[Metric, tuple[str, ...], float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReading:
    """What an agent reports: its parts, and how many entries were not to be understood."""

    parts: tuple[PartReading, ...]
    unknown: int = 0


@dataclass(kw_only=True)
class AgentSource(Source[AgentReading]):
    """One agent."""

    collector: ClassVar[str] = "agent"

    target: str
    address: Address
    tiers: tuple[Tier, ...]

    async def open(self) -> None:
        self.address.sessions.open()

    async def close(self) -> None:
        await self.address.sessions.close()

    async def fetch(self, tier: str) -> Fetched:
        """The agent's document."""
        seconds = next(each.timeout_seconds for each in self.tiers if each.name == tier)
        return Fetched(documents={"readings": await self.address.get("/readings", timeout_seconds=seconds)})

    async def collect(self, tier: str) -> Collected:
        """As every source, and entries that this version does not know are noted as the resource `metrics`."""
        fetched = await self.fetch(tier)
        reading = self.parse(tier, fetched.documents)
        errors: dict[str, CollectError] = {}
        if reading.unknown:
            errors["metrics"] = BadPayload(f"{reading.unknown} entries left out as unknown: is the agent of another version?")
        parts = tuple(
            Part(
                name=part.name,
                samples=_samples(part),
                age_seconds=part.age_seconds,
                interval_seconds=part.interval_seconds,
            )
            for part in reading.parts
        )
        return Collected(samples=Samples(), parts=parts, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> AgentReading:
        """Typed readings."""
        return parse(documents.get("readings"))

    def samples(self, reading: AgentReading) -> Samples:
        """The agent's series as they are, of all parts."""
        return Samples(sample for part in reading.parts for sample in _samples(part))


def sources(config: Config, inventory: Inventory, *, sessions: Sessions | None = None) -> list[Source[Any]]:
    """One source for every node of the inventory that has an agent. One whose token is not there fails with the reason."""
    settings = config.collectors.agent
    tier = Tier("fast", settings.every_seconds, settings.timeout_seconds)
    nodes = [node for node in inventory.nodes if node.agent is not None]
    shared = sessions or Sessions() if nodes else None
    return [
        made(
            functools.partial(_source, node, config, tier, shared),
            collector=AgentSource.collector,
            target=node.name,
            tier=tier,
        )
        for node in nodes
        if shared is not None
    ]


def _source(node: Node, config: Config, tier: Tier, sessions: Sessions) -> AgentSource:
    return AgentSource(target=node.name, address=Address.of(node, config, sessions), tiers=(tier,))


def parse(document: Any) -> AgentReading:
    """Parts of a document of `/readings`. Anything that is not as agreed is counted, never guessed at."""
    entries = document.get("parts") if isinstance(document, Mapping) else None
    parts: list[PartReading] = []
    unknown = 0
    for entry in entries if isinstance(entries, list) else ():
        part, strange = _part(entry)
        unknown += strange
        if part is not None:
            parts.append(part)
    if not isinstance(entries, list):
        unknown += 1
    return AgentReading(parts=tuple(parts), unknown=unknown)


def _part(entry: Any) -> tuple[PartReading | None, int]:
    """A part and how many of its entries were not to be understood."""
    if not isinstance(entry, Mapping):
        return None, 1
    name, age, interval = entry.get("part"), _number(entry.get("age_seconds")), _number(entry.get("interval_seconds"))
    families = entry.get("metrics")
    if not isinstance(name, str) or age is None or age < 0 or not interval or interval < 0 or not isinstance(families, Mapping):
        return None, 1
    series: list[tuple[Metric, tuple[str, ...], float]] = []
    unknown = 0
    for family_name, family in families.items():
        metric = ALL.get(family_name)
        if metric is None or not isinstance(family, Mapping) or family.get("labels") != list(metric.labels):
            unknown += 1
            continue
        for labels, value in _series(metric, family.get("samples")):
            if labels is None or value is None:
                unknown += 1
            else:
                series.append((metric, labels, value))
    return PartReading(name=name, age_seconds=age, interval_seconds=interval, series=tuple(series)), unknown


def _samples(part: PartReading) -> Samples:
    out = Samples()
    for metric, labels, value in part.series:
        out.add(metric, value, *labels)
    return out


def _series(metric: Metric, entries: Any) -> Iterator[tuple[tuple[str, ...] | None, float | None]]:
    if not isinstance(entries, list):
        yield None, None
        return
    for entry in entries:
        labels, value = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        yield _labels(metric, labels), _number(value)


def _labels(metric: Metric, labels: Any) -> tuple[str, ...] | None:
    is_good = isinstance(labels, list) and len(labels) == len(metric.labels) and all(isinstance(each, str) for each in labels)
    return tuple(labels) if is_good else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _MOST else None  # beyond it an int would be no float
