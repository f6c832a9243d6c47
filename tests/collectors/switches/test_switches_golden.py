"""Every recorded walk gives exactly the samples that were compared by eye with it.

WATTSTAT_GOLDEN=write writes the expositions anew; look at each difference before committing it.
"""

import os
from pathlib import Path

import pytest

from simulator.snmp import recorded
from tests.support.samples import samples
from tests.support.snmp_agents import responding
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall

GOLDEN = Path(__file__).parent / "golden"
WALKS = ("cumulus_mellanox", "dell-os10", "dell-sonic", "dnos_z9100-on", "mellanox_i5035", "onefs")


@pytest.mark.samples
@pytest.mark.parametrize("name", WALKS)
async def test_a_recorded_switch_gives_its_true_values(name, switch):
    walk = recorded(samples("device-samples", "librenms-snmpsim", f"{name}.snmprec"))
    hall = Hall(clock=lambda: 0.0)
    async with responding(walk) as responder:
        source = switch(responder)
        for tier in source.tiers:
            collected = await source.collect(tier.name)
            assert not collected.errors
            key = BlockKey(source.collector, source.target, tier.name)
            hall.post(Block(key=key, samples=tuple(collected.samples), taken_at=0.0, interval_seconds=tier.every_seconds))
    assert not hall.duplicates
    written = Exposition().render(hall.snapshot()).decode()
    path = GOLDEN / f"{name}.prom"
    if os.environ.get("WATTSTAT_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")
