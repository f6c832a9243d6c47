"""What energy costs and stands for: money by the tariff, carbon by the grid's average and by the site's own contracts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from energy.prices.carbon import Series, read_file
from energy.prices.grid import GridService, GridState, cache_file
from energy.prices.tariff import TimeOfUse
from wattstat.config.energy import Energy
from wattstat.config.settings import Credentials

JOULES_PER_KWH = 3.6e6
# Before all time: a constant has always held.
_ALWAYS = -1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Money and carbon of some energy; None where nobody knows, which is not nothing."""

    cost: float | None
    location_grams: float | None
    market_grams: float | None


class Prices:
    """The prices of one configuration. All but `refresh` is arithmetic."""

    def __init__(
        self,
        tariff: TimeOfUse,
        location: Series,
        market: Series,
        *,
        file: Path | None = None,
        service: GridService | None = None,
    ) -> None:
        self._tariff = tariff
        self._location = location
        self._market = market
        self._file = file
        self._file_stamp = _stamp(file)
        self._file_problem = ""
        self._service = service

    @classmethod
    def of(
        cls,
        settings: Energy,
        site_timezone: str,
        *,
        data_dir: Path,
        credentials: Mapping[str, Credentials],
        clock: Callable[[], float] = time.time,
    ) -> Prices:
        """The prices that the settings describe. Raises `ValueError` with the setting that makes no sense."""
        carbon = settings.carbon
        service = None
        location = Series()
        if carbon.service is not None:
            name = carbon.service.credentials
            if name is not None and name not in credentials:
                raise ValueError(f"energy.carbon.service.credentials names {name!r}, which `credentials` does not have")
            login = None if name is None else credentials[name]
            service = GridService(carbon.service, login, cache_file(data_dir, carbon.service), clock=clock)
        elif carbon.file is not None:
            location = read_file(carbon.file)
        else:
            location = _constant(carbon.location_grams_per_kwh)
        return cls(
            TimeOfUse(settings.tariff, site_timezone),
            location,
            _constant(carbon.market_grams_per_kwh),
            file=carbon.file if service is None else None,
            service=service,
        )

    def price(self, joules: float, at: float) -> Priced:
        """Money and carbon of joules that were drawn at a moment."""
        kwh = joules / JOULES_PER_KWH
        return Priced(
            cost=_times(kwh, self._tariff.per_kwh(at)),
            location_grams=_times(kwh, self.location.at(at)),
            market_grams=_times(kwh, self._market.at(at)),
        )

    def price_span(self, joules: float, start: float, end: float) -> Priced:
        """Money and carbon of joules that were drawn evenly over a span, whatever changes in it.

        None where a part of the span has no price: a sum that leaves some of it out would look like a cheap whole.
        """
        if end <= start:
            return self.price(joules, start)
        kwh = joules / JOULES_PER_KWH
        return Priced(
            cost=_times(kwh, _mean(self._tariff.per_kwh, self._tariff.changes(start, end), start, end)),
            location_grams=_times(kwh, _mean(self.location.at, self.location.changes(start, end), start, end)),
            market_grams=_times(kwh, self._market.at(start)),
        )

    @property
    def location(self) -> Series:
        """The grid's intensities."""
        return self._location if self._service is None else self._service.series

    @property
    def grid(self) -> GridState | None:
        """What the service tells now, and whether it is old; None where no service is asked."""
        return None if self._service is None else self._service.state

    @property
    def problem(self) -> str:
        """What keeps new intensities away, in words; empty when nothing does."""
        return self._file_problem if self._service is None else self._service.state.problem

    async def refresh(self) -> None:
        """Ask the service if it is time, or read the file if it changed. Raises nothing: see `problem`."""
        if self._service is not None:
            await self._service.refresh()
        elif self._file is not None and (stamp := _stamp(self._file)) != self._file_stamp:
            try:
                self._location = read_file(self._file)
            except ValueError as err:
                self._file_problem = str(err)  # the values from before still hold
            else:
                self._file_problem = ""
            self._file_stamp = stamp


def _constant(value: float | None) -> Series:
    return Series() if value is None else Series((_ALWAYS,), (value,))


def _times(kwh: float, each: float | None) -> float | None:
    return None if each is None else kwh * each


def _mean(value: Callable[[float], float | None], changes: list[float], start: float, end: float) -> float | None:
    """The mean over a span of what holds between changes."""
    total = 0.0
    for since, until in zip([start, *changes], [*changes, end], strict=True):
        held = value(since)
        if held is None:
            return None
        total += held * (until - since)
    return total / (end - start)


def _stamp(path: Path | None) -> tuple[float, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime, status.st_size
