"""Raritan PX2, PX3, PX4 and Server Technology PRO3X, PRO4X: PDU2-MIB (enterprise 13742.6).

Each sensor tells its unit (SensorUnitsEnumeration) and its decimal digits in a table beside that of the values; rows are
numbered by PDU (of a cascade), inlet or outlet, pole, and kind of sensor (SensorTypeEnumeration). A sensor whose state is
unavailable(-1) shows the value 0 and is no reading. The unsigned values are read: the signed ones are 0 for energy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from collectors.pdu.dialect import Ask, Dialect, Tables, cell, columns, first, parts, rows
from collectors.pdu.readings import WATT_HOUR, Identity, Outlet, Phase, Power, celsius, measured, present, together
from collectors.snmp import Value, text, whole

_PDU2 = "1.3.6.1.4.1.13742.6"
# SensorTypeEnumeration
_CURRENT, _VOLTAGE, _ACTIVE_POWER, _ACTIVE_ENERGY = "1", "4", "5", "8"
_TEMPERATURE, _ON_OFF, _VOLTAGE_TO_NEUTRAL = "10", "14", "25"
# SensorUnitsEnumeration: what makes a unit ours
_UNITS: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {
        _CURRENT: {2: 1.0},
        _VOLTAGE: {1: 1.0},
        _VOLTAGE_TO_NEUTRAL: {1: 1.0},
        _ACTIVE_POWER: {3: 1.0},
        _ACTIVE_ENERGY: {5: WATT_HOUR},
    }
)
_MOST: Mapping[str, float] = MappingProxyType(
    {_CURRENT: 1e4, _VOLTAGE: 1e4, _VOLTAGE_TO_NEUTRAL: 1e4, _ACTIVE_POWER: 1e6, _ACTIVE_ENERGY: 1e16}
)
_DEGREES_CELSIUS, _DEGREES_FAHRENHEIT = 7, 14
# SensorStateEnumeration
_UNAVAILABLE, _ON, _OFF = -1, 7, 8
_TRUE = 1
_INLET_SENSORS = frozenset({_CURRENT, _VOLTAGE, _ACTIVE_POWER, _ACTIVE_ENERGY})
_POLE_SENSORS = frozenset({_CURRENT, _VOLTAGE, _VOLTAGE_TO_NEUTRAL, _ACTIVE_POWER})
_OUTLET_SENSORS = frozenset({_ACTIVE_POWER, _ACTIVE_ENERGY})
# The poles of an inlet are numbered as LineEnumeration numbers the lines.
_POLES: Mapping[str, str] = MappingProxyType({"1": "L1", "2": "L2", "3": "L3", "4": "N"})
_NEUTRAL = "4"

_KNOWN = MappingProxyType(
    {
        "nameplate": columns(f"{_PDU2}.3.2.1.1", model=3, serial=4),
        "board": columns(f"{_PDU2}.3.2.3.1", version=6),
        "inlet": columns(f"{_PDU2}.3.3.4.1", units=6, digits=7),
        "pole": columns(f"{_PDU2}.3.3.6.1", units=6, digits=7),
        "label": columns(f"{_PDU2}.3.5.3.1", label=2),
        "outlet": columns(f"{_PDU2}.3.5.4.1", units=6, digits=7),
        "external": columns(f"{_PDU2}.3.6.3.1", type=2, name=4, units=16, digits=17),
    }
)
_READ = MappingProxyType(
    {
        "inlet": columns(f"{_PDU2}.5.2.3.1", available=2, state=3, value=4),
        "pole": columns(f"{_PDU2}.5.2.4.1", available=2, state=3, value=4),
        "outlet": columns(f"{_PDU2}.5.4.3.1", available=2, state=3, value=4),
        "external": columns(f"{_PDU2}.5.5.3.1", available=2, state=3, value=4),
    }
)
_SWITCH = columns(f"{_PDU2}.5.4.3.1", state=3)


def _asked(known: Tables) -> Mapping[str, Ask]:
    sensors = {
        "inlet": _of_kinds(known, "inlet", _INLET_SENSORS),
        "pole": _of_kinds(known, "pole", _POLE_SENSORS),
        "outlet": _of_kinds(known, "outlet", _OUTLET_SENSORS),
        "external": tuple(index for index, row in rows(known, "external").items() if _is_thermometer(row)),
    }
    switches = tuple(f"{index}.{_ON_OFF}" for index in rows(known, "label"))
    return {**{name: Ask(_READ[name], indexes) for name, indexes in sensors.items()}, "switch": Ask(_SWITCH, switches)}


def _power(known: Tables, read: Tables) -> Power:
    inlets = {index.rpartition(".")[0] for index in rows(known, "inlet")}
    return Power(
        watts=together(_value(known, read, "inlet", f"{inlet}.{_ACTIVE_POWER}") for inlet in sorted(inlets)),
        joules=together(_value(known, read, "inlet", f"{inlet}.{_ACTIVE_ENERGY}") for inlet in sorted(inlets)),
        phases=dict(_phases(known, read, inlets)),
        outlets=tuple(_outlets(known, read)),
        temperatures=present(dict(_temperatures(known, read))),
    )


def _identity(known: Tables) -> Identity:
    return Identity(
        model=text(first(known, "nameplate", "model")),
        serial=text(first(known, "nameplate", "serial")),
        version=text(first(known, "board", "version")),
    )


def _phases(known: Tables, read: Tables, inlets: set[str]) -> Iterator[tuple[str, Phase]]:
    """The poles; of a single-phase PDU, which has none, the inlet itself."""
    poles = sorted({index.rpartition(".")[0] for index in rows(known, "pole")})
    several = len(inlets) > 1
    for pole in poles:
        inlet, _, number = pole.rpartition(".")
        if name := _POLES.get(number):
            yield f"{inlet} {name}" if several else name, _phase(known, read, "pole", pole, neutral=number == _NEUTRAL)
    with_poles = {pole.rpartition(".")[0] for pole in poles}
    for inlet in sorted(inlets - with_poles):
        yield f"{inlet} L1" if several else "L1", _phase(known, read, "inlet", inlet, neutral=False)


def _phase(known: Tables, read: Tables, table: str, row: str, *, neutral: bool) -> Phase:
    """Voltage to the neutral conductor where that is measured at all, else to the next line: never by turns."""
    to_neutral = f"{row}.{_VOLTAGE_TO_NEUTRAL}"
    voltage = to_neutral if to_neutral in rows(known, table) else f"{row}.{_VOLTAGE}"
    return Phase(
        watts=_value(known, read, table, f"{row}.{_ACTIVE_POWER}"),
        amperes=_value(known, read, table, f"{row}.{_CURRENT}"),
        volts=None if neutral else _value(known, read, table, voltage),
    )


def _outlets(known: Tables, read: Tables) -> Iterator[Outlet]:
    pdus = {parts(index)[0] for index in rows(known, "label")}
    for index, row in rows(known, "label").items():
        pdu, _, number = index.partition(".")
        label = text(row.get("label")) or number
        alone = len(pdus) == 1
        yield Outlet(
            label=label if alone else f"{pdu}:{label}",
            number=number if alone else "",
            watts=_value(known, read, "outlet", f"{index}.{_ACTIVE_POWER}"),
            joules=_value(known, read, "outlet", f"{index}.{_ACTIVE_ENERGY}"),
            on={_ON: True, _OFF: False}.get(whole(cell(read, "switch", f"{index}.{_ON_OFF}", "state")) or 0),
        )


def _temperatures(known: Tables, read: Tables) -> Iterator[tuple[str, float | None]]:
    for index, row in rows(known, "external").items():
        factor, units = _factor(row.get("digits")), whole(row.get("units"))
        if _is_thermometer(row) and factor is not None and units in {_DEGREES_CELSIUS, _DEGREES_FAHRENHEIT}:
            raw = _raw(read, "external", index)
            name = text(row.get("name")) or f"sensor {parts(index)[-1]}"
            yield name, celsius(raw, factor, fahrenheit=units == _DEGREES_FAHRENHEIT)


def _is_thermometer(row: Mapping[str, Value]) -> bool:
    return whole(row.get("type")) == int(_TEMPERATURE)


def _value(known: Tables, read: Tables, table: str, index: str) -> float | None:
    """A sensor's value in our unit; None where its unit is another one than its kind has."""
    kind = index.rpartition(".")[2]
    unit = _UNITS[kind].get(whole(cell(known, table, index, "units")) or 0)
    factor = _factor(cell(known, table, index, "digits"))
    if unit is None or factor is None:
        return None
    return measured(_raw(read, table, index), unit * factor, _MOST[kind])


def _raw(read: Tables, table: str, index: str) -> Value | None:
    """The value as it stands, where the sensor has one."""
    state = whole(cell(read, table, index, "state"))
    if state is None or state == _UNAVAILABLE or whole(cell(read, table, index, "available")) != _TRUE:
        return None
    return cell(read, table, index, "value")


def _factor(digits: Value | None) -> float | None:
    number = whole(digits)
    return None if number is None or not 0 <= number <= 9 else 10.0**-number


def _of_kinds(known: Tables, table: str, kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(index for index in rows(known, table) if parts(index)[-1] in kinds)


RARITAN = Dialect(name="raritan", known=_KNOWN, asked=_asked, power=_power, identity=_identity)
