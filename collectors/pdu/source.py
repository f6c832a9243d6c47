"""One PDU by SNMP: recognized and learnt seldom, its values read often."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from collectors.frame.errors import BadPayload
from collectors.frame.source import Fetched, Source, Tier
from collectors.frame.unusable import made
from collectors.pdu.dialect import Ask, Dialect, Tables, grouped, identifiers
from collectors.pdu.readings import Identity, Outlet, Power, Reading
from collectors.pdu.recognized import recognized
from collectors.snmp import Snmp
from wattstat.catalogue import facility as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.devices import PduReader
from wattstat.inventory import Inventory, Pdu

POWER, IDENTITY = "power", "identity"


class Learnt(NamedTuple):
    """The MIB, its tables that are read seldom, and what is therefore asked for each time."""

    dialect: Dialect
    known: Tables
    asks: Mapping[str, Ask]


@dataclass(kw_only=True)
class PduSource(Source[Reading]):
    """A metered power strip."""

    collector: ClassVar[str] = "pdu"

    target: str
    pdu: Pdu
    tiers: tuple[Tier, ...]
    snmp: Snmp
    _learnt: Learnt | None = None

    async def close(self) -> None:
        await self.snmp.close()

    async def fetch(self, tier: str) -> Fetched:
        """The values; with the identity, or where it is not yet known, what there is to ask for."""
        learnt = self._learnt
        if tier == IDENTITY or learnt is None:
            dialect, known = await recognized(self.snmp, self.pdu.kind)
            learnt = self._learnt = Learnt(dialect, known, dialect.asked(known))
        documents: dict[str, Any] = {"dialect": learnt.dialect, "known": learnt.known}
        if tier == POWER:
            answer = await self.snmp.get(identifiers(learnt.asks))
            if not answer:
                self._learnt = None
                raise BadPayload(f"{self.snmp.address}: answers, but has none of the values that it had; is it another device?")
            documents["read"] = grouped(learnt.asks, answer)
        return Fetched(documents=documents)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """What they mean in the PDU's own MIB."""
        dialect: Dialect = documents["dialect"]
        return (
            dialect.identity(documents["known"]) if tier == IDENTITY else dialect.power(documents["known"], documents["read"])
        )

    def samples(self, reading: Reading) -> Samples:
        """With the devices on the outlets, as the inventory has them."""
        return of_identity(self.pdu, reading) if isinstance(reading, Identity) else of_power(self.pdu, reading)


def of_identity(pdu: Pdu, reading: Identity) -> Samples:
    """What the PDU is, and where."""
    out = Samples()
    out.add(catalogue.PDU_INFO, 1, pdu.name, pdu.rack, pdu.feed, reading.model, reading.serial, reading.version)
    return out


def of_power(pdu: Pdu, reading: Power) -> Samples:
    """What is measured. Outlets of the same label count once."""
    out = Samples()
    out.add(catalogue.PDU_UP, 1, pdu.name)
    out.add(catalogue.PDU_POWER_WATTS, reading.watts, pdu.name)
    out.add(catalogue.PDU_ENERGY_JOULES_TOTAL, reading.joules, pdu.name)
    for name, phase in reading.phases.items():
        out.add(catalogue.PDU_PHASE_POWER_WATTS, phase.watts, pdu.name, name)
        out.add(catalogue.PDU_PHASE_CURRENT_AMPERES, phase.amperes, pdu.name, name)
        out.add(catalogue.PDU_PHASE_VOLTAGE_VOLTS, phase.volts, pdu.name, name)
    labelled = {_label(pdu, outlet): outlet for outlet in reversed(reading.outlets)}
    for label, outlet in reversed(labelled.items()):
        device = pdu.outlets.get(label, "")
        out.add(catalogue.PDU_OUTLET_POWER_WATTS, outlet.watts, pdu.name, label, device)
        out.add(catalogue.PDU_OUTLET_ENERGY_JOULES_TOTAL, outlet.joules, pdu.name, label, device)
        out.add(catalogue.PDU_OUTLET_ON, outlet.on, pdu.name, label, device)
    for sensor, degrees in reading.temperatures.items():
        out.add(catalogue.PDU_TEMPERATURE_CELSIUS, degrees, pdu.name, sensor)
    return out


def _label(pdu: Pdu, outlet: Outlet) -> str:
    """As the inventory calls it: by the device's label (AA7), or where that is not there by the plain number (7)."""
    by_number = outlet.number and outlet.number in pdu.outlets and outlet.label not in pdu.outlets
    return outlet.number if by_number else outlet.label


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each PDU. One whose settings cannot be used fails with the reason."""
    settings = config.collectors.pdus
    return [
        made(
            functools.partial(_source, config, pdu),
            collector=PduSource.collector,
            target=pdu.name,
            tier=tiers(settings)[0],
        )
        for pdu in inventory.pdus
    ]


def tiers(settings: PduReader) -> tuple[Tier, ...]:
    """Power often, identity seldom. A PDU that answers slowly may take a few answers' time."""
    patience = 4 * settings.timeout_seconds
    return (
        Tier(POWER, settings.every_seconds, max(settings.every_seconds, patience)),
        Tier(IDENTITY, settings.slow_seconds, max(60.0, patience)),
    )


def _source(config: Config, pdu: Pdu) -> PduSource:
    settings = config.collectors.pdus
    try:
        snmp = Snmp.of(pdu.snmp, config, timeout_seconds=settings.timeout_seconds)
    except ValueError as error:
        raise ValueError(f"PDU {pdu.name}: {error}") from error
    return PduSource(target=pdu.name, pdu=pdu, tiers=tiers(settings), snmp=snmp)
