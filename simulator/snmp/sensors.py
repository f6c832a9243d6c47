"""ENTITY-MIB and ENTITY-SENSOR-MIB of simulated switches, with their agents' habits."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.plant.model import Port, SwitchState
from simulator.snmp.ber import Value, integer, octets

_ENTITY, _SENSOR = "1.3.6.1.2.1.47.1.1.1.1", "1.3.6.1.2.1.99.1.1.1"
_CHASSIS, _SUPPLY, _FAN, _SENSOR_CLASS, _PORT, _BOARD = 3, 6, 7, 8, 10, 12
_UNKNOWN, _WATTS, _CELSIUS, _RPM = 2, 6, 8, 10
_MILLI, _UNITS = 8, 9
_OK, _UNAVAILABLE = 1, 2
_LANES = 4
_SUPPLY_CELSIUS, _SUPPLY_RPM = 31.0, 8000.0


@dataclass(slots=True)
class Parts:
    """Rows of both tables, as they are put together."""

    shown: dict[str, Value] = field(default_factory=dict)

    def part(self, index: int, kind: int, name: str, above: int, *, model: str = "", serial: str = "") -> None:
        """A part of the switch."""
        columns = {2: octets(name), 4: integer(above), 5: integer(kind), 7: octets(name), 11: octets(serial), 13: octets(model)}
        self.shown |= {f"{_ENTITY}.{column}.{index}": value for column, value in columns.items()}

    def sensor(
        self, index: int, name: str, above: int, value: float | None, *, kind: int, scale: int = _UNITS, precision: int = 0
    ) -> None:
        """A sensor in a part; without a value it says that it is not available, and 0."""
        self.part(index, _SENSOR_CLASS, name, above)
        told = 0 if value is None else round(value * 10**precision)
        columns = (kind, scale, precision, told, _UNAVAILABLE if value is None else _OK)
        self.shown |= {f"{_SENSOR}.{column}.{index}": integer(number) for column, number in enumerate(columns, start=1)}


def sonic(switch: SwitchState, indexes: list[int]) -> dict[str, Value]:
    """As recorded of Enterprise SONiC: fans of type "unknown", no watts of supplies, light in milliwatts.

    `indexes` are the ports' ifIndex.
    """
    parts = Parts()
    parts.part(1, _CHASSIS, "chassis 1", 0, model=switch.model, serial=switch.serial)
    parts.part(200000000, _BOARD, "MGMT", 1)
    for number, (name, degrees) in enumerate(switch.temperatures.items(), start=1):
        parts.sensor(200990010 + 100 * number, f"{name} Temperature", 200000000, degrees, kind=_CELSIUS, precision=3)
    for number, fan in enumerate(switch.fans, start=1):
        tray = 500000000 + 1000000 * number
        parts.part(tray + 20100, _FAN, f"FAN {number}", 1)
        parts.sensor(tray + 20120, f"Tachometers for FAN {number}", tray + 20100, fan.rpm, kind=_UNKNOWN)
    for number, supply in enumerate(switch.supplies, start=1):
        if supply.present:
            slot = 600000000 + 1000000 * number
            parts.part(slot, _SUPPLY, f"PSU {number}", 1, model="DPS-1500AB-2 A", serial=f"CN{switch.serial}{number}")
            parts.part(slot + 20100, _FAN, f"PSU {number} FAN 1", slot)
            rpm = _SUPPLY_RPM if supply.ok else None
            parts.sensor(slot + 20120, f"Tachometers for PSU {number} FAN 1", slot + 20100, rpm, kind=_UNKNOWN)
            parts.sensor(slot + 240010, f"Temperature for PSU {number}", slot, _SUPPLY_CELSIUS, kind=_CELSIUS, precision=3)
    for index, port in zip(indexes, switch.ports, strict=True):
        if port.optic_celsius is not None:
            _module(parts, 1000000000 + 100 * index, port)
    return parts.shown


def mlnx_os(switch: SwitchState) -> dict[str, Value]:
    """Fans and temperatures; MLNX-OS tells no watts by SNMP."""
    parts = Parts()
    parts.part(1, _CHASSIS, f"{switch.model} chassis", 0, model=switch.model, serial=switch.serial)
    for number, (name, degrees) in enumerate(switch.temperatures.items(), start=1):
        parts.sensor(200000010 + 100 * number, name, 1, degrees, kind=_CELSIUS)
    for number, fan in enumerate(switch.fans, start=1):
        parts.part(501000000 + 1000 * number, _FAN, fan.name, 1)
        parts.sensor(501000001 + 1000 * number, f"{fan.name} speed", 501000000 + 1000 * number, fan.rpm, kind=_RPM)
    for number, supply in enumerate(switch.supplies, start=1):
        if supply.present:
            parts.part(
                600000000 + 1000000 * number, _SUPPLY, f"PS{number}", 1, model="MTEF-PSF", serial=f"{switch.serial}P{number}"
            )
    return parts.shown


def _module(parts: Parts, index: int, port: Port) -> None:
    parts.part(index, _PORT, port.name, 1, model="QDD-400G-DR4", serial=f"CN{index}")
    parts.sensor(index + 10, f"DOM Temperature Sensor for {port.name}", index, port.optic_celsius, kind=_CELSIUS, precision=6)
    for first, word, dbm in ((20, "TX", port.transmit_dbm), (30, "RX", port.receive_dbm)):
        milliwatts = None if dbm is None else 10 ** (dbm / 10)
        for lane in range(1, _LANES + 1):
            name = f"DOM {word} Power Sensor for {port.name}/{lane}"
            parts.sensor(index + first + lane, name, index, milliwatts, kind=_WATTS, scale=_MILLI, precision=4)
