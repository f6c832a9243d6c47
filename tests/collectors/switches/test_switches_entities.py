"""Sensors by ENTITY-SENSOR-MIB: whose they are, in which unit, and which of them are readings at all."""

from __future__ import annotations

import pytest

from collectors.switches import entities

WATTS, CELSIUS, RPM, UNKNOWN, DBM = 6, 8, 10, 2, 14
CHASSIS, SUPPLY, FAN, SENSOR, PORT = 3, 6, 7, 8, 10


def part(kind, name, above=1, **more):
    return {"class": kind, "name": name.encode(), "description": name.encode(), "in": above, **more}


def reading(kind, value, *, scale=9, precision=0, status=1):
    return {"type": kind, "scale": scale, "precision": precision, "value": value, "status": status}


def environment(parts, sensors, ports=None, *, side="unknown", aliases=None):
    """What parts and sensors, both by index, tell."""
    units = {index: {name: row[name] for name in ("type", "scale", "precision")} for index, row in sensors.items()}
    values = {index: {name: row[name] for name in ("value", "status")} for index, row in sensors.items()}
    documents = {
        "parts": {"1": part(CHASSIS, "chassis", 0), **parts},
        "sensors": units,
        "values": values,
        "ports": aliases or {},
    }
    return entities.parsed(documents, ports or {}, side=side)


SLOT = {"60": part(SUPPLY, "PSU 1", serial=b"CN1"), "61": part(SENSOR, "PSU 1 power", above=60)}


def watts_of(sensor, parts=SLOT, **more):
    return environment(parts, {"61": sensor}, **more).supplies[0].watts


def test_watts_belong_to_the_supply_that_the_sensor_sits_in():
    assert watts_of(reading(WATTS, 302600, precision=3)) == {"unknown": 302.6}
    assert watts_of(reading(WATTS, 302600, precision=3), side="output") == {"output": 302.6}


@pytest.mark.parametrize(("scale", "precision", "value"), [(8, 0, 302600), (10, 4, 3026), (9, 1, 3026), (8, -2, 3026)])
def test_scale_and_precision_make_the_unit(scale, precision, value):
    assert watts_of(reading(WATTS, value, scale=scale, precision=precision))["unknown"] == pytest.approx(302.6)


@pytest.mark.parametrize("status", [2, 3, 0])
def test_a_sensor_that_is_not_available_has_no_reading(status):
    assert watts_of(reading(WATTS, 0, status=status)) == {}


@pytest.mark.parametrize("value", [1_000_000_000, -1_000_000_000, -5])
def test_a_value_out_of_range_is_no_reading(value):
    assert watts_of(reading(WATTS, value)) == {}


@pytest.mark.parametrize("name", ["PSU 1 rated power", "Power Supply 1 Max Power", "PSU 1 capacity", "PSU 1 power limit"])
def test_a_rating_is_no_reading(name):
    assert watts_of(reading(WATTS, 1100), parts={**SLOT, "61": part(SENSOR, name, above=60)}) == {}


@pytest.mark.parametrize(("name", "side"), [("PSU 1 Input Power", "input"), ("PSU 1 output power", "output")])
def test_a_name_that_tells_the_side_is_believed(name, side):
    assert watts_of(reading(WATTS, 300), parts={**SLOT, "61": part(SENSOR, name, above=60)}, side="unknown") == {side: 300}


def test_light_of_optics_is_in_watts_and_no_power_of_a_supply():
    parts = {
        **SLOT,
        "900": part(PORT, "Ethernet0"),
        "901": part(SENSOR, "DOM RX Power Sensor for Ethernet0/1", above=900),
        "902": part(SENSOR, "DOM TX Power Sensor for Ethernet0/1", above=60),  # a table whose containment is broken
    }
    sensors = {"901": reading(WATTS, 8728, scale=8, precision=4), "902": reading(WATTS, 8728, scale=8, precision=4)}
    found = environment(parts, sensors, {"1": "Ethernet0"})
    assert found.supplies[0].watts == {}
    assert [(light.port, light.lane, light.direction, light.dbm) for light in found.lights] == [
        ("Ethernet0", "1", "receive", -0.591)
    ]


def test_no_light_has_no_logarithm_and_dbm_is_taken_as_it_is():
    parts = {"900": part(PORT, "Ethernet0"), "901": part(SENSOR, "RX power lane 2", above=900)}
    assert environment(parts, {"901": reading(WATTS, 0)}, {"1": "Ethernet0"}).lights == ()
    (light,) = environment(parts, {"901": reading(DBM, -25, precision=1)}, {"1": "Ethernet0"}).lights
    assert (light.lane, light.dbm) == ("2", -2.5)


@pytest.mark.parametrize(
    ("kind", "value", "rpm"), [(RPM, 5698, 5698), (UNKNOWN, 5698, 5698), (UNKNOWN, 50, None), (UNKNOWN, 0, None), (RPM, 0, 0)]
)
def test_a_fan_of_type_unknown_is_rpm_only_where_it_cannot_be_per_cent(kind, value, rpm):
    parts = {"70": part(FAN, "FAN 1"), "71": part(SENSOR, "Tachometers for FAN 1", above=70)}
    fans = environment(parts, {"71": reading(kind, value)}).fans
    assert [fan.rpm for fan in fans] == ([] if rpm is None else [rpm])


def test_temperatures_of_modules_are_told_by_port_and_not_among_the_switchs():
    parts = {"900": part(PORT, "QSFP"), "901": part(SENSOR, "Temperature of module", above=900), "20": part(SENSOR, "CPU")}
    aliases = {"900.0": {"port": "1.3.6.1.2.1.2.2.1.1.17"}}
    found = environment(
        parts, {"901": reading(CELSIUS, 48), "20": reading(CELSIUS, 55)}, {"17": "hundredGigE 1/17"}, aliases=aliases
    )
    assert found.temperatures == {"CPU": 55}
    assert found.modules == {"hundredGigE 1/17": 48}


def test_modules_of_sonic_are_found_by_their_number():
    parts = {"1000005300": part(PORT, "Ethernet52"), "1000005310": part(SENSOR, "DOM Temperature Sensor", above=1000005300)}
    found = environment(parts, {"1000005310": reading(CELSIUS, 28945300, precision=6)}, {"53": "Eth1/53"})
    assert found.modules == {"Eth1/53": 28.9453}


def test_sensors_of_one_name_are_told_apart_by_their_index():
    parts = {"20": part(SENSOR, "Temperature"), "21": part(SENSOR, "Temperature")}
    found = environment(parts, {"20": reading(CELSIUS, 40), "21": reading(CELSIUS, 41)})
    assert found.temperatures == {"Temperature": 40, "Temperature (21)": 41}


def test_an_empty_slot_without_a_plate_or_a_reading_is_neither_there_nor_absent():
    assert environment({"60": part(SUPPLY, "PSU 1")}, {}).supplies[0].present is None
    assert environment({"60": part(SUPPLY, "PSU 1", serial=b"N/A")}, {}).supplies[0].present is None
    assert environment(SLOT, {}).supplies[0].present is True


def test_parts_that_contain_each_other_end():
    parts = {"5": part(9, "a", above=6), "6": part(9, "b", above=5), "61": part(SENSOR, "loop", above=5)}
    assert environment(parts, {"61": reading(CELSIUS, 30)}).temperatures == {"loop": 30}


def test_community_sonic_tells_output_watts_of_supplies_and_leaves_absent_ones_out():
    """As sonic-snmpagent's own tables of tests have it: 312.6 W of PSU 2, in thousandths."""
    parts = {
        "602": part(SUPPLY, "PSU 2", serial=b"PSU_SERIAL", model=b"PSU_MODEL"),
        "603": part(SENSOR, "Power for PSU 2", 602),
    }
    (supply,) = environment(parts, {"603": reading(WATTS, 312600, precision=3)}, side="output").supplies
    assert (supply.name, supply.present, supply.watts) == ("PSU 2", True, {"output": 312.6})


@pytest.mark.parametrize(
    ("sensor", "watts"),
    [
        (reading(WATTS, 3, scale=10), 3000.0),
        (reading(WATTS, 302600, precision=3), 302.6),
        (reading(WATTS, 0), 0.0),
        (reading(WATTS, 100_000), 100_000.0),
        (reading(WATTS, 100_001), None),
        (reading(WATTS, -1), None),
        (reading(WATTS, 999_999_999, precision=7), 99.9999999),
        (reading(WATTS, 1_000_000_000, precision=7), None),
        (reading(WATTS, 900, scale=1), 9e-22),
        (reading(WATTS, 5, scale=0), None),
        (reading(WATTS, 0, scale=17), 0.0),
        (reading(WATTS, 0, scale=18), None),
        (reading(WATTS, 1, precision=-4), 10_000.0),
        (reading(WATTS, 0, precision=-8), 0.0),
        (reading(WATTS, 0, precision=-9), None),
        (reading(WATTS, 900_000_000, precision=9), 0.9),
        (reading(WATTS, 0, precision=10), None),
    ],
)
def test_readings_and_what_the_standard_does_not_allow(sensor, watts):
    assert watts_of(sensor) == ({} if watts is None else {"unknown": pytest.approx(watts, abs=0)})


@pytest.mark.parametrize(("degrees", "read"), [(-60, True), (250, True), (-61, False), (251, False)])
def test_temperatures_beyond_what_a_switch_survives_are_no_readings(degrees, read):
    parts = {"20": part(SENSOR, "CPU")}
    assert environment(parts, {"20": reading(CELSIUS, degrees)}).temperatures == ({"CPU": degrees} if read else {})


@pytest.mark.parametrize(("kind", "value", "read"), [(UNKNOWN, 100, False), (UNKNOWN, 101, True), (UNKNOWN, 60_001, False)])
def test_where_per_cent_end_and_revolutions_begin(kind, value, read):
    parts = {"70": part(FAN, "FAN 1"), "71": part(SENSOR, "Tachometers for FAN 1", above=70)}
    assert bool(environment(parts, {"71": reading(kind, value)}).fans) is read
    assert not environment(parts, {"71": reading(RPM, 60_001)}).fans
    assert environment(parts, {"71": reading(RPM, 60_000)}).fans


def test_a_supply_whose_fan_turns_is_there():
    parts = {"60": part(SUPPLY, "PSU 1"), "65": part(FAN, "PSU 1 FAN 1", above=60), "66": part(SENSOR, "speed", above=65)}
    found = environment(parts, {"66": reading(RPM, 8000)})
    assert found.supplies[0].present is True
    assert found.supplies[0].watts == {}
    assert [(fan.name, fan.rpm) for fan in found.fans] == [("PSU 1 FAN 1", 8000)]


def test_a_fan_of_the_chassis_says_nothing_of_supplies():
    parts = {"60": part(SUPPLY, "PSU 1"), "70": part(FAN, "FAN 1"), "71": part(SENSOR, "speed", above=70)}
    assert environment(parts, {"71": reading(RPM, 8000)}).supplies[0].present is None


def test_sensors_of_what_was_pulled_out_are_no_readings_unless_the_switch_tells_no_parts_at_all():
    assert environment({}, {"99": reading(CELSIUS, 40)}).temperatures == {}
    units, values = {"type": CELSIUS, "scale": 9, "precision": 0}, {"value": 40, "status": 1}
    alone = entities.parsed({"sensors": {"99": units}, "values": {"99": values}}, {}, side="unknown")
    assert alone.temperatures == {"sensor 99": 40}


def test_light_with_neither_direction_nor_port_is_not_told():
    parts = {"900": part(PORT, "Ethernet0"), "901": part(SENSOR, "Power of light", above=900)}
    assert environment(parts, {"901": reading(WATTS, 1)}, {"1": "Ethernet0"}).lights == ()
    parts["901"] = part(SENSOR, "TX power", above=900)
    assert environment(parts, {"901": reading(WATTS, 1)}, {"1": "Ethernet8"}).lights == ()
    assert environment(parts, {"901": reading(CELSIUS, 1)}, {"1": "Ethernet0"}).lights == ()


def test_a_port_with_a_slash_in_its_name_is_no_lane():
    parts = {"900": part(PORT, "Eth1/53"), "901": part(SENSOR, "TX power of Eth1/53", above=900)}
    (light,) = environment(parts, {"901": reading(WATTS, 1, scale=8)}, {"53": "Eth1/53"}).lights
    assert (light.lane, light.direction, light.dbm) == ("1", "transmit", 0)


def test_numbers_that_are_no_modules_of_sonic_name_no_port():
    parts = {index: part(PORT, "x") for index in ("1000000000", "1000005301", "999994700", "5300", "1000005400")}
    sensors = {f"{index}9": reading(CELSIUS, 40) for index in parts}
    parts |= {f"{index}9": part(SENSOR, "Temperature", above=int(index)) for index in list(parts)}
    assert environment(parts, sensors, {"53": "Eth1/53", "0": "zero"}).modules == {}


def test_without_watts_supplies_are_still_there():
    (supply,) = entities.without_watts(environment(SLOT, {"61": reading(WATTS, 300)})).supplies
    assert (supply.present, supply.watts) == (True, {})
