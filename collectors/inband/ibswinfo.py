"""What `ibswinfo` prints about a switch. Pure.

A supply's lines stand indented below its status. "power (W)" is of the supply's input; a managed QM9700 prints none. "ports" is
the number of cages, not of ports: 32 for the 64 of a QM9790.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors.inband.reading import Reading
from collectors.mlnxos.parts import Supply
from wattstat.members import between, celsius, rpm

_SUPPLY = re.compile(r"PSU(\d{1,2}) status")
_FAN = re.compile(r"fan#(\d{1,3}) \(rpm\)")
_UPTIME = re.compile(r"(\d{1,5})d-(\d{1,2}):(\d{2}):(\d{2})")
_MOST_SUPPLY_WATTS = 10_000


def parse(printed: str) -> Reading:
    """A switch of the whole output."""
    supplies: list[Supply] = []
    plain: dict[str, str] = {}
    fans: dict[str, float] = {}
    for indented, name, value in _lines(printed):
        if (found := _SUPPLY.fullmatch(name)) is not None:
            supplies.append(_supply(f"PSU{found[1]}", value))
        elif indented and supplies:
            _tell(supplies[-1], name, value)
        elif (found := _FAN.fullmatch(name)) is not None:
            speed = rpm(value)
            if speed is not None:
                fans[found[1]] = speed
        else:
            plain.setdefault(name, value)
    return Reading(
        model=plain.get("part number", ""),
        serial=plain.get("serial number", ""),
        firmware=plain.get("firmware version", ""),
        uptime_seconds=_seconds(plain.get("uptime (d-h:m:s)", "")),
        supplies=tuple({supply.name: supply for supply in supplies}.values()),
        celsius=celsius(plain.get("temperature (C)")),
        fans_good=_good(plain.get("fan status", "")),
        fans=fans,
    )


def _lines(printed: str) -> Iterator[tuple[bool, str, str]]:
    for line in printed.splitlines():
        name, bar, value = line.partition("|")
        if bar:
            yield line[:1].isspace(), name.strip(), value.strip()


def _supply(name: str, status: str) -> Supply:
    """The program says ERROR where the slot tells of no supply."""
    good = _good(status)
    return Supply(name=name, present=good, good=good)


def _tell(supply: Supply, name: str, value: str) -> None:
    if name in {"DC power", "fan status"} and _good(value) is False:
        supply.good = False if supply.present is not False else None
    if name == "power (W)" and supply.present is not False:
        watts = between(0, value, _MOST_SUPPLY_WATTS)
        if watts:
            supply.watts["input"] = watts


def _good(status: str) -> bool | None:
    return {"OK": True, "ERROR": False}.get(status)


def _seconds(written: str) -> float | None:
    found = _UPTIME.fullmatch(written)
    if found is None:
        return None
    days, hours, minutes, seconds = map(int, found.groups())
    return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)
