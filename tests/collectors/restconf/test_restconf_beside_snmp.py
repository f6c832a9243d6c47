"""The same switch by SNMP and by RESTCONF: no series twice, the same names for the same things, the same numbers."""

import pytest

from collectors import switches
from simulator.snmp.switches import shown
from tests.support import plants
from tests.support.snmp_agents import COMMUNITY, responding
from wattstat.catalogue import network as catalogue
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Inventory

NAMES = ["eth-leaf-1", "eth-leaf-2"]
# What both tell of a port or a part, by whichever way it comes.
SHARED = (
    catalogue.SWITCH_UP,
    catalogue.SWITCH_PORT_UP,
    catalogue.SWITCH_PORT_ON,
    catalogue.SWITCH_PORT_SPEED_BITS_PER_SECOND,
    catalogue.SWITCH_PORT_BYTES_TOTAL,
    catalogue.SWITCH_PORT_PACKETS_TOTAL,
    catalogue.SWITCH_PORT_ERRORS_TOTAL,
    catalogue.SWITCH_PORT_DISCARDS_TOTAL,
    catalogue.SWITCH_PORT_INFO,
    catalogue.SWITCH_PSU_ON,
)


async def collected(source):
    return {tier.name: (await source.collect(tier.name)).samples for tier in source.tiers}


async def by_snmp(bench, name, folder, **entry):
    """All that the switch tells by SNMP."""
    (folder / "community").write_text(COMMUNITY)
    config = Config.model_validate({"credentials": {"snmp": {"password_file": str(folder / "community")}}})
    async with responding(lambda: shown(bench.plant.switch(name), plants.NOW)) as agent:
        switch = {"name": name, "snmp": {"address": f"127.0.0.1:{agent.port}"}, **entry}
        (source,) = switches.sources(config, Inventory.model_validate({"switches": [switch]}))
        try:
            return await collected(source)
        finally:
            await source.close()


@pytest.mark.parametrize("name", NAMES)
async def test_no_series_has_two_sources(bench, name, tmp_path):
    rest = {"url": "https://10.0.0.1", "credentials": "switches"}
    hall = Hall(clock=lambda: 0.0)
    for collector, told in (
        ("switches", await by_snmp(bench, name, tmp_path, rest=rest)),
        ("restconf", await collected(await bench.source(name, snmp=True))),
    ):
        for tier, samples in told.items():
            key = BlockKey(collector, name, tier)
            hall.post(Block(key=key, samples=tuple(samples), taken_at=0.0, interval_seconds=60))

    assert not hall.duplicates


@pytest.mark.parametrize("name", NAMES)
async def test_both_ways_give_things_the_same_names_and_numbers(bench, name, tmp_path):
    snmp = [sample for samples in (await by_snmp(bench, name, tmp_path)).values() for sample in samples]
    rest = [sample for samples in (await collected(await bench.source(name))).values() for sample in samples]
    for metric in SHARED:
        one = {sample.labels: sample.value for sample in snmp if sample.metric is metric}
        other = {sample.labels: sample.value for sample in rest if sample.metric is metric}
        assert one == other, metric.name


@pytest.mark.parametrize("name", NAMES)
async def test_fans_are_called_alike(bench, name, tmp_path):
    snmp = [sample for samples in (await by_snmp(bench, name, tmp_path)).values() for sample in samples]
    rest = (await collected(await bench.source(name)))["environment"]
    fans = {catalogue.SWITCH_FAN_OK, catalogue.SWITCH_FAN_SPEED_RPM}
    called = {sample.labels[1] for sample in snmp if sample.metric in fans}

    assert called
    assert called <= {sample.labels[1] for sample in rest if sample.metric in fans}
