"""The ledger by the settings: as core keeps it, and the reports that web makes of its books."""

from __future__ import annotations

import time
from functools import partial
from zoneinfo import ZoneInfo

from collectors.slurm.commands import Commands
from collectors.slurm.comment import Runner
from collectors.slurm.source import scheduler_name
from energy.database import open_books, open_reports
from energy.ledger.ledger import Ledger
from energy.model import Books, BooksError
from energy.prices.prices import Prices
from energy.reports.reports import SqlReports
from energy.service import LedgerService
from wattstat import inventory
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.serve.comments import Comments
from wattstat.serve.process import CannotStart


def ledger_service(config: Config, hall: Hall, prices: Prices) -> LedgerService:
    """A service that opens the books when it runs, and keeps the prices current."""
    return LedgerService(
        open_books=partial(open_books, config),
        open_ledger=partial(_open_ledger, config, prices),
        hall=hall,
        settle_seconds=config.energy.settle_seconds,
        detail_days=config.energy.detail_days,
        refresh_prices=prices.refresh,
        price_problem=lambda: prices.problem,
    )


def prices_of(config: Config) -> Prices:
    """What energy costs and stands for, by the settings. Raises `CannotStart` for prices that make no sense."""
    try:
        return Prices.of(
            config.energy, site_zone(config).key, data_dir=config.data_dir, credentials=config.credentials, clock=time.time
        )
    except ValueError as error:
        raise CannotStart(str(error)) from error


def ledger_reports(config: Config) -> SqlReports:
    """What people ask the books. Raises `CannotStart` for an address that makes no sense."""
    try:
        return open_reports(config, zone=site_zone(config))
    except BooksError as error:
        raise CannotStart(str(error)) from error


def slurm_comments(config: Config) -> Comments | None:
    """Who writes AdminComments; None where no cluster's settings ask for it."""
    commands: dict[str, Runner] = {
        scheduler_name(entry): Commands(timeout_seconds=entry.timeout_seconds, folder=entry.commands, conf=entry.conf)
        for entry in config.schedulers.slurm
        if entry.admin_comment
    }
    return Comments(commands=commands, reports=ledger_reports(config), clock=time.time) if commands else None


def site_zone(config: Config) -> ZoneInfo:
    """The site's time zone as the inventory file has it, when the process starts; UTC without a file."""
    file = config.inventory.file
    if file is None or not file.exists():
        return ZoneInfo("UTC")
    return ZoneInfo(inventory.load(file).site.timezone)


def _open_ledger(config: Config, prices: Prices, books: Books) -> Ledger:
    told = config.schedulers
    return Ledger(
        config.energy,
        books,
        prices,
        clock=time.time,
        monotonic=time.monotonic,
        expected_schedulers=len(told.slurm) + len(told.kubernetes) + len(told.commands),
    )
