"""SmartFabric OS10 by DELLEMC-OS10-CHASSIS-MIB. The columns of watts are not in the public text of 2017.

They are what `show system` prints as "Power(w)" and "AvgPower(w)" (S5248F, 10.6.0.5); whether that is a supply's input or its
output is said nowhere. OS10 has no fan speeds by SNMP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from collectors.snmp import Rows, Value, enumerated, scaled, whole
from collectors.switches.readings import Environment, Fan, Supply

_BASE = "1.3.6.1.4.1.674.11000.5000.100.4.1"
TABLES = {
    "chassis": {"celsius": f"{_BASE}.1.3.1.11"},
    "cards": {"celsius": f"{_BASE}.1.4.1.5"},
    "supplies": {"state": f"{_BASE}.2.1.1.4", "watts": f"{_BASE}.2.1.1.9", "mean": f"{_BASE}.2.1.1.10"},
    "trays": {"state": f"{_BASE}.2.2.1.4"},
    "fans": {
        "part": f"{_BASE}.2.3.1.4",
        "slot": f"{_BASE}.2.3.1.5",
        "number": f"{_BASE}.2.3.1.6",
        "state": f"{_BASE}.2.3.1.7",
    },
}

_NOT_PRESENT = 6
# up, down, lowerLayerDown, failed. Testing, unknown and dormant say neither.
_OK = {1: 1.0, 2: 0.0, 7: 0.0, 8: 0.0}
_SAYS_NOTHING = frozenset({4})
_PARTS = {1: "psu", 2: "tray"}
_MOST_WATTS = 20_000


def parsed(tables: Mapping[str, Rows]) -> Environment:
    """Supplies, fans and temperatures."""
    return Environment(
        supplies=tuple(_supply(index, row) for index, row in tables.get("supplies", {}).items()),
        fans=tuple(_fans(tables)),
        temperatures=dict(_temperatures(tables)),
    )


def _supply(index: str, row: Mapping[str, Value]) -> Supply:
    state = whole(row.get("state"))
    present = None if state is None or state in _SAYS_NOTHING else state != _NOT_PRESENT
    watts = whole(row.get("watts"))
    # An empty slot tells 0 W, and a supply of which nothing is known may be one.
    is_read = watts is not None and 0 <= watts <= _MOST_WATTS and (present or (present is None and watts > 0))
    return Supply(
        name=index,
        present=present,
        ok=_ok(row.get("state")),
        watts={"unknown": float(watts)} if is_read and watts is not None else {},
    )


def _fans(tables: Mapping[str, Rows]) -> Iterator[Fan]:
    """Fans; a tray stands for its fans where the switch tells none of them."""
    told: set[str] = set()
    for row in tables.get("fans", {}).values():
        part, slot, number = _PARTS.get(whole(row.get("part")) or 0), whole(row.get("slot")), whole(row.get("number"))
        if part and slot is not None and number is not None:
            told.add(f"{part} {slot}")
            yield Fan(name=f"{part} {slot} fan {number}", ok=_ok(row.get("state")))
    for index, row in tables.get("trays", {}).items():
        if f"tray {index}" in told:
            continue
        yield Fan(name=f"tray {index}", ok=_ok(row.get("state")))


def _temperatures(tables: Mapping[str, Rows]) -> Iterator[tuple[str, float]]:
    for table, name in (("chassis", "chassis"), ("cards", "card")):
        for index, row in tables.get(table, {}).items():
            degrees = scaled(row.get("celsius"), 1.0)
            if degrees is not None and -60 <= degrees <= 250 and degrees:  # 0 is what an absent card tells
                yield f"{name} {index}", degrees


def _ok(state: Value | None) -> bool | None:
    found = enumerated(state, _OK)
    return None if found is None else bool(found)
