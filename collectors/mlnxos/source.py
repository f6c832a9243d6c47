"""A managed InfiniBand switch as the frame sees it."""

from __future__ import annotations

import base64
import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from collectors.frame.errors import AuthFailed, BadPayload, CollectError, NotSupported, Unreachable
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.frame.web import Web
from collectors.mlnxos.rows import rows
from collectors.mlnxos.samples import Labels, Reading, parse, samples
from collectors.mlnxos.session import Asked, JsonApi, Nvue
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.inventory import Https, Inventory, Switch

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "environment": ("show power", "show fan", "show temperature"),
    "ports": ("show interfaces ib",),
    "topology": ("show version",),
}
_SYSTEMS = frozenset({"mlnx-os", "nvos"})


@dataclass(kw_only=True)
class MlnxOsSource(Source[Reading]):
    """One switch."""

    collector: ClassVar[str] = "mlnxos"

    target: str
    tiers: tuple[Tier, ...]
    labels: Labels
    api: Asked

    async def close(self) -> None:
        with contextlib.suppress(Unreachable):  # then it holds no session for us
            await self.api.close()

    async def fetch(self, tier: str) -> Fetched:
        """The answers to a tier's commands, one after another. Raises when none came."""
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        for command in COMMANDS[tier]:
            try:
                documents[command] = await self.api.ask(command)
            except (Unreachable, AuthFailed) as error:  # the next question would fare no better
                if not documents:
                    raise
                errors[command] = error
                break
            except CollectError as error:
                errors[command] = error
        if not documents:
            why = next(iter(errors.values()))
            if tier != "ports" and isinstance(why, NotSupported):  # after which the frame never asks again
                raise BadPayload(f"{why}; is this the JSON API of MLNX-OS, or NVUE of NVOS?")
            raise why
        return Fetched(documents=documents, errors=errors)

    async def collect(self, tier: str) -> Collected:
        """As every source; an answer without what it was asked for is told, with the members that it has instead."""
        fetched = await self.fetch(tier)
        reading = self.parse(tier, fetched.documents)
        errors = dict(fetched.errors)
        for command, is_told in _told(reading).items():
            if command in fetched.documents and not is_told:
                errors[command] = _not_understood(self.target, command, fetched.documents[command])
        return Collected(samples=self.samples(reading), errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Typed readings."""
        return parse(tier, documents)

    def samples(self, reading: Reading) -> Samples:
        """Series of the switch."""
        return samples(self.labels, reading)


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each InfiniBand switch with a web interface. One whose settings cannot be used fails with the reason."""
    contexts = Contexts()
    found = [(switch, switch.rest) for switch in inventory.switches if switch.rest is not None and _is_ours(switch)]
    return [
        made(
            functools.partial(_source, config, switch, rest, contexts),
            collector=MlnxOsSource.collector,
            target=switch.name,
            tier=_tiers(config, switch)[0],
        )
        for switch, rest in found
    ]


def _is_ours(switch: Switch) -> bool:
    return switch.system in _SYSTEMS or (switch.system is None and switch.fabric == "infiniband")


def _tiers(config: Config, switch: Switch) -> tuple[Tier, ...]:
    """Ports are read where neither a fabric manager nor an SNMP agent tells of them, so that no series has two sources."""
    settings = config.collectors.switches
    limit = 4 * settings.timeout_seconds
    every = {"environment": settings.environment_seconds, "topology": settings.topology_seconds}
    if not config.collectors.ufm and switch.snmp is None and switch.system != "nvos":
        every["ports"] = settings.ports_seconds
    return tuple(Tier(name, seconds, max(seconds, limit)) for name, seconds in every.items())


def _source(config: Config, switch: Switch, rest: Https, contexts: Contexts) -> MlnxOsSource:
    entry = config.credentials.get(rest.credentials)
    if entry is None:
        raise ValueError(f"switch {switch.name}: no credentials named {rest.credentials!r} in wattstat.yaml")
    secret = entry.password().get_secret_value()
    try:
        trust = contexts.of(rest.tls)
    except (ValueError, OSError) as error:
        raise ValueError(f"switch {switch.name}: tls: {error}") from error
    web = functools.partial(
        Web, url=rest.url.rstrip("/"), timeout_seconds=config.collectors.switches.timeout_seconds, tls=trust, requests=1
    )
    system = switch.system or "mlnx-os"
    basic = base64.b64encode(f"{entry.username}:{secret}".encode()).decode()
    api: Asked = (
        Nvue(web(headers={"Authorization": f"Basic {basic}"}))
        if system == "nvos"
        else JsonApi(web(), username=entry.username, password=secret)
    )
    labels = Labels(
        switch=switch.name,
        rack=switch.rack,
        model=switch.model,
        system=system,
        alone=switch.snmp is None,
        # Beside a fabric manager SNMP tells of sensors only.
        names=switch.snmp is None or bool(config.collectors.ufm),
    )
    return MlnxOsSource(target=switch.name, tiers=_tiers(config, switch), labels=labels, api=api)


def _told(reading: Reading) -> dict[str, bool]:
    """Whether an answer to each command told what it was asked for."""
    return {
        "show power": any(supply.watts for supply in reading.supplies),
        "show fan": bool(reading.fans),
        "show temperature": bool(reading.celsius),
        "show interfaces ib": bool(reading.ports),
        "show version": reading.identity is not None and bool(reading.identity.version),
    }


def _not_understood(switch: str, command: str, document: Any) -> BadPayload:
    wanted = {
        "show power": "a member with power or watts and a number, in rows of supplies (PS1, PSU 1)",
        "show fan": "a member with speed or RPM and a number",
        "show temperature": "a member with temperature and a number",
        "show interfaces ib": "rows of ports named IB1/1/1",
        "show version": "a member with the product's release",
    }[command]
    seen = dict.fromkeys(name for row in rows(document) for name in row.cells)
    members = ", ".join(list(seen)[:12]) or "none"
    return BadPayload(f"{switch}: `{command}`: expected {wanted}; its members are: {members}")
