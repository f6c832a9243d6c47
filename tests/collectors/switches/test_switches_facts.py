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


def test_the_processor_is_the_mean_of_its_cores():
    assert processors.ratio({"1": {"load": 10}, "2": {"load": 30}, "3": {"load": 255}}) == 0.2
    assert processors.ratio({}) is None
