"""Makes sources of the inventory's clusters."""

from __future__ import annotations

import functools
from typing import Any

from collectors.ecs.session import Session
from collectors.ecs.source import EcsSource
from collectors.frame.source import Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.frame.web import Web
from wattstat.config import Config
from wattstat.config.devices import StorageReader
from wattstat.inventory import Inventory
from wattstat.inventory.devices import Storage

KINDS = frozenset({"ecs", "objectscale"})


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each ECS and ObjectScale. One whose settings cannot be used fails with the reason."""
    contexts = Contexts()
    return [
        made(
            functools.partial(_source, config, storage, contexts),
            collector=EcsSource.collector,
            target=storage.name,
            tier=tiers(config.collectors.storage)[0],
        )
        for storage in inventory.storage
        if storage.kind in KINDS
    ]


def tiers(settings: StorageReader) -> tuple[Tier, ...]:
    """Fast: traffic. Medium: nodes. Slow: capacity, drives, alerts, replication. Quota: identity and namespaces."""
    patience = settings.timeout_seconds + 5
    return (
        Tier("fast", settings.fast_seconds, max(settings.fast_seconds, patience)),
        Tier("medium", settings.medium_seconds, max(settings.medium_seconds, patience)),
        Tier("slow", settings.slow_seconds, max(settings.slow_seconds, patience)),
        Tier("quota", settings.quota_seconds, max(settings.quota_seconds, patience)),
    )


def _source(config: Config, storage: Storage, contexts: Contexts) -> EcsSource:
    settings = config.collectors.storage
    credentials = config.credentials.get(storage.credentials)
    if credentials is None:
        raise ValueError(f"storage {storage.name}: no credentials named {storage.credentials!r} in wattstat.yaml")
    try:
        trust = contexts.of(storage.tls)
    except (ValueError, OSError) as err:
        raise ValueError(f"storage {storage.name}: tls: {err}") from err
    if not storage.url.startswith("https:"):
        raise ValueError(f"storage {storage.name}: {storage.url}: expected https://; a password is never sent in the clear")
    web = Web(url=storage.url.rstrip("/"), timeout_seconds=settings.timeout_seconds, tls=trust)
    return EcsSource(
        target=storage.name, storage=storage, tiers=tiers(settings), session=Session(web=web, credentials=credentials)
    )
