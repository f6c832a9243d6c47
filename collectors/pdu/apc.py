"""APC (Schneider Electric) rack PDUs: the rPDU2 tables of PowerNet-MIB, and the rPDU tables of older ones (AP78xx, AP79xx).

-1 is written for what a model does not measure. rPDU2 tells power in hundredths of a kilowatt, so in steps of 10 W, energy in
tenths of a kilowatt-hour, current in tenths of an ampere; an outlet's power in watts. `rPDU2OutletMeteredStatusState` says on
for every outlet; the truth stands in the table of switched outlets. Units on one network port are numbered by module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from collectors.pdu.dialect import Ask, Dialect, Tables, cell, columns, first, rows
from collectors.pdu.readings import (
    TENTH_KILOWATT_HOUR,
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

_RPDU2 = "1.3.6.1.4.1.318.1.1.26"
_RPDU = "1.3.6.1.4.1.318.1.1.12"
_HUNDREDTH_KILOWATT = 10.0
_OFF, _ON = 1, 2  # rPDU2OutletSwitchedStatusState
_OLD_ON, _OLD_OFF = 1, 2  # rPDUOutletStatusOutletState: the other way round
_INSTALLED = 2  # rPDU2SensorTempHumidityStatusCommStatus: commsOK

_KNOWN = MappingProxyType(
    {
        "ident": columns(f"{_RPDU2}.2.1", version=6, model=8, serial=9),
        "device": columns(f"{_RPDU2}.4.3.1", module=2),
        "phase": columns(f"{_RPDU2}.6.3.1", module=2, number=3),
        "metered": columns(f"{_RPDU2}.9.4.3.1", module=2, number=4),
        "switched": columns(f"{_RPDU2}.9.2.3.1", module=2, number=4),
        "sensor": columns(f"{_RPDU2}.10.2.2.1", name=3),
    }
)
_READ = MappingProxyType(
    {
        "device": columns(f"{_RPDU2}.4.3.1", power=5, energy=9),
        "phase": columns(f"{_RPDU2}.6.3.1", current=5, voltage=6, power=7),
        "metered": columns(f"{_RPDU2}.9.4.3.1", power=7, energy=11),
        "switched": columns(f"{_RPDU2}.9.2.3.1", state=5),
        "sensor": columns(f"{_RPDU2}.10.2.2.1", comm=6, tenths=8),
    }
)
_KNOWN_OLD = MappingProxyType(
    {
        "ident": columns(f"{_RPDU}.1", version=3, model=5, serial=6),
        "load": columns(f"{_RPDU}.2.3.1.1", phase=4, bank=5),
        "outlet": columns(f"{_RPDU}.3.5.1.1", number=1),
    }
)
_READ_OLD = MappingProxyType(
    {
        "ident": columns(f"{_RPDU}.1", power=16),
        "load": columns(f"{_RPDU}.2.3.1.1", current=2),
        "outlet": columns(f"{_RPDU}.3.5.1.1", state=4),
    }
)


def _asked(known: Tables) -> Mapping[str, Ask]:
    return {name: Ask(read, tuple(rows(known, name))) for name, read in _READ.items()}


def _power(known: Tables, read: Tables) -> Power:
    devices = rows(read, "device").values()
    return Power(
        watts=together(watts(row.get("power"), _HUNDREDTH_KILOWATT) for row in devices),
        joules=together(joules(row.get("energy"), TENTH_KILOWATT_HOUR) for row in devices),
        phases=dict(_phases(known, read)),
        outlets=tuple(_outlets(known, read)),
        temperatures=present(dict(_temperatures(known, read))),
    )


def _identity(known: Tables) -> Identity:
    return Identity(
        model=text(first(known, "ident", "model")),
        serial=text(first(known, "ident", "serial")),
        version=text(first(known, "ident", "version")),
    )


def _phases(known: Tables, read: Tables) -> Iterator[tuple[str, Phase]]:
    several = _several(known, "phase")
    for index, row in rows(known, "phase").items():
        number = whole(row.get("number"))
        if number is None or number < 1:
            continue
        told = rows(read, "phase").get(index, {})
        phase = Phase(
            watts=watts(told.get("power"), _HUNDREDTH_KILOWATT),
            amperes=amperes(told.get("current"), 0.1),
            volts=volts(told.get("voltage")),
        )
        yield f"{whole(row.get('module'))}:L{number}" if several else f"L{number}", phase


def _outlets(known: Tables, read: Tables) -> Iterator[Outlet]:
    """Metered and switched outlets joined by module and number."""
    several = _several(known, "metered") or _several(known, "switched")
    places: dict[tuple[int, int], dict[str, str]] = {}
    for table in ("metered", "switched"):
        for index, row in rows(known, table).items():
            module, number = whole(row.get("module")) or 1, whole(row.get("number"))
            if number is not None:
                places.setdefault((module, number), {})[table] = index
    for (module, number), place in sorted(places.items()):
        metered, switched = place.get("metered", ""), place.get("switched", "")
        yield Outlet(
            label=f"{module}:{number}" if several else str(number),
            watts=watts(cell(read, "metered", metered, "power")),
            joules=joules(cell(read, "metered", metered, "energy"), TENTH_KILOWATT_HOUR),
            on=_state(cell(read, "switched", switched, "state"), on=_ON, off=_OFF),
        )


def _temperatures(known: Tables, read: Tables) -> Iterator[tuple[str, float | None]]:
    for index, row in rows(known, "sensor").items():
        told = rows(read, "sensor").get(index, {})
        if whole(told.get("comm")) == _INSTALLED:
            yield text(row.get("name")) or f"sensor {index}", _temperature(told.get("tenths"))


def _temperature(tenths: Value | None) -> float | None:
    """-1 is also a tenth of a degree of frost; the MIB gives it to models without the sensor."""
    return None if whole(tenths) == -1 else celsius(tenths, 0.1)


def _several(known: Tables, table: str) -> bool:
    return len({whole(row.get("module")) for row in rows(known, table).values()}) > 1


def _state(value: Value | None, *, on: int, off: int) -> bool | None:
    return {on: True, off: False}.get(whole(value) or 0)


def _asked_old(known: Tables) -> Mapping[str, Ask]:
    return {name: Ask(read, tuple(rows(known, name))) for name, read in _READ_OLD.items()}


def _power_old(known: Tables, read: Tables) -> Power:
    """Watts are the card's product of current and the voltage that somebody typed in: 0 until somebody did."""
    currents = {index: amperes(row.get("current"), 0.1) for index, row in rows(read, "load").items()}
    power = watts(first(read, "ident", "power"))
    loaded = any(current for current in currents.values())
    phases = {
        f"L{whole(row.get('phase'))}": Phase(amperes=currents.get(index))
        for index, row in rows(known, "load").items()
        if not whole(row.get("bank")) and whole(row.get("phase"))
    }
    outlets = (
        Outlet(label=index, on=_state(cell(read, "outlet", index, "state"), on=_OLD_ON, off=_OLD_OFF))
        for index in rows(known, "outlet")
    )
    return Power(watts=None if power == 0 and loaded else power, phases=phases, outlets=tuple(outlets))


APC = Dialect(name="apc", known=_KNOWN, asked=_asked, power=_power, identity=_identity)
APC_OLD = Dialect(name="apc-rpdu", known=_KNOWN_OLD, asked=_asked_old, power=_power_old, identity=_identity)
