"""DELLEMC-OS10-CHASSIS-MIB of a simulated switch. An empty slot tells 0 W, as the real one does."""

from __future__ import annotations

from simulator.plant.model import Supply, SwitchState
from simulator.snmp.ber import Value, gauge32, integer, octets

_BASE = "1.3.6.1.4.1.674.11000.5000.100.4.1"
_ENTITY = "1.3.6.1.2.1.47.1.1.1.1"
_UP, _NOT_PRESENT, _FAILED = 1, 6, 8
_IN_SUPPLY, _IN_TRAY = 1, 2
_CHASSIS = 3
_AC = 2


def os10(switch: SwitchState) -> dict[str, Value]:
    """Chassis, supplies, fans; no sensors and no fan speeds."""
    hottest = round(max(switch.temperatures.values(), default=0))
    found = {
        f"{_BASE}.1.3.1.7.1": octets(switch.serial),
        f"{_BASE}.1.3.1.11.1": integer(hottest),
        f"{_BASE}.1.4.1.5.1.1": integer(hottest),
        f"{_ENTITY}.5.2": integer(_CHASSIS),
        f"{_ENTITY}.11.2": octets(switch.serial),
        f"{_ENTITY}.13.2": octets(switch.model),
    }
    for number, supply in enumerate(switch.supplies, start=1):
        found |= {
            f"{_BASE}.2.1.1.4.{number}": integer(_state(supply)),
            f"{_BASE}.2.1.1.5.{number}": integer(_AC),
            f"{_BASE}.2.1.1.9.{number}": gauge32(round(supply.watts) if supply.present and supply.ok else 0),
            f"{_BASE}.2.1.1.10.{number}": gauge32(round(supply.watts) if supply.present and supply.ok else 0),
        }
        if supply.present:
            found |= _fan(f"{len(switch.fans) + number}", _IN_SUPPLY, number, good=supply.ok)
    for number, fan in enumerate(switch.fans, start=1):
        found[f"{_BASE}.2.2.1.4.{number}"] = integer(_UP if fan.ok else _FAILED)
        found |= _fan(f"{number}", _IN_TRAY, number, good=fan.ok)
    return found


def _fan(index: str, part: int, slot: int, *, good: bool) -> dict[str, Value]:
    return {
        f"{_BASE}.2.3.1.4.{index}": integer(part),
        f"{_BASE}.2.3.1.5.{index}": gauge32(slot),
        f"{_BASE}.2.3.1.6.{index}": gauge32(1),
        f"{_BASE}.2.3.1.7.{index}": integer(_UP if good else _FAILED),
    }


def _state(supply: Supply) -> int:
    if not supply.present:
        return _NOT_PRESENT
    return _UP if supply.ok else _FAILED
