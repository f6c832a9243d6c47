"""Other PDUs, as far as they tell watts in ENTITY-SENSOR-MIB (RFC 3433), named in ENTITY-MIB.

What is measured follows from the names, since the MIB has no inlets and outlets: a sensor of watts alone is the inlet; of
several the one whose name says so. Where that is not clear, there is no power at the inlet rather than a wrong one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from collectors.pdu.dialect import Ask, Dialect, Tables, columns, first, rows
from collectors.pdu.readings import Identity, Outlet, Phase, Power, celsius, measured, present
from collectors.snmp import Value, text, whole

_ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
_SENSOR = "1.3.6.1.2.1.99.1.1.1"
# EntitySensorDataType
_VOLTS_AC, _AMPERES, _WATTS, _CELSIUS = 4, 5, 6, 8
_MOST: Mapping[int, float] = MappingProxyType({_VOLTS_AC: 1e4, _AMPERES: 1e4, _WATTS: 1e6})
_KINDS = frozenset({*_MOST, _CELSIUS})
_OK = 1  # EntitySensorStatus; 2 is unavailable, 3 broken
_UNITS_SCALE = 9  # EntitySensorDataScale: units; a step is a factor of a thousand
_INLET = re.compile(r"\b(inlet|input|total|infeed|mains)\b", re.IGNORECASE)
_OUTLET = re.compile(r"\boutlet\s*#?(\w{1,8})\b", re.IGNORECASE)
_PHASE = re.compile(r"\b(?:phase|line|l)\s*([123])\b", re.IGNORECASE)

_KNOWN = MappingProxyType(
    {
        "entity": columns(_ENTITY, description=2, name=7, version=10, serial=11, model=13),
        "sensor": columns(_SENSOR, type=1, scale=2, precision=3),
    }
)
_READ = columns(_SENSOR, value=4, status=5)


def _asked(known: Tables) -> Mapping[str, Ask]:
    return {
        "sensor": Ask(_READ, tuple(index for index, row in rows(known, "sensor").items() if whole(row.get("type")) in _KINDS))
    }


def _power(known: Tables, read: Tables) -> Power:
    """Which sensor is the inlet follows from all that there are: one that fails does not make another one the inlet."""
    told = dict(_told(known, read))
    named = {index: _name(known, index) for index in rows(known, "sensor")}
    in_watts = [index for index in named if _kind(known, index) == _WATTS]
    inlets = [index for index in in_watts if _INLET.search(named[index]) and not _PHASE.search(named[index])]
    outlets = {match[1]: index for index in in_watts if (match := _OUTLET.search(named[index]))}
    chosen = in_watts if len(in_watts) == 1 and not outlets else inlets
    return Power(
        watts=told.get(chosen[0]) if len(chosen) == 1 else None,
        phases=_phases(known, {index: value for index, value in told.items() if not _OUTLET.search(named[index])}),
        outlets=tuple(Outlet(label=label, watts=told.get(index)) for label, index in outlets.items()),
        temperatures=present({named[index]: told[index] for index in told if _kind(known, index) == _CELSIUS}),
    )


def _phases(known: Tables, told: Mapping[str, float | None]) -> dict[str, Phase]:
    found: dict[str, dict[int | None, float | None]] = defaultdict(dict)
    for index, value in told.items():
        if (match := _PHASE.search(_name(known, index))) and _kind(known, index) in _MOST:
            found[f"L{match[1]}"].setdefault(_kind(known, index), value)
    return {
        name: Phase(watts=kinds.get(_WATTS), amperes=kinds.get(_AMPERES), volts=kinds.get(_VOLTS_AC))
        for name, kinds in found.items()
    }


def _told(known: Tables, read: Tables) -> Iterator[tuple[str, float | None]]:
    for index, row in rows(known, "sensor").items():
        kind = whole(row.get("type"))
        factor = _factor(row)
        cells = rows(read, "sensor").get(index, {})
        if kind not in _KINDS or factor is None or whole(cells.get("status")) != _OK:
            continue
        value = cells.get("value")
        yield index, celsius(value, factor) if kind == _CELSIUS else measured(value, factor, _MOST[kind])


def _factor(row: Mapping[str, Value]) -> float | None:
    """Value x 10^scale / 10^precision."""
    scale, precision = whole(row.get("scale")), whole(row.get("precision"))
    if scale is None or precision is None or not 1 <= scale <= 17 or not -8 <= precision <= 9:
        return None
    return 10.0 ** (3 * (scale - _UNITS_SCALE) - precision)


def _kind(known: Tables, index: str) -> int | None:
    return whole(rows(known, "sensor").get(index, {}).get("type"))


def _name(known: Tables, index: str) -> str:
    row = rows(known, "entity").get(index, {})
    return text(row.get("name")) or text(row.get("description")) or f"sensor {index}"


def _identity(known: Tables) -> Identity:
    """Of the first entity that has them: the chassis."""
    return Identity(
        model=text(first(known, "entity", "model")),
        serial=text(first(known, "entity", "serial")),
        version=text(first(known, "entity", "version")),
    )


GENERIC = Dialect(name="generic", known=_KNOWN, asked=_asked, power=_power, identity=_identity)
