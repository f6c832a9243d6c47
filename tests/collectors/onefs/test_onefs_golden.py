"""Every recorded document gives exactly the samples that were compared by eye with it; the simulated cluster, too.

WATTSTAT_GOLDEN=write writes the expositions anew; look at each difference before committing it.
"""

import json
import os
from pathlib import Path

import pytest

from collectors.onefs.reading import read
from collectors.onefs.samples import samples as made
from tests.support.samples import samples
from wattstat.catalogue.metric import Samples
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Storage

GOLDEN = Path(__file__).parent / "golden"
CLUSTER = Storage.model_validate({"name": "recorded", "kind": "powerscale", "url": "https://recorded:8080"})
RECORDED = {
    "csm-metrics-statistics": ("fast", "statistics", "platform-3-statistics-current.json"),
    "csm-metrics-quotas": ("rare", "quotas", "client1-quotas.json"),
}


def compared(name: str, blocks: dict[str, Samples]) -> None:
    hall = Hall(clock=lambda: 0.0)
    for tier, found in blocks.items():
        hall.post(Block(key=BlockKey("onefs", "recorded", tier), samples=tuple(found), taken_at=0.0, interval_seconds=30.0))
    assert not hall.duplicates
    written = Exposition().render(hall.snapshot()).decode()
    path = GOLDEN / f"{name}.prom"
    if os.environ.get("WATTSTAT_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


@pytest.mark.samples
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_document_gives_its_true_values(name):
    tier, document, file = RECORDED[name]
    recorded = json.loads(samples("device-samples", "powerscale-csm-metrics", file).read_text(encoding="utf-8"))

    compared(name, {tier: made(CLUSTER, read(CLUSTER, tier, {document: recorded}))})


async def test_the_simulated_cluster_gives_its_true_values(bench):
    source = bench.source(await bench.serve())

    compared("simulated", {tier.name: (await source.collect(tier.name)).samples for tier in source.tiers})
