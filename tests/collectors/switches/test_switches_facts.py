"""What a switch is, who hangs on it, and the chassis of OS10."""

from __future__ import annotations

import pytest

from collectors.switches import identity, neighbours, os10, processors

OS10 = b"Dell EMC Networking OS10 Enterprise.\r\nOS Version: 10.5.6.0.\r\nSystem Type: Z9432F-ON"
SONIC = b"SONiC Software Version: SONiC.4.4.1-Lite - HwSku: DELL-E3248P - Distribution: Debian 11.11"
NODES = {"1": "Ethernet0", "9": "Ethernet8"}


@pytest.mark.parametrize(
    ("named", "described", "system"),
    [
        ("1.3.6.1.4.1.674.11000.5000.100.2.1.7", b"", "os10"),
        ("1.3.6.1.4.1.4413.1.2.1.2.34", SONIC, "sonic"),
        ("1.3.6.1.4.1.8072.3.2.10", SONIC, "sonic"),
        (".1.3.6.1.4.1.33049.1.1.1.8700", b"", "mlnx-os"),
        ("1.3.6.1.4.1.8072.3.2.10", b"Linux mlnx-sw-1 4.19.0-cl-1-amd64", "generic"),
        ("1.3.6.1.4.1.6027.1.5.2", b"Dell EMC Networking OS", "generic"),
        ("", b"", "generic"),
    ],
)
def test_the_system_is_told_by_its_object_or_its_description(named, described, system):
    assert identity.system_of({identity.OBJECT: named, identity.DESCRIPTION: described}) == system


@pytest.mark.parametrize(
    ("described", "version"),
    [
        (OS10, "10.5.6.0"),
        (SONIC, "4.4.1-Lite"),
        (b"Mellanox MQM8700,MLNX-OS,SWv3.9.0914", "3.9.0914"),
        (b"Dell EMC Networking OS10 Enterprise.", ""),
    ],
)
def test_the_version_is_that_of_the_software(described, version):
    assert identity.version_of({identity.DESCRIPTION: described}, {}) == version


def test_without_a_version_in_the_description_the_chassis_is_asked():
    assert identity.version_of({}, {"version": b"SONiC-OS-4.4.1-Lite"}) == "4.4.1-Lite"
    assert identity.version_of({}, {"version": b"NA"}) == ""


def test_a_neighbour_is_known_by_the_name_of_its_port():
    local = {"1": {"id": b"Ethernet0"}}
    remote = {
        "100.1.1": {"kind": 5, "port": b"eth0", "description": b"", "system": b"gpu-01"},
        "100.9.2": {"kind": 3, "port": b"\xb8?\xd2\x03\x00\x01", "description": b"eth1", "system": b"gpu-02.example.net"},
    }
    found = {(each.port, each.system, each.device) for each in neighbours.parsed(local, remote, NODES)}
    assert found == {("Ethernet0", "gpu-01", "eth0"), ("Ethernet8", "gpu-02.example.net", "eth1")}


def test_of_two_neighbours_of_a_port_the_newest_counts():
    rows = {
        "100.1.1": {"kind": 5, "port": b"old", "system": b"gpu-01"},
        "700.1.4": {"kind": 5, "port": b"new", "system": b"gpu-02"},
        "200.1.3": {"kind": 5, "port": b"older", "system": b"gpu-03"},
    }
    (found,) = neighbours.parsed({}, rows, NODES)
    assert (found.port, found.device) == ("Ethernet0", "new")


@pytest.mark.parametrize("row", [{}, {"system": b""}, {"system": b"Not Advertised"}, {"system": 7}])
def test_who_does_not_say_its_name_is_nobody(row):
    assert neighbours.parsed({}, {"100.1.1": row, "1.1": {"system": b"a"}, "x.1.1": {"system": b"b"}}, NODES) == ()


@pytest.mark.parametrize(
    ("state", "present", "ok", "watts"),
    [
        (1, True, True, {"unknown": 212.0}),
        (2, True, False, {"unknown": 212.0}),
        (8, True, False, {"unknown": 212.0}),
        (6, False, None, {}),
        (4, None, None, {"unknown": 212.0}),
        (3, True, None, {"unknown": 212.0}),
        (99, True, None, {"unknown": 212.0}),
        (None, None, None, {"unknown": 212.0}),
    ],
)
def test_a_supply_of_os10_by_its_state(state, present, ok, watts):
    row = {"watts": 212} | ({} if state is None else {"state": state})
    (supply,) = os10.parsed({"supplies": {"1": row}}).supplies
    assert (supply.present, supply.ok, supply.watts) == (present, ok, watts)


@pytest.mark.parametrize(
    "row", [{"state": 6, "watts": 0}, {"state": 4, "watts": 0}, {"state": 1}, {"state": 1, "watts": 70000}]
)
def test_what_is_no_reading_of_watts_is_absent(row):
    assert os10.parsed({"supplies": {"1": row}}).supplies[0].watts == {}


def test_a_supply_that_is_there_and_gives_nothing_reads_zero():
    assert os10.parsed({"supplies": {"1": {"state": 2, "watts": 0}}}).supplies[0].watts == {"unknown": 0}


def test_fans_of_supplies_and_of_trays_have_names_of_their_own_and_an_empty_tray_stands_for_its_fans():
    fans = {"1": {"part": 1, "slot": 1, "number": 1, "state": 1}, "3": {"part": 2, "slot": 1, "number": 1, "state": 8}}
    found = os10.parsed({"fans": fans, "trays": {"1": {"state": 8}, "2": {"state": 1}}}).fans
    assert [(fan.name, fan.ok) for fan in found] == [("psu 1 fan 1", True), ("tray 1 fan 1", False), ("tray 2", True)]


@pytest.mark.parametrize(("watts", "read"), [(0, True), (20_000, True), (20_001, False), (-1, False)])
def test_watts_beyond_what_a_supply_can_give_are_no_reading(watts, read):
    assert bool(os10.parsed({"supplies": {"1": {"state": 1, "watts": watts}}}).supplies[0].watts) is read


def test_a_supply_without_its_feed_is_not_good():
    assert [os10.parsed({"supplies": {"1": {"state": state}}}).supplies[0].ok for state in (1, 2, 7, 8)] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("fan", [{"part": 3, "slot": 1, "number": 1}, {"part": 1, "slot": 1}, {"part": 1, "number": 1}, {}])
def test_a_fan_that_sits_nowhere_has_no_name(fan):
    assert os10.parsed({"fans": {"1": {"state": 1, **fan}}}).fans == ()


def test_slots_are_counted_from_zero_on_some_switches():
    (fan,) = os10.parsed({"fans": {"1": {"part": 1, "slot": 0, "number": 0, "state": 1}}}).fans
    assert fan.name == "psu 0 fan 0"


@pytest.mark.parametrize(("degrees", "read"), [(37, True), (-60, True), (250, True), (0, False), (-61, False), (251, False)])
def test_temperatures_of_os10_and_what_is_none(degrees, read):
    found = os10.parsed(
        {"chassis": {"1": {"celsius": degrees}}, "cards": {"1.1": {"celsius": degrees}, "1.2": {}}}
    ).temperatures
    assert found == ({"chassis 1": degrees, "card 1.1": degrees} if read else {})


def test_the_first_chassis_that_says_what_it_is_counts():
    rows = {
        "1": {"class": 11, "serial": b"stack"},
        "2": {"class": 3, "serial": b"NA", "model": b"empty"},
        "3": {"class": 3, "serial": b"CN1", "model": b"S4128F-ON"},
        "4": {"class": 3, "serial": b"CN2", "model": b"other"},
    }
    assert identity.model_of({}, identity.chassis_of(rows)) == "S4128F-ON"
    assert identity.model_of({}, identity.chassis_of({"2": rows["2"], "1": rows["1"]})) == "empty"
    assert identity.chassis_of({"1": rows["1"]}) == {}


def test_the_hardware_of_sonic_stands_in_its_description():
    assert identity.model_of({identity.DESCRIPTION: SONIC}, {"model": b"0CCN8D"}) == "DELL-E3248P"


def test_a_neighbour_on_a_port_that_nobody_knows_is_told_by_its_announced_name():
    rows = {"100.7.1": {"kind": 1, "port": b"eth0", "description": b"second", "system": b"gpu-01"}}
    (found,) = neighbours.parsed({"7": {"id": b"mgmt0"}}, rows, NODES)
    assert (found.port, found.device) == ("mgmt0", "eth0")
    assert neighbours.parsed({}, rows, NODES) == ()


def test_the_processor_is_the_mean_of_its_cores():
    assert processors.ratio({"1": {"load": 10}, "2": {"load": 30}, "3": {"load": 255}}) == 0.2
    assert processors.ratio({"1": {"load": 0}, "2": {"load": 100}, "3": {"load": 101}}) == 0.5
    assert processors.ratio({}) is None
