"""The inventory as it changes: from its file, from http_sd, from a cluster manager, or from several of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from wattstat.config import Config
from wattstat.inventory import Inventory
from wattstat.inventory.discovery import follow
from wattstat.serve.managed import managed_servers


async def inventories(config: Config) -> AsyncIterator[Inventory]:
    """The inventory now, and again whenever it changed. What cannot be read leaves the last good one in force."""
    source = config.inventory
    managed = managed_servers(config)
    if source.http_sd is None and source.file is None and managed is None:
        yield Inventory()
        return
    add = managed.add if managed is not None else None
    try:
        async for found in follow(file=source.file, url=source.http_sd, add=add, every_seconds=source.refresh_seconds):
            yield found
    finally:
        if managed is not None:
            await managed.close()
