"""Server Technology CDUs and PDUs: Sentry4-MIB (PRO1, PRO2) and the older Sentry3-MIB.

A negative value is none. Power is in watts, current in hundredths of an ampere, voltage in tenths of a volt, energy of a cord
in tenths of a kilowatt-hour and of an outlet in watt-hours. One agent tells of a master and the units linked to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from collectors.pdu.dialect import Ask, Dialect, Tables, cell, columns, first, parts, rows
from collectors.pdu.readings import (
    TENTH_KILOWATT_HOUR,
    WATT_HOUR,
    Identity,
    Outlet,
    Phase,
    Power,
    amperes,
    celsius,
    joules,
    present,
    together,
    volts,
    watts,
)
from collectors.snmp import Value, text, whole

_SENTRY4 = "1.3.6.1.4.1.1718.4.1"
_SENTRY3 = "1.3.6.1.4.1.1718.3"
_FAHRENHEIT = 1
# DeviceStatus of Sentry4: disabled, purged, reading, settling, not found, lost, read error, no communication, power error.
_NOT_READ = frozenset({1, 2, 5, 6, 7, 8, 9, 10, 11})
_ON4: Mapping[int, bool] = MappingProxyType({1: True, 2: False})  # DeviceState; 0 is unknown
# outletStatus of Sentry3: off, on, both with an error or a blown fuse; not those that wait, are being read, or are silent.
_ON3: Mapping[int, bool] = MappingProxyType({0: False, 1: True, 4: False, 5: True, 8: False, 9: True})

_KNOWN4 = MappingProxyType(
    {
        "system": columns(f"{_SENTRY4}.1.1", version=3),
        "unit": columns(f"{_SENTRY4}.2.2.1", serial=4, model=5),
        "cord": columns(f"{_SENTRY4}.3.2.1", id=2),
        "line": columns(f"{_SENTRY4}.4.2.1", label=4),
        "phase": columns(f"{_SENTRY4}.5.2.1", label=4),
        "outlet": columns(f"{_SENTRY4}.8.2.1", id=2),
        "scale": columns(f"{_SENTRY4}.9.1", scale=10),
        "sensor": columns(f"{_SENTRY4}.9.2.1", name=3),
    }
)
_READ4 = MappingProxyType(
    {
        "cord": columns(f"{_SENTRY4}.3.3.1", status=2, power=3, energy=10),
        "line": columns(f"{_SENTRY4}.4.3.1", status=2, current=3),
        "phase": columns(f"{_SENTRY4}.5.3.1", status=2, voltage=3, current=6, power=8),
        "outlet": columns(f"{_SENTRY4}.8.3.1", state=1, status=2, power=7, energy=14),
        "sensor": columns(f"{_SENTRY4}.9.3.1", tenths=1, status=2),
    }
)
_KNOWN3 = MappingProxyType(
    {
        "system": columns(f"{_SENTRY3}.1", version=1),
        "tower": columns(f"{_SENTRY3}.2.1.1", serial=6, model=7),
        "infeed": columns(f"{_SENTRY3}.2.2.1", id=2, phase_voltage=18, line=21),
        "outlet": columns(f"{_SENTRY3}.2.3.1", id=2),
        "sensor": columns(f"{_SENTRY3}.2.5.1", name=3, scale=13),
    }
)
_READ3 = MappingProxyType(
    {
        "infeed": columns(f"{_SENTRY3}.2.2.1", current=7, voltage=11, power=12, energy=16, phase_voltage=18),
        "outlet": columns(f"{_SENTRY3}.2.3.1", status=5, power=14, energy=18),
        "sensor": columns(f"{_SENTRY3}.2.5.1", tenths=6),
    }
)


def _asked4(known: Tables) -> Mapping[str, Ask]:
    return {name: Ask(read, tuple(rows(known, name))) for name, read in _READ4.items()}


def _power4(known: Tables, read: Tables) -> Power:
    fahrenheit = whole(first(known, "scale", "scale")) == _FAHRENHEIT
    return Power(
        watts=together(watts(_sound(row, "power")) for row in rows(read, "cord").values()),
        joules=together(joules(_sound(row, "energy"), TENTH_KILOWATT_HOUR) for row in rows(read, "cord").values()),
        phases=_phases4(known, read),
        outlets=tuple(_outlets4(known, read)),
        temperatures=present(
            {
                text(known_row.get("name")) or f"sensor {index}": celsius(
                    _sound(rows(read, "sensor").get(index, {}), "tenths"), 0.1, fahrenheit=fahrenheit
                )
                for index, known_row in rows(known, "sensor").items()
            }
        ),
    )


def _phases4(known: Tables, read: Tables) -> dict[str, Phase]:
    """Phases by their labels. With a neutral conductor phase and line are one; without, lines carry what two phases draw."""
    alone = len(rows(known, "cord")) == 1
    found: dict[str, Phase] = {}
    for index, row in rows(known, "phase").items():
        told = rows(read, "phase").get(index, {})
        found[_named(text(row.get("label")), index, alone=alone)] = Phase(
            watts=watts(_sound(told, "power")),
            amperes=amperes(_sound(told, "current"), 0.01),
            volts=volts(_sound(told, "voltage"), 0.1),
        )
    for index, row in rows(known, "line").items():
        name = _named(text(row.get("label")), index, alone=alone)
        current = amperes(_sound(rows(read, "line").get(index, {}), "current"), 0.01)
        found[name] = replace(found.get(name, Phase()), amperes=current)
    return found


def _named(label: str, index: str, *, alone: bool) -> str:
    """`AA:L1-N` is L1 of the only cord, or AA:L1; `AA:L1-L2` stays a phase between lines."""
    cord, _, rest = label.rpartition(":")
    name = rest.removesuffix("-N").removesuffix("-R") or f"L{parts(index)[-1]}"
    return name if alone or not cord else f"{cord}:{name}"


def _outlets4(known: Tables, read: Tables) -> Iterator[Outlet]:
    alone = _cords(known, "outlet") == 1
    for index, row in rows(known, "outlet").items():
        told = rows(read, "outlet").get(index, {})
        yield Outlet(
            label=text(row.get("id")) or index,
            number=parts(index)[-1] if alone else "",
            watts=watts(_sound(told, "power")),
            joules=joules(_sound(told, "energy"), WATT_HOUR),
            on=None if _sound(told, "state") is None else _ON4.get(whole(told.get("state")) or 0),
        )


def _sound(row: Mapping[str, Value], column: str) -> Value | None:
    """A cell of a row whose status says that it is being measured."""
    return None if whole(row.get("status")) in _NOT_READ else row.get(column)


def _cords(known: Tables, table: str) -> int:
    return len({index.rpartition(".")[0] for index in rows(known, table)})


def _identity4(known: Tables) -> Identity:
    return Identity(
        model=text(first(known, "unit", "model")),
        serial=text(first(known, "unit", "serial")),
        version=text(first(known, "system", "version")),
    )


def _asked3(known: Tables) -> Mapping[str, Ask]:
    return {name: Ask(read, tuple(rows(known, name))) for name, read in _READ3.items()}


def _power3(known: Tables, read: Tables) -> Power:
    infeeds = rows(read, "infeed").values()
    return Power(
        watts=together(watts(row.get("power")) for row in infeeds),
        joules=together(joules(row.get("energy"), TENTH_KILOWATT_HOUR) for row in infeeds),
        phases=dict(_phases3(known, read)),
        outlets=tuple(_outlets3(known, read)),
        temperatures=present(dict(_temperatures3(known, read))),
    )


def _phases3(known: Tables, read: Tables) -> Iterator[tuple[str, Phase]]:
    """Each infeed is a line, named as such where that tells them apart. Its voltage is the phase's, if it measures that."""
    lines = [text(row.get("line")) for row in rows(known, "infeed").values()]
    unique = all(lines) and len(set(lines)) == len(lines)
    for index, row in rows(known, "infeed").items():
        told = rows(read, "infeed").get(index, {})
        voltage = "voltage" if volts(row.get("phase_voltage")) is None else "phase_voltage"
        phase = Phase(
            watts=watts(told.get("power")),
            amperes=amperes(told.get("current"), 0.01),
            volts=volts(told.get(voltage), 0.1),
        )
        yield text(row.get("line")) if unique else text(row.get("id")) or index, phase


def _outlets3(known: Tables, read: Tables) -> Iterator[Outlet]:
    alone = _cords(known, "outlet") == 1
    for index, row in rows(known, "outlet").items():
        told = rows(read, "outlet").get(index, {})
        status = whole(told.get("status"))
        yield Outlet(
            label=text(row.get("id")) or index,
            number=parts(index)[-1] if alone else "",
            watts=watts(told.get("power")),
            joules=joules(told.get("energy"), WATT_HOUR),
            on=None if status is None else _ON3.get(status),
        )


def _temperatures3(known: Tables, read: Tables) -> Iterator[tuple[str, float | None]]:
    """-1 is written where nothing is measured, and is believed to be that."""
    for index, row in rows(known, "sensor").items():
        tenths = cell(read, "sensor", index, "tenths")
        if whole(tenths) != -1:
            fahrenheit = whole(row.get("scale")) == _FAHRENHEIT
            yield text(row.get("name")) or f"sensor {index}", celsius(tenths, 0.1, fahrenheit=fahrenheit)


def _identity3(known: Tables) -> Identity:
    return Identity(
        model=text(first(known, "tower", "model")),
        serial=text(first(known, "tower", "serial")),
        version=text(first(known, "system", "version")),
    )


SENTRY4 = Dialect(name="sentry4", known=_KNOWN4, asked=_asked4, power=_power4, identity=_identity4)
SENTRY3 = Dialect(name="sentry3", known=_KNOWN3, asked=_asked3, power=_power3, identity=_identity3)
