"""Makes sources of the inventory's servers, and one for an address that somebody asks about."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from collectors.frame import Source, Tier
from collectors.frame.tls import Contexts
from collectors.frame.unusable import made
from collectors.redfish.reader import Bmc, Choices
from collectors.redfish.session import Access, Session
from collectors.redfish.source import RedfishSource
from collectors.redfish.stream import Stream
from wattstat import inventory as stock
from wattstat.config import Config, Redfish
from wattstat.inventory import Inventory, Tls


def sources(config: Config, inventory: Inventory) -> list[Source[Any]]:
    """One source for each server that has a BMC. One whose credentials or TLS settings cannot be used fails with the reason."""
    contexts, choices = Contexts(), Choices()
    fast = tiers(config.collectors.redfish)[0]
    return [
        made(
            functools.partial(_source, config, node.name, node.rack, node.bmc, contexts=contexts, choices=choices),
            collector=RedfishSource.collector,
            target=node.name,
            tier=fast,
        )
        for node in inventory.nodes
        if node.bmc is not None
    ]


def sessions(found: Iterable[Source[Any]]) -> dict[str, Session]:
    """The sessions of the BMCs among sources, by node: who sets caps uses the login that reads them."""
    return {source.target: source.session for source in found if isinstance(source, RedfishSource)}


def probe_source(config: Config, *, target: str, credentials: str, tls: Tls | None = None) -> RedfishSource:
    """A source for `/probe?target=https://…&module=…`: the address is the node's name, `credentials` names an entry.

    An address of the inventory is checked as the inventory says. Raises `ValueError` for an unknown entry.
    """
    bmc = stock.Bmc(url=target, credentials=credentials, tls=tls or Tls())
    return _source(config, target, "", bmc, contexts=Contexts(), choices=Choices())


def tiers(settings: Redfish) -> tuple[Tier, ...]:
    """Fast: power. Medium: thermals, supplies, GPUs, health, caps. Slow: inventory, security, logs; it also discovers anew."""
    return (
        Tier("fast", settings.fast_seconds, settings.timeout_seconds + 5),
        Tier("medium", settings.medium_seconds, max(settings.medium_seconds, settings.timeout_seconds + 5)),
        Tier("slow", settings.slow_seconds, max(240.0, settings.timeout_seconds + 5)),
    )


def _source(config: Config, name: str, rack: str, bmc: stock.Bmc, *, contexts: Contexts, choices: Choices) -> RedfishSource:
    settings = config.collectors.redfish
    credentials = config.credentials.get(bmc.credentials)
    if credentials is None:
        raise ValueError(f"node {name}: no credentials named {bmc.credentials!r} in wattstat.yaml")
    try:
        trust = contexts.of(bmc.tls)
    except (ValueError, OSError) as err:
        raise ValueError(f"node {name}: tls: {err}") from err
    session = Session(
        access=Access(url=bmc.url, credentials=credentials, trust=trust, unverified=contexts.unverified),
        timeout_seconds=settings.timeout_seconds,
        requests=settings.requests_per_bmc,
        streams=int(settings.streaming),
    )
    bmc_state = Bmc(
        session=session,
        choices=choices,
        metric_reports=settings.metric_reports,
        stream=Stream(session=session, node=name) if settings.streaming else None,
    )
    return RedfishSource(node=name, rack=rack, bmc=bmc_state, tiers=tiers(settings))
