"""A fabric read by several collectors at once: nothing is told twice, and who a switch is and what it draws is always told."""

import itertools
import ssl
import sys
from contextlib import AsyncExitStack

import pytest

from collectors import inband, mlnxos, switches, ufm
from simulator.faults import Faults
from simulator.mlnxos import MlnxOsServer
from simulator.snmp.switches import SwitchAgent
from simulator.ufm import UfmServer
from tests.support import plants
from tests.support.certificates import Authority
from wattstat.catalogue import network
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Inventory

NAME, USER, PASSWORD = "ib-leaf-1", "monitor", "correct horse"
PRINTED = "part number | MQM9790-NS2F\nPSU0 status | OK\n     power (W) | 450\ntemperature (C) | 57\nfan#1 (rpm) | 8493\n"
WAYS = ("ufm", "rest", "snmp", "in_band")
COMBINATIONS = [
    ways
    for count in range(1, len(WAYS) + 1)
    for ways in itertools.combinations(WAYS, count)
    if not {"rest", "in_band"} <= {*ways}  # that is refused
]


@pytest.fixture
async def devices(tmp_path):
    """One switch and its manager, by every way to ask them; gives what settings and inventory say of each way."""
    plant, faults, authority = plants.plant(), Faults(), Authority(tmp_path)

    def context(name):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(authority.server(name))
        return made

    manager = UfmServer(plant, "ufm", faults, (USER, PASSWORD))
    api = MlnxOsServer(plant, NAME, faults, (USER, PASSWORD))
    agent = SwitchAgent(plant, NAME, faults, PASSWORD)
    program = tmp_path / "ibswinfo"
    program.write_text(f"#!{sys.executable}\nprint({PRINTED!r})\n")
    program.chmod(0o755)
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    async with AsyncExitStack() as stack:
        await manager.start("127.0.0.1", context("ufm"))
        stack.push_async_callback(manager.stop)
        await api.start(context(NAME), port=0)
        stack.push_async_callback(api.stop)
        await agent.start(0)
        stack.push_async_callback(agent.stop)
        tls = {"ca_file": str(authority.ca_file)}
        telemetry = manager.telemetry_url
        managed = {"name": "ufm", "url": manager.url, "telemetry_url": telemetry, "credentials": "fabric", "tls": tls}
        yield {
            "credentials": {"fabric": {"username": USER, "password_file": str(secret)}, "snmp": {"password_file": str(secret)}},
            "ufm": {"ufm": [managed]},
            "in_band": {"in_band": {"switches": {NAME: "lid-7"}, "program": str(program)}},
            "rest": {"rest": {"url": f"https://127.0.0.1:{api.port}", "credentials": "fabric", "tls": tls}},
            "snmp": {"snmp": {"address": f"127.0.0.1:{agent.port}"}},
        }


@pytest.mark.parametrize("ways", COMBINATIONS, ids="+".join)
async def test_nothing_is_told_twice_and_nothing_is_forgotten(devices, ways):
    settings = {key: value for way in ways if way in {"ufm", "in_band"} for key, value in devices[way].items()}
    config = Config.model_validate({"credentials": devices["credentials"], "collectors": settings})
    entry = {"name": NAME, "fabric": "infiniband", "guid": "0xb83fd20300110000", "system": "mlnx-os"}
    entry |= {key: value for way in ways if way in {"rest", "snmp"} for key, value in devices[way].items()}
    inventory = Inventory.model_validate({"switches": [entry]})
    hall = Hall(clock=lambda: 0.0)
    for collector in (ufm, mlnxos, inband, switches):
        for source in collector.sources(config, inventory):
            for tier in source.tiers:
                collected = await source.collect(tier.name)
                key = BlockKey(source.collector, source.target, tier.name)
                hall.post(Block(key=key, samples=tuple(collected.samples), taken_at=0, interval_seconds=60))
            await source.close()
    snapshot = hall.snapshot()

    def told(metric):
        return [found.sample.labels for found in snapshot.find(metric, switch=NAME)]

    assert not hall.duplicates
    assert len(told(network.SWITCH_INFO)) == 1
    assert len(told(network.SWITCH_UP)) == 1
    assert len({supply[1] for supply in told(network.SWITCH_PSU_OK)}) in ({1} if "in_band" in ways else {0, 2})
    assert len(told(network.SWITCH_TEMPERATURE_CELSIUS)) >= 1
    assert len(told(network.SWITCH_POWER_WATTS)) == (1 if {"rest", "in_band"} & {*ways} else 0)
    has_ports = {"ufm", "rest", "snmp"} & {*ways}
    assert len(told(network.SWITCH_PORT_UP)) == (8 if has_ports else 0)
    if "ufm" in ways or "rest" in ways:
        assert len(told(network.SWITCH_PSU_OK)) == (1 if "in_band" in ways else 2)
