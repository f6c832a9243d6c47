"""Documents of switches are read for what they say; what they do not say is absent."""

import base64
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.restconf import openconfig, os10
from collectors.restconf.samples import of_environment, of_identity, of_ports
from collectors.restconf.values import counter, floating, leaf, rows
from simulator.restconf import os10 as shown_os10
from simulator.restconf import sonic as shown_sonic
from tests.support import plants
from tests.support.redfish_replay import leaves
from wattstat.catalogue.network import SWITCH_TEMPERATURE_CELSIUS

DROP = object()
JUNK = (
    None, "", "N/A", "n/a", -1, True, [], {}, [None], [[1]], {"state": []}, "-1", "1e999", "9" * 400, 2**80, 1e308, math.nan,
    "18446744073709551615", 18446744073709551615, "AAAA", "////", "f8AAAA==", "==", "١٢٣", "Unknown",
)  # fmt: skip


def test_a_float_of_four_bytes_is_decoded():
    assert floating("RKeAAA==") == 1340
    assert floating("1340.25") == 1340.25
    assert floating(1340) == 1340


@pytest.mark.parametrize("value", ["f8AAAA==", "f4AAAA==", "AAAAAAAAAA==", "=R==", "N/A", "", None, True, "AA=="])
def test_what_is_no_float_is_absent(value):
    assert floating(value) is None  # the first two are not-a-number and infinity


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_any_float32_survives(value):
    assert floating(base64.b64encode(struct.pack(">f", value)).decode()) == value


def test_a_counter_beyond_53_bits_is_kept_and_all_ones_is_none():
    assert counter("9007199254740994") == 9007199254740994
    assert counter(str(2**64 - 2)) == pytest.approx(2**64)
    assert counter(str(2**64 - 1)) is None
    assert counter("-1") is None
    assert counter("1.5") is None
    assert counter(True) is None


def test_a_name_is_found_with_and_without_its_module():
    assert leaf({"openconfig-platform:components": {"component": 1}}, "components", "component") == 1
    assert leaf({"components": {"x:component": 2}}, "components", "component") == 2
    assert leaf([], "components") is None
    assert list(rows({"m:list": {"a": 1}}, "list")) == [{"a": 1}]


def test_an_empty_slot_of_os10_is_no_supply_and_has_no_state():
    switch = plants.os10()
    switch.supplies[1].present = False
    environment = os10.environment({os10.EQUIPMENT: shown_os10.equipment(switch)})

    assert [(each.name, each.present, each.ok) for each in environment.supplies] == [("1", True, True), ("2", False, None)]


def test_the_node_of_os10_may_be_a_list():
    document = shown_os10.equipment(plants.os10())
    system = document["dell-equipment:system"]
    listed = {"dell-equipment:system": {**system, "node": [system["node"]]}}

    assert os10.environment({os10.EQUIPMENT: listed}) == os10.environment({os10.EQUIPMENT: document})


def test_a_fan_that_is_not_there_does_not_stand_still():
    fans = {"fan-tray": [{"fan-tray-id": 1, "fan-info": [{"fan-id": 1, "fan-status": "not-present", "fan-speed-rpm": 0}]}]}
    environment = os10.environment({os10.EQUIPMENT: {"dell-equipment:system": {"node": fans}}})

    assert [(fan.rpm, fan.ok) for fan in environment.fans] == [(None, None)]


def test_a_sensor_that_was_not_read_is_absent():
    sensors = [
        {"sensor-name": name, "sensor-temp": degrees} for name, degrees in (("A", -1), ("B", 30), ("C", 255), ("D", None))
    ]
    system = {"environment": {"thermal-sensor": sensors}}

    assert os10.environment({os10.EQUIPMENT: {"dell-equipment:system": system}}).temperatures == {"B": 30}


def test_input_power_of_newer_sonic_is_input():
    state = {"openconfig-platform-psu:output-power": "RKeAAA==", "openconfig-platform-ext:input-power": "1400.5"}
    psu = {"name": "PSU 1", "state": {"empty": False}, "power-supply": {"state": state}}
    (supply,) = openconfig.environment({openconfig.COMPONENTS: {"components": {"component": [psu]}}}).supplies

    assert (supply.output_watts, supply.input_watts) == (1340, 1400.5)


def test_an_empty_slot_of_sonic_keeps_no_figures_of_what_stood_in_it():
    state = {"openconfig-platform-psu:output-power": "RKeAAA=="}
    psu = {"name": "PSU 1", "state": {"empty": True, "oper-status": "x:DISABLED"}, "power-supply": {"state": state}}
    (supply,) = openconfig.environment({openconfig.COMPONENTS: {"components": {"component": [psu]}}}).supplies

    assert (supply.present, supply.ok, supply.output_watts) == (False, None, None)


def test_a_switch_with_a_supply_that_is_not_read_has_no_sum():
    switch = plants.sonic()
    document = shown_sonic.components(switch)
    psu = next(entry for entry in document["openconfig-platform:components"]["component"] if entry["name"] == "PSU 2")
    psu["power-supply"] = {"state": {}}
    reading = openconfig.environment({openconfig.COMPONENTS: document})
    samples = of_environment("sw", reading, alone=True, states=True, sensors=True)

    assert not [sample for sample in samples if "psu_output" in sample.labels]
    assert [sample.value for sample in samples if sample.labels == ("sw", "PSU 1", "output")] == [pytest.approx(376)]


def test_queues_that_count_no_marks_give_no_count():
    entry = {"interface-id": "Ethernet0", "output": {"queues": {"queue": [{"state": {"transmit-pkts": "5"}}]}}}
    (port,) = openconfig.ports({openconfig.QOS: {"openconfig-qos:interface": [entry]}}).ports

    assert port.ecn_packets is None


def as_ports(reading):
    return of_ports("sw", reading, alone=True)


def as_environment(reading):
    return of_environment("sw", reading, alone=True, states=True, sensors=True)


def as_identity(reading):
    return of_identity("sw", "rack", "os10", reading, alone=True)


def cases():
    ethernet, sonic = plants.os10(), plants.sonic()
    equipment = shown_os10.equipment(ethernet)
    alarms, interfaces = shown_os10.alarms(ethernet), shown_os10.interfaces(ethernet)
    components = {openconfig.COMPONENTS: shown_sonic.components(sonic)}
    ports = {openconfig.INTERFACES: shown_sonic.interfaces(sonic), openconfig.QOS: shown_sonic.queues(sonic)}
    return (
        ({os10.INTERFACES: interfaces}, os10.ports, as_ports),
        ({os10.EQUIPMENT: equipment}, os10.environment, as_environment),
        ({os10.EQUIPMENT: equipment, os10.ALARMS: alarms}, os10.identity, as_identity),
        (ports, openconfig.ports, as_ports),
        (components, openconfig.environment, as_environment),
        (components, openconfig.identity, as_identity),
    )


CASES = cases()
NAMES = ("system", "node", "power-supply", "interface", "components", "component", "name", "state", "statistics", "environment")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


def nested(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)


def changed(value, path, new):
    name, rest = path[0], path[1:]
    copied = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copied[name] = changed(value[name], rest, new)
    elif new is DROP:
        del copied[name]
    else:
        copied[name] = new
    return copied


@given(st.data())
def test_any_member_may_be_missing_or_anything_else(data):
    documents, parse, shown = data.draw(st.sampled_from(CASES))
    for _ in range(data.draw(st.integers(1, 3))):
        paths = list(leaves(documents))
        if paths:
            documents = changed(documents, data.draw(st.sampled_from(paths)), data.draw(st.sampled_from((DROP, *JUNK))))
    samples = shown(parse(documents))

    for sample in samples:
        least, most = (-60, 250) if sample.metric is SWITCH_TEMPERATURE_CELSIUS else (0, 2**64)
        assert least <= sample.value < most, sample
    series = [(sample.metric, sample.labels) for sample in samples]
    assert len(set(series)) == len(series)
    assert all(isinstance(label, str) for sample in samples for label in sample.labels)


@given(st.recursive(LEAVES, nested, max_leaves=10))
def test_any_json_is_read_without_an_error(document):
    for documents, parse, shown in CASES:
        shown(parse(dict.fromkeys(documents, document)))
