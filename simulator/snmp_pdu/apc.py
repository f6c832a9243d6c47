"""PowerNet-MIB of an APC rack PDU 2G, metered by outlet: the tables under rPDU2."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.plant.model import PduState
from simulator.snmp import Value, integer, octets

ROOT = "1.3.6.1.4.1.318.1.1.26"
_TENTH_KILOWATT_HOUR = 360_000.0
_HUNDREDTH_KILOWATT = 10.0
_NO_VALUE = -1
_NORMAL_LOAD = 2
_OFF, _ON = 1, 2
_LOST = 3


def table(pdu: PduState) -> dict[str, Value]:
    """Everything but the system group."""
    return dict(_identity(pdu)) | dict(_device(pdu)) | dict(_phases(pdu)) | dict(_outlets(pdu)) | dict(_sensor())


def _identity(pdu: PduState) -> Iterator[tuple[str, Value]]:
    told = {3: pdu.name, 5: "02", 6: "v7.0.4", 8: pdu.model, 9: pdu.serial}
    yield f"{ROOT}.2.1.1.1", integer(1)
    yield f"{ROOT}.2.1.2.1", integer(1)
    for column, text in told.items():
        yield f"{ROOT}.2.1.{column}.1", octets(text)


def _device(pdu: PduState) -> Iterator[tuple[str, Value]]:
    told = {
        1: 1,
        2: 1,
        4: _NORMAL_LOAD,
        5: round(pdu.watts / _HUNDREDTH_KILOWATT),
        6: round(pdu.watts * 1.1 / _HUNDREDTH_KILOWATT),
        9: int(pdu.joules / _TENTH_KILOWATT_HOUR),
        16: round(pdu.watts / _HUNDREDTH_KILOWATT),
        17: 100,
    }
    for column, number in told.items():
        yield f"{ROOT}.4.3.1.{column}.1", integer(number)
    yield f"{ROOT}.4.3.1.3.1", octets(pdu.name)


def _phases(pdu: PduState) -> Iterator[tuple[str, Value]]:
    for number, phase in enumerate(pdu.phases, start=1):
        told = {
            1: number,
            2: 1,
            3: number,
            4: _NORMAL_LOAD,
            5: round(phase.amperes * 10),
            6: round(phase.volts),
            7: round(phase.watts / _HUNDREDTH_KILOWATT),
        }
        for column, value in told.items():
            yield f"{ROOT}.6.3.1.{column}.{number}", integer(value)


def _outlets(pdu: PduState) -> Iterator[tuple[str, Value]]:
    """The metered table calls every outlet on, whatever is true."""
    for outlet in pdu.outlets:
        number = outlet.number
        metered = {1: number, 2: 1, 4: number, 5: _ON, 6: round(outlet.watts / 230 * 10), 7: round(outlet.watts)}
        metered[11] = int(outlet.joules / _TENTH_KILOWATT_HOUR)
        switched = {1: number, 2: 1, 4: number, 5: _ON if outlet.on else _OFF}
        for entry, told in (("9.4.3.1", metered), ("9.2.3.1", switched)):
            for column, value in told.items():
                yield f"{ROOT}.{entry}.{column}.{number}", integer(value)
            yield f"{ROOT}.{entry}.3.{number}", octets(outlet.device or f"Outlet {number}")


def _sensor() -> Iterator[tuple[str, Value]]:
    """A sensor that was there once."""
    yield f"{ROOT}.10.2.2.1.3.1", octets("Inlet air")
    for column, value in {1: 1, 2: 1, 6: _LOST, 7: _NO_VALUE, 8: _NO_VALUE}.items():
        yield f"{ROOT}.10.2.2.1.{column}.1", integer(value)
