"""What the inventory says of servers that nobody can measure: planned work on them, and how many GPUs should be there.

A pure function of the inventory and the time, beside the readings, so that rules and inhibition can hang on it anywhere.
"""

from __future__ import annotations

from wattstat.catalogue import node as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.inventory import Inventory


def samples(inventory: Inventory, now: float) -> Samples:
    """`now` is Unix time in seconds. Work whose end has passed is over, also while it still stands in the inventory."""
    out = Samples()
    for node in inventory.nodes:
        if node.gpus:
            out.add(catalogue.NODE_EXPECTED_GPUS, node.gpus, node.name)
        work = node.maintenance
        if work is not None and now < work.until.timestamp():
            out.add(catalogue.NODE_MAINTENANCE_ACTIVE, 1, node.name, work.reason)
            out.add(catalogue.NODE_MAINTENANCE_END_TIMESTAMP_SECONDS, work.until.timestamp(), node.name)
    return out
