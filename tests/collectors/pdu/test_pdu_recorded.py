"""Numbers that real PDUs showed, by their MIBs' columns, and the samples that were worked out from them by hand.

Shown by a Raritan PX3-5493U (firmware 4.2.0), a Sentry Smart PDU (delta), a Sentry Switched CDU 7.1a with a linked tower
and an APC of one phase; retyped here as far as they matter.
"""

import pytest

from collectors.frame.errors import BadPayload
from simulator.snmp import gauge32, identifier, integer, octets, ticks
from wattstat.catalogue import facility as catalogue

SYSTEM = "1.3.6.1.2.1.1"


def system(object_id):
    return {f"{SYSTEM}.1.0": octets("PDU"), f"{SYSTEM}.2.0": identifier(object_id), f"{SYSTEM}.3.0": ticks(3600)}


def px3():
    root = "1.3.6.1.4.1.13742.6"
    shown = system(root)
    shown[f"{root}.3.2.1.1.3.1"] = octets("PX3-5493U-K2")
    shown[f"{root}.3.2.1.1.4.1"] = octets("1S12300045")
    shown[f"{root}.3.2.3.1.6.1.1.1"] = octets("4.2.0.5-50274")
    # kind: unit, decimal digits, state, value, signed value
    inlet = {
        1: (2, 3, 4, 7467, 7661),
        4: (1, 0, 4, 229, 229),
        5: (3, 0, 4, 1665, 1715),
        6: (4, 0, 4, 1751, 1751),
        7: (-1, 2, 4, 98, 98),
        8: (5, 0, 4, 74057676, 0),
        23: (8, 1, 4, 500, 501),
    }
    first = {1: (2, 3, 4, 633, 0), 4: (1, 0, 4, 228, 0), 5: (3, 0, 4, 143, 0), 7: (-1, 2, 4, 99, 0), 8: (5, 0, 4, 5812658, 0)}
    fourth = {1: (2, 3, 4, 0, 0), 4: (1, 0, 4, 228, 0), 5: (3, 0, 4, 0, 0), 7: (-1, 2, -1, 0, 0), 8: (5, 0, 4, 4157209, 0)}
    for entries, row, sensors in (("3.3.4 5.2.3", "1.1", inlet), ("3.5.4 5.4.3", "1.1", first), ("3.5.4 5.4.3", "1.4", fourth)):
        configured, measured = entries.split()
        for kind, (unit, digits, state, value, signed) in sensors.items():
            shown[f"{root}.{configured}.1.6.{row}.{kind}"] = integer(unit)
            shown[f"{root}.{configured}.1.7.{row}.{kind}"] = gauge32(digits)
            shown[f"{root}.{measured}.1.2.{row}.{kind}"] = integer(1)
            shown[f"{root}.{measured}.1.3.{row}.{kind}"] = integer(state)
            shown[f"{root}.{measured}.1.4.{row}.{kind}"] = gauge32(value)
            shown[f"{root}.{measured}.1.6.{row}.{kind}"] = integer(signed)
    for row in ("1.1", "1.4"):
        shown[f"{root}.3.5.3.1.2.{row}"] = octets(row[-1])
        shown[f"{root}.5.4.3.1.3.{row}.14"] = integer(7)
    # Two thermometers and a door.
    sensors = ((10, "Front", 7, 1, 4, 231), (10, "Back", 7, 1, 4, 298), (20, "Door", -1, 0, 1, 0))
    for number, (kind, name, unit, digits, state, value) in enumerate(sensors, start=1):
        told = {2: integer(kind), 4: octets(name), 16: integer(unit), 17: gauge32(digits)}
        shown |= {f"{root}.3.6.3.1.{column}.1.{number}": cell for column, cell in told.items()}
        told = {2: integer(1), 3: integer(state), 4: integer(value)}
        shown |= {f"{root}.5.5.3.1.{column}.1.{number}": cell for column, cell in told.items()}
    return shown


def smart_pdu():
    root = "1.3.6.1.4.1.1718.4.1"
    shown = system("1.3.6.1.4.1.1718.4")
    shown[f"{root}.3.2.1.2.1.1"] = octets("AA")
    for column, value in {1: 1, 2: 0, 3: 1701, 4: 0, 5: 1790, 8: 95, 10: 8937, 11: 600}.items():
        shown[f"{root}.3.3.1.{column}.1.1"] = integer(value)
    for number, current in enumerate((560, 369, 560), start=1):
        shown[f"{root}.4.2.1.4.1.1.{number}"] = octets(f"AA:L{number}")
        shown |= {f"{root}.4.3.1.{column}.1.1.{number}": integer(value) for column, value in {1: 1, 2: 0, 3: current}.items()}
    phases = (("AA:L1-L2", 2079, 209, 415), ("AA:L2-L3", 2089, 222, 444), ("AA:L3-L1", 2094, 429, 848))
    for number, (label, voltage, current, power) in enumerate(phases, start=1):
        shown[f"{root}.5.2.1.4.1.1.{number}"] = octets(label)
        told = {1: 1, 2: 0, 3: voltage, 4: 0, 6: current, 8: power}
        shown |= {f"{root}.5.3.1.{column}.1.1.{number}": integer(value) for column, value in told.items()}
    # Places for sensors with none in them.
    for number in (1, 2):
        shown[f"{root}.9.2.1.3.1.{number}"] = octets(f"Temp_Sensor_A{number}")
        shown[f"{root}.9.3.1.1.1.{number}"] = integer(-410)
    return shown


def switched_cdu():
    root = "1.3.6.1.4.1.1718.3"
    shown = system(root)
    shown[f"{root}.1.1.0"] = octets("Sentry Switched CDU Version 7.1a")
    shown[f"{root}.2.1.1.6.1"] = octets("ADLH0001862")
    shown[f"{root}.2.1.1.7.1"] = octets("CW-24V2C458C1")
    for tower, name, load, voltage in ((1, "AA", 362, 2093), (2, "BA", 502, 2059)):
        shown[f"{root}.2.2.1.2.{tower}.1"] = octets(name)
        shown[f"{root}.2.2.1.7.{tower}.1"] = integer(load)
        shown[f"{root}.2.2.1.11.{tower}.1"] = integer(voltage)
    for row, tenths in (("1.1", 680), ("1.2", 745), ("2.1", -1), ("2.2", -1)):
        shown[f"{root}.2.5.1.3.{row}"] = octets(f"Sensor_{row}")
        shown[f"{root}.2.5.1.6.{row}"] = integer(tenths)
        shown[f"{root}.2.5.1.13.{row}"] = integer(1)
    return shown


def one_phase_apc():
    root = "1.3.6.1.4.1.318.1.1.26"
    shown = system("1.3.6.1.4.1.318.1.3.4.5")
    shown |= {f"{root}.4.3.1.{column}.1": integer(value) for column, value in {1: 1, 2: 1, 5: 57, 9: 4821}.items()}
    told = {1: 1, 2: 1, 3: 1, 4: 2, 5: 28, 6: 228, 7: 57}
    return shown | {f"{root}.6.3.1.{column}.1": integer(value) for column, value in told.items()}


async def told(bench, shown, tier="power", **entry):
    source = await bench.source(shown=shown, **entry)
    collected = await source.collect(tier)
    return {(sample.metric, *sample.labels[1:]): sample.value for sample in collected.samples}


async def test_a_raritan_px3(bench):
    shown = px3()

    assert await told(bench, shown, "identity") == {
        (catalogue.PDU_INFO, "", "", "PX3-5493U-K2", "1S12300045", "4.2.0.5-50274"): 1
    }
    assert await told(bench, shown, outlets={"1": "gpu01"}) == {
        (catalogue.PDU_UP,): 1,
        (catalogue.PDU_POWER_WATTS,): 1665,
        (catalogue.PDU_ENERGY_JOULES_TOTAL,): 74057676 * 3600,
        (catalogue.PDU_PHASE_POWER_WATTS, "L1"): 1665,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L1"): 7.467,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L1"): 229,
        (catalogue.PDU_OUTLET_POWER_WATTS, "1", "gpu01"): 143,
        (catalogue.PDU_OUTLET_ENERGY_JOULES_TOTAL, "1", "gpu01"): 5812658 * 3600,
        (catalogue.PDU_OUTLET_ON, "1", "gpu01"): 1,
        (catalogue.PDU_OUTLET_POWER_WATTS, "4", ""): 0,  # on, with nothing that draws
        (catalogue.PDU_OUTLET_ENERGY_JOULES_TOTAL, "4", ""): 4157209 * 3600,
        (catalogue.PDU_OUTLET_ON, "4", ""): 1,
        (catalogue.PDU_TEMPERATURE_CELSIUS, "Front"): 23.1,
        (catalogue.PDU_TEMPERATURE_CELSIUS, "Back"): 29.8,
    }


async def test_a_sentry4_without_a_neutral_conductor(bench):
    assert await told(bench, smart_pdu()) == {
        (catalogue.PDU_UP,): 1,
        (catalogue.PDU_POWER_WATTS,): 1701,
        (catalogue.PDU_ENERGY_JOULES_TOTAL,): 8937 * 360_000,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L1"): 5.6,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L2"): 3.69,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L3"): 5.6,
        (catalogue.PDU_PHASE_POWER_WATTS, "L1-L2"): 415,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L1-L2"): 2.09,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L1-L2"): 207.9,
        (catalogue.PDU_PHASE_POWER_WATTS, "L2-L3"): 444,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L2-L3"): 2.22,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L2-L3"): 208.9,
        (catalogue.PDU_PHASE_POWER_WATTS, "L3-L1"): 848,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L3-L1"): 4.29,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L3-L1"): 209.4,
    }


async def test_a_sentry3_that_measures_currents_has_no_watts(bench):
    """Volts times amperes would be volt-amperes: they are not called watts."""
    shown = switched_cdu()

    assert await told(bench, shown, "identity") == {
        (catalogue.PDU_INFO, "", "", "CW-24V2C458C1", "ADLH0001862", "Sentry Switched CDU Version 7.1a"): 1
    }
    found = await told(bench, shown)
    assert found == {
        (catalogue.PDU_UP,): 1,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "AA"): 3.62,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "AA"): 209.3,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "BA"): 5.02,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "BA"): 205.9,
        (catalogue.PDU_TEMPERATURE_CELSIUS, "Sensor_1.1"): 20.0,  # 68.0 degrees Fahrenheit
        (catalogue.PDU_TEMPERATURE_CELSIUS, "Sensor_1.2"): pytest.approx(23.611, abs=1e-3),
    }


async def test_an_apc_of_one_phase(bench):
    assert await told(bench, one_phase_apc()) == {
        (catalogue.PDU_UP,): 1,
        (catalogue.PDU_POWER_WATTS,): 570,
        (catalogue.PDU_ENERGY_JOULES_TOTAL,): 4821 * 360_000,
        (catalogue.PDU_PHASE_POWER_WATTS, "L1"): 570,
        (catalogue.PDU_PHASE_CURRENT_AMPERES, "L1"): 2.8,
        (catalogue.PDU_PHASE_VOLTAGE_VOLTS, "L1"): 228,
    }


async def test_a_raritan_whose_agent_hides_the_measurements_is_told(bench):
    """A view that ends at the system group is the usual mistake."""
    with pytest.raises(BadPayload, match=r"13742\.6; tried raritan.*may read all"):
        await told(bench, system("1.3.6.1.4.1.13742.6"))
