"""The loop closed: what the plant is, its agent shows, and the collector tells."""

from __future__ import annotations

import asyncio

import pytest

from collectors.frame import Unreachable
from collectors.switches import sources
from simulator.faults import Faults
from simulator.plant.model import Plant, SwitchState
from simulator.snmp import integer, octets
from simulator.snmp.switches import SwitchAgent
from simulator.snmp.switches import shown as rendered
from tests.support import plants
from tests.support.snmp_agents import COMMUNITY, responding
from wattstat.catalogue import network
from wattstat.inventory import Inventory


def agent_of(state: SwitchState):
    return responding(lambda: rendered(state, plants.NOW))


async def test_an_os10_switch_tells_ports_supplies_fans_and_its_neighbours(switch, shown):
    state = plants.os10()
    async with agent_of(state) as responder:
        found = await shown(switch(responder, model="Z9432F-ON"))
    assert found["info", "r1", "Z9432F-ON", "os10", "10.5.6.0", "TH01"] == 1
    assert found["port_bytes_total", "ethernet1/1/1", "receive"] == 9e12
    assert found["port_packets_total", "ethernet1/1/1", "transmit"] == 6e9
    assert found["port_errors_total", "ethernet1/1/1", "receive"] == 5
    assert found["port_speed_bits_per_second", "ethernet1/1/1"] == 400e9
    assert found["port_info", "ethernet1/1/1", "xe9680-01"] == 1
    assert (found["port_up", "ethernet1/1/3"], found["port_on", "ethernet1/1/3"]) == (0, 1)
    assert (found["psu_on", "1"], found["psu_ok", "1"]) == (1, 1)
    assert found["psu_power_watts", "1", "unknown"] == 400
    assert found["power_watts", "psu_unknown"] == 800
    assert found["fan_ok", "tray 7 fan 1"] == 1
    assert found["fan_ok", "psu 2 fan 1"] == 1
    assert found["temperature_celsius", "chassis 1"] == 56
    assert found["cpu_ratio",] == pytest.approx(0.1)
    assert found["uptime_seconds",] == 100 * plants.HOUR
    assert found["fabric_link_info", "eth0", "", "leaf", "ethernet1/1/1", "lldp"] == 1


async def test_a_sonic_switch_tells_sensors_by_the_part_that_they_sit_in(switch, shown):
    state = plants.sonic()
    async with agent_of(state) as responder:
        found = await shown(switch(responder))
    assert found["info", "r1", "PowerSwitch-Z9432F-ON", "sonic", "4.4.1", "TH02"] == 1
    assert found["fan_speed_rpm", "FAN 1"] == 12000
    assert found["psu_on", "PSU 1"] == 1
    assert found["temperature_celsius", "ASIC Temperature"] == 56
    assert found["transceiver_temperature_celsius", "Ethernet0"] == 48
    assert found["transceiver_power_dbm", "Ethernet0", "1", "receive"] == pytest.approx(-0.6, abs=0.001)
    assert found["transceiver_power_dbm", "Ethernet0", "4", "transmit"] == pytest.approx(1.2, abs=0.001)
    assert not [key for key in found if "watts" in key[0]], "its agent tells no watts, and light is none"


async def test_a_quantum_switch_tells_ports_of_infiniband(switch, shown):
    async with agent_of(plants.quantum()) as responder:
        found = await shown(switch(responder, fabric="infiniband"))
    assert found["info", "r1", "QM9700", "mlnx-os", "3.11.2016", "MT1"] == 1
    assert found["port_bytes_total", "IB1/1/1", "transmit"] == 7e12
    assert found["fan_speed_rpm", "FAN1"] == 12000
    assert found["psu_on", "PS1"] == 1
    assert not [key for key in found if "watts" in key[0]]


async def test_an_empty_slot_has_no_watts_and_leaves_the_sum_whole(switch, shown):
    state = plants.os10()
    state.supplies[1].present = False
    async with agent_of(state) as responder:
        found = await shown(switch(responder), "environment")
    assert found["psu_on", "2"] == 0
    assert ("psu_ok", "2") not in found
    assert ("psu_power_watts", "2", "unknown") not in found
    assert found["power_watts", "psu_unknown"] == 400


async def test_a_supply_that_failed_is_there_and_gives_nothing(switch, shown):
    state = plants.os10()
    state.supplies[1].ok = False
    async with agent_of(state) as responder:
        found = await shown(switch(responder), "environment")
    assert (found["psu_on", "2"], found["psu_ok", "2"]) == (1, 0)
    assert found["psu_power_watts", "2", "unknown"] == 0
    assert found["power_watts", "psu_unknown"] == 400


async def test_a_port_that_lost_its_link_has_no_speed_and_no_neighbour(switch, shown):
    state = plants.os10()
    state.ports[0].up = False
    async with agent_of(state) as responder:
        found = await shown(switch(responder))
    assert found["port_up", "ethernet1/1/1"] == 0
    assert ("port_speed_bits_per_second", "ethernet1/1/1") not in found
    assert not [key for key in found if key[0] == network.FABRIC_LINK_INFO.name.removeprefix("wattstat_")]


async def test_the_rail_of_a_neighbour_comes_from_the_inventory(switch, shown):
    links = [{"node": "xe9680-01", "device": "eth0", "rail": 3, "switch": "leaf"}]
    async with agent_of(plants.os10()) as responder:
        found = await shown(switch(responder, links=links), "topology")
    assert found["fabric_link_info", "eth0", "3", "leaf", "ethernet1/1/1", "lldp"] == 1


async def test_when_the_link_last_changed_is_a_time_of_day(switch, shown):
    async with agent_of(plants.os10()) as responder:
        source = switch(responder)
        source.clock = lambda: plants.NOW
        found = await shown(source, "ports")
    assert found["port_last_change_timestamp_seconds", "ethernet1/1/1"] == plants.NOW - 10 * plants.HOUR
    async with agent_of(plants.sonic()) as responder:
        found = await shown(switch(responder), "ports")
    assert not [key for key in found if key[0] == "port_last_change_timestamp_seconds"], "recorded SONiC tells another unit"


@pytest.mark.parametrize("build", [plants.os10, plants.sonic, plants.quantum])
async def test_ports_that_are_known_take_few_requests(switch, shown, build):
    state = build(ports=64)
    async with agent_of(state) as responder:
        source = switch(responder)
        await shown(source)
        before = responder.requests
        assert len(await shown(source, "ports")) > 64 * 10
        assert responder.requests - before <= 27


async def test_a_switch_that_is_gone_is_unreachable_and_comes_back(switch, shown):
    state, faults = plants.os10(), Faults()
    agent = SwitchAgent(Plant(now=plants.NOW, switches=[state]), state.name, faults, COMMUNITY)
    await agent.start(port=0)
    try:
        source = switch(agent)
        source.snmp.timeout_seconds = 0.1
        assert (await shown(source, "ports"))["up",] == 1
        gone = faults.add(state.name, "switch_gone", {}, plants.NOW)
        with pytest.raises(Unreachable):
            await source.collect("ports")
        faults.remove(gone.id)
        assert (await shown(source, "ports"))["up",] == 1
    finally:
        await agent.stop()


async def test_beside_restconf_sonic_has_one_source_of_watts(switch, shown):
    """Both tell the same output of the same supplies."""
    state = plants.sonic()
    watts = {
        f"1.3.6.1.2.1.{place}.601240020": value
        for place, value in {
            "47.1.1.1.1.2": "PSU 1 power",
            "47.1.1.1.1.4": 601000000,
            "47.1.1.1.1.5": 8,
            "47.1.1.1.1.7": "PSU 1 power",
            "99.1.1.1.1": 6,
            "99.1.1.1.2": 9,
            "99.1.1.1.3": 3,
            "99.1.1.1.4": 302600,
            "99.1.1.1.5": 1,
        }.items()
    }

    more = {at: integer(value) if isinstance(value, int) else octets(value) for at, value in watts.items()}
    rest = {"url": "https://leaf", "credentials": "snmp"}

    async with responding(rendered(state, plants.NOW) | more) as responder:
        alone = await shown(switch(responder), "environment")
        beside = await shown(switch(responder, rest=rest), "environment")
    assert alone["psu_power_watts", "PSU 1", "output"] == pytest.approx(302.6)
    assert ("power_watts", "psu_output") not in alone, "the other supply was not read"
    assert not [key for key in beside if "watts" in key[0]]


@pytest.mark.parametrize("build", [plants.os10, plants.sonic])
async def test_tiers_that_run_at_the_same_time_do_not_disturb_each_other(switch, build):
    state = build()
    async with agent_of(state) as responder:
        source = switch(responder)
        for _ in range(3):
            collected = await asyncio.gather(*(source.collect(tier.name) for tier in source.tiers))
            assert all(each.samples for each in collected)


async def test_what_a_fabric_manager_tells_of_an_infiniband_switch_is_not_told_twice(config, shown):
    managed = config.collectors.model_copy(update={"ufm": ({"name": "ufm"},)})
    async with agent_of(plants.quantum()) as responder:
        snmp = {"address": f"127.0.0.1:{responder.port}"}
        switches = [{"name": "ib", "fabric": "infiniband", "snmp": snmp}, {"name": "eth", "snmp": snmp}]
        inventory = Inventory.model_validate({"switches": switches})
        ib, eth = sources(config.model_copy(update={"collectors": managed}), inventory)
        found = await shown(ib)
    assert {key[0] for key in found} == {"cpu_ratio", "fan_speed_rpm", "temperature_celsius"}
    assert [tier.name for tier in eth.tiers] == ["ports", "environment", "topology"]


async def test_beside_the_api_of_mlnx_os_supplies_are_told_once(switch, shown):
    rest = {"url": "https://leaf", "credentials": "snmp"}
    async with agent_of(plants.quantum()) as responder:
        found = await shown(switch(responder, fabric="infiniband", rest=rest))
    assert not [key for key in found if key[0].startswith("psu")]
    assert found["port_up", "IB1/1/1"] == 1
