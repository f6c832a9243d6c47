"""Whatever a manager writes: a reading, and no sample that cannot be."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.ufm import rest, telemetry
from collectors.ufm.samples import Fabric, Reading, samples
from simulator.ufm import documents
from simulator.ufm import telemetry as simulated
from tests.support import plants
from tests.support.spoiled import JUNK, spoiled
from wattstat.inventory import Inventory

PLANT = plants.plant()
SYSTEMS = documents.systems(PLANT)[:1]
PORTS = documents.ports(PLANT, hosts=True)[6:10]
LINKS = documents.links(PLANT)[:2]
ALARMS = documents.alarms(PLANT)[:2]
INVENTORY = Inventory.model_validate(
    {"nodes": [{"name": "xe9680-01"}], "switches": [{"name": "ib-leaf-1", "fabric": "infiniband"}]}
)


def told(reading):
    fabric = Fabric.of(INVENTORY)
    fabric.learn(reading)
    return samples("ufm", fabric, reading)


def check(found):
    assert len({(sample.metric, sample.labels) for sample in found}) == len(found)
    assert all(isinstance(label, str) for sample in found for label in sample.labels)
    assert all(math.isfinite(sample.value) for sample in found)
    for sample in found:
        name = sample.metric.name
        if name.endswith("_ratio"):
            assert 0 <= sample.value <= 1
        elif name.endswith(("_total", "_per_second", "_open")):
            assert sample.value >= 0
            assert sample.value not in (2**32 - 1, 2**64 - 1)
        elif name.endswith("celsius"):
            assert -60 <= sample.value <= 250
            assert sample.value != 0
        elif name.endswith(("_up", "_on", "_ok", "_info")):
            assert sample.value in (0, 1)
    assert not any(sample.metric.name.endswith("watts") for sample in found)


@given(spoiled(SYSTEMS), spoiled(PORTS), spoiled(LINKS), spoiled(ALARMS))
def test_spoiled_documents_give_only_possible_samples(systems, ports, links, alarms):
    check(
        told(
            Reading(
                systems=rest.systems(systems), ports=rest.ports(ports), cables=rest.cables(links), alarms=rest.alarms(alarms)
            )
        )
    )


@given(JUNK)
def test_no_document_at_all_is_no_failure(document):
    check(told(Reading(systems=rest.systems(document), ports=rest.ports(document), cables=rest.cables(document))))
    assert sum(rest.alarms(document).values()) == 0


ENTRY = {
    "node_guid": "0xb83fd20300110000",
    "port_num": 2,
    "timestamp": 1709652347161873,
    "PortXmitDataExtended": 5,
    "Infiniband_MBIn_u_Gb": 4086720,
    "Symbol_BER": "15E-255",
    "CableInfo.Temperature": "49C",
    "rx_power_lane_0": -1.5,
}


@given(spoiled({"values": [ENTRY, ENTRY]}))
def test_spoiled_telemetry_gives_only_possible_samples(document):
    rows = telemetry.parse(json.dumps(document))

    check(told(Reading(ports=rest.ports(PORTS), rows=rows)))


@given(st.text(max_size=300) | st.sampled_from([simulated.text(PLANT), simulated.table(PLANT)]).flatmap(
    lambda page: st.tuples(st.just(page), st.integers(0, 2000), st.text(max_size=5)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + 3 : 3000])))  # fmt: skip
def test_a_page_that_is_cut_or_garbled_gives_only_possible_samples(page):
    check(told(Reading(ports=rest.ports(PORTS), rows=telemetry.parse(page))))


def test_a_counter_that_falls_back_is_shown_as_the_device_counts_it():
    def counted(value):
        (row,) = telemetry.parse(json.dumps([{**ENTRY, "PortXmitDataExtended": value}]))
        return row.values["transmit_bytes"]

    assert (counted(2**40), counted(10)) == (2**42, 40)


@pytest.mark.parametrize("sentinel", [2**32 - 1, 2**64 - 1, "N/A", "", None, -1, "nan"])
def test_a_sentinel_is_no_count(sentinel):
    (row,) = telemetry.parse(json.dumps([{**ENTRY, "PortXmitDataExtended": sentinel}]))

    assert "transmit_bytes" not in row.values


def test_no_error_seen_is_a_ratio_of_zero_and_not_of_1e_minus_254():
    (row,) = telemetry.parse(json.dumps([ENTRY]))

    assert row.values["symbol_ratio"] == 0


def test_rows_left_behind_are_dropped():
    old = {**ENTRY, "port_num": 3, "timestamp": ENTRY["timestamp"] - 3600 * 10**6}

    assert [row.number for row in telemetry.parse(json.dumps([old, ENTRY]))] == ["2"]


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1), ("milliseconds", 1e3), ("microseconds", 1e6)], ids=str)
def test_times_are_understood_in(unit, factor):
    (row,) = telemetry.parse(json.dumps([{**ENTRY, "timestamp": 1_709_652_347 * factor}]))

    assert row.sampled_at == pytest.approx(1_709_652_347)


def test_a_session_of_the_rest_interface_is_understood():
    page = {"2024-03-05 16:26:11": {"Port": {"b83fd20300110000_2": {"statistics": {"Infiniband_PckIn": 7}, "name": "x"}}}}
    (row,) = telemetry.parse(json.dumps(page))

    assert (row.node_guid, row.number, row.values) == ("b83fd20300110000", "2", {"receive_packets": 7})


@pytest.mark.parametrize(
    ("speed", "width", "bits"),
    [
        ("NDR", "4x", 400e9),
        ("NDR", "2x", 200e9),
        ("FDR", "4x", 56e9),
        ("EDR", "1x", 25e9),
        ("N/A", "4x", None),
        ("NDR", "", None),
    ],
)
def test_speeds_by_lane_and_width(speed, width, bits):
    body = {"name": "b83fd20300110000_1", "physical_state": "Link Up", "active_speed": speed, "active_width": width}
    (port,) = rest.ports([body])

    assert port.bits_per_second == bits


@pytest.mark.parametrize(
    ("physical", "logical", "up"),
    [("Link Up", "Active", True), ("Polling", "Down", False), ("Disabled", "Down", False), ("N/A", "Active", True),
     ("N/A", "N/A", None), ("Confused", "Confused", None)],
)  # fmt: skip
def test_states_and_what_is_no_state(physical, logical, up):
    (port,) = rest.ports([{"name": "b83fd20300110000_1", "physical_state": physical, "logical_state": logical}])

    assert port.up is up


def test_how_many_ports_there_are_is_found_and_not_assumed():
    """A QM9700 has 64 ports; its register says 128, for all splits, and the fabric 129 with the one inside."""
    found = rest.ports([{"name": f"b83fd20300110000_{number}", "physical_state": "Link Up"} for number in range(129)])

    assert [port.number for port in found] == [str(number) for number in range(1, 129)]
