"""The room of alerts as the web process opens it: what evaluates, where history is written, who knows the inventory."""

from __future__ import annotations

import sqlite3

from alerts.room import Room, Unavailable
from wattstat.api.live import CoreUnavailable, Live
from wattstat.config import Config
from wattstat.document import InvalidDocument
from wattstat.inventory import Inventory
from wattstat.serve.ledger import site_zone
from wattstat.serve.process import CannotStart
from wattstat.store import Store
from wattstat.store.embedded import EmbeddedStore
from wattstat.store.remote import RemoteStore


def open_room(config: Config, store: Store, live: Live) -> Room:
    """The room by the settings. Raises `CannotStart` saying what is wrong and what to do."""

    async def hall() -> Inventory:
        try:
            return Inventory.model_validate(await live.inventory())
        except CoreUnavailable as err:
            raise Unavailable(str(err)) from err

    evaluates = config.alerts.evaluate if config.alerts.evaluate is not None else not isinstance(store, RemoteStore)
    try:
        return Room(
            config.alerts,
            store=store,
            record=store.record if isinstance(store, EmbeddedStore) else None,
            peer=store.rule_groups if isinstance(store, RemoteStore) and not evaluates else None,
            hall=hall,
            credentials=config.credentials,
            data_dir=config.data_dir,
            zone=site_zone(config),
            every_seconds=config.store.embedded.scrape_seconds,
            # As deploy/prometheus/prometheus.yml has them: rules and dashboards see the same series either way.
            scraped_as={"job": "wattstat-web", "instance": config.web.listen},
        )
    except InvalidDocument as err:
        raise CannotStart(f"the alert rules cannot be evaluated:\n{err}") from err
    except (ValueError, sqlite3.Error) as err:
        raise CannotStart(f"alerts: {err}") from err
