"""One Base Command Manager: states and totals often, devices and racks seldom, each time beside what we see ourselves."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog

from collectors.bcm import crosscheck, documents, figures
from collectors.bcm.access import manager
from collectors.bcm.crosscheck import Difference
from collectors.frame.errors import BadPayload, CollectError, NotSupported
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.frame.web import Web
from collectors.node_names import Names
from wattstat.catalogue import manager as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.devices import BaseCommand
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory

log = structlog.get_logger(__name__)

DEVICES, RACKS, STATUS, LATEST = "/rest/v1/device", "/rest/v1/rack", "/rest/v1/status", "/rest/v1/monitoring/latest"
# How long what the manager does not have is left alone.
REMEMBERED_SECONDS = 3600.0
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a collection tells, and where the manager sees something else than we do."""

    samples: Samples
    differences: tuple[Difference, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(kw_only=True, eq=False)
class BcmSource(Source[Reading]):
    """One manager."""

    collector: ClassVar[str] = "bcm"

    target: str
    settings: BaseCommand
    tiers: tuple[Tier, ...]
    web: Web
    inventory: Inventory
    hall: Callable[[], Snapshot]
    monotonic: Callable[[], float] = time.monotonic
    _absent: dict[str, tuple[float, NotSupported]] = field(default_factory=dict)
    _suspected: frozenset[tuple[str, str]] = frozenset()
    _told: frozenset[Difference] = frozenset()

    async def close(self) -> None:
        """Close the connections; the manager holds nothing for us."""
        await self.web.close()

    def renew(self, successor: Source[Any]) -> None:
        """Take over the new inventory."""
        if isinstance(successor, BcmSource):
            self.inventory = successor.inventory

    async def fetch(self, tier: str) -> Fetched:
        """The documents of a tier. Raises a `CollectError` where the manager is away or refuses us."""
        if tier == "slow":
            found, errors = await self._read({"devices": (DEVICES, {}), "racks": (RACKS, {})})
            if "devices" not in found:
                raise errors.get("devices") or BadPayload(f"{self.web.url}{DEVICES}: not found; is this a CMDaemon?")
            return Fetched(documents=found, errors=errors)
        found, errors = await self._read(
            {
                "status": (STATUS, {}),
                "totals": (LATEST, {"entity": figures.BASE}),
                "gpus": (LATEST, {"measurable": figures.GPUS}),
                **{f"measurable {each}": (LATEST, {"measurable": each}) for each in self._single()},
            }
        )
        if not documents.states(found.get("status")):
            more, wrong = await self._read({"up": (LATEST, {"measurable": figures.DEVICE_IS_UP})})
            found, errors = {**found, **more}, {**errors, **wrong}
        if not found:
            # Not `NotSupported`, after which the frame never asks again.
            raise next(iter(errors.values()), BadPayload(f"{self.web.url}{STATUS}: not found; is this a CMDaemon?"))
        ours = crosscheck.observed(self.inventory, self.hall())
        return Fetched(documents={**found, "ours": ours, "suspected": self._suspected}, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """What a tier's documents tell."""
        return self._listed(documents) if tier == "slow" else self._seen(documents)

    def samples(self, reading: Reading) -> Samples:
        """They are what was parsed."""
        return reading.samples

    async def collect(self, tier: str) -> Collected:
        """As every source; what differs from what we see is logged when it begins and ends, and shown with the target."""
        fetched = await self.fetch(tier)
        reading = self.parse(tier, fetched.documents)
        if tier == "slow":
            return Collected(samples=reading.samples, errors=fetched.errors)
        self._suspected = frozenset((each.node, each.check) for each in reading.differences)
        confirmed = [each for each in reading.differences if (each.node, each.check) in fetched.documents["suspected"]]
        self._tell(frozenset(confirmed))
        errors = dict(fetched.errors)
        for check in ("gpus", "state"):
            told = [str(each) for each in confirmed if each.check == check]
            if told:
                rest = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
                errors[f"cross-check of {check}"] = CollectError("; ".join(told[:_MOST_TOLD]) + rest)
        for name in reading.unknown:
            errors[name] = CollectError(f"{name} is no check, and Wattstat does not know its unit; take it from `measurables`")
        return Collected(samples=reading.samples, errors=errors)

    def _single(self) -> list[str]:
        """Measurables that the cluster as a whole does not have: each is asked for by its name."""
        return [each for each in self.settings.measurables if each not in figures.TOTALS]

    def _listed(self, found: Mapping[str, Any]) -> Reading:
        out, name = Samples(), self._name()
        places = documents.racks(found.get("racks"))
        devices = documents.devices(found.get("devices"))
        seen: set[str] = set()
        for device in devices:
            ours = name(device.name)
            if ours in seen:
                continue
            seen.add(ours)
            rack = device.rack or places.get(device.name, ("", None))[0]
            out.add(catalogue.CLUSTER_DEVICE_INFO, 1, self.target, ours, device.category, rack, device.kind)
        if devices:
            servers = [name(device.name) for device in devices if device.is_server]
            for side, number in zip(("manager", "inventory"), crosscheck.unlisted(servers, self.inventory), strict=True):
                out.add(catalogue.CLUSTER_UNLISTED_DEVICES, number, self.target, side)
        return Reading(samples=out)

    def _seen(self, found: Mapping[str, Any]) -> Reading:
        out, name = Samples(), self._name()
        out.add(catalogue.CLUSTER_MANAGER_UP, 1, self.target)
        rows = [row for key, document in found.items() if _is_measured(key) for row in documents.rows(document)]
        states = documents.states(found.get("status")) or _by_check(documents.rows(found.get("up")))
        words: dict[str, str] = {}
        counted: dict[str, int] = {}
        for theirs, state in states.items():
            device = name(theirs)
            if device in words:
                continue
            words[device] = state.word
            counted[state.word] = counted.get(state.word, 0) + 1
            out.add(catalogue.CLUSTER_DEVICE_STATE, 1, self.target, device, state.word)
            for check, passed in state.checks.items():
                out.add(catalogue.CLUSTER_CHECK_OK, passed, self.target, device, check)
        for word, number in counted.items():
            out.add(catalogue.CLUSTER_DEVICES, number, self.target, word)
        gpus = {name(entity): number for entity, number in figures.gpus(rows).items()}
        for device, number in gpus.items():
            out.add(catalogue.CLUSTER_DEVICE_GPUS, number, self.target, device)
        out.extend(figures.samples(self.target, self.settings.measurables, rows, name))
        judged, differences = crosscheck.compared(found.get("ours", {}), words, gpus)
        suspected = found.get("suspected", frozenset())
        for (node, check), differs in judged.items():
            # A server that starts or goes is seen at different moments: what differs twice differs.
            out.add(catalogue.CLUSTER_MISMATCH_ACTIVE, differs and (node, check) in suspected, self.target, node, check)
        return Reading(samples=out, differences=tuple(differences), unknown=self._unknown(rows))

    def _unknown(self, rows: list[documents.Row]) -> tuple[str, ...]:
        """Measurables that somebody wants and that are numbers of an unknown unit."""
        numbers = {row.measurable for row in rows if row.raw is not None and row.passed is None}
        return tuple(each for each in self.settings.measurables if each in numbers and not figures.is_known(each))

    def _name(self) -> Callable[[str], str]:
        names = Names(given=self.settings.nodes, inventory=frozenset(node.name for node in self.inventory.nodes))
        return lambda theirs: names.of(theirs) or self.settings.nodes.get(theirs, theirs)

    def _tell(self, differences: frozenset[Difference]) -> None:
        for each in sorted(differences - self._told):
            log.warning(
                "manager sees something else", manager=self.target, node=each.node, manager_says=each.theirs, wattstat=each.ours
            )
        still = {(each.node, each.check) for each in differences}
        for each in sorted(self._told - differences):
            if (each.node, each.check) not in still:
                log.info("manager and Wattstat agree again", manager=self.target, node=each.node, check=each.check)
        self._told = differences

    async def _read(self, paths: Mapping[str, tuple[str, Mapping[str, str]]]) -> tuple[dict[str, Any], dict[str, CollectError]]:
        """Answers and errors by resource. What the manager does not have is not asked for again for an hour, quietly."""
        now = self.monotonic()
        asked = {name: ask for name, ask in paths.items() if self._absent.get(name, (now, None))[0] <= now}
        answers = await asyncio.gather(*(self._answer(*ask) for ask in asked.values()))
        found: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        for name, answer in zip(asked, answers, strict=True):
            if isinstance(answer, NotSupported):
                self._absent[name] = (now + REMEMBERED_SECONDS, answer)
            elif isinstance(answer, CollectError):
                errors[name] = answer
            else:
                found[name] = answer
        return found, errors

    async def _answer(self, path: str, params: Mapping[str, str]) -> Any:
        try:
            document = await self.web.get(path, params=params or None)
        except CollectError as error:
            return error
        said = documents.complaint(document)
        return BadPayload(f"{self.web.url}{path}: {said[:200]}") if said else document


def sources(config: Config, inventory: Inventory, *, hall: Callable[[], Snapshot]) -> list[Source[Any]]:
    """One source for each configured manager. One whose settings cannot be used fails with the reason."""
    contexts = Contexts()
    return [
        made(
            functools.partial(_source, config, settings, inventory, contexts, hall),
            collector=BcmSource.collector,
            target=settings.name,
            tier=tiers(settings)[0],
        )
        for settings in config.collectors.bcm
    ]


def tiers(settings: BaseCommand) -> tuple[Tier, ...]:
    """Fast: states and totals. Slow: devices, categories and racks."""
    patience = 2 * settings.timeout_seconds + 5
    return (
        Tier("fast", settings.every_seconds, max(settings.every_seconds, patience)),
        Tier("slow", settings.slow_seconds, max(settings.slow_seconds, patience)),
    )


def _source(
    config: Config, settings: BaseCommand, inventory: Inventory, contexts: Contexts, hall: Callable[[], Snapshot]
) -> BcmSource:
    return BcmSource(
        target=settings.name,
        settings=settings,
        tiers=tiers(settings),
        web=manager(config, settings, contexts),
        inventory=inventory,
        hall=hall,
    )


def _is_measured(resource: str) -> bool:
    return resource in {"totals", "gpus"} or resource.startswith("measurable ")


def _by_check(rows: list[documents.Row]) -> dict[str, documents.State]:
    """States by the check DeviceIsUp, where the manager's status is not to be had."""
    return {row.entity: documents.State(word="up" if row.passed else "down") for row in rows if row.passed is not None}
