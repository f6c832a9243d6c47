"""Nodes: sensors told apart by units and names, power supplies, drives, and those that do not answer."""

import pytest

from collectors.onefs import nodes, sensors


def group(name, units, **values):
    return {
        "count": len(values),
        "name": name,
        "values": [{"desc": key, "name": key, "units": units, "value": value} for key, value in values.items()],
    }


def node(lnn=1, **sections):
    return {"id": lnn + 4, "lnn": lnn, **sections}


def supplies(*several):
    status = {"powersupplies": {"supplies": [{"id": number, **each} for number, each in enumerate(several, start=1)]}}
    return nodes.health({"status": {"nodes": [node(**status)]}})[1].supplies


def test_sensors_are_told_apart_by_their_units():
    told = sensors.parse(
        [
            group("Temps", "C", Ambient_Temp="26.000"),
            group("Fans", "RPM", Fan1="9000.000"),
            group("Voltages", "V", PS1="230.1"),
            group("Power", "W", Pwr_Consumption="424.000"),
        ]
    )

    assert told.celsius == {"Ambient_Temp": 26.0}
    assert told.rpm == {"Fan1": 9000.0}
    assert told.volts == {"PS1": 230.1}
    assert told.watts == 424.0
    assert told.seen == 4


def test_units_speak_louder_than_the_name_of_a_group():
    told = sensors.parse([group("Temps", "RPM", odd="5000"), group("Power", "V", PS1="12.1"), group("Power", "A", PS2="1.9")])

    assert (told.celsius, told.rpm, told.volts, told.watts) == ({}, {"odd": 5000.0}, {"PS1": 12.1}, None)


def test_without_units_the_group_tells_but_never_that_something_is_power():
    told = sensors.parse(
        [group("Temperatures", "", CPU0="41.0"), group("Fans", "", F1="4500"), group("Power", "", Pwr_Consumption="12.2")]
    )

    assert (told.celsius, told.rpm, told.watts) == ({"CPU0": 41.0}, {"F1": 4500.0}, None)


@pytest.mark.parametrize(
    "name",
    ["Pwr_Consumption", "Pwr Consumption", "Power consumption", "System Board Pwr Consumption", "Input power", "System Level"],
)
def test_the_nodes_own_power_sensor_is_known_by_its_names(name):
    assert sensors.parse([group("Any", "Watts", **{"CPU_Power": "120", name: "400.5"})]).watts == 400.5


@pytest.mark.parametrize("name", ["CPU_Power", "DIMM_Power", "Pwr_Consumption_Max", "GPU1 Power", "P12V"])
def test_the_power_of_a_part_is_not_the_nodes(name):
    assert sensors.parse([group("Power", "W", **{name: "120"})]).watts is None


def test_inputs_of_all_supplies_are_the_nodes_power_and_those_of_some_are_not():
    both = group("Power", "W", **{"PS1 Input Power": "200", "PS2 Input Power": "210", "PS1 Output Power": "190"})
    one = group("Power", "W", **{"PS1 Input Power": "200", "PS2 Input Power": "N/A"})

    assert sensors.parse([both]).watts == 410
    assert sensors.parse([one]).watts is None


@pytest.mark.parametrize("value", ["0", "0.000", "", "N/A", None, "-5", "1e9", "nan", [], True])
def test_a_node_that_answers_never_draws_nothing(value):
    assert sensors.parse([group("Power", "W", Pwr_Consumption=value)]).watts is None


def test_sensors_are_read_flat_and_wrapped():
    groups = [group("Temps", "C", CPU0="41.0")]
    flat = nodes.health({"sensors": {"nodes": [node(sensors=groups)]}})
    wrapped = nodes.health({"sensors": {"nodes": [node(sensors={"sensors": groups})]}})

    assert flat[1].sensors.celsius == wrapped[1].sensors.celsius == {"CPU0": 41.0}


def test_sensors_of_one_name_do_not_become_one_series():
    told = sensors.parse([group("Temps", "C", CPU="40"), group("Temps2", "C", CPU="50"), group("Temps2", "C", CPU="60")])

    assert told.celsius == {"CPU": 40.0, "Temps2/CPU": 50.0}


@pytest.mark.parametrize(
    ("supply", "good"),
    [
        ({"good": "Good", "status": "Good"}, True),
        ({"good": "Good", "status": "Power Supply 1 good"}, True),
        ({"good": "Bad", "status": "Failed"}, False),
        ({"status": "No power"}, False),
        ({"status": "AC lost"}, False),
        ({"good": "not good"}, False),
        ({"good": True}, True),
        ({"name": "Power Supply Slot1-PS0 good"}, True),
    ],
)
def test_a_supply_is_good_or_not_by_its_own_words(supply, good):
    assert supplies(supply) == {"1": good}


@pytest.mark.parametrize("supply", [{}, {"status": "Not present"}, {"status": "absent"}, {"status": "???"}, {"status": None}])
def test_a_missing_supply_is_neither_good_nor_bad(supply):
    assert supplies(supply) == {}


def test_drives_are_counted_by_state_without_empty_bays():
    told = nodes.drives(
        {
            "nodes": [
                node(
                    drives=[
                        {"ui_state": "HEALTHY"},
                        {"ui_state": "L3", "present": True},
                        {"ui_state": "REPLACE", "present": True},
                        {"ui_state": "SMARTFAIL", "present": True},
                        {"ui_state": "HEALTHY", "present": False},
                        {"ui_state": "EMPTY", "present": True},
                        {"ui_state": None},
                        "junk",
                    ]
                )
            ]
        }
    )

    assert told == {1: {"healthy": 2.0, "failed": 1.0, "smartfail": 1.0}}


def test_no_failed_drive_is_a_count_and_no_list_is_none():
    assert nodes.drives({"nodes": [node(1, drives=[{"ui_state": "HEALTHY"}]), node(2)]}) == {1: {"healthy": 1.0, "failed": 0.0}}


def test_nodes_that_did_not_answer_are_named_by_their_number():
    assert nodes.failures(
        {"errors": [{"code": "AEC_TIMEOUT", "lnn": 3, "id": 7, "message": "no answer"}, {"message": "odd"}, 5]}
    ) == {
        3: "AEC_TIMEOUT: no answer",
        0: "odd",
    }
    assert nodes.failures({"nodes": [node(2, error="broken"), node(1, error=None)]}) == {2: "broken"}
    assert nodes.failures({"errors": []}) == nodes.failures({}) == nodes.failures(None) == {}


def test_devices_without_id_or_number_are_left_out():
    told = nodes.identity(
        {"devices": [{"devid": 5, "lnn": 1, "is_up": True}, {"devid": 0, "lnn": 2}, {"devid": 7, "lnn": None}, 3]}
    )

    assert {device: (each.number, each.up) for device, each in told.devices.items()} == {5: (1, True)}
    assert told.up == {5}


def test_a_node_of_which_nothing_is_said_counts_as_one_that_must_answer():
    told = nodes.identity({"devices": [{"devid": 5, "lnn": 1, "is_up": None}, {"devid": 6, "lnn": 2, "is_up": False}]})

    assert told.up == {5}
    assert nodes.identity({}).up is None


def test_the_release_is_told_without_its_v():
    assert nodes.identity({"onefs_version": {"release": "v9.7.1.0"}}).version == "9.7.1.0"


def test_numbers_of_nodes_are_told_by_any_document():
    assert nodes.numbers({"nodes": [node(1), node(2), {"id": 9}, {"lnn": 3}, None]}) == {5: 1, 6: 2}


def test_models_and_serial_numbers_are_read_flat_and_wrapped():
    told = nodes.hardware(
        {"nodes": [node(1, product="F600", serial_number="A1"), node(2, hardware={"serial_number": "B2"}), node(3)]}
    )

    assert told == {1: nodes.NodeIdentity(model="F600", serial="A1"), 2: nodes.NodeIdentity(model="", serial="B2")}


def test_drives_are_read_wrapped_too():
    assert nodes.drives({"nodes": [node(1, drives={"drives": [{"ui_state": "DEAD"}]})]}) == {1: {"healthy": 0.0, "failed": 1.0}}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            {"readonly": {"mode": True, "enabled": False}, "smartfail": {"smartfailed": False}},
            {"readonly": True, "smartfailed": False},
        ),
        ({"readonly": {"enabled": True}}, {"readonly": True}),
        ({"smartfail": {"smartfailed": True}}, {"smartfailed": True}),
        ({"readonly": {"mode": "yes"}, "smartfail": None}, {}),
    ],
)
def test_states_that_somebody_put_a_node_into_are_told(state, told):
    assert nodes.health({"state": {"nodes": [node(**state)]}})[1].states == told
    assert nodes.health({"state": {"nodes": [node(state=state)]}})[1].states == told


def test_a_supply_that_is_not_present_is_not_good_though_a_word_says_so():
    assert supplies({"status": "Not Present", "good": "Good"}) == {}
    assert supplies({"status": "absent", "good": "Bad"}) == {}


def test_a_supply_without_number_goes_by_its_name():
    status = {"powersupplies": {"supplies": [{"name": "PS1", "status": "Good"}, {"status": "Good"}]}}

    assert nodes.health({"status": {"nodes": [node(**status)]}})[1].supplies == {"PS1": True}


def test_a_sensor_without_a_name_is_called_by_its_description():
    values = [{"name": "", "desc": "CPU 0", "units": "C", "value": "41"}, {"units": "C", "value": "42"}]

    assert sensors.parse([{"name": "Temps", "values": values}]).celsius == {"CPU 0": 41.0}


def test_all_of_a_nodes_sections_are_read_together():
    told = nodes.health(
        {
            "sensors": {"nodes": [node(1, sensors=[group("Fans", "RPM", F="0")])]},
            "status": {"nodes": [node(2, powersupplies={"supplies": [{"id": 0, "status": "Good"}]})]},
        }
    )

    assert told[1].sensors.rpm == {"F": 0.0}
    assert told[1].supplies == {}
    assert told[2].supplies == {"0": True}
    assert told[2].sensors.seen == 0
