"""The nodes' journals, as core reads them: `/journal` of each agent, with a cursor, handed to whoever keeps the ledger.

Only ages come over the wire. The reader puts them on its own clock as it stands at that moment, so that a node's clock may be
wrong or jump; what to do about jumps of the reader's own is up to the ledger, which sees the same clock.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collectors.agent_http import Address, Sessions
from collectors.frame.errors import BadPayload, CollectError, NotSupported
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.frame.unusable import made
from collectors.journal_json import JournalReading, parse
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.inventory import Inventory, Node
from wattstat.journal import JournalSink

_LONGEST_TIMEOUT_SECONDS = 10.0
# Longer journals are put together aside, not in the event loop.
_LONG_ENTRIES = 60
# After core's start all agents answer with two hours at once: all together with no more entries than the ledger would keep.
_FIRST_SECONDS, _FIRST_ENTRIES = 7200.0, 200_000


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a node's journal was read: the agent's life and its cursor."""

    boot: str
    cursor: int


@dataclass(kw_only=True)
class JournalSource(Source[JournalReading]):
    """One node's journal. What the sink took is not asked for again; what it did not take comes again."""

    collector: ClassVar[str] = "journal"

    target: str
    address: Address
    tiers: tuple[Tier, ...]
    sink: JournalSink
    step_seconds: float
    first_step_seconds: float
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _seen: Seen | None = None
    _now: float = field(default=0.0)

    async def open(self) -> None:
        self.address.sessions.open()

    async def close(self) -> None:
        await self.address.sessions.close()

    async def fetch(self, tier: str) -> Fetched:
        """The agent's document."""
        if self._seen is None:
            parameters = {"step": f"{self.first_step_seconds:g}"}
        else:
            parameters = {"step": f"{self.step_seconds:g}", "after": str(self._seen.cursor), "boot": self._seen.boot}
        seconds = next(each.timeout_seconds for each in self.tiers if each.name == tier)
        asked = self.monotonic()

        def answered() -> None:
            # The ages were true when the agent answered: half of the way back from now.
            self._now = self.clock() - (self.monotonic() - asked) / 2

        try:
            document = await self.address.get("/journal", timeout_seconds=seconds, parameters=parameters, answered=answered)
        except NotSupported as error:  # it may be replaced by a newer one at any time, so it is asked again
            raise BadPayload(f"{error} One older than journals has none") from error
        return Fetched(documents={"journal": document})

    async def collect(self, tier: str) -> Collected:
        """Hand the journal on. Entries that were not to be understood are noted as the resource `journal`."""
        fetched = await self.fetch(tier)
        read = functools.partial(self.parse, tier, fetched.documents)
        reading = await self.address.sessions.aside(read) if _is_long(fetched.documents["journal"]) else read()
        if reading.journal is not None:
            self.sink(reading.journal)
            self._seen = Seen(boot=reading.journal.boot, cursor=reading.cursor)
        errors: dict[str, CollectError] = {}
        if reading.unknown:
            errors["journal"] = BadPayload(f"{reading.unknown} entries left out as unknown: is the agent of another version?")
        return Collected(samples=Samples(), errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> JournalReading:
        """Typed entries on the reader's clock."""
        return parse(documents.get("journal"), node=self.target, now=self._now)

    def samples(self, reading: JournalReading) -> Samples:
        """None: the ledger makes the metrics."""
        return Samples()


def sources(
    config: Config,
    inventory: Inventory,
    *,
    sink: JournalSink,
    sessions: Sessions | None = None,
    clock: Callable[[], float] = time.time,
) -> list[Source[Any]]:
    """One source for every node of the inventory that has an agent. One whose token is not there fails with the reason.

    `clock` is the ledger's: entries are put on it.
    """
    every = config.energy.journal_seconds
    tier = Tier("journal", every, min(max(every, config.collectors.agent.timeout_seconds), _LONGEST_TIMEOUT_SECONDS))
    nodes = [node for node in inventory.nodes if node.agent is not None]
    if not nodes:
        return []
    shared = sessions or Sessions()
    first = max(every, math.ceil(_FIRST_SECONDS * len(nodes) / _FIRST_ENTRIES))

    def source(node: Node) -> JournalSource:
        address = Address.of(node, config, shared)
        return JournalSource(
            target=node.name,
            address=address,
            tiers=(tier,),
            sink=sink,
            step_seconds=every,
            first_step_seconds=first,
            clock=clock,
        )

    return [
        made(functools.partial(source, node), collector=JournalSource.collector, target=node.name, tier=tier) for node in nodes
    ]


def _is_long(document: Any) -> bool:
    ages = document.get("ages") if isinstance(document, Mapping) else None
    return isinstance(ages, list) and len(ages) > _LONG_ENTRIES
