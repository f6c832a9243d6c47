"""PDU2-MIB of a Raritan PX3 with three phases and switched, metered outlets.

Columns as the MIB numbers them; the kinds of sensors (SensorTypeEnumeration) are the last part of an index.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.plant.model import PduState
from simulator.snmp import Value, gauge32, integer, octets

ROOT = "1.3.6.1.4.1.13742.6"
# kind: unit (SensorUnitsEnumeration), decimal digits
SENSORS = {1: (2, 3), 4: (1, 0), 5: (3, 0), 6: (4, 0), 7: (-1, 2), 8: (5, 0), 23: (8, 1)}
_NORMAL, _UNAVAILABLE, _ON, _OFF = 4, -1, 7, 8
_TRUE = 1
_WATT_HOUR = 3600.0


def table(pdu: PduState) -> dict[str, Value]:
    """Everything but the system group."""
    return dict(_identity(pdu)) | dict(_inlet(pdu)) | dict(_poles(pdu)) | dict(_outlets(pdu)) | dict(_thermometer())


def _identity(pdu: PduState) -> Iterator[tuple[str, Value]]:
    yield f"{ROOT}.3.2.1.1.2.1", octets("Raritan")
    yield f"{ROOT}.3.2.1.1.3.1", octets(pdu.model)
    yield f"{ROOT}.3.2.1.1.4.1", octets(pdu.serial)
    yield f"{ROOT}.3.2.2.1.13.1", octets(pdu.name)
    yield f"{ROOT}.3.2.3.1.6.1.1.1", octets("4.2.0.5-50274")
    yield f"{ROOT}.3.3.3.1.2.1.1", octets("I1")


def _inlet(pdu: PduState) -> Iterator[tuple[str, Value]]:
    amperes = sum(phase.amperes for phase in pdu.phases)
    volts = sum(phase.volts for phase in pdu.phases) / len(pdu.phases) * 3**0.5
    told = {1: amperes, 4: volts, 5: pdu.watts, 6: pdu.watts, 7: 1.0, 8: pdu.joules / _WATT_HOUR, 23: 50.0}
    for kind, value in told.items():
        yield from _sensor("3.3.4", "5.2.3", f"1.1.{kind}", kind, value)


def _poles(pdu: PduState) -> Iterator[tuple[str, Value]]:
    for number, phase in enumerate(pdu.phases, start=1):
        told = {1: phase.amperes, 4: phase.volts * 3**0.5, 5: phase.watts}
        for kind, value in told.items():
            yield from _sensor("3.3.6", "5.2.4", f"1.1.{number}.{kind}", kind, value)
        index = f"1.1.{number}.25"  # rmsVoltageLN
        yield from _written("3.3.6", "5.2.4", index, (1, 0), phase.volts)


def _outlets(pdu: PduState) -> Iterator[tuple[str, Value]]:
    for outlet in pdu.outlets:
        row = f"1.{outlet.number}"
        yield f"{ROOT}.3.5.3.1.2.{row}", octets(str(outlet.number))
        yield f"{ROOT}.3.5.3.1.3.{row}", octets(outlet.device)
        told = {1: outlet.watts / 230.0, 4: 230.0, 5: outlet.watts, 8: outlet.joules / _WATT_HOUR}
        for kind, value in told.items():
            yield from _sensor("3.5.4", "5.4.3", f"{row}.{kind}", kind, value)
        # Without a load there is no power factor: its value is then 0, its state says that it is none.
        yield from _sensor("3.5.4", "5.4.3", f"{row}.7", 7, 0.98 if outlet.watts else None)
        yield f"{ROOT}.5.4.3.1.2.{row}.14", integer(_TRUE)
        yield f"{ROOT}.5.4.3.1.3.{row}.14", integer(_ON if outlet.on else _OFF)
        yield f"{ROOT}.5.4.3.1.4.{row}.14", gauge32(0)


def _thermometer() -> Iterator[tuple[str, Value]]:
    """One thermometer and one that nobody plugged in, and a door that is none."""
    for number, (kind, name, units, digits) in enumerate(
        ((10, "Inlet air", 7, 1), (10, "Back door", 7, 1), (20, "Door", -1, 0)), start=1
    ):
        row = f"1.{number}"
        for column, value in ((2, integer(kind)), (4, octets(name)), (16, integer(units)), (17, gauge32(digits))):
            yield f"{ROOT}.3.6.3.1.{column}.{row}", value
        is_there = number == 1
        told = ((2, integer(_TRUE)), (3, integer(_NORMAL if is_there else _UNAVAILABLE)), (4, integer(231 if is_there else 0)))
        for column, value in told:
            yield f"{ROOT}.5.5.3.1.{column}.{row}", value


def _sensor(configured: str, measured: str, index: str, kind: int, value: float | None) -> Iterator[tuple[str, Value]]:
    yield from _written(configured, measured, index, SENSORS[kind], value)


def _written(
    configured: str, measured: str, index: str, unit: tuple[int, int], value: float | None
) -> Iterator[tuple[str, Value]]:
    units, digits = unit
    yield f"{ROOT}.{configured}.1.6.{index}", integer(units)
    yield f"{ROOT}.{configured}.1.7.{index}", gauge32(digits)
    yield f"{ROOT}.{measured}.1.2.{index}", integer(_TRUE)
    yield f"{ROOT}.{measured}.1.3.{index}", integer(_UNAVAILABLE if value is None else _NORMAL)
    yield f"{ROOT}.{measured}.1.4.{index}", gauge32(round((value or 0) * 10**digits))
    # The signed value does not reach as far as energy does.
    yield f"{ROOT}.{measured}.1.6.{index}", integer(0 if units == 5 else round((value or 0) * 10**digits))
