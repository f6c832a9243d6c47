"""One Ethernet switch by RESTCONF: recognized once, then asked tier by tier."""

from __future__ import annotations

import asyncio
import base64
import functools
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import aiohttp

from collectors.frame.errors import BadPayload, CollectError, NotSupported
from collectors.frame.source import Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.frame.web import Web
from collectors.restconf import openconfig, os10
from collectors.restconf.readings import Environment, Ports, Reading
from collectors.restconf.samples import of_environment, of_identity, of_ports
from wattstat.catalogue.metric import Samples
from wattstat.catalogue.network import SWITCH_UP
from wattstat.config import Config
from wattstat.config.devices import SwitchReader
from wattstat.inventory import Https, Inventory, Switch

# How many times the usual time the list of all components may take.
_PATIENCE = 6
_SYSTEMS = frozenset({"os10", "sonic"})


@dataclass(kw_only=True)
class RestconfSource(Source[Reading]):
    """A switch of OS10 or Enterprise SONiC. `alone`: nobody else tells about it."""

    collector: ClassVar[str] = "restconf"

    target: str
    rack: str
    alone: bool
    tiers: tuple[Tier, ...]
    web: Web
    patient: Web
    system: str = ""
    _components: tuple[str, ...] = ()
    _missing: set[str] = field(default_factory=set)

    async def close(self) -> None:
        await self.web.close()
        await self.patient.close()

    async def fetch(self, tier: str) -> Fetched:
        """The documents of a tier. What the switch does not have is asked for again with the topology."""
        if not self.system:
            self.system = await self._recognized()
        if tier == "topology":
            self._missing.clear()
        paths = os10.PATHS[tier] if self.system == "os10" else self._openconfig_paths(tier)
        fetched = await self._documents(paths)
        if openconfig.COMPONENTS in fetched.documents:
            self._components = openconfig.measured(fetched.documents[openconfig.COMPONENTS])
        if not fetched.documents and paths != (openconfig.QOS,):  # which is there only where somebody set it up
            self._components = ()
            what = f"{self.web.url}: has nothing at {paths[0]}; is its `system` {self.system}? Leave it out to have it asked"
            raise BadPayload(what)
        return fetched

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """What they tell."""
        is_os10 = self.system == "os10"
        if tier == "ports":
            return os10.ports(documents) if is_os10 else openconfig.ports(documents)
        if tier == "environment":
            return os10.environment(documents) if is_os10 else openconfig.environment(documents)
        return os10.identity(documents) if is_os10 else openconfig.identity(documents)

    def samples(self, reading: Reading) -> Samples:
        """Beside SNMP only what SNMP lacks."""
        if isinstance(reading, Ports):
            out = of_ports(self.target, reading, alone=self.alone)
            out.add(SWITCH_UP, 1 if self.alone else None, self.target)
            return out
        if isinstance(reading, Environment):
            # The agent of OS10 has states and no sensors; that of SONiC has sensors (ENTITY-SENSOR-MIB) and no states.
            is_sonic = self.system == "sonic"
            return of_environment(
                self.target, reading, alone=self.alone, states=self.alone or is_sonic, sensors=self.alone or not is_sonic
            )
        return of_identity(self.target, self.rack, self.system, reading, alone=self.alone)

    async def _recognized(self) -> str:
        """os10 or sonic, by which document there is, the light ones first. Raises a `CollectError`."""
        for system, path, is_one in (
            ("os10", os10.EQUIPMENT, os10.is_equipment),
            ("sonic", openconfig.path_of(openconfig.EEPROM), openconfig.is_platform),
            ("sonic", openconfig.COMPONENTS, openconfig.is_platform),
        ):
            try:
                document = await self._get(path)
            except NotSupported:
                continue
            if is_one(document):
                return system
        raise BadPayload(
            f"{self.web.url}: has neither {os10.EQUIPMENT} nor {openconfig.COMPONENTS}; expected OS10 (with"
            " `rest api restconf`) or Enterprise SONiC; is this the address of its RESTCONF?"
        )

    def _openconfig_paths(self, tier: str) -> tuple[str, ...]:
        if tier == "ports":
            return (openconfig.INTERFACES, openconfig.QOS) if self.alone else (openconfig.QOS,)
        if tier == "topology" or not self._components:
            return (openconfig.COMPONENTS,)
        return tuple(map(openconfig.path_of, self._components))

    async def _documents(self, paths: Iterable[str]) -> Fetched:
        """All that can be had. Raises the first error where nothing can."""
        wanted = [path for path in paths if path not in self._missing]
        answers = dict(zip(wanted, await asyncio.gather(*map(self._asked, wanted)), strict=True))
        errors = {path: answer for path, answer in answers.items() if isinstance(answer, CollectError)}
        self._missing |= {path for path, error in errors.items() if isinstance(error, NotSupported)}
        documents = {path: answer for path, answer in answers.items() if path not in errors}
        failures = {path: error for path, error in errors.items() if not isinstance(error, NotSupported)}
        if failures and not documents:
            raise next(iter(failures.values()))
        return Fetched(documents=documents, errors=failures)

    async def _asked(self, path: str) -> Any | CollectError:
        try:
            return await self._get(path)
        except CollectError as error:
            return error

    async def _get(self, path: str) -> Any:
        """The list of components takes a switch seconds: it runs a program that reads its sensors."""
        return await (self.patient if path == openconfig.COMPONENTS else self.web).get(path)


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each Ethernet switch with a RESTCONF of OS10 or SONiC. One whose settings cannot be used says why."""
    contexts = Contexts()
    found = [(switch, switch.rest) for switch in inventory.switches if switch.rest is not None and _speaks_restconf(switch)]
    return [
        made(
            functools.partial(_source, config, switch, rest, contexts),
            collector=RestconfSource.collector,
            target=switch.name,
            tier=tiers(config.collectors.switches)[0],
        )
        for switch, rest in found
    ]


def tiers(settings: SwitchReader) -> tuple[Tier, ...]:
    """Ports, environment and topology at the intervals of all switches; a time-out for the documents of a tier together."""
    every = {
        "ports": settings.ports_seconds,
        "environment": settings.environment_seconds,
        "topology": settings.topology_seconds,
    }
    return tuple(Tier(name, seconds, max(seconds, 4 * settings.timeout_seconds)) for name, seconds in every.items())


def _speaks_restconf(switch: Switch) -> bool:
    return switch.system in _SYSTEMS or (switch.system is None and switch.fabric == "ethernet")


def _source(config: Config, switch: Switch, rest: Https, contexts: Contexts) -> RestconfSource:
    credentials = config.credentials.get(rest.credentials)
    if credentials is None:
        raise ValueError(f"switch {switch.name}: no credentials named {rest.credentials!r} in wattstat.yaml")
    if not rest.url.startswith("https://"):
        raise ValueError(f"switch {switch.name}: {rest.url}: expected https://, because each request carries a password")
    try:
        trust = contexts.of(rest.tls)
        password = credentials.password().get_secret_value()
    except (ValueError, OSError) as error:
        raise ValueError(f"switch {switch.name}: {error}") from error
    settings = config.collectors.switches
    shown = base64.b64encode(f"{credentials.username}:{password}".encode()).decode()
    headers = {"Accept": "application/yang-data+json", "Authorization": f"Basic {shown}"}
    web = functools.partial(_web, rest.url.rstrip("/"), trust, headers)
    return RestconfSource(
        target=switch.name,
        rack=switch.rack,
        alone=switch.snmp is None,
        tiers=tiers(settings),
        web=web(settings.timeout_seconds),
        patient=web(_PATIENCE * settings.timeout_seconds),
        system=switch.system or "",
    )


def _web(url: str, trust: ssl.SSLContext | aiohttp.Fingerprint, headers: Mapping[str, str], timeout_seconds: float) -> Web:
    return Web(url=url, timeout_seconds=timeout_seconds, tls=trust, headers=headers)
