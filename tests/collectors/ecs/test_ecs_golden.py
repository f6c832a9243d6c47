"""Every recorded document gives exactly the samples that were compared by eye with it.

WATTSTAT_GOLDEN=write writes the expositions anew; look at each difference before committing it.
"""

import json
import os
from pathlib import Path

import pytest

from collectors.ecs import flux, reading
from collectors.ecs.names import Names
from tests.support.samples import samples
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory.devices import Storage

GOLDEN = Path(__file__).parent / "golden"
STORAGE = Storage.model_validate(
    {
        "name": "objects",
        "kind": "objectscale",
        "model": "EXF900",
        "url": "https://objects:4443",
        # One node by its inventory name, the others as the cluster calls them.
        "nodes": [{"name": "SUPR01-R01", "rack": "storage-rack"}],
    }
)
CASES = {
    "localzone": ("slow", {"localzone": "localzone"}),
    "localzone-traffic": ("fast", {"zone": "localzone"}),
    "nodes": ("medium", {"nodes": "nodes"}),
    "replicationgroups": ("slow", {"replicationgroups": "replicationgroups"}),
    "vdc-nodes": ("quota", {"nodes": "vdc-nodes"}),
    "billing": ("quota", {"usage": ["billing"]}),
    "quota": ("quota", {"quotas": {"s3": "quota-s3", "swift": "quota-swift"}}),
    "flux_cpu": ("medium", {"flux": {flux.CPU.name: "flux_cpu"}}),
    "flux_net": ("medium", {"flux": {flux.NETWORK.name: "flux_net"}}),
    "flux_throughput": ("medium", {"flux": {flux.NODE_THROUGHPUT.name: "flux_throughput"}}),
    "flux_transactions": ("medium", {"flux": {flux.NODE_REQUESTS.name: "flux_transactions"}}),
    "flux_latency": ("medium", {"flux": {flux.NODE_LATENCY.name: "flux_latency"}}),
    "flux_empty": ("fast", {"flux": {each.name: "flux_empty" for each in (flux.THROUGHPUT, flux.OPERATIONS, flux.LATENCY)}}),
}


def filled(places):
    """Documents in the places of their files' names."""
    if isinstance(places, dict):
        return {name: filled(each) for name, each in places.items()}
    if isinstance(places, list):
        return [filled(each) for each in places]
    return json.loads(samples("device-samples", "objectscale-obs-exporter", f"{places}.json").read_text())


@pytest.mark.samples
@pytest.mark.parametrize("name", CASES)
def test_a_recorded_document_gives_its_true_values(name):
    tier, places = CASES[name]
    hall = Hall(clock=lambda: 0.0)
    told = reading.samples(tier, Names(STORAGE), filled(places))
    hall.post(Block(key=BlockKey("ecs", "objects", tier), samples=tuple(told), taken_at=0.0, interval_seconds=60))
    assert not hall.duplicates
    written = Exposition().render(hall.snapshot()).decode()
    path = GOLDEN / f"{name}.prom"
    if os.environ.get("WATTSTAT_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


@pytest.mark.samples
def test_every_recorded_document_is_read():
    recorded = {path.stem for path in samples("device-samples", "objectscale-obs-exporter").glob("*.json")}

    used = set()
    for _, places in CASES.values():
        stack = [places]
        while stack:
            each = stack.pop()
            stack += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
            used |= {each} if isinstance(each, str) else set()
    # The description of the interface is no answer; the list of namespaces makes no samples, only further questions.
    assert recorded - used == {"obs-mgt-rest-api-4.2.openapi", "namespaces"}
