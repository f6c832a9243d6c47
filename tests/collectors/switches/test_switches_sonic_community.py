"""The community's SONiC: tables of its agent made of the state database that its own tests have.

How the agent makes them: a supply that is absent is no part in ENTITY-MIB, but its sensors stay in ENTITY-SENSOR-MIB;
numbers are multiplied by ten to the precision and cut at a thousand million; dBm become milliwatts; what is no number is
unavailable and 0.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from simulator.snmp import Value, integer, octets, ticks
from tests.support.samples import samples
from tests.support.snmp_agents import responding

ENTITY, SENSOR = "1.3.6.1.2.1.47.1.1.1.1", "1.3.6.1.2.1.99.1.1.1"
CELSIUS, VOLTS, AMPERES, WATTS = 8, 4, 5, 6
MILLI, UNITS = 8, 9
OF_SUPPLIES = {"temp": (CELSIUS, 10), "voltage": (VOLTS, 20), "current": (AMPERES, 30), "power": (WATTS, 40)}

pytestmark = pytest.mark.samples


def part(index: int, kind: int, name: str, above: int, **plate: str) -> dict[str, Value]:
    columns = {2: octets(name), 4: integer(above), 5: integer(kind), 7: octets(name)}
    columns |= {11: octets(plate.get("serial", "")), 13: octets(plate.get("model", ""))}
    return {f"{ENTITY}.{column}.{index}": value for column, value in columns.items()}


def sensor(index: int, kind: int, raw: Any, *, scale: int = UNITS, precision: int = 3, light: bool = False) -> dict[str, Value]:
    try:
        number = float(raw)
    except ValueError:
        told, status = 0, 2
    else:
        scaled = (10 ** (number / 10) if light else number) * 10**precision
        told, status = (int(math.copysign(1e9, scaled)) if abs(scaled) > 1e9 else round(scaled)), 1
    columns = dict(enumerate((kind, scale, precision, told, status), start=1))
    return {f"{SENSOR}.{column}.{index}": integer(value) for column, value in columns.items()}


def tables(state: dict[str, Any]) -> dict[str, Value]:
    """What the agent shows of supplies and of the module in Ethernet0, which has ifIndex 1."""
    shown = {
        "1.3.6.1.2.1.1.1.0": octets("SONiC Software Version: SONiC.202505 - HwSku: Z9432F"),
        "1.3.6.1.2.1.1.3.0": ticks(1000),
        "1.3.6.1.2.1.31.1.1.1.1.1": octets("Ethernet0"),
        "1.3.6.1.2.1.2.2.1.3.1": integer(6),
        "1.3.6.1.2.1.2.2.1.8.1": integer(1),
        **part(1, 3, "chassis 1", 0),
        **part(1000000100, 10, "Ethernet0", 1, serial="SERIAL_NUM"),
    }
    for name, supply in state.items():
        if not name.startswith("PSU_INFO|"):
            continue
        number = int(name[-1])
        slot = 600_000_000 + 1_000_000 * number
        there = supply["presence"] == "true"
        if there:
            shown |= part(slot, 6, f"PSU {number}", 1, serial=supply.get("serial", ""), model=supply.get("model", ""))
        for member, (kind, offset) in OF_SUPPLIES.items():
            shown |= sensor(slot + 240_000 + offset, kind, supply[member])
            if there:
                shown |= part(slot + 240_000 + offset, 8, f"{member.capitalize()} for PSU {number}", slot)
    optics = state["TRANSCEIVER_DOM_SENSOR|Ethernet0"]
    shown |= sensor(1000000110, CELSIUS, optics["temperature"], precision=6)
    shown |= part(1000000110, 8, "DOM Temperature Sensor for Ethernet0", 1000000100)
    for word, offset in (("tx", 20), ("rx", 30)):
        for lane in range(1, 5):
            index = 1000000100 + offset + lane
            shown |= sensor(index, WATTS, optics[f"{word}{lane}power"], scale=MILLI, precision=4, light=True)
            shown |= part(index, 8, f"DOM {word.upper()} Power Sensor for Ethernet0/{lane}", 1000000100)
    return shown


async def test_supplies_tell_output_watts_and_one_that_is_absent_tells_nothing(switch, shown):
    state = json.loads(samples("device-samples", "sonic-snmpagent", "state_db.json").read_text())
    async with responding(tables(state)) as responder:
        found = await shown(switch(responder), "environment")
    assert {key: value for key, value in found.items() if "watts" in key[0]} == {
        ("psu_power_watts", "PSU 2", "output"): 312.6,
        ("psu_power_watts", "PSU 3", "output"): 302.8,
        ("power_watts", "psu_output"): pytest.approx(615.4),
    }
    assert {key[1] for key in found if key[0] == "psu_on"} == {"PSU 2", "PSU 3"}
    assert {key[1]: value for key, value in found.items() if key[0] == "temperature_celsius"} == {
        "Temp for PSU 2": 31.1,
        "Temp for PSU 3": 30.8,
    }
    lights = {key[2:]: value for key, value in found.items() if key[0] == "transceiver_power_dbm"}
    assert lights["2", "receive"] == pytest.approx(-0.97, abs=0.01)
    assert lights["4", "transmit"] == pytest.approx(-5.4, abs=0.01)
    assert ("1", "receive") not in lights, "-inf dBm is no light"
    assert found["transceiver_temperature_celsius", "Ethernet0"] == 25.39
