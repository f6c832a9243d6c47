"""Every recorded service, served over HTTPS, gives exactly the samples that were compared by eye with its documents.

WATTSTAT_GOLDEN=write writes the expositions anew; look at each difference before committing it.
"""

import os
from pathlib import Path

import pytest

from wattstat.catalogue import node as catalogue
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall

GOLDEN = Path(__file__).parent / "golden"
SETS = (
    "dell-17g-idrac10-fragments",
    "dell-r750-h100-idrac9-6.00.30.00",
    "dell-telemetry-reference-tools",
    "dmtf-public-rackmount1",
    "dmtf-public-telemetry",
    "lambda-powershelf-delta",
    "nvidia-dgx-h100-hgx",
)
# Depends on when the test's own certificate was made.
UNSTABLE = {catalogue.BMC_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS}


@pytest.mark.samples
@pytest.mark.parametrize("name", SETS)
async def test_a_recorded_service_gives_its_true_values(name, bench, record):
    replay = await bench.serve(record(name))
    source = bench.source(replay, node=name)
    hall = Hall(clock=lambda: 0.0)
    for tier in source.tiers:
        collected = await source.collect(tier.name)
        assert not collected.errors
        kept = tuple(sample for sample in collected.samples if sample.metric not in UNSTABLE)
        key = BlockKey(source.collector, source.target, tier.name)
        hall.post(Block(key=key, samples=kept, taken_at=0.0, interval_seconds=tier.every_seconds))
    assert not hall.duplicates
    written = Exposition().render(hall.snapshot()).decode()
    path = GOLDEN / f"{name}.prom"
    if os.environ.get("WATTSTAT_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")
