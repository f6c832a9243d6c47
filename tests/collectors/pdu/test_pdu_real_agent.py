"""net-snmp's agent shows the tables of PDUs, by version 2c and by version 3 with encryption, and the same is read of it."""

import pytest

from collectors import pdu as collector
from simulator.snmp import ber
from simulator.snmp_pdu import shown
from tests.support import plants
from tests.support.snmp_agents import COMMUNITY, ENCRYPTS_WITH, SIGNS_WITH, USER, snmpd
from wattstat.catalogue import facility as catalogue
from wattstat.config import Config
from wattstat.inventory import Inventory

TYPES = {ber.INTEGER: "integer", ber.GAUGE32: "uinteger", ber.OCTETS: "octet_str", ber.OID: "object_id"}
ACCESS = {
    "2c": {"credentials": "community"},
    "3": {"version": "3", "credentials": "signs", "privacy": "encrypts"},
}


def written(table):
    """Lines of snmpd.conf that show a table; the system group but for its identifier is the agent's own."""
    for at, value in table.items():
        if at.startswith("1.3.6.1.2.1.1.") and at != "1.3.6.1.2.1.1.2.0":
            continue
        kind = TYPES[value.tag]
        text = {
            ber.OCTETS: lambda content: '"' + content.decode() + '"',
            ber.OID: lambda content: ".".join(map(str, ber.numbers(content))),
        }.get(value.tag, lambda content: str(int.from_bytes(content, "big", signed=True)))(value.content)
        yield f"override {at} {kind} {text}"


def source(folder, port, version):
    secrets = {"community": COMMUNITY, "signs": SIGNS_WITH, "encrypts": ENCRYPTS_WITH}
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    credentials = {name: {"username": USER, "password_file": str(folder / name)} for name in secrets}
    config = Config.model_validate({"credentials": credentials})
    agent = {"address": f"127.0.0.1:{port}", **ACCESS[version]}
    (found,) = collector.sources(config, Inventory.model_validate({"pdus": [{"name": "pdu", "snmp": agent}]}))
    return found


@pytest.mark.debian
@pytest.mark.parametrize("kind", ["raritan", "apc", "servertech"])
async def test_a_real_agent_is_read_like_the_simulated_one(kind, tmp_path, bench):
    table = shown(plants.pdu("pdu", kind), 100.0)
    expected = (await (await bench.source(shown=table)).collect("power")).samples
    with snmpd(tmp_path, more="\n".join(written(table))) as port:
        for version in ACCESS:
            reader = source(tmp_path, port, version)
            for tier in ("identity", "power"):
                collected = await reader.collect(tier)
            await reader.close()

            found = {(sample.metric, sample.labels): sample.value for sample in collected.samples}
            assert found == {(sample.metric, sample.labels): sample.value for sample in expected}, version
            assert found[catalogue.PDU_POWER_WATTS, ("pdu",)] == 3000
