"""Which operating system a switch runs, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from collectors.snmp import Rows, Value, text, whole

DESCRIPTION = "1.3.6.1.2.1.1.1.0"
OBJECT = "1.3.6.1.2.1.1.2.0"
SCALARS = (DESCRIPTION, OBJECT)

_ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
CHASSIS = {
    "class": f"{_ENTITY}.5",
    "version": f"{_ENTITY}.10",
    "serial": f"{_ENTITY}.11",
    "model": f"{_ENTITY}.13",
}
CHASSIS_CLASS = 3
# Dell's service tag: it is what Dell asks for, and not the serial number of ENTITY-MIB.
SERVICE_TAG = {"tag": "1.3.6.1.4.1.674.11000.5000.100.4.1.1.3.1.7"}

_OBJECTS = (
    ("1.3.6.1.4.1.674.11000.5000.100.", "os10"),
    ("1.3.6.1.4.1.33049.", "mlnx-os"),
)
# Enterprise SONiC on Dell's hardware has an object of Broadcom's; others have net-snmp's own.
_WORDS = (("sonic", "sonic"), ("os10", "os10"), ("mlnx-os", "mlnx-os"), ("onyx", "mlnx-os"))
_VERSIONS = (
    re.compile(r"OS Version:\s*v?(\d\S*?)\.?(?:\s|$)", re.IGNORECASE),
    re.compile(r"SONiC Software Version:\s*SONiC\.(\S+)", re.IGNORECASE),
    re.compile(r"\bSWv?(\d\S*)", re.IGNORECASE),
    re.compile(r"Application Software Version:\s*(\S+)", re.IGNORECASE),
    re.compile(r"\bCumulus \S+\+cl(\d[\d.]*\d)", re.IGNORECASE),
)
_HARDWARE = re.compile(r"\bHwSku:\s*(\S+)", re.IGNORECASE)  # SONiC; its ENTITY-MIB has the part number there
_NOTHING = frozenset({"", "na", "n/a", "none", "unknown"})


def system_of(scalars: Mapping[str, Value]) -> str:
    """os10, sonic, mlnx-os, or generic."""
    named = text(scalars.get(OBJECT)).lstrip(".")
    described = text(scalars.get(DESCRIPTION)).lower()
    by_object = next((system for prefix, system in _OBJECTS if named.startswith(prefix)), None)
    return by_object or next((system for word, system in _WORDS if word in described), "generic")


def version_of(scalars: Mapping[str, Value], chassis: Mapping[str, Value]) -> str:
    """The software's version; never the hardware's revision, which stands where one would look for it."""
    described = text(scalars.get(DESCRIPTION))
    told = next((match[1] for pattern in _VERSIONS if (match := pattern.search(described))), "")
    return told or written(chassis.get("version")).removeprefix("SONiC-OS-")


def model_of(scalars: Mapping[str, Value], chassis: Mapping[str, Value]) -> str:
    """The hardware as its maker calls it."""
    told = _HARDWARE.search(text(scalars.get(DESCRIPTION)))
    return told[1] if told else written(chassis.get("model"))


def chassis_of(rows: Rows) -> Mapping[str, Value]:
    """The first chassis that says what it is."""
    found = [row for row in rows.values() if whole(row.get("class")) == CHASSIS_CLASS]
    return next((row for row in found if written(row.get("serial"))), found[0] if found else {})


def written(value: Value | None) -> str:
    """A text that says something; "NA" does not."""
    said = text(value)
    return "" if said.lower() in _NOTHING else said
