"""One collection of one target on request, the way that multi-target exporters do: `/probe?target=&module=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collectors import redfish
from collectors.frame.runner import Runner
from collectors.frame.source import Source
from wattstat.config import Config
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Inventory

PROBE_INTERVAL_SECONDS = 60.0


def probe_source(config: Config, inventory: Inventory, target: str, module: str) -> Source[Any]:
    """The source of a probe: a node of the inventory by name, or a BMC by URL with `module` naming its credentials.

    Raises `ValueError` where the request does not say what to probe, or with what.
    """
    if not target:
        raise ValueError("target is missing: /probe?target=NODE or /probe?target=https://BMC&module=CREDENTIALS")
    node = next((node for node in inventory.nodes if node.name == target), None)
    if node is not None:
        found = redfish.sources(config, Inventory(nodes=(node,)))
        if not found:
            raise ValueError(f"node {target!r} has no bmc in the inventory")
        return found[0]
    if not target.startswith("https://"):
        raise ValueError(f"{target!r} is no node of the inventory and no https:// address of a BMC")
    if module not in config.credentials:
        known = ", ".join(sorted(config.credentials)) or "none are configured"
        raise ValueError(f"module {module!r} names no credentials of wattstat.yaml (known: {known})")
    return redfish.probe_source(config, target=target, credentials=module)


async def probe(source: Source[Any], *, clock: Callable[[], float]) -> bytes:
    """The exposition of one collection of every tier, with what the frame says of its success; nothing is kept."""
    hall = Hall(clock=clock)
    runner = Runner(hall, concurrency=1, per_host=1, clock=clock)
    await runner.add(source)
    try:
        for tier in source.tiers:
            await runner.collect_now(source.collector, source.target, tier.name)
        own = tuple(runner.own_samples())
        hall.post(
            Block(
                key=BlockKey("wattstat", "probe", "self"),
                samples=own,
                taken_at=clock(),
                interval_seconds=PROBE_INTERVAL_SECONDS,
            )
        )
        return Exposition().render(hall.snapshot())
    finally:
        await runner.stop()
