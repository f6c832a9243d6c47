"""Where everything stands."""

import ipaddress

import pytest

from simulator.files import write_inventory
from simulator.site import BREAKER_WATTS, RACK_BUDGET_WATTS, inventory, layout
from wattstat.inventory import load


def test_the_reference_hall_has_16_servers_in_4_racks_and_88_gpus():
    hall = layout(16)
    assert (len(hall.servers), len(hall.racks), hall.gpus) == (16, 4, 88)
    models = [server.model.key for server in hall.servers]
    assert {key: models.count(key) for key in set(models)} == {
        "xe9680": 8,
        "xe8640": 2,
        "r760xa-l40": 2,
        "r760xa-l4": 2,
        "r660": 2,
    }


@pytest.mark.parametrize("nodes", [1, 2, 5, 16, 100, 1000])
def test_any_number_of_servers_can_be_asked_for_and_each_has_addresses_of_its_own(nodes):
    hall = layout(nodes)
    assert len(hall.servers) == nodes
    assert len({server.name for server in hall.servers}) == nodes
    addresses = [address for server in hall.servers for address in (server.bmc_address, server.host_address)]
    assert len(set(addresses)) == 2 * nodes
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)


@pytest.mark.parametrize("nodes", [2, 16, 64, 1000])
def test_servers_in_a_rack_do_not_overlap_and_fit_into_it(nodes):
    hall = layout(nodes)
    for rack in hall.racks:
        taken = [
            unit
            for server in hall.servers
            if server.rack == rack
            for unit in range(server.unit, server.unit + server.model.height)
        ]
        assert len(taken) == len(set(taken))
        assert max(taken) <= 42


def test_a_hall_without_nodes_is_refused():
    with pytest.raises(ValueError, match="at least 1 node"):
        layout(0)


def test_a_rack_on_one_feed_stays_within_its_breaker_while_it_keeps_its_budget():
    assert RACK_BUDGET_WATTS <= 0.8 * BREAKER_WATTS


def test_the_inventory_names_what_exists():
    hall = layout(16)
    described = inventory(hall, bmc_port=8443, agent_port=9837, ca_file="/ca.pem")
    breakers = {breaker.name for breaker in described.breakers}
    racks = {rack.name for rack in described.racks}
    assert all(set(rack.breakers) <= breakers for rack in described.racks)
    assert all(node.rack in racks for node in described.nodes)
    assert sum(node.gpus for node in described.nodes) == 88


@pytest.mark.parametrize("nodes", [1, 16, 200])
def test_every_rack_hangs_on_both_mains_which_are_set_a_little_below_what_it_could_draw(nodes):
    hall = layout(nodes)
    described = inventory(hall, bmc_port=8443, agent_port=9837, ca_file="/ca.pem")
    above = {breaker.name: breaker.upstream for breaker in described.breakers}
    worst = sum(node.max_watts for node in described.nodes) + sum(load.max_watts for load in described.uncapped)
    mains = [breaker for breaker in described.breakers if breaker.upstream is None]

    assert all([above[name] for name in rack.breakers] == ["main-a", "main-b"] for rack in described.racks)
    assert [(main.name, main.feed, main.curve) for main in mains] == [("main-a", "A", "main"), ("main-b", "B", "main")]
    assert 0.94 * worst < mains[0].limit_watts < 0.96 * worst
    homeless = [load for load in described.uncapped if not load.rack]
    assert all(load.breakers == ("main-a", "main-b") for load in homeless)
    assert {row.name for row in described.rows} == {rack.row for rack in described.racks}


def test_the_written_inventory_is_good(tmp_path):
    write_inventory(tmp_path, layout(16), bmc_port=8443, agent_port=9837)

    found = load(tmp_path / "inventory.yaml")

    assert [(group.name, len(group.nodes)) for group in found.groups] == [("training", 10), ("inference", 4)]


def test_the_same_seed_gives_the_same_machines_and_another_seed_others():
    tags = [tuple(server.service_tag for server in layout(16, seed).servers) for seed in (1, 1, 2)]
    assert tags[0] == tags[1] != tags[2]
