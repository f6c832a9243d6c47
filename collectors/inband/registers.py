"""A switch's registers as NVIDIA's `mlxreg_ext` (MFT) prints them. Pure.

MTMP counts eighths of a degree. The words of MSPS are documented by nobody; what stands here was found by the community on
QM8790 and QM9790: the first nibble of word 0 is 5 where a supply is in the slot, its second last nibble 1 where it gives power,
and word 2 counts the watts at its input below a flag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from collectors.inband.reading import Reading
from collectors.mlnxos.parts import Supply
from wattstat.members import celsius

# What is asked for, with the indexes that MFT since 4.23 wants.
REGISTERS: Mapping[str, str] = {
    "MGIR": "",
    "MSGI": "",
    "MSPS": "",
    "MTMP": "sensor_index=0x0,slot_index=0x0",
}
_FIELD = re.compile(r"(\w+(?:\[\d{1,3}\])?)\s*\|\s*0x([0-9a-fA-F]{1,8})\s*")
_SUPPLY = re.compile(r"psu(\d{1,2})\[(\d{1,2})\]")
_PRESENT, _GIVES = 5, 1
_WATTS = 0x7FFFFFFF
_MOST_SUPPLY_WATTS = 10_000


def parse(registers: Mapping[str, str]) -> Reading:
    """A switch of the outputs by register."""
    fields = {name: _fields(text) for name, text in registers.items()}
    general, who = fields.get("MGIR", {}), fields.get("MSGI", {})
    eighths = fields.get("MTMP", {}).get("temperature")
    version = [general[name] for part in ("major", "minor", "sub_minor") if (name := f"extended_{part}") in general]
    return Reading(
        model=_text(who, "part_number"),
        serial=_text(who, "serial_number"),
        firmware="{}.{:04d}.{:04d}".format(*version) if len(version) == 3 and any(version) else "",
        uptime_seconds=float(general["uptime"]) if "uptime" in general else None,
        supplies=_supplies(fields.get("MSPS", {})),
        # All bits set, or zero, is what firmware without the sensor leaves there.
        celsius=celsius(eighths / 8) if eighths else None,
    )


def _fields(text: str) -> dict[str, int]:
    """Fields by name; MGIR has several versions whose names repeat, the first of each counts."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        match = _FIELD.fullmatch(line.strip())
        if match is not None:
            found.setdefault(match[1], int(match[2], 16))
    return found


def _text(fields: Mapping[str, int], name: str) -> str:
    words = [fields.get(f"{name}[{place}]", 0) for place in range(16)]
    octets = b"".join(word.to_bytes(4, "big") for word in words)
    written = octets.rstrip(b"\0").decode("ascii", errors="replace").strip()
    return written if written.isascii() and written.isprintable() else ""


def _supplies(fields: Mapping[str, int]) -> tuple[Supply, ...]:
    words: dict[int, dict[int, int]] = {}
    for name, value in fields.items():
        match = _SUPPLY.fullmatch(name)
        if match is not None:
            words.setdefault(int(match[1]), {})[int(match[2])] = value
    return tuple(_supply(f"PSU{number}", words[number]) for number in sorted(words))


def _supply(name: str, words: Mapping[int, int]) -> Supply:
    state = words.get(0)
    if state is None:
        return Supply(name=name)
    present = state >> 28 == _PRESENT
    good = (state >> 4) & 0xF == _GIVES if present else None
    watts = words.get(2, 0) & _WATTS
    readable = present and 0 < watts <= _MOST_SUPPLY_WATTS
    return Supply(name=name, present=present, good=good, watts={"input": float(watts)} if readable else {})
