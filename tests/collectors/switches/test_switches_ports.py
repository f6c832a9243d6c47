"""Ports: which columns are asked for, what becomes of counters, and what happens when ports are numbered anew."""

from __future__ import annotations

import pytest

from collectors.switches import ports
from simulator.snmp import Value, counter32, gauge32, integer, octets, ticks
from simulator.snmp.switches import shown as rendered
from tests.support import plants
from tests.support.snmp_agents import responding

IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"


def one(row, name="Ethernet0", **more):
    """The port of one row."""
    return ports.parsed({"1": row}, {"1": name}, more.get("uptime"), more.get("booted_at")).ports[0]


def old_switch() -> dict[str, Value]:
    """An agent with the tables of RFC 1213 alone, and names in ifDescr."""
    return {
        "1.3.6.1.2.1.1.1.0": octets("Some switch"),
        "1.3.6.1.2.1.1.3.0": ticks(100),
        f"{IF}.2.1": octets("port 1"),
        f"{IF}.3.1": integer(6),
        f"{IF}.7.1": integer(1),
        f"{IF}.8.1": integer(1),
        f"{IF}.10.1": counter32(1000),
        f"{IF}.11.1": counter32(10),
        f"{IF}.16.1": counter32(2000),
        f"{IF}.17.1": counter32(20),
    }


@pytest.mark.parametrize("name", ["Ethernet0", "ethernet1/1/1", "swp1", "eth0", "hundredGigE 1/10", "IB1/1/1", "Management0"])
def test_what_takes_a_cable_is_a_port(name):
    assert ports.is_cabled(6, name)


@pytest.mark.parametrize(
    "name", ["lo", "bond23", "bridge", "peerlink.4094", "docker0", "vlan10", "swid0_eth", "mirror", "", "veth3"]
)
def test_what_software_made_is_no_port(name):
    assert not ports.is_cabled(6, name)


@pytest.mark.parametrize("kind", [24, 53, 131, 135, 136, 161])
def test_port_channels_and_vlans_would_count_the_same_bytes_again(kind):
    assert not ports.is_cabled(kind, "Ethernet0")


def test_a_state_that_nobody_knows_is_absent():
    assert one({"state": 4, "wanted": 9}).up is None
    assert one({"state": 4, "wanted": 9}).wanted is None
    assert one({"state": 7}).up is False


def test_a_port_that_is_down_has_no_speed_although_it_is_told_one():
    assert one({"state": 2, "speed": 400_000}).speed is None
    assert one({"state": 1, "speed": 400_000}).speed == 400e9
    assert one({"state": 1, "speed": 0}).speed is None


def test_packets_are_the_sum_of_the_kinds_or_nothing():
    """A sum that lacks a kind would fall back when the kind is told again, and look like a switch that started anew."""
    both = {"in_unicast": 5, "in_multicast": 2}
    rows = {"1": both, "2": {"in_unicast": 7}}
    found = ports.parsed(rows, {"1": "a", "2": "b"}, None, None).ports
    assert [port.receive.packets for port in found] == [7, None]
    assert one({"in_unicast": 5}).receive.packets == 5, "this switch has no other kind at all"


@pytest.mark.parametrize(("changed", "uptime", "expected"), [(6000, 12000, 1060.0), (0, 12000, None), (13000, 12000, None)])
def test_a_change_from_before_the_start_or_from_the_future_is_absent(changed, uptime, expected):
    assert one({"changed": changed}, uptime=uptime, booted_at=1000.0).changed_at == expected


def test_of_two_ports_with_one_name_the_first_keeps_it():
    named = {"2": {"name": b"a"}, "10": {"name": b"a"}, "11": {"name": b"b"}}
    assert ports.names_of(named, {}, {}) == {"2": "a", "11": "b"}


async def test_small_counters_are_asked_for_only_where_there_are_no_large_ones(switch, shown):
    async with responding(old_switch()) as responder:
        found = await shown(switch(responder), "ports")
    assert found["port_bytes_total", "port 1", "receive"] == 1000
    assert found["port_packets_total", "port 1", "transmit"] == 20
    assert ("port_speed_bits_per_second", "port 1") not in found
    both = old_switch() | {f"{IFX}.6.1": counter32(5), f"{IFX}.1.1": octets("e1"), f"{IFX}.15.1": gauge32(10)}
    async with responding(both) as responder:
        found = await shown(switch(responder), "ports")
    assert found["port_bytes_total", "e1", "receive"] == 5
    assert found["port_bytes_total", "e1", "transmit"] == 2000
    assert found["port_speed_bits_per_second", "e1"] == 10e6


def renumbered(uptime: float) -> dict[str, Value]:
    """The same switch with the numbers of ports 1 and 2 exchanged and a new port 9, as after a start with another order."""
    values = rendered(plants.os10(), plants.NOW)
    moved = {"1": "2", "2": "1", "4": "9"}
    found = {}
    for at, value in values.items():
        table, _, index = at.rpartition(".")
        is_port = table.startswith((IF, IFX))
        found[f"{table}.{moved.get(index, index)}" if is_port else at] = value
    return found | {"1.3.6.1.2.1.1.3.0": ticks(uptime)}


async def test_ports_that_are_numbered_anew_keep_their_counters(switch, shown):
    values = rendered(plants.os10(), plants.NOW)
    async with responding(lambda: values) as responder:
        source = switch(responder)
        before = await shown(source, "ports")
        values = renumbered(uptime=60)
        responder._rendered = float("-inf")
        after = await shown(source, "ports")
    gone = {"uptime_seconds", "port_last_change_timestamp_seconds"}
    assert {key: value for key, value in after.items() if key[0] not in gone} == {
        key: value for key, value in before.items() if key[0] not in gone
    }


async def test_ports_that_change_their_numbers_without_a_sign_never_swap_counters(switch, shown):
    """Neither does the agent's time fall, nor does a table say that it changed."""
    values = rendered(plants.os10(), plants.NOW)
    async with responding(lambda: values) as responder:
        source = switch(responder)
        before = await shown(source, "ports")
        values = renumbered(uptime=1e6)
        responder._rendered = float("-inf")
        at_once, then = await shown(source, "ports"), await shown(source, "ports")
    bytes_of = {key: value for key, value in before.items() if key[0] == "port_bytes_total"}
    assert {key: value for key, value in at_once.items() if key in bytes_of}.items() <= bytes_of.items()
    assert ("port_up", "ethernet1/1/4") not in at_once, "its new number is not known yet"
    assert {key: value for key, value in then.items() if key in bytes_of} == bytes_of


async def test_a_new_port_is_found_when_the_number_of_ports_changes(switch, shown):
    state = plants.os10(ports=4)
    async with responding(lambda: rendered(state, plants.NOW)) as responder:
        source = switch(responder)
        await shown(source, "ports")
        state = plants.os10(ports=6)
        responder._rendered = float("-inf")
        assert ("port_up", "ethernet1/1/6") in await shown(source, "ports")


async def test_a_switch_without_any_port_is_up(switch, shown):
    async with responding({"1.3.6.1.2.1.1.3.0": ticks(5)}) as responder:
        found = await shown(switch(responder))
    assert found == {("up",): 1, ("uptime_seconds",): 5, ("info", "r1", "", "generic", "", ""): 1}
