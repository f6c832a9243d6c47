"""Settings: the ledger of joules by job, what energy costs and how much carbon it stands for."""

from __future__ import annotations

import re
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wattstat.document import Strict
from wattstat.values import ClockTime, Price, Seconds, Url


class TariffPeriod(Strict):
    """Hours at which another price holds."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    """Days of the week; all unless given."""
    start: ClockTime = "00:00"
    """From when, in the tariff's time zone."""
    end: ClockTime = "24:00"
    """Until when; before `start` it is on the next day."""
    price_per_kwh: Price
    """What a kilowatt-hour costs then."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end:
            raise ValueError(f"begins and ends at {self.start}; expected an end after the start, or before it for the next day")
        return self


class Tariff(Strict):
    """What energy costs. Energy is priced when it is posted."""

    currency: str = "EUR"
    """The money of all prices."""
    price_per_kwh: Price | None = None
    """What a kilowatt-hour costs when no period says otherwise."""
    timezone: str | None = None
    """Time zone of the periods; the site's unless given."""
    periods: tuple[TariffPeriod, ...] = Field(
        default=(), examples=[[{"start": "22:00", "end": "06:00", "price_per_kwh": 0.18}]]
    )
    """Time-of-use prices; the first that holds counts."""

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError(f"the currency {self.currency!r} is none; expected three capital letters such as EUR (ISO 4217)")
        # A slim machine without any time zone data cannot tell, and refuses nothing.
        known = zoneinfo.available_timezones()
        if self.timezone is not None and known and self.timezone not in known:
            raise ValueError(f"{self.timezone!r} is no time zone; expected a name such as Europe/Berlin or UTC")
        return self


class CarbonService(Strict):
    """A service that tells the grid's carbon intensity."""

    kind: Literal["electricity_maps", "national_grid_eso", "watttime"]
    """Which service; its interface is known to Wattstat."""
    url: Url | None = None
    """Another address for the same interface, such as a proxy."""
    zone: str = ""
    """The grid's zone as the service names it."""
    credentials: str | None = None
    """Name of an entry of `credentials` with the service's key."""
    refresh_seconds: Seconds = 1800
    """How often it is asked; between answers, and when it is silent, the newest known value holds and is marked."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind != "national_grid_eso" and not (self.zone and self.credentials):
            raise ValueError(f"{self.kind} needs a zone and credentials; add what is missing")
        return self


class Carbon(Strict):
    """How much carbon dioxide a kilowatt-hour stands for. The first that is given counts: service, file, constant."""

    location_grams_per_kwh: Annotated[float, Field(ge=0)] | None = None
    """The grid's average, location-based, as a constant."""
    market_grams_per_kwh: Annotated[float, Field(ge=0)] | None = None
    """What the site's supply contracts say, market-based, as a constant."""
    file: Path | None = None
    """CSV with the columns time (RFC 3339) and grams_per_kwh; each value holds until the next."""
    service: CarbonService | None = None
    """A service to ask."""


class Energy(Strict):
    """The ledger of joules by job."""

    enabled: bool = True
    """Whether core keeps the ledger."""
    database: str | None = None
    """SQLAlchemy's URL, such as postgresql+psycopg://wattstat@db/wattstat; a SQLite file in `data_dir` unless given."""
    journal_seconds: Seconds = 10
    """How often the agents' journals are read, and how far their entries stand apart."""
    settle_seconds: Seconds = 30
    """How long the ledger waits for late readings before it settles; and how often it writes."""
    pue: Annotated[float, Field(ge=1)] | None = None
    """The building's power usage effectiveness: reports then tell the facility's energy beside the measured one."""
    overhead_nodes: tuple[str, ...] = ()
    """Servers whose energy serves the whole site (login, management), by name or pattern; without a scheduler's word for it."""
    idle_activity_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """A GPU that a job holds counts as idle while it is active for a smaller share of the time."""
    disagreement_ratio: Annotated[float, Field(gt=0)] = 0.1
    """How far a GPU's energy counter may be from its integrated power before that is a finding."""
    tariff: Tariff = Tariff()
    """What energy costs."""
    carbon: Carbon = Carbon()
    """How much carbon it stands for."""
    detail_days: Annotated[float, Field(gt=0)] = 400
    """How long postings by hour, and what each GPU did for each job, are kept; days, months and jobs are kept for ever."""
