"""Keeps an inventory current: looks at its file, address and manager again, and keeps the last good one when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import structlog

from wattstat.document import InvalidDocument
from wattstat.inventory import http_sd, reader
from wattstat.inventory.models import Inventory

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 30.0

# Adds what somebody else lists, a cluster manager, to an inventory. Raises `DiscoveryError` and `InvalidDocument`.
Addition = Callable[[Inventory], Awaitable[Inventory]]


class DiscoveryError(Exception):
    """An address that gives no inventory. The message says which, why, and what to do."""


async def fetch_http_sd(url: str, *, base: Inventory | None = None, folder: Path | None = None) -> Inventory:
    """The servers that `url` lists, beside those of `base`.

    Raises `DiscoveryError` when it does not answer as http_sd does, `InvalidDocument` when its list does not hold together.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if answer.status != 200:
                raise DiscoveryError(f"{url}: answers {answer.status}; expected 200 and a JSON list of target groups")
            body = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as err:
        raise DiscoveryError(f"{url}: does not answer ({err or type(err).__name__}); check the address and the server") from err
    except ValueError as err:
        raise DiscoveryError(f"{url}: answers no JSON ({err}); expected a JSON list of target groups") from err
    return http_sd.parse(body, source=url, base=base, folder=folder)


class Discovery:
    """The inventory of a file, of an http_sd address, of somebody who adds to it, or of all of them.

    `inventory` is the last good one; `problem` says why it is not the newest, and is empty when it is.
    """

    def __init__(self, *, file: Path | None, url: str | None = None, add: Addition | None = None) -> None:
        self.inventory = Inventory()
        self.problem = ""
        self._file = file
        self._url = url
        self._add = add
        self._base = Inventory()
        self._seen: tuple[int, int, int] | None = None

    async def start(self) -> Inventory:
        """The first look. A file that cannot be used raises `InvalidDocument`; an address that fails is tried again later."""
        if self._file is not None and ((self._url is None and self._add is None) or self._file.exists()):
            self._seen = _signature(self._file)
            self._base = await asyncio.to_thread(reader.load, self._file)
        self.inventory = self._base
        await self.refresh()
        return self.inventory

    async def refresh(self) -> bool:
        """Look again. True when the inventory changed; when a source fails, what was known stays."""
        try:
            await self._read_file()
            newest = self._base
            if self._url is not None:
                folder = self._file.parent if self._file else None
                newest = await fetch_http_sd(self._url, base=self._base, folder=folder)
            if self._add is not None:
                newest = await self._add(newest)
        except (DiscoveryError, InvalidDocument) as err:
            if not self.problem:
                log.warning(
                    "inventory cannot be read anew, the last good one stays", nodes=len(self.inventory.nodes), reason=str(err)
                )
            self.problem = str(err)
            return False
        if self.problem:
            log.info("inventory is read again", nodes=len(newest.nodes))
        self.problem = ""
        changed = newest != self.inventory
        if changed:
            log.info("inventory changed", nodes=len(newest.nodes), racks=len(newest.racks))
            self.inventory = newest
        return changed

    async def _read_file(self) -> None:
        if self._file is None:
            return
        signature = _signature(self._file)
        if signature == self._seen:
            return
        if signature is None:
            raise DiscoveryError(f"{self._file}: is gone; put it back, or restart with another inventory")
        # Reading a thousand servers takes longer than an event loop should wait.
        self._base = await asyncio.to_thread(reader.load, self._file)
        self._seen = signature


async def follow(
    *, file: Path | None, url: str | None = None, add: Addition | None = None, every_seconds: float
) -> AsyncIterator[Inventory]:
    """The inventory now, and again whenever it changed. Raises `InvalidDocument` when the file cannot be used at the start."""
    discovery = Discovery(file=file, url=url, add=add)
    yield await discovery.start()
    while True:
        await asyncio.sleep(every_seconds)
        if await discovery.refresh():
            yield discovery.inventory


async def follow_http_sd(url: str, *, every_seconds: float) -> AsyncIterator[Inventory]:
    """The same for an address alone."""
    async for inventory in follow(file=None, url=url, every_seconds=every_seconds):
        yield inventory


def _signature(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
