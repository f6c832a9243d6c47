"""The servers of a cluster manager in the inventory: read from it, and remembered: a manager that is away takes none away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import structlog
from pydantic import ValidationError

from collectors.bcm import manager
from collectors.bcm.documents import Device
from collectors.bcm.servers import managed, servers
from collectors.frame.errors import CollectError
from collectors.frame.tls import Contexts
from collectors.frame.web import Web
from wattstat.config import Config
from wattstat.config.devices import BaseCommand
from wattstat.inventory import Inventory
from wattstat.inventory.discovery import DiscoveryError
from wattstat.inventory.managed import merged

log = structlog.get_logger(__name__)


class ManagedServers:
    """What one manager lists. The last good list is kept in a file: it outlives a restart while the manager is away."""

    def __init__(self, config: Config, settings: BaseCommand) -> None:
        self._config = config
        self._settings = settings
        self._file = config.data_dir / f"bcm-{settings.name}.json"
        self._web: Web | None = None
        self._known: list[Device] | None = None
        self._is_away = False

    async def add(self, base: Inventory) -> Inventory:
        """The inventory with the manager's servers. Raises `DiscoveryError` where nobody ever knew them."""
        try:
            found = await self._read()
        except (CollectError, ValueError, OSError) as error:
            found = await self._remembered(str(error))
        else:
            await self._remember(found)
        folder = self._config.inventory.file.parent if self._config.inventory.file is not None else None
        try:
            listed = list(managed(found, self._settings))
        except ValidationError as error:
            said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
            raise DiscoveryError(
                f"collectors.bcm {self._settings.name}: agent_url or bmc_url give no address: {said}"
            ) from error
        return merged(base, listed, source=self._settings.url, folder=folder)

    async def close(self) -> None:
        """Close the connections."""
        if self._web is not None:
            await self._web.close()

    async def _read(self) -> list[Device]:
        # A certificate that is missing may come: what cannot be made is tried again with the next look.
        if self._web is None:
            self._web = manager(self._config, self._settings, Contexts())
        return await servers(self._web)

    async def _remembered(self, why: str) -> list[Device]:
        if self._known is None:
            self._known = await asyncio.to_thread(_load, self._file)
        if self._known is None:
            raise DiscoveryError(f"{why}; its servers are added when it answers")
        if not self._is_away:
            log.warning("manager's servers cannot be read, its last list stays", manager=self._settings.name, reason=why)
        self._is_away = True
        return self._known

    async def _remember(self, found: list[Device]) -> None:
        if self._is_away:
            log.info("manager's servers are read again", manager=self._settings.name, servers=len(found))
        self._is_away = False
        if found != self._known:
            self._known = found
            try:
                await asyncio.to_thread(_save, self._file, found)
            except OSError as error:
                log.warning("manager's servers cannot be kept in a file", file=str(self._file), reason=str(error))


def managed_servers(config: Config) -> ManagedServers | None:
    """Who adds a manager's servers to the inventory, where `inventory.bcm` names one."""
    settings = next((each for each in config.collectors.bcm if each.name == config.inventory.bcm), None)
    return ManagedServers(config, settings) if settings is not None else None


def _load(file: Path) -> list[Device] | None:
    try:
        return [Device(**each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return None  # none there, or one of another version: the manager will tell


def _save(file: Path, found: list[Device]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(each) for each in found]), encoding="utf-8")
    fresh.replace(file)
