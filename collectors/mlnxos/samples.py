"""From what a switch said of itself to samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.mlnxos.parts import Fan, Supply, fans, supplies, temperatures, totals
from collectors.mlnxos.ports import Port, ports
from collectors.mlnxos.rows import Row, quantity, rows
from wattstat.catalogue import network
from wattstat.catalogue.metric import Metric, Samples

_COUNTERS: Mapping[str, tuple[Metric, tuple[str, ...]]] = {
    "receive_bytes": (network.SWITCH_PORT_BYTES_TOTAL, ("receive",)),
    "transmit_bytes": (network.SWITCH_PORT_BYTES_TOTAL, ("transmit",)),
    "receive_packets": (network.SWITCH_PORT_PACKETS_TOTAL, ("receive",)),
    "transmit_packets": (network.SWITCH_PORT_PACKETS_TOTAL, ("transmit",)),
    "receive_errors": (network.SWITCH_PORT_ERRORS_TOTAL, ("receive",)),
    "transmit_discards": (network.SWITCH_PORT_DISCARDS_TOTAL, ("transmit",)),
    "symbol_errors": (network.SWITCH_PORT_SYMBOL_ERRORS_TOTAL, ()),
    "link_downs": (network.SWITCH_PORT_LINK_FAULTS_TOTAL, ("down",)),
    "recoveries": (network.SWITCH_PORT_LINK_FAULTS_TOTAL, ("recovery",)),
    "wait_ticks": (network.SWITCH_PORT_WAIT_TICKS_TOTAL, ()),
}
_SPAN = re.compile(r"(\d{1,5})\s*(d|h|m|s)")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a switch is."""

    model: str = ""
    version: str = ""
    serial: str = ""
    uptime_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a tier brought; what was not asked for or not told is empty."""

    tier: str = ""
    supplies: tuple[Supply, ...] = ()
    fans: tuple[Fan, ...] = ()
    celsius: Mapping[str, float] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    identity: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The switch's name and place. `alone`: no SNMP agent tells of it, too; `names`: nobody else tells who it is."""

    switch: str
    rack: str
    model: str
    system: str
    alone: bool = True
    names: bool = True


def parse(tier: str, documents: Mapping[str, Any]) -> Reading:
    """Typed readings of the answers, by command."""
    found = {name: rows(document) for name, document in documents.items()}
    version = found.get("show version", ())
    return Reading(
        tier=tier,
        supplies=supplies(found.get("show power", ())),
        fans=fans(found.get("show fan", ())),
        celsius=temperatures(found.get("show temperature", ())),
        ports=ports(row for name, each in found.items() if name.startswith("show interfaces") for row in each),
        identity=_identity(version) if version else None,
    )


def samples(labels: Labels, reading: Reading) -> Samples:
    """Series of a switch."""
    out = Samples()
    switch = labels.switch
    if labels.names and reading.tier == "environment":
        out.add(network.SWITCH_UP, 1, switch)
    for supply in reading.supplies:
        out.add(network.SWITCH_PSU_ON, supply.present, switch, supply.name)
        out.add(network.SWITCH_PSU_OK, supply.good, switch, supply.name)
        for side, watts in supply.watts.items():
            out.add(network.SWITCH_PSU_POWER_WATTS, watts, switch, supply.name, side)
    for side, watts in totals(reading.supplies).items():
        out.add(network.SWITCH_POWER_WATTS, watts, switch, f"psu_{side}")
    if labels.alone:
        _environment(out, switch, reading)
        _ports(out, switch, reading.ports)
    if labels.names:
        _who(out, labels, reading.identity)
    return Samples({(sample.metric, sample.labels): sample for sample in out}.values())


def _environment(out: Samples, switch: str, reading: Reading) -> None:
    for fan in reading.fans:
        out.add(network.SWITCH_FAN_SPEED_RPM, fan.rpm, switch, fan.name)
        out.add(network.SWITCH_FAN_OK, fan.good, switch, fan.name)
    for sensor, degrees in reading.celsius.items():
        out.add(network.SWITCH_TEMPERATURE_CELSIUS, degrees, switch, sensor)


def _ports(out: Samples, switch: str, found: Iterable[Port]) -> None:
    for port in found:
        out.add(network.SWITCH_PORT_INFO, 1, switch, port.name, port.alias)
        out.add(network.SWITCH_PORT_UP, port.up, switch, port.name)
        out.add(network.SWITCH_PORT_ON, port.wanted, switch, port.name)
        out.add(network.SWITCH_PORT_SPEED_BITS_PER_SECOND, port.bits_per_second, switch, port.name)
        for name, count in port.counters.items():
            metric, more = _COUNTERS[name]
            out.add(metric, count, switch, port.name, *more)
        for kind, ratio in port.ratios.items():
            out.add(network.SWITCH_PORT_BIT_ERROR_RATIO, ratio, switch, port.name, kind)


def _who(out: Samples, labels: Labels, identity: Identity | None) -> None:
    if identity is None:
        return
    model = identity.model or labels.model
    out.add(network.SWITCH_INFO, 1, labels.switch, labels.rack, model, labels.system, identity.version, identity.serial)
    out.add(network.SWITCH_UPTIME_SECONDS, identity.uptime_seconds, labels.switch)


def _identity(found: Iterable[Row]) -> Identity:
    merged: dict[str, Any] = {}
    for row in found:
        merged = {**row.cells, **merged}
    whole = Row(path=(), cells=merged)
    return Identity(
        # "Product model" is the processor's (x86onie).
        model=whole.text("part number", "part-number", "system model", "product-name"),
        version=whole.text("product release", "product-release", "os-version", "build", without=("date",)),
        serial=whole.text("serial"),
        uptime_seconds=_span(whole.text("uptime")),
    )


def _span(written: str) -> float | None:
    """Seconds of "4d 4h 12m 3.5s"."""
    found = _SPAN.findall(re.sub(r"\.\d+", "", written))
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in found)
    if not found:
        read = quantity(written)
        return read.value if read is not None and read.unit in {"", "s"} and read.value >= 0 else None
    return float(seconds)
