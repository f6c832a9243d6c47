"""Makes sources of the inventory's PowerScale clusters."""

from __future__ import annotations

import functools
from typing import Any

from collectors.frame.source import Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.frame.web import Web
from collectors.onefs.session import Session
from collectors.onefs.source import OneFsSource
from wattstat.config import Config
from wattstat.config.devices import StorageReader
from wattstat.inventory import Inventory, Storage


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each cluster. One whose credentials or TLS settings cannot be used fails with the reason."""
    contexts = Contexts()
    fast = tiers(config.collectors.storage)[0]
    return [
        made(
            functools.partial(_source, config, cluster, contexts),
            collector=OneFsSource.collector,
            target=cluster.name,
            tier=fast,
        )
        for cluster in inventory.storage
        if cluster.kind == "powerscale"
    ]


def tiers(settings: StorageReader) -> tuple[Tier, ...]:
    """Fast: statistics. Medium: sensors, supplies. Slow: pools, events, drives. Rare: quotas, snapshots, what nodes are.

    A tier asks for three or four documents one after the other, and may have to log in before.
    """
    patience = 4 * settings.timeout_seconds + 5
    return (
        Tier("fast", settings.fast_seconds, patience),
        Tier("medium", settings.medium_seconds, patience),
        Tier("slow", settings.slow_seconds, patience),
        Tier("rare", settings.quota_seconds, patience),
    )


def _source(config: Config, cluster: Storage, contexts: Contexts) -> OneFsSource:
    credentials = config.credentials.get(cluster.credentials)
    if credentials is None:
        raise ValueError(f"storage {cluster.name}: no credentials named {cluster.credentials!r} in wattstat.yaml")
    try:
        trust = contexts.of(cluster.tls)
    except (ValueError, OSError) as error:
        raise ValueError(f"storage {cluster.name}: tls: {error}") from error
    settings = config.collectors.storage
    web = Web(url=cluster.url.rstrip("/"), timeout_seconds=settings.timeout_seconds, tls=trust, requests=1)
    return OneFsSource(cluster=cluster, session=Session(web=web, credentials=credentials), tiers=tiers(settings))
