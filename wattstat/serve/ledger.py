"""The ledger by the settings: as core keeps it, and the reports that web makes of its books."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from energy.database import open_books, open_reports
from energy.ledger import Ledger
from energy.lines import Prices
from energy.model import Books
from energy.reports import SqlReports
from energy.service import LedgerService
from wattstat import inventory
from wattstat.config import Config
from wattstat.hall import Hall


def ledger_service(config: Config, hall: Hall) -> LedgerService:
    """A service that opens the books when it runs."""
    return LedgerService(
        open_books=partial(open_books, config),
        open_ledger=partial(_open_ledger, config),
        hall=hall,
        settle_seconds=config.energy.settle_seconds,
    )


@dataclass(frozen=True, slots=True)
class _Unknown:
    cost: float | None = None
    location_grams: float | None = None
    market_grams: float | None = None


def ledger_reports(config: Config) -> SqlReports:
    """What people ask the books."""
    return open_reports(config, zone=site_zone(config))


def site_zone(config: Config) -> ZoneInfo:
    """The site's time zone as the inventory file has it, when the process starts; UTC without a file."""
    file = config.inventory.file
    if file is None or not file.exists():
        return ZoneInfo("UTC")
    return ZoneInfo(inventory.load(file).site.timezone)


class _Unpriced:
    """What holds where no tariff and no carbon intensity is set: nothing is known, and nothing is free."""

    def price(self, joules: float, at: float) -> _Unknown:
        return _Unknown()


def prices_of(config: Config) -> Prices:  # noqa: ARG001 - the settings will say
    """What energy costs and stands for, by the settings."""
    return _Unpriced()


def _open_ledger(config: Config, books: Books) -> Ledger:
    return Ledger(config.energy, books, prices_of(config), clock=time.time, monotonic=time.monotonic)
