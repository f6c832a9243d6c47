"""Where switches, storage and PDUs stand, and what hangs on what."""

import ipaddress

import pytest

from simulator.plant.equipment import RACK_WATTS, equipment
from simulator.plant.plant import plant_of
from simulator.site import layout

NOW = 1_760_000_000.0


def ends(plant):
    """Every end of every cable as (device, port), with the end that it says is the other."""
    found = {(switch.name, port.name): (port.peer, port.peer_port) for switch in plant.switches for port in switch.ports}
    found |= {(server, port.name): (port.peer, port.peer_port) for server, ports in plant.adapters.items() for port in ports}
    return {end: other for end, other in found.items() if other[0]}


def test_the_reference_hall_has_three_clusters_four_switches_and_two_pdus_a_rack():
    plant = plant_of(layout(16), NOW)
    assert [(each.name, each.kind, len(each.members)) for each in plant.clusters] == [
        ("scratch", "powerscale", 4),
        ("projects", "powerscale", 4),
        ("objects", "ecs", 5),
    ]
    assert [(each.name, each.system, len(each.ports)) for each in plant.switches] == [
        ("eth-leaf-1", "os10", 32),
        ("eth-leaf-2", "sonic", 32),
        ("ib-leaf-1", "mlnx-os", 64),
        ("ib-leaf-2", "mlnx-os", 64),
    ]
    assert [(each.name, each.kind) for each in plant.pdus[:2]] == [("pdu-rack-01-a", "raritan"), ("pdu-rack-01-b", "apc")]
    assert {each.kind for each in plant.pdus if each.rack == "rack-04"} == {"servertech"}


@pytest.mark.parametrize("nodes", [1, 16, 70, 300])
def test_both_ends_of_every_cable_name_each_other(nodes):
    cables = ends(plant_of(layout(nodes), NOW))
    known = {device for device, _ in cables}
    for end, other in cables.items():
        if other[0] in known and other[1] != "eth0":
            assert cables[other] == end


@pytest.mark.parametrize("nodes", [1, 16, 70, 300])
def test_every_server_has_one_storage_cable_and_every_storage_node_two(nodes):
    plant = plant_of(layout(nodes), NOW)
    peers = [port.peer for switch in plant.switches if switch.fabric == "ethernet" for port in switch.ports]
    assert all(peers.count(server.name) == 1 for server in layout(nodes).servers)
    assert all(peers.count(member.name) == 2 for cluster in plant.clusters for member in cluster.members)


def test_the_rails_of_all_servers_hang_on_the_same_leaf():
    plant = plant_of(layout(16), NOW)
    leaf_of = {(port.rail, port.peer) for ports in plant.adapters.values() for port in ports}
    assert leaf_of == {(rail, "ib-leaf-1" if rail <= 4 else "ib-leaf-2") for rail in range(1, 9)}
    assert len(plant.adapters["xe9680-01"]) == 8
    assert len(plant.adapters["xe8640-01"]) == 4
    assert "r660-01" not in plant.adapters


@pytest.mark.parametrize("nodes", [1, 3, 16, 300])
def test_devices_stand_above_the_servers_and_not_in_each_other(nodes):
    hall = layout(nodes)
    described = equipment(hall)
    for rack in hall.racks:
        servers = [(server.unit, server.model.height) for server in hall.servers if server.rack == rack]
        devices = [device for device in described.devices if device.rack == rack]
        places = [*servers, *((device.unit, device.model.height) for device in devices)]
        units = [unit for lowest, height in places for unit in range(lowest, lowest + height)]
        assert len(units) == len(set(units))
        assert max(units) <= 42
        assert sum(device.model.max_watts for device in devices) <= RACK_WATTS
    assert all((device.unit is None) == (not device.rack) for device in described.devices)


def test_all_devices_of_the_reference_hall_have_a_place_in_its_racks():
    assert all(device.rack for device in equipment(layout(16)).devices)


def test_every_power_supply_of_a_rack_hangs_on_one_outlet_of_its_feed():
    hall = layout(16)
    plant, described = plant_of(hall, NOW), equipment(hall)
    for rack in hall.racks:
        hung = [outlet.device for pdu in plant.pdus if pdu.rack == rack for outlet in pdu.outlets if outlet.device]
        expected = [server.name for server in hall.servers if server.rack == rack for _ in range(server.model.psus)]
        expected += [device.name for device in described.devices if device.rack == rack for _ in "AB"]
        assert sorted(hung) == sorted(expected)


@pytest.mark.parametrize("nodes", [16, 1000])
def test_every_device_has_an_address_of_its_own(nodes):
    plant = plant_of(layout(nodes), NOW)
    addresses = [each.address for each in (*plant.clusters, *plant.switches, *plant.pdus)]
    assert len(addresses) == len(set(addresses))
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)
