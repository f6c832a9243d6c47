"""Answers of MLNX-OS and NVOS in the shapes that are known, and in those that nobody has seen yet."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mlnxos.parts import fans, supplies, temperatures, totals
from collectors.mlnxos.ports import ports
from collectors.mlnxos.rows import rows
from collectors.mlnxos.samples import Labels, parse, samples
from simulator.mlnxos.documents import COMMANDS
from tests.support import plants
from tests.support.spoiled import JUNK, spoiled

PLANT = plants.plant()
SWITCH = PLANT.switch("ib-leaf-1")
ANSWERS = {command: answer(PLANT, SWITCH) for command, answer in COMMANDS.items()}
LABELS = Labels(switch="ib-leaf-1", rack="rack-01", model="QM9700", system="mlnx-os")

# The same two supplies, as tables of different releases might print them.
SHAPES = {
    "objects named by module": {
        "PS1": {"power": 450, "capacity": 2000, "state": "ok"},
        "PS2": {"power": 448, "capacity": 2000, "state": "ok"},
    },
    "rows below modules": {
        "PS1": [{"Device": "power-mon", "Sensor": "input", "Power [Watts]": "450.00", "Capacity": "2000", "Status": "OK"}],
        "PS2": [{"Device": "power-mon", "Sensor": "input", "Power [Watts]": "448.00", "Capacity": "2000", "Status": "OK"}],
    },
    "a list of rows": [
        {"Module": "PS1", "Sensor": "input", "Power (W)": "450.0 W", "Max power": "2000", "Status": "OK"},
        {"Module": "PS2", "Sensor": "input", "Power (W)": "448.0 W", "Max power": "2000", "Status": "OK"},
        {"Module": "Total", "Power used": "898 Watts", "Power capacity": "4000 Watts"},
    ],
    "numbered power supplies": {
        "power-supplies": [
            {"name": "Power Supply 1", "input-power": "0.45 kW", "rated-power": 2000, "status": "ok"},
            {"name": "Power Supply 2", "input-power": "0.448 kW", "rated-power": 2000, "status": "ok"},
        ]
    },
    "PSU with a dash": {"/PSU-1/": {"Power": "450"}, "/PSU-2/": {"Power": "448"}},
}


@pytest.mark.parametrize("name", SHAPES)
def test_watts_of_supplies_are_found_in_whatever_shape_and_ratings_are_not(name):
    found = supplies(rows(SHAPES[name]))

    assert [(supply.name, *supply.watts.values()) for supply in found] == [("PS1", 450), ("PS2", 448)]
    assert list(totals(found).values()) == [898]


def test_input_and_output_are_never_mixed():
    found = supplies(rows({"PS1": [{"Sensor": "input", "Power": "450"}, {"Sensor": "output", "Power": "423"}],
                           "PS2": [{"Sensor": "input", "Power": "440"}]}))  # fmt: skip

    assert found[0].watts == {"input": 450, "output": 423}
    assert totals(found) == {"input": 890}, "one output is not read, so their sum is not known"


@pytest.mark.parametrize("written", ["N/A", "-", "", None, "OK", True, "450 A", "230 V", -3, 20_000, "nan", {}])
def test_what_is_no_number_of_watts_is_none(written):
    (supply,) = supplies(rows({"PS1": [{"Power": written, "Status": "OK"}]}))

    assert supply.watts == {}
    assert totals([supply]) == {}


def test_optics_are_no_supplies():
    document = {"IB1/1/1": [{"Rx power": "0.8 W", "Tx power": "1.1"}], "OSFP1": {"power": 12.5, "state": "ok"}}

    assert supplies(rows(document)) == ()


def test_a_supply_without_a_word_of_its_health_is_not_shown_as_drawing_nothing():
    assert supplies(rows({"PS1": {"power": 0}}))[0].watts == {}
    assert supplies(rows({"PS1": {"power": 0, "state": "ok"}}))[0].watts == {"unknown": 0}


def test_a_supply_that_is_present_is_not_therefore_good():
    (supply,) = supplies(rows({"PS1": {"Status": "PRESENT"}}))

    assert (supply.present, supply.good) == (True, None)


def test_nvue_tells_the_same_by_other_words():
    fan = {"FAN1/1": {"current-speed": "8600", "max-speed": "30000", "min-speed": "6000", "state": "ok"}}
    temperature = {"ASIC": {"crit": "120.00", "current": "58.00", "max": "105.00", "state": "ok"}}

    assert [(each.name, each.rpm, each.good) for each in fans(rows(fan))] == [("FAN1/1", 8600, True)]
    assert temperatures(rows(temperature)) == {"ASIC": 58}


def test_bounds_are_no_temperatures():
    assert temperatures(rows({"ASIC": {"temp-max": 105, "crit-temp": 120, "temperature status": 1}})) == {}


def test_a_fan_that_is_not_there_is_neither_good_nor_bad():
    assert fans(rows({"FAN1": [{"Fan": "F1", "Speed": "N/A", "Status": "NOT PRESENT"}]})) == ()


def test_ports_are_those_of_the_answer():
    document = {f"IB1/{cage}/{half}": [{"Physical port state": "LinkUp"}] for cage in range(1, 65) for half in (1, 2)}

    assert len(ports(rows(document))) == 128
    assert ports(rows({"Eth1/1": [{"Physical port state": "LinkUp"}], "mgmt0": {"Logical port state": "Active"}})) == ()


def test_how_long_ago_a_link_went_down_is_no_count_of_its_downs():
    (port,) = ports(rows({"IB1/1/1": {"Link down counter": "2", "Time since last link down": "86400"}}))

    assert port.counters == {"link_downs": 2}


@given(st.fixed_dictionaries({command: spoiled(answer) | JUNK for command, answer in ANSWERS.items()}))
def test_spoiled_answers_give_only_possible_samples(documents):
    for tier in ("environment", "ports", "topology"):
        found = samples(LABELS, parse(tier, documents))
        assert len({(sample.metric, sample.labels) for sample in found}) == len(found)
        for sample in found:
            assert math.isfinite(sample.value)
            if sample.metric.name.endswith("power_watts"):
                assert 0 <= sample.value <= 20_000
            if sample.metric.name.endswith(("_total", "_per_second", "_rpm")):
                assert sample.value >= 0
                assert sample.value not in (2**32 - 1, 2**64 - 1)


@given(st.recursive(JUNK, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)))
def test_any_json_is_rows_and_no_failure(document):
    found = rows(document)

    assert all(not isinstance(value, (dict, list)) for row in found for value in row.cells.values())
    assert (supplies(found), fans(found), ports(found)) is not None


def test_deep_and_long_documents_end():
    deep = {"a": 1}
    for _ in range(500):
        deep = {"x": deep, "y": 2}
    assert 0 < len(rows(deep)) < 20
    assert len(rows([{"a": 1}] * 50_000)) == 20_000
