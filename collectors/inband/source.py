"""A switch that is read in band by a program on this machine."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

from collectors.frame.errors import BadPayload, CollectError, Unreachable
from collectors.frame.program import printed
from collectors.frame.source import Fetched, Source, Tier
from collectors.frame.unusable import made
from collectors.inband import ibswinfo, registers
from collectors.inband.fabric_source import PORTS_SECONDS, FabricSource
from collectors.inband.fabric_source import TARGET as FABRIC
from collectors.inband.reading import Reading
from collectors.mlnxos.parts import totals
from collectors.ufm.samples import Fabric
from wattstat.catalogue import network
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.devices import InBand
from wattstat.inventory import Inventory, Switch

_MOST_BYTES = 256 * 1024


@dataclass(kw_only=True)
class InBandSource(Source[Reading]):
    """One switch. `alone`: no SNMP agent tells of it, too; `names`: nobody else tells who it is."""

    collector: ClassVar[str] = "inband"

    target: str
    tiers: tuple[Tier, ...]
    program: str
    device: str
    rack: str
    alone: bool
    names: bool
    timeout_seconds: float
    host: str = "in-band"  # management packets are few at a time: the switches share one bound

    async def fetch(self, tier: str) -> Fetched:
        """What the program prints. Everything that it started ends with it."""
        if not _is_register_tool(self.program):
            return Fetched(documents={"ibswinfo": await self._printed("-d", self.device)})
        documents: dict[str, Any] = {}
        errors: dict[str, CollectError] = {}
        for name, indexes in registers.REGISTERS.items():
            more = ("--indexes", indexes) if indexes else ()
            try:
                documents[name] = await self._printed("-d", self.device, "--reg_name", name, "--get", *more)
            except Unreachable:  # the switch is away, or its path: each question more would cost as long
                raise
            except CollectError as error:
                errors[name] = error
        if not documents:
            raise next(iter(errors.values()))
        return Fetched(documents=documents, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Typed readings."""
        text = documents.get("ibswinfo")
        return ibswinfo.parse(text) if isinstance(text, str) else registers.parse(documents)

    def samples(self, reading: Reading) -> Samples:
        """Series of the switch."""
        out = Samples()
        for supply in reading.supplies:
            out.add(network.SWITCH_PSU_ON, supply.present, self.target, supply.name)
            out.add(network.SWITCH_PSU_OK, supply.good, self.target, supply.name)
            for side, watts in supply.watts.items():
                out.add(network.SWITCH_PSU_POWER_WATTS, watts, self.target, supply.name, side)
        for side, watts in totals(reading.supplies).items():
            out.add(network.SWITCH_POWER_WATTS, watts, self.target, f"psu_{side}")
        if self.names:
            out.add(network.SWITCH_UP, 1, self.target)
            out.add(network.SWITCH_INFO, 1, self.target, self.rack, reading.model, "", reading.firmware, reading.serial)
            out.add(network.SWITCH_UPTIME_SECONDS, reading.uptime_seconds, self.target)
        if self.alone:
            self._environment(out, reading)
        return out

    def _environment(self, out: Samples, reading: Reading) -> None:
        out.add(network.SWITCH_TEMPERATURE_CELSIUS, reading.celsius, self.target, "ASIC")
        out.add(network.SWITCH_FAN_OK, reading.fans_good, self.target, "all")
        for fan, speed in reading.fans.items():
            out.add(network.SWITCH_FAN_SPEED_RPM, speed, self.target, f"FAN{fan}")

    async def _printed(self, *arguments: str) -> str:
        text = await printed([self.program, *arguments], timeout_seconds=self.timeout_seconds, most_bytes=_MOST_BYTES)
        if b"|" not in text:
            raise BadPayload(f"{self.program} -d {self.device}: printed nothing about a switch; is the device right?")
        return text.decode("utf-8", errors="replace")


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each switch of `collectors.in_band`. One that cannot be used fails with the reason."""
    settings = config.collectors.in_band
    if settings is None:
        return []
    known = {switch.name: switch for switch in inventory.switches}
    tier = _tier(settings)
    found = [
        made(
            functools.partial(_source, config, settings, name, known.get(name), tier),
            collector=InBandSource.collector,
            target=name,
            tier=tier,
        )
        for name in settings.switches
    ]
    if settings.ports:
        tiers = _fabric_tiers(config, settings)
        make = functools.partial(_fabric, config, settings, inventory, tiers)
        found.append(made(make, collector=FabricSource.collector, target=FABRIC, tier=tiers[0]))
    return found


def _fabric_tiers(config: Config, settings: InBand) -> tuple[Tier, ...]:
    """Topology first: it finds the switches whose counters are asked for."""
    slow = max(config.collectors.switches.topology_seconds, settings.timeout_seconds + 5)
    every = max(PORTS_SECONDS, config.collectors.switches.ports_seconds)
    return Tier("topology", slow, settings.timeout_seconds + 5), Tier("ports", every, max(every, 2 * settings.timeout_seconds))


def _fabric(config: Config, settings: InBand, inventory: Inventory, tiers: tuple[Tier, ...]) -> FabricSource:
    if config.collectors.ufm:
        raise ValueError("collectors.in_band.ports: a UFM tells of the ports already; leave one of the two out")
    return FabricSource(tiers=tiers, fabric=Fabric.of(inventory), timeout_seconds=settings.timeout_seconds)


def _tier(settings: InBand) -> Tier:
    asked = len(registers.REGISTERS) if _is_register_tool(settings.program) else 1
    return Tier("environment", settings.every_seconds, asked * settings.timeout_seconds + 5)


def _source(config: Config, settings: InBand, name: str, entry: Switch | None, tier: Tier) -> InBandSource:
    device = settings.switches[name]
    if entry is None:
        raise ValueError(f"collectors.in_band.switches: no switch named {name!r} in the inventory; correct one of the two")
    if entry.rest is not None:
        raise ValueError(f"switch {name} is read by its `rest` already: leave it out of collectors.in_band.switches")
    if not device or device.startswith("-"):
        raise ValueError(f"collectors.in_band.switches: {name}: {device!r} is no device; expected such as lid-7")
    return InBandSource(
        target=name,
        tiers=(tier,),
        program=settings.program,
        device=device,
        rack=entry.rack,
        alone=entry.snmp is None,
        # Beside a fabric manager SNMP tells of sensors only.
        names=entry.snmp is None or bool(config.collectors.ufm),
        timeout_seconds=settings.timeout_seconds,
    )


def _is_register_tool(program: str) -> bool:
    return PurePath(program).name.startswith("mlxreg")
