"""A PowerScale cluster: what each tier asks for, and what becomes of a document that is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Unreachable
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.onefs import keys, nodes
from collectors.onefs.reading import Documents, Reading, read
from collectors.onefs.samples import samples
from collectors.onefs.session import Forbidden, Session
from wattstat.catalogue.metric import Samples
from wattstat.inventory import Storage
from wattstat.members import member, text

CONFIG = "/platform/3/cluster/config"
CURRENT = "/platform/1/statistics/current"
KEYS = "/platform/1/statistics/keys"
CLASSES = "/platform/3/statistics/summary/protocol"
NODES = "/platform/3/cluster/nodes/all/{section}"
POOLS = "/platform/3/storagepool/storagepools"
EVENTS = "/platform/3/event/eventgroup-occurrences"
QUOTAS = "/platform/1/quota/quotas"
SNAPSHOTS = "/platform/1/snapshot/snapshots-summary"

_PAGE = "1000"
# How long the node that is asked waits for the others.
_NODES_SECONDS = "5"

Ask = Callable[[], Awaitable[Any]]


@dataclass(kw_only=True)
class OneFsSource(Source[Reading]):
    """One cluster."""

    collector: ClassVar[str] = "onefs"

    cluster: Storage
    session: Session
    tiers: tuple[Tier, ...]
    # What is remembered from one collection to the next: numbers of nodes by device id; keys that the cluster has and their
    # units, as of a login; documents that it did not have as of one.
    _numbers: dict[int, int] = field(default_factory=dict)
    _keys: tuple[str, ...] = ()
    _units: dict[str, str] = field(default_factory=dict)
    _login: int = 0
    _missing: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.target = self.cluster.name

    async def close(self) -> None:
        await self.session.close()

    def renew(self, successor: Source[Any]) -> None:
        if isinstance(successor, OneFsSource):
            self.cluster = successor.cluster

    async def fetch(self, tier: str) -> Fetched:
        """The documents of a tier, one after the other. Raises where the cluster is away, or nothing at all could be read."""
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        for name, ask in self._asked(tier).items():
            if self._missing.get(name) == self.session.logins:  # with a new session it may have been upgraded
                continue
            try:
                documents[name] = await ask()
            except CollectError as error:
                self._note(name, error, first=not documents and not errors)
                errors[name] = error
        if not documents:
            self._nothing(tier, list(errors.values()))
        for document in (documents.get(name) for name in ("sensors", "status", "state", "drives", "hardware")):
            self._numbers |= nodes.numbers(document)
        for device, each in nodes.identity(documents.get("config")).devices.items():
            self._numbers[device] = each.number
        return Fetched(documents={**documents, "numbers": dict(self._numbers), "units": self._units}, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Values of documents."""
        return read(self.cluster, tier, documents)

    def samples(self, reading: Reading) -> Samples:
        """Samples of values."""
        return samples(self.cluster, reading)

    async def collect(self, tier: str) -> Collected:
        """fetch → parse → samples; what a document itself says it could not tell is an error of its own."""
        fetched = await self.fetch(tier)
        reading = self.parse(tier, fetched.documents)
        return Collected(samples=self.samples(reading), errors={**reading.doubts, **fetched.errors})

    def _note(self, name: str, error: CollectError, *, first: bool) -> None:
        """Raise what ends the collection; remember what the cluster does not have."""
        refused = isinstance(error, AuthFailed) and not isinstance(error, Forbidden)
        away = first and isinstance(error, Unreachable)
        if refused or away or not self.session.is_open:  # who cannot log in does not try again with every document
            raise error
        if isinstance(error, NotSupported):
            self._missing[name] = self.session.logins

    def _nothing(self, tier: str, errors: list[CollectError]) -> None:
        """Nothing was read. What the user may not read is told and leaves the other tiers alone; the first tier must read."""
        reasons = [error for error in errors if not isinstance(error, Forbidden | NotSupported)]
        if reasons:
            raise reasons[0]
        if tier == "fast":
            refused = next((error for error in errors if isinstance(error, Forbidden)), None)
            raise refused or BadPayload(f"{self.session.web.url}: nothing of what OneFS tells is there; is this a OneFS API?")

    def _asked(self, tier: str) -> Mapping[str, Ask]:
        """What a tier asks for, by name; what is quick to answer stands first and shows whether anybody is there."""
        return {
            "fast": {"config": self._get(CONFIG), "statistics": self._statistics, "classes": self._get(CLASSES, _TOTALS)},
            "medium": {name: self._get(NODES.format(section=name)) for name in ("state", "status", "sensors")},
            "slow": {
                "pools": self._get(POOLS),
                "events": lambda: self.session.pages(EVENTS, "eventgroups", _OPEN),
                "drives": self._get(NODES.format(section="drives")),
            },
            "rare": {
                "config": self._get(CONFIG),
                "snapshots": self._get(SNAPSHOTS),
                "quotas": lambda: self.session.pages(QUOTAS, "quotas", {"limit": _PAGE}),
                "hardware": self._get(NODES.format(section="hardware")),
            },
        }[tier]

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Ask:
        return lambda: self.session.get(path, params)

    async def _statistics(self) -> Any:
        if not self._keys or self._login != self.session.logins:
            known = await self._known()
            self._keys = keys.wanted(known) or keys.wanted(None)
            self._units = {key: known[key] for key in self._keys if key in known} if known else {}
            self._login = self.session.logins
        params = {"keys": ",".join(self._keys), "devid": "all", "degraded": "true", "timeout": _NODES_SECONDS}
        return await self.session.get(CURRENT, params)

    async def _known(self) -> dict[str, str] | None:
        """The keys that the cluster has, with their units; None where it does not list them: then all are asked for."""
        try:
            listed = await self.session.pages(KEYS, "keys", {"queryable": "true", "limit": _PAGE})
        except CollectError as error:
            if isinstance(error, Unreachable | AuthFailed) or not self.session.is_open:
                raise
            return None
        return {name: text(member(each, "units")) for each in listed if (name := text(member(each, "key")))}


_TOTALS: Documents = {"totalby": "protocol,class", "degraded": "true", "timeout": _NODES_SECONDS}
_OPEN: Documents = {"resolved": "false", "ignore": "false", "limit": _PAGE}
