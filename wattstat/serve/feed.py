"""The inventory as it changes: from its file, from http_sd, or from both."""

from __future__ import annotations

from collections.abc import AsyncIterator

from wattstat.config import Config
from wattstat.inventory import Inventory
from wattstat.inventory.discovery import follow


async def inventories(config: Config) -> AsyncIterator[Inventory]:
    """The inventory now, and again whenever it changed. What cannot be read leaves the last good one in force."""
    source = config.inventory
    if source.http_sd is None and source.file is None:
        yield Inventory()
        return
    async for found in follow(file=source.file, url=source.http_sd, every_seconds=source.refresh_seconds):
        yield found
