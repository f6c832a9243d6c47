"""A cluster of ECS or ObjectScale and what is read of it: traffic often, nodes less so, the zone seldom, namespaces last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

from collectors.ecs import counted, flux, namespaces, nodes, reading, traffic, zone
from collectors.ecs.counted import Track
from collectors.ecs.flux import Measurement
from collectors.ecs.held import Held
from collectors.ecs.names import Names
from collectors.ecs.session import Ask, Refused, Session
from collectors.frame.errors import BadPayload, CollectError, NotSupported
from collectors.frame.source import Fetched, Source, Tier
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.inventory.devices import Storage

# Of series that go back days only what is now.
_NOW = {"dataType": "current"}
ZONE = Ask("/dashboard/zones/localzone", params=_NOW)
NODES = Ask("/dashboard/zones/localzone/nodes", params=_NOW)
GROUPS = Ask("/dashboard/zones/localzone/replicationgroups", params=_NOW)
POOLS = Ask("/dashboard/zones/localzone/storagepools", params=_NOW)
FAILED_LINKS = Ask("/dashboard/zones/localzone/rglinksFailed")
CAPACITY = Ask("/object/capacity")
IDENTITY = Ask("/vdc/nodes")
NAMESPACES = "/object/namespaces"
BILLING = "/object/billing/namespace/info"

OF_CLUSTER = (flux.THROUGHPUT, flux.OPERATIONS_BY_HEAD, flux.LATENCY_BY_HEAD, flux.ERRORS)
# What is asked instead where the cluster does not tell heads apart.
WHOLE = {flux.OPERATIONS_BY_HEAD: flux.OPERATIONS, flux.LATENCY_BY_HEAD: flux.LATENCY}
COUNTED = (flux.NETWORK, flux.NODE_REQUESTS, flux.NODE_THROUGHPUT, flux.NODE_LATENCY)
# How long what a cluster refuses, does not have or is silent about is left alone.
REMEMBERED_SECONDS = 900.0
_MOST_PAGES = 50
_MOST_NAMESPACES = 2000
_PAGE = 100


@dataclass(kw_only=True, eq=False)
class EcsSource(Source[Samples]):
    """One cluster."""

    collector: ClassVar[str] = "ecs"

    target: str
    storage: Storage
    tiers: tuple[Tier, ...]
    session: Session
    monotonic: Callable[[], float] = time.monotonic
    _refused: dict[str, tuple[float, CollectError]] = field(default_factory=dict)
    _silent: dict[str, float] = field(default_factory=dict)
    _held: Held = field(default_factory=Held)
    _tracks: dict[counted.Key, Track] = field(default_factory=dict)
    _tracked_at: float = float("-inf")
    _asks_flux: bool = False

    async def close(self) -> None:
        """Return the token."""
        await self.session.close()

    def renew(self, successor: Source[Any]) -> None:
        """Take over names and limits; the session stays."""
        if isinstance(successor, EcsSource):
            self.storage = successor.storage

    async def fetch(self, tier: str) -> Fetched:
        """The documents of a tier. Raises a `CollectError` where the cluster is away."""
        fetching = {"fast": self._traffic, "medium": self._nodes, "slow": self._zone, "quota": self._namespaces}[tier]
        return await fetching()

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Samples:
        """The samples of a tier's documents."""
        return reading.samples(tier, Names(self.storage), documents)

    def samples(self, reading: Samples) -> Samples:
        """They are what was parsed."""
        return reading

    async def _traffic(self) -> Fetched:
        """By the zone's dashboard while that tells it, else by time series; found out at run time, also after an upgrade."""
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        if not self._asks_flux:
            documents["zone"] = await self._only("localzone", ZONE)
            if traffic.tells_traffic(documents["zone"]):
                return Fetched(documents=documents)
        answers = await self._measured(OF_CLUSTER, errors, at_least=1)
        quiet = [WHOLE[each] for each in OF_CLUSTER if each in WHOLE and each.name not in answers]
        answers |= await self._measured(quiet, errors)
        self._asks_flux = bool(answers)
        if not answers and not documents:
            # No time series at this moment: whether the cluster is there is told by something else.
            documents["zone"] = await self._only("localzone", ZONE)
        tracks = self._tracks if self.monotonic() - self._tracked_at < 3 * self._every("medium") else {}
        return Fetched(documents={**documents, "flux": answers, "tracks": tracks}, errors=errors)

    async def _nodes(self) -> Fetched:
        documents, errors = await self._read({"nodes": NODES})
        if (away := errors.get("nodes")) is not None and not isinstance(away, Refused | BadPayload):
            raise away
        wanted = COUNTED if nodes.tells_processors(documents.get("nodes")) else (flux.CPU, flux.MEMORY, *COUNTED)
        answers = await self._measured(wanted, errors)
        self._tracks = {
            key: track
            for measurement in COUNTED
            for key, track in counted.advanced(self._tracks, measurement.name, flux.rows(answers.get(measurement.name))).items()
        }
        self._tracked_at = self.monotonic()
        return _whole({**documents, "flux": answers, "tracks": self._tracks}, errors, asked=documents or answers)

    async def _zone(self) -> Fetched:
        documents, errors = await self._read(
            {"localzone": ZONE, "storagepools": POOLS, "replicationgroups": GROUPS, "rglinksFailed": FAILED_LINKS}
        )
        told = zone.zone_samples("", documents.get("localzone"))
        if not any(sample.metric is catalogue.STORAGE_SIZE_BYTES for sample in told):
            more, wrong = await self._read({"capacity": CAPACITY})
            documents, errors = {**documents, **more}, {**errors, **wrong}
        return _whole(documents, errors, asked=documents)

    async def _namespaces(self) -> Fetched:
        documents, errors = await self._read({"nodes": IDENTITY})
        names: list[str] = []
        if (refused := self._open("namespaces")) is not None:
            self._note("namespaces", refused, errors, again=False)
        else:
            try:
                names = await self._listed()
            except CollectError as error:
                self._note("namespaces", error, errors)
        if len(names) > _MOST_NAMESPACES:
            errors["namespaces"] = BadPayload(f"{len(names)} namespaces; the first {_MOST_NAMESPACES} are read")
            names = names[:_MOST_NAMESPACES]
        usage: list[Any] = []
        for part in _parts(names):
            question = Ask(BILLING, "POST", {"sizeunit": "KB"}, {"id": list(part)})
            found, wrong = await self._read({"billing": question})
            usage += found.values()
            errors |= wrong
        quotas = await self._quotas(names, errors)
        return _whole({**documents, "usage": usage, "quotas": quotas}, errors, asked=documents or usage)

    async def _quotas(self, names: Sequence[str], errors: dict[str, CollectError]) -> dict[str, Any]:
        """The namespaces' quotas. Of one that went meanwhile there is none; who may not read one may read none."""
        quotas: dict[str, Any] = {}
        for part in (names[:1], *_parts(names[1:])):
            if (refused := self._open("quota")) is not None:
                self._note("quota", refused, errors, again=False)
                break
            asked = [Ask(f"{NAMESPACES}/namespace/{quote(name, safe='')}/quota") for name in part]
            answers = await asyncio.gather(*(self._answer(question) for question in asked))
            for name, answer in zip(part, answers, strict=True):
                if not isinstance(answer, CollectError):
                    quotas[name] = answer
                elif not isinstance(answer, NotSupported):
                    self._note("quota", answer, errors)
        return quotas

    async def _listed(self) -> list[str]:
        """All namespaces, page by page. Raises a `CollectError`."""
        found: list[str] = []
        marker = ""
        for _ in range(_MOST_PAGES):
            params = {"limit": str(_PAGE), **({"marker": marker} if marker else {})}
            page = await self.session.ask(Ask(NAMESPACES, params=params))
            found += namespaces.listed(page)
            before, marker = marker, namespaces.following(page)
            if not marker or marker == before:
                break
        return list(dict.fromkeys(found))

    async def _measured(
        self, wanted: Iterable[Measurement], errors: dict[str, CollectError], *, at_least: int = 0
    ) -> dict[str, Any]:
        """Answers of the time series by measurement; those that are silent are left alone for a while.

        Those of which nothing newer can be there are not asked for, but for `at_least` so many: somebody must notice a
        cluster that is gone.
        """
        now = self.monotonic()
        loud = [each for each in wanted if self._silent.get(each.name, now) <= now]
        answers = {each.name: held for each in loud if (held := self._held.current(each.name, now)) is not None}
        due = [each for each in loud if each.name not in answers]
        due += [each for each in loud if each not in due][: max(at_least - len(due), 0)]
        asked = {f"flux/{each.name}": each for each in due}
        found, wrong = await self._read({resource: each.ask for resource, each in asked.items()})
        away = [error for error in wrong.values() if not isinstance(error, Refused | BadPayload)]
        if at_least and away and not found:
            raise away[0]  # answers that are held from before do not make a cluster that is gone one that answers
        errors |= wrong
        if not found and any(not isinstance(error, Refused) for error in wrong.values()):
            return {}  # nobody answers: what is held is no longer the state of now
        for resource, each in asked.items():
            answers.pop(each.name, None)
            if resource not in found:
                continue
            if flux.is_silent(found[resource]):
                self._silent[each.name] = now + REMEMBERED_SECONDS
            else:
                answers[each.name] = found[resource]
                self._held.keep(each.name, found[resource], now)
        return answers

    async def _only(self, resource: str, question: Ask) -> Any:
        """The one document that a collection cannot do without. Raises a `CollectError`."""
        found, errors = await self._read({resource: question})
        if resource in found:
            return found[resource]
        # Not `NotSupported`, after which the frame never asks again: while it starts, a cluster's proxy answers 404.
        raise errors.get(resource) or BadPayload(f"{self.session.web.url}{question.path}: not found; is this a cluster?")

    async def _read(self, questions: Mapping[str, Ask]) -> tuple[dict[str, Any], dict[str, CollectError]]:
        """Answers and errors by resource. What is refused or not there is not asked for again for a while."""
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        open_ones = {}
        for resource, question in questions.items():
            error = self._open(resource)
            if error is None:
                open_ones[resource] = question
            elif not isinstance(error, NotSupported):
                errors[resource] = error
        answers = await asyncio.gather(*(self._answer(question) for question in open_ones.values()))
        for resource, answer in zip(open_ones, answers, strict=True):
            if isinstance(answer, CollectError):
                self._note(resource, answer, errors)
            else:
                documents[resource] = answer
        return documents, errors

    async def _answer(self, question: Ask) -> Any:
        try:
            return await self.session.ask(question)
        except CollectError as error:
            return error

    def _open(self, resource: str) -> CollectError | None:
        """Why a resource is not asked for now; None where it is."""
        until, error = self._refused.get(resource, (0.0, None))
        return error if error is not None and self.monotonic() < until else None

    def _note(self, resource: str, error: CollectError, errors: dict[str, CollectError], *, again: bool = True) -> None:
        """Tell an error; one that asking does not help is remembered, if it was met anew (`again`)."""
        if again and isinstance(error, Refused | NotSupported):
            self._refused[resource] = (self.monotonic() + REMEMBERED_SECONDS, error)
        if not isinstance(error, NotSupported):
            errors[resource] = error

    def _every(self, name: str) -> float:
        return next(tier.every_seconds for tier in self.tiers if tier.name == name)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[begin : begin + _PAGE] for begin in range(0, len(names), _PAGE))


def _whole(documents: Mapping[str, Any], errors: dict[str, CollectError], *, asked: Any) -> Fetched:
    """What was fetched. Raises the error where nothing was, unless somebody only lacks a right."""
    wrong = [error for error in errors.values() if not isinstance(error, Refused)]
    if not asked and wrong:
        raise wrong[0]
    return Fetched(documents=documents, errors=errors)
