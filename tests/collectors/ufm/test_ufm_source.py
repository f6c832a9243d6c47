"""A fabric manager over HTTPS: what of the plant arrives, and what happens when it does not."""

import pytest

from collectors.frame.errors import AuthFailed, BadPayload, Misconfigured, Unreachable
from collectors.frame.unusable import Unusable
from tests.support import plants
from wattstat.inventory import Inventory


def by_family(collected):
    found = {}
    for sample in collected.samples:
        found.setdefault(sample.metric.name.removeprefix("wattstat_"), {})[sample.labels] = sample.value
    return found


async def test_ports_have_the_switchs_names_and_their_state(bench):
    seen = by_family(await (await bench.source()).collect("ports"))

    assert seen["switch_port_up"]["ib-leaf-1", "IB1/1/1"] == 1
    assert seen["switch_port_up"]["ib-leaf-1", "IB1/4/2"] == 0
    assert seen["switch_port_speed_bits_per_second"]["ib-leaf-1", "IB1/1/1"] == 400e9
    assert ("ib-leaf-1", "IB1/4/2") not in seen["switch_port_speed_bits_per_second"]
    assert len(seen["switch_port_up"]) == sum(len(plants.quantum().ports) for _ in range(2))
    assert seen["fabric_manager_up"] == {("ufm",): 1}


async def test_counters_come_from_telemetry_in_bytes(bench):
    seen = by_family(await (await bench.source()).collect("ports"))
    port = ("ib-leaf-1", "IB1/1/2")

    assert seen["switch_port_bytes_total"][*port, "receive"] == 9e12
    assert seen["switch_port_bytes_total"][*port, "transmit"] == 7e12
    assert seen["switch_port_symbol_errors_total"][port] == 1234
    assert seen["switch_port_link_faults_total"][*port, "down"] == 2
    assert seen["switch_port_link_faults_total"][*port, "recovery"] == 3
    assert seen["switch_port_bit_error_ratio"][*port, "symbol"] == 1e-9
    assert seen["switch_transceiver_temperature_celsius"][port] == 48
    assert seen["switch_transceiver_power_dbm"][*port, "3", "receive"] == -0.6


async def test_hosts_ports_are_left_to_the_hosts(bench):
    seen = by_family(await (await bench.source()).collect("ports"))

    assert {labels[0] for family in seen.values() for labels in family} == {"ib-leaf-1", "ib-leaf-2", "ufm"}


async def test_a_manager_that_cannot_choose_ports_is_asked_for_all(bench):
    source = await bench.source()
    bench.server.chooses_ports = False
    seen = by_family(await source.collect("ports"))["switch_port_up"]
    requests = bench.server.requests
    again = by_family(await source.collect("ports"))["switch_port_up"]

    assert seen == again
    assert {labels[0] for labels in seen} == {"ib-leaf-1", "ib-leaf-2"}
    assert bench.server.requests - requests == 1, "it is remembered"


async def test_the_csv_of_telemetry_tells_the_same(bench):
    text = by_family(await (await bench.source()).collect("ports"))
    table = by_family(await (await bench.source(path="/csv/metrics")).collect("ports"))

    assert table == text


async def test_switches_their_parts_and_alarms(bench):
    leaf = bench.plant.switch("ib-leaf-1")
    leaf.supplies[1].ok = False
    leaf.supplies[0].present = False
    leaf.fans[2].ok = False
    seen = by_family(await (await bench.source()).collect("systems"))

    assert seen["switch_info"]["ib-leaf-1", "rack-01", "QM9700", "mlnx-os", "3.11.2016", "MT1"] == 1
    assert seen["switch_up"] == {("ib-leaf-1",): 1, ("ib-leaf-2",): 1}
    assert seen["switch_psu_on"]["ib-leaf-1", "PS1"] == 0
    assert ("ib-leaf-1", "PS1") not in seen["switch_psu_ok"], "a supply that is not there is neither good nor bad"
    assert seen["switch_psu_ok"]["ib-leaf-1", "PS2"] == 0
    assert seen["switch_fan_ok"]["ib-leaf-1", "FAN3"] == 0
    assert seen["switch_temperature_celsius"] == {("ib-leaf-1", "SYSTEM"): 58, ("ib-leaf-2", "SYSTEM"): 58}
    assert "switch_psu_power_watts" not in seen, "a status is no reading of watts"
    assert seen["fabric_manager_events_open"] == {
        ("ufm", "critical"): 1,
        ("ufm", "minor"): 0,
        ("ufm", "warning"): 2,
        ("ufm", "info"): 0,
    }


async def test_cables_lead_from_the_inventorys_servers_to_its_switches(bench):
    seen = by_family(await (await bench.source()).collect("systems"))["fabric_link_info"]

    assert ("xe9680-01", "mlx5_0", "1", "ib-leaf-1", "IB1/1/1", "ufm") in seen
    assert ("xe9680-01", "mlx5_4", "", "ib-leaf-2", "IB1/1/1", "ufm") in seen, "no rail where the inventory tells none"
    assert len(seen) == 8


async def test_a_switch_that_is_gone_is_told_by_the_manager(bench):
    bench.plant.switch("ib-leaf-2").up = False
    source = await bench.source()
    systems, ports = by_family(await source.collect("systems")), by_family(await source.collect("ports"))

    assert systems["switch_up"]["ib-leaf-2",] == 0
    assert ports["switch_port_up"]["ib-leaf-2", "IB1/1/1"] == 0
    assert not any(labels[0] == "ib-leaf-2" for labels in ports["switch_port_bytes_total"])


async def test_the_environment_of_a_switch_that_is_read_itself_is_left_to_it(bench):
    rest = {"url": "https://127.0.0.1:1", "credentials": "fabric"}
    switches = [{"name": "ib-leaf-1", "fabric": "infiniband", "rest": rest},
                {"name": "ib-leaf-2", "fabric": "infiniband", "snmp": {"address": "127.0.0.1"}}]  # fmt: skip
    source = await bench.source(inventory={"switches": switches})
    seen = by_family(await source.collect("systems"))

    assert [labels[0] for labels in seen["switch_info"]] == ["ib-leaf-2"], "beside a manager SNMP tells of sensors only"
    assert not {"switch_fan_ok", "switch_temperature_celsius"} & set(seen)
    assert {labels[0] for labels in seen["switch_psu_ok"]} == {"ib-leaf-2"}, "MLNX-OS tells no supplies by SNMP"
    assert {labels[0] for labels in by_family(await source.collect("ports"))["switch_port_up"]} == {"ib-leaf-1", "ib-leaf-2"}


async def test_a_switch_is_known_by_its_guid_whatever_the_fabric_calls_it(bench):
    switches = [{"name": "blue", "fabric": "infiniband", "guid": "b83f:d203:0011:0000"}]
    seen = by_family(await (await bench.source(inventory={"switches": switches})).collect("ports"))

    assert {labels[0] for labels in seen["switch_port_bytes_total"]} == {"blue", "ib-leaf-2"}


async def test_an_access_token_opens_the_door_of_tokens(bench):
    assert (await (await bench.source(user="", password=bench.token)).collect("systems")).samples


async def test_a_wrong_password_is_told_as_such_and_telemetry_still_comes(bench):
    source = await bench.source(password="wrong")
    with pytest.raises(AuthFailed, match="check the credentials"):
        await source.collect("systems")
    collected = await source.collect("ports")

    assert isinstance(collected.errors["ports"], AuthFailed)
    assert by_family(collected)["switch_port_bytes_total"]["ib-leaf-1", "2", "receive"] == 9e12, "by number, without names"


async def test_truncated_json_is_told_and_costs_only_itself(bench):
    bench.faults.add("ufm", "ufm_broken_json", {}, now=0.0)
    collected = await (await bench.source()).collect("ports")

    assert isinstance(collected.errors["ports"], BadPayload)
    assert collected.samples


async def test_telemetry_that_stands_still_is_not_shown_for_ever(bench):
    source = await bench.source(every_seconds=30)
    now = 0.0
    source.monotonic = lambda: now
    assert "switch_port_bytes_total" in by_family(await source.collect("ports"))
    now = 200.0
    collected = await source.collect("ports")
    assert "the same sample for 200 s" in str(collected.errors["telemetry"])
    assert "switch_port_bytes_total" not in by_family(collected)
    bench.plant.now += 200
    assert "switch_port_bytes_total" in by_family(await source.collect("ports"))


async def test_telemetry_that_is_sampled_every_five_minutes_is_not_frozen_in_between(bench):
    source = await bench.source(every_seconds=30)
    now = 0.0
    source.monotonic = lambda: now
    await source.collect("ports")
    bench.plant.now += 300
    await source.collect("ports")
    for _ in range(20):
        if now % 300 == 0:
            bench.plant.now += 300
        now += 30.0
        assert "switch_port_bytes_total" in by_family(await source.collect("ports"))


async def test_without_telemetry_the_ports_states_are_there_and_the_counters_are_said_to_be_missing(bench):
    collected = await (await bench.source(with_telemetry=False)).collect("ports")

    assert "session/0/data: HTTP 404" in str(collected.errors["telemetry"])
    assert "switch_port_bytes_total" not in by_family(collected)
    assert "switch_port_up" in by_family(collected)


async def test_telemetry_that_froze_keeps_its_time(bench):
    source = await bench.source()
    await source.collect("ports")
    bench.faults.add("ufm", "ufm_telemetry_frozen", {}, now=0.0)
    before = by_family(await source.collect("ports"))
    bench.plant.now += 1000
    bench.plant.switch("ib-leaf-1").ports[0].receive_bytes += 1e12
    source.monotonic = lambda: 1e9

    assert before["switch_port_bytes_total"]["ib-leaf-1", "IB1/1/1", "receive"] == 9e12
    assert "the same sample for" in str((await source.collect("ports")).errors["telemetry"])


@pytest.mark.parametrize("how", ["stopped", "ufm_gone"])
async def test_a_manager_that_is_gone_is_unreachable(bench, how):
    source = await bench.source()
    if how == "stopped":
        await bench.server.stop()
    else:
        bench.faults.add("ufm", how, {}, now=0.0)
    with pytest.raises(Unreachable):
        await source.collect("systems")


async def test_settings_that_cannot_be_used_fail_with_the_reason(bench):
    source = await bench.source(credentials="nobody")

    assert isinstance(source, Unusable)
    with pytest.raises(Misconfigured, match="no credentials named 'nobody'"):
        await source.fetch("systems")


async def test_a_new_inventory_changes_names_and_keeps_the_session(bench):
    source = await bench.source()
    await source.collect("systems")
    source.renew(await bench.source(inventory=Inventory().model_dump()))

    assert "fabric_link_info" not in by_family(await source.collect("systems"))


async def test_a_new_inventory_does_not_change_what_ports_are_called_until_they_are_read_again(bench):
    source = await bench.source()
    before = by_family(await source.collect("ports"))["switch_port_bytes_total"]
    source.renew(await bench.source())
    bench.faults.add("ufm", "ufm_broken_json", {}, now=0.0)
    collected = await source.collect("ports")

    assert isinstance(collected.errors["ports"], BadPayload)
    assert by_family(collected)["switch_port_bytes_total"].keys() == before.keys()


async def test_a_server_before_the_manager_that_knows_nothing_fails_each_time(bench):
    source = await bench.source(with_telemetry=False)
    source.base += "/elsewhere"
    for _ in range(2):  # "not supported" would never be asked again
        with pytest.raises(BadPayload, match="HTTP 404; is this a UFM"):
            await source.collect("systems")


async def test_a_cable_outlives_its_link_for_a_day_and_not_its_place(bench):
    source = await bench.source()
    now = 0.0
    source.fabric.monotonic = lambda: now

    async def hung():
        links = by_family(await source.collect("systems")).get("fabric_link_info", {})
        return {labels[:2]: labels[3:5] for labels in links}

    before = await hung()
    port = bench.plant.switch("ib-leaf-1").ports[0]
    port.up = False
    assert ("xe9680-01", "mlx5_0") in before
    assert await hung() == before, "a rail that is down is still a rail"

    source.renew(await bench.source())
    assert await hung() == before
    now = 90_000.0
    assert await hung() == {end: place for end, place in before.items() if end != ("xe9680-01", "mlx5_0")}
