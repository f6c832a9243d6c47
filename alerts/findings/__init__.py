"""What no threshold tells: findings look at history and say what they saw, with evidence. Explained in docs/findings.md."""

from __future__ import annotations

from collections.abc import Callable

from alerts.findings import budgets, caps, gpus, ledgers, links, stragglers, unwatched
from alerts.findings.past import Past
from alerts.model import Clock, Finder
from wattstat.inventory import Inventory
from wattstat.store.protocol import Store

__all__ = ["finders"]


def finders(store: Store, inventory: Callable[[], Inventory], clock: Clock) -> list[Finder]:
    """All findings, to be asked of one history. `inventory` is asked at each look: it may change meanwhile.

    What they are made at by `clock` is when they begin to wait for devices to be read for the first time.
    """
    past = Past(store)
    return [
        budgets.finder(past),
        caps.finder(past),
        gpus.finder(past, inventory),
        ledgers.finder(past),
        links.finder(past),
        stragglers.finder(past),
        unwatched.finder(past, inventory, since=clock()),
    ]
