"""Switches are recognized and read over HTTPS; beside SNMP only what SNMP lacks is told."""

import pytest

from collectors import restconf
from collectors.frame.errors import AuthFailed, BadPayload, Misconfigured, Unreachable
from simulator.restconf import sonic as shown_sonic
from wattstat.catalogue import network as catalogue
from wattstat.config import Config
from wattstat.inventory import Inventory


async def told(source, tier):
    collected = await source.collect(tier)
    found = {(sample.metric, sample.labels): sample.value for sample in collected.samples}
    assert len(found) == len(collected.samples), "a series twice"
    assert not collected.errors
    return found


def families(found):
    return {metric for metric, _ in found}


async def everything(source):
    found = {}
    for tier in source.tiers:
        found |= await told(source, tier.name)
    return found


async def test_an_os10_beside_snmp_tells_what_snmp_lacks(bench):
    found = await everything(await bench.source("eth-leaf-1", snmp=True))

    assert families(found) == {
        catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL,
        catalogue.SWITCH_PORT_ECN_PACKETS_TOTAL,
        catalogue.SWITCH_FAN_SPEED_RPM,
        catalogue.SWITCH_TEMPERATURE_CELSIUS,
        catalogue.SWITCH_AIRFLOW_INFO,
        catalogue.SWITCH_EVENTS_OPEN,
    }


async def test_a_sonic_beside_snmp_tells_what_snmp_lacks(bench):
    found = await everything(await bench.source("eth-leaf-2", snmp=True))

    assert families(found) == {
        catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL,
        catalogue.SWITCH_PORT_ECN_PACKETS_TOTAL,
        catalogue.SWITCH_PSU_OK,
        catalogue.SWITCH_PSU_POWER_WATTS,
        catalogue.SWITCH_FAN_OK,
        catalogue.SWITCH_POWER_WATTS,
        catalogue.SWITCH_AIRFLOW_INFO,
    }


@pytest.mark.parametrize("name", ["eth-leaf-1", "eth-leaf-2"])
async def test_a_switch_without_snmp_is_told_whole(bench, name):
    found = await everything(await bench.source(name, rack="rack-01"))
    switch = bench.plant.switch(name)
    port = switch.ports[0].name

    assert found[catalogue.SWITCH_UP, (name,)] == 1
    identity = (name, "rack-01", "PowerSwitch Z9432F-ON", switch.system, switch.version, switch.serial)
    assert found[catalogue.SWITCH_INFO, identity] == 1
    assert found[catalogue.SWITCH_PORT_BYTES_TOTAL, (name, port, "receive")] == 9e12
    assert found[catalogue.SWITCH_PORT_PACKETS_TOTAL, (name, port, "transmit")] == 6e9
    assert found[catalogue.SWITCH_PORT_ERRORS_TOTAL, (name, port, "receive")] == 5
    assert found[catalogue.SWITCH_PORT_SPEED_BITS_PER_SECOND, (name, port)] == 400e9
    assert found[catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL, (name, port, "receive", "3")] == 11
    assert found[catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL, (name, port, "transmit", "3")] == 12
    assert found[catalogue.SWITCH_PORT_ECN_PACKETS_TOTAL, (name, port)] == 70
    assert found[catalogue.SWITCH_PORT_INFO, (name, port, "xe9680-01")] == 1


@pytest.mark.parametrize("name", ["eth-leaf-1", "eth-leaf-2"])
async def test_a_port_without_a_link_has_a_state_and_no_speed(bench, name):
    bench.plant.switch(name).ports[2].speed = 400e9
    found = await told(await bench.source(name), "ports")
    port = bench.plant.switch(name).ports[2].name

    assert found[catalogue.SWITCH_PORT_UP, (name, port)] == 0
    assert found[catalogue.SWITCH_PORT_ON, (name, port)] == 1
    assert (catalogue.SWITCH_PORT_SPEED_BITS_PER_SECOND, (name, port)) not in found


async def test_only_ethernet_ports_are_ports(bench):
    for name in ("eth-leaf-1", "eth-leaf-2"):
        found = await told(await bench.source(name), "ports")
        ports = {labels[1] for metric, labels in found if metric is catalogue.SWITCH_PORT_UP}
        assert ports == {port.name for port in bench.plant.switch(name).ports}


async def test_output_of_supplies_is_never_called_input(bench):
    found = await told(await bench.source("eth-leaf-2"), "environment")

    assert found[catalogue.SWITCH_PSU_POWER_WATTS, ("eth-leaf-2", "PSU 1", "output")] == pytest.approx(376)
    assert found[catalogue.SWITCH_POWER_WATTS, ("eth-leaf-2", "psu_output")] == pytest.approx(752)
    assert not [labels for _, labels in found if {"input", "psu_input"} & set(labels)]


async def test_a_missing_psu_has_no_watts_and_takes_none_from_the_sum(bench):
    supply = bench.plant.switch("eth-leaf-2").supplies[1]
    supply.present, supply.watts = False, 0.0
    found = await told(await bench.source("eth-leaf-2"), "environment")

    assert found[catalogue.SWITCH_PSU_ON, ("eth-leaf-2", "PSU 2")] == 0
    assert (catalogue.SWITCH_PSU_OK, ("eth-leaf-2", "PSU 2")) not in found
    assert (catalogue.SWITCH_PSU_POWER_WATTS, ("eth-leaf-2", "PSU 2", "output")) not in found
    assert found[catalogue.SWITCH_POWER_WATTS, ("eth-leaf-2", "psu_output")] == pytest.approx(376)


async def test_an_os10_has_no_watts_here(bench):
    found = await everything(await bench.source("eth-leaf-1"))

    assert not {catalogue.SWITCH_PSU_POWER_WATTS, catalogue.SWITCH_POWER_WATTS} & families(found)


async def test_a_failed_psu_and_a_standing_fan_are_bad_and_alarmed(bench):
    switch = bench.plant.switch("eth-leaf-1")
    switch.supplies[0].ok = False
    switch.fans[2].ok, switch.fans[2].rpm = False, 0.0
    found = await everything(await bench.source("eth-leaf-1"))

    assert found[catalogue.SWITCH_PSU_OK, ("eth-leaf-1", "1")] == 0
    assert found[catalogue.SWITCH_PSU_OK, ("eth-leaf-1", "2")] == 1
    assert found[catalogue.SWITCH_FAN_OK, ("eth-leaf-1", "tray 3 fan 1")] == 0
    assert found[catalogue.SWITCH_FAN_SPEED_RPM, ("eth-leaf-1", "tray 3 fan 1")] == 0
    assert found[catalogue.SWITCH_EVENTS_OPEN, ("eth-leaf-1", "major")] == 1
    assert found[catalogue.SWITCH_EVENTS_OPEN, ("eth-leaf-1", "critical")] == 1


async def test_sensors_of_sonic_have_the_names_of_what_they_measure_and_optics_are_none_of_them(bench):
    found = await told(await bench.source("eth-leaf-2"), "environment")
    sensors = {labels[1]: value for (metric, labels), value in found.items() if metric is catalogue.SWITCH_TEMPERATURE_CELSIUS}

    assert sensors == {"Inlet": 24.0, "CPU": 44.0, "ASIC": 56.0}


async def test_once_the_parts_are_known_the_whole_list_is_left_alone(bench):
    server = await bench.serve("eth-leaf-2")
    source = await bench.source("eth-leaf-2", server=server)
    first = await told(source, "environment")
    before = server.requests
    again = await told(source, "environment")

    assert again == first
    assert server.requests - before == 2 + 2 + 7 + 3  # supplies, their fans, fans, sensors


async def test_a_part_that_went_is_told_no_more_and_found_again_when_it_comes_back(bench):
    source = await bench.source("eth-leaf-2")
    await told(source, "environment")
    fan = bench.plant.switch("eth-leaf-2").fans.pop()
    gone = await told(source, "environment")
    assert (catalogue.SWITCH_FAN_SPEED_RPM, ("eth-leaf-2", "FAN 7")) not in gone

    bench.plant.switch("eth-leaf-2").fans.append(fan)
    await told(source, "topology")
    back = await told(source, "environment")
    assert back[catalogue.SWITCH_FAN_SPEED_RPM, ("eth-leaf-2", "FAN 7")] == 12000


async def test_a_switch_that_is_given_its_system_is_not_asked_for_it(bench):
    server = await bench.serve("eth-leaf-1")
    source = await bench.source("eth-leaf-1", server=server, system="os10")
    await told(source, "ports")

    assert server.requests == 1


@pytest.mark.parametrize("tier", ["ports", "environment", "topology"])
async def test_a_system_that_the_inventory_has_wrong_is_told_each_time(bench, tier):
    source = await bench.source("eth-leaf-2", system="os10")
    for _ in range(2):
        with pytest.raises(BadPayload, match="is its `system` os10"):
            await source.collect(tier)


async def test_a_sonic_without_quality_of_service_is_quiet_about_it(bench, monkeypatch):
    monkeypatch.delitem(shown_sonic.ROUTES, "openconfig-qos:qos/interfaces/interface")
    for snmp, expected in ((True, set()), (False, {catalogue.SWITCH_PORT_UP, catalogue.SWITCH_UP})):
        found = families(await told(await bench.source("eth-leaf-2", snmp=snmp), "ports"))
        assert found >= expected
        assert catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL not in found


async def test_a_sonic_is_recognized_without_the_list_that_takes_it_seconds(bench):
    server = await bench.serve("eth-leaf-2")
    source = await bench.source("eth-leaf-2", server=server, snmp=True)
    source.patient.url = "https://127.0.0.1:9"
    found = await told(source, "ports")

    assert source.system == "sonic"
    assert families(found) == {catalogue.SWITCH_PORT_PFC_FRAMES_TOTAL, catalogue.SWITCH_PORT_ECN_PACKETS_TOTAL}


async def test_a_wrong_password_is_told_as_such(bench):
    source = await bench.source("eth-leaf-1", password="wrong")
    with pytest.raises(AuthFailed, match="check the credentials"):
        await source.collect("ports")


@pytest.mark.parametrize(("fault", "error"), [("switch_unauthorized", AuthFailed), ("switch_broken_json", BadPayload)])
async def test_a_fault_in_the_middle_of_the_run_is_told_and_passes(bench, fault, error):
    source = await bench.source("eth-leaf-2")
    before = await told(source, "environment")
    switched = bench.faults.add("eth-leaf-2", fault, {}, 0)
    with pytest.raises(error):
        await source.collect("environment")
    bench.faults.remove(switched.id)

    assert await told(source, "environment") == before


async def test_a_switch_that_is_away_is_unreachable(bench):
    source = await bench.source("eth-leaf-1")
    bench.plant.switch("eth-leaf-1").up = False
    with pytest.raises(Unreachable):
        await source.collect("ports")


async def test_something_else_is_told_with_what_was_expected(bench):
    source = await bench.source("eth-leaf-1")
    source.web.url += "/elsewhere"
    with pytest.raises(BadPayload, match="expected OS10"):
        await source.collect("ports")


def entries(**switch):
    rest = {"url": "https://10.0.0.1", "credentials": "switches"}
    document = {"switches": [{"name": "sw", "rest": rest, **switch}]}
    config = Config.model_validate({"credentials": {"switches": {"username": "monitor", "password_env": "PATH"}}})
    return restconf.sources(config, Inventory.model_validate(document))


def test_other_switches_are_left_to_others():
    assert entries(system="mlnx-os") == []
    assert entries(system="nvos", fabric="infiniband") == []
    assert entries(fabric="infiniband") == []
    assert entries(system="generic") == []
    assert entries(rest=None) == []
    assert [source.target for source in entries()] == ["sw"]


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ({"url": "http://10.0.0.1", "credentials": "switches"}, "expected https://"),
        ({"url": "https://10.0.0.1", "credentials": "others"}, "no credentials named 'others'"),
        ({"url": "https://10.0.0.1", "credentials": "switches", "tls": {"ca_file": "/nowhere.pem"}}, "switch sw"),
    ],
)
async def test_settings_that_cannot_be_used_are_told(rest, said):
    (source,) = entries(rest=rest)
    with pytest.raises(Misconfigured, match=said):
        await source.collect("ports")
