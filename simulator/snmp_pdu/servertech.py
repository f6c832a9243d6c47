"""Sentry4-MIB of a Server Technology PRO2 with one cord of three phases and a neutral, metered and switched by outlet."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.plant.model import PduState
from simulator.snmp import Value, integer, octets

ROOT = "1.3.6.1.4.1.1718.4.1"
_TENTH_KILOWATT_HOUR, _WATT_HOUR = 360_000.0, 3600.0
_ON, _OFF = 1, 2
_NORMAL, _NOT_FOUND = 0, 7
_CELSIUS = 0


def table(pdu: PduState) -> dict[str, Value]:
    """Everything but the system group."""
    return dict(_identity(pdu)) | dict(_cord(pdu)) | dict(_phases(pdu)) | dict(_outlets(pdu)) | dict(_sensors())


def _identity(pdu: PduState) -> Iterator[tuple[str, Value]]:
    yield f"{ROOT}.1.1.1.0", octets("Sentry Switched PDU")
    yield f"{ROOT}.1.1.3.0", octets("Sentry Switched PDU Version 8.0p")
    for column, text in {2: "A", 3: "Master", 4: pdu.serial, 5: pdu.model}.items():
        yield f"{ROOT}.2.2.1.{column}.1", octets(text)


def _cord(pdu: PduState) -> Iterator[tuple[str, Value]]:
    yield f"{ROOT}.3.2.1.2.1.1", octets("AA")
    yield f"{ROOT}.3.2.1.3.1.1", octets("Master_Cord_A")
    watts = round(pdu.watts)
    told = {1: _ON, 2: _NORMAL, 3: watts, 4: _NORMAL, 5: watts, 10: int(pdu.joules / _TENTH_KILOWATT_HOUR), 11: 500}
    for column, value in told.items():
        yield f"{ROOT}.3.3.1.{column}.1.1", integer(value)


def _phases(pdu: PduState) -> Iterator[tuple[str, Value]]:
    for number, phase in enumerate(pdu.phases, start=1):
        row = f"1.1.{number}"
        current = round(phase.amperes * 100)
        yield f"{ROOT}.4.2.1.4.{row}", octets(f"AA:L{number}")
        for column, value in {1: _ON, 2: _NORMAL, 3: current, 4: _NORMAL}.items():
            yield f"{ROOT}.4.3.1.{column}.{row}", integer(value)
        yield f"{ROOT}.5.2.1.4.{row}", octets(f"AA:L{number}-N")
        told = {1: _ON, 2: _NORMAL, 3: round(phase.volts * 10), 4: _NORMAL, 6: current, 8: round(phase.watts)}
        for column, value in told.items():
            yield f"{ROOT}.5.3.1.{column}.{row}", integer(value)


def _outlets(pdu: PduState) -> Iterator[tuple[str, Value]]:
    for outlet in pdu.outlets:
        row = f"1.1.{outlet.number}"
        yield f"{ROOT}.8.2.1.2.{row}", octets(f"AA{outlet.number}")
        yield f"{ROOT}.8.2.1.3.{row}", octets(outlet.device)
        told = {
            1: _ON if outlet.on else _OFF,
            2: _NORMAL,
            3: round(outlet.watts / 230 * 100),
            6: 2300,
            7: round(outlet.watts),
            14: int(outlet.joules / _WATT_HOUR),
        }
        for column, value in told.items():
            yield f"{ROOT}.8.3.1.{column}.{row}", integer(value)


def _sensors() -> Iterator[tuple[str, Value]]:
    """A place for a thermometer with none in it."""
    yield f"{ROOT}.9.1.10.0", integer(_CELSIUS)
    yield f"{ROOT}.9.2.1.3.1.1", octets("Temp_Sensor_A1")
    yield f"{ROOT}.9.3.1.1.1.1", integer(-410)
    yield f"{ROOT}.9.3.1.2.1.1", integer(_NOT_FOUND)
