"""A QM9700's JSON API over HTTPS: what of the plant arrives, and what happens when it does not."""

import asyncio

import pytest
from aiohttp import web

from collectors import mlnxos
from collectors.frame.errors import AuthFailed, BadPayload, NotSupported, Unreachable
from wattstat.config import Config
from wattstat.inventory import Inventory

NAME = "ib-leaf-1"


def by_family(collected):
    found = {}
    for sample in collected.samples:
        found.setdefault(sample.metric.name.removeprefix("wattstat_"), {})[sample.labels] = sample.value
    return found


async def test_the_environment_is_the_switchs_own(bench):
    collected = await (await bench.source()).collect("environment")
    seen = by_family(collected)

    assert not collected.errors
    assert seen["switch_up"] == {(NAME,): 1}
    assert seen["switch_psu_power_watts"] == {(NAME, "PS1", "input"): 450, (NAME, "PS2", "input"): 450}
    assert seen["switch_power_watts"] == {(NAME, "psu_input"): 900}
    assert seen["switch_psu_ok"] == {(NAME, "PS1"): 1, (NAME, "PS2"): 1}
    assert seen["switch_fan_speed_rpm"][NAME, "FAN1/F1"] == 12000
    assert len(seen["switch_fan_ok"]) == 6
    assert seen["switch_temperature_celsius"] == {
        (NAME, "MGMT/ASIC/T1"): 58,
        (NAME, "MGMT/Inlet/T1"): 24,
        (NAME, "MGMT/CPU/T1"): 45,
    }


async def test_a_supply_that_failed_has_no_watts_and_the_other_carries_all(bench):
    bench.switch.supplies[0].ok = False
    bench.switch.supplies[1].watts = 900.0
    seen = by_family(await (await bench.source()).collect("environment"))

    assert seen["switch_psu_ok"][NAME, "PS1"] == 0
    assert seen["switch_psu_power_watts"] == {(NAME, "PS2", "input"): 900}
    assert seen["switch_power_watts"] == {(NAME, "psu_input"): 900}


async def test_a_supply_that_is_not_there_has_no_watts_and_no_health(bench):
    bench.switch.supplies[0].present = False
    seen = by_family(await (await bench.source()).collect("environment"))

    assert seen["switch_psu_on"] == {(NAME, "PS1"): 0, (NAME, "PS2"): 1}
    assert seen["switch_psu_ok"] == {(NAME, "PS2"): 1}
    assert set(seen["switch_psu_power_watts"]) == {(NAME, "PS2", "input")}


async def test_who_the_switch_is(bench):
    seen = by_family(await (await bench.source()).collect("topology"))

    assert seen["switch_info"] == {(NAME, "rack-01", "QM9700", "mlnx-os", "3.11.2016", "MT1"): 1}
    assert seen["switch_uptime_seconds"] == {(NAME,): 100 * 3600}


async def test_ports_where_no_manager_tells_of_them(bench):
    seen = by_family(await (await bench.source()).collect("ports"))
    port = (NAME, "IB1/1/2")

    assert len(seen["switch_port_up"]) == len(bench.switch.ports)
    assert seen["switch_port_up"][NAME, "IB1/4/2"] == 0
    assert seen["switch_port_speed_bits_per_second"][port] == 400e9
    assert (NAME, "IB1/4/2") not in seen["switch_port_speed_bits_per_second"]
    assert seen["switch_port_bytes_total"][*port, "receive"] == 9e12
    assert seen["switch_port_packets_total"][*port, "transmit"] == 6e9
    assert seen["switch_port_errors_total"][*port, "receive"] == 0
    assert seen["switch_port_symbol_errors_total"][port] == 1234


async def test_ports_are_left_to_a_fabric_manager_and_to_snmp(bench):
    assert [tier.name for tier in (await bench.source()).tiers] == ["environment", "topology", "ports"]
    assert [tier.name for tier in (await bench.source(with_ufm=True)).tiers] == ["environment", "topology"]
    beside = await bench.source(snmp={"address": "127.0.0.1"})
    assert [tier.name for tier in beside.tiers] == ["environment", "topology"]
    assert set(by_family(await beside.collect("environment"))) == {
        "switch_psu_on",
        "switch_psu_ok",
        "switch_psu_power_watts",
        "switch_power_watts",
    }


async def test_a_session_that_ended_is_opened_once_more(bench):
    source = await bench.source()
    await source.collect("topology")
    bench.server.sessions.clear()
    requests = bench.server.requests

    assert by_family(await source.collect("topology"))["switch_info"]
    assert bench.server.requests - requests == 3, "refused, login, asked again"


async def test_a_switch_that_refuses_is_asked_twice_and_not_for_ever(bench):
    source = await bench.source()
    await source.collect("environment")
    bench.faults.add(NAME, "switch_unauthorized", {}, now=0.0)
    requests = bench.server.requests
    with pytest.raises(AuthFailed, match="check the credentials"):
        await source.collect("environment")
    assert bench.server.requests - requests == 2


async def test_a_wrong_password_is_told_as_such(bench):
    with pytest.raises(AuthFailed, match="login refused"):
        await (await bench.source(password="wrong")).collect("environment")


async def test_the_session_is_given_back(bench):
    source = await bench.source()
    await source.collect("topology")
    assert len(bench.server.sessions) == 1
    await source.close()
    assert not bench.server.sessions


async def test_tiers_at_the_same_time_share_a_session(bench):
    source = await bench.source()
    await asyncio.gather(*(source.collect(tier) for tier in ("environment", "ports", "topology")))

    assert len(bench.server.sessions) == 1


async def test_a_command_that_the_user_may_not_give_leaves_no_sessions_behind(bench, monkeypatch):
    source = await bench.source()
    await source.collect("topology")

    async def command(*_):
        return web.json_response({"status": "ERROR", "status_message": "% Insufficient authorization for this command"})

    monkeypatch.setattr(bench.server, "_command", command)
    for _ in range(3):
        with pytest.raises(AuthFailed, match="rights of their role"):
            await source.collect("environment")

    assert len(bench.server.sessions) == 1


async def test_truncated_json_is_told(bench):
    bench.faults.add(NAME, "switch_broken_json", {}, now=0.0)
    with pytest.raises(BadPayload, match="no JSON"):
        await (await bench.source()).collect("topology")


async def test_a_switch_that_is_gone_is_unreachable_and_closes_quietly(bench):
    source = await bench.source()
    await source.collect("topology")
    bench.switch.up = False
    with pytest.raises(Unreachable):
        await source.collect("environment")
    await source.close()


async def test_releases_that_take_commands_where_they_take_logins_are_found_out_once(bench):
    source = await bench.source()
    bench.server.takes_commands_as_logins = True
    assert by_family(await source.collect("topology"))["switch_info"]
    requests = bench.server.requests
    await source.collect("topology")
    assert bench.server.requests - requests == 1


async def test_an_unknown_command_costs_only_itself(bench, monkeypatch):
    monkeypatch.setitem(mlnxos.source.COMMANDS, "topology", ("show rubbish", "show version"))
    collected = await (await bench.source()).collect("topology")

    assert isinstance(collected.errors["show rubbish"], NotSupported)
    assert "switch_info" in by_family(collected)


async def test_what_is_no_switchs_interface_fails_each_time(bench):
    source = await bench.source()
    await source.api.ask("show version")
    source.api._web.url += "/elsewhere"
    for tier in ("environment", "environment", "topology"):  # "not supported" would never be asked again
        with pytest.raises(BadPayload, match="is this the JSON API of MLNX-OS"):
            await source.collect(tier)


async def test_an_answer_without_watts_is_told_with_the_members_that_it_has(bench, monkeypatch):
    monkeypatch.setattr(
        "simulator.mlnxos.server.COMMANDS", {"show power": lambda *_: {"PS1": [{"Status": "OK", "Feed": "AC"}]}}
    )
    collected = await (await bench.source()).collect("environment")

    assert "its members are: Status, Feed" in str(collected.errors["show power"])
    assert by_family(collected)["switch_psu_ok"] == {(NAME, "PS1"): 1}
    assert "switch_power_watts" not in by_family(collected)


def test_only_infiniband_switches_are_asked():
    rest = {"url": "https://127.0.0.1", "credentials": "nobody"}
    switches = [
        {"name": "a", "rest": rest},
        {"name": "b", "fabric": "infiniband"},
        {"name": "c", "fabric": "infiniband", "rest": rest},
        {"name": "d", "fabric": "infiniband", "system": "sonic", "rest": rest},
    ]
    found = mlnxos.sources(Config(), Inventory.model_validate({"switches": switches}))

    assert [source.target for source in found] == ["c"]
