"""A service that tells the grid's carbon intensity, asked now and then, with what it told kept on disk."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from energy.prices.carbon import Series
from energy.prices.grid_answers import Points, electricity_maps, national_grid_eso, watttime, watttime_token
from wattstat.config.energy import CarbonService
from wattstat.config.settings import Credentials

ADDRESSES: Mapping[str, str] = {
    "electricity_maps": "https://api.electricitymaps.com",
    "national_grid_eso": "https://api.carbonintensity.org.uk",
    "watttime": "https://api.watttime.org",
}
# How much is asked for each time and so how long an outage of ours may last without a gap.
HISTORY_SECONDS = 86_400.0
# How much is kept: energy is posted minutes after it was drawn, after an outage hours or days.
KEPT_SECONDS = 14 * 86_400.0
TIMEOUT_SECONDS = 20.0


class ServiceFailed(Exception):
    """The service gave no intensity; the message says what it did instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridState:
    """What is known of the grid now. `is_stale`: the newest value is older than the service's own step and holds meanwhile."""

    grams_per_kwh: float | None = None
    known_at: float | None = None
    is_stale: bool = True
    problem: str = ""


class GridService:
    """The series of one service. `refresh` never raises: what went wrong stands in `state`."""

    def __init__(
        self,
        settings: CarbonService,
        credentials: Credentials | None,
        cache: Path,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._cache = cache
        self._clock = clock
        self._address = settings.url or ADDRESSES[settings.kind]
        self._asked_at: float | None = None
        self._problem = ""
        self.series = _read(cache, self._identity)

    @property
    def state(self) -> GridState:
        """What is known now."""
        now = self._clock()
        past = [at for at in self.series.times if at <= now]
        if not past:
            return GridState(problem=self._problem)
        # Half-hourly and hourly values are published late; two steps of ours on top are no outage.
        is_stale = now - past[-1] > 2 * self._settings.refresh_seconds + 2 * 3600
        return GridState(grams_per_kwh=self.series.at(now), known_at=past[-1], is_stale=is_stale, problem=self._problem)

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask."""
        return self._asked_at is None or self._clock() - self._asked_at >= self._settings.refresh_seconds

    async def refresh(self) -> None:
        """Ask, if it is time to. What is known stays known when the service is silent."""
        if not self.is_due:
            return
        self._asked_at = self._clock()
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session:
                points = await self._ask(session)
        except (aiohttp.ClientError, TimeoutError) as err:
            self._problem = f"{self._settings.kind} at {self._address} does not answer: {str(err) or type(err).__name__}"
        except ServiceFailed as err:
            self._problem = f"{self._settings.kind} at {self._address}: {err}"
        else:
            self._problem = ""
            known = [*zip(self.series.times, self.series.values, strict=True), *points]
            self.series = Series.of(known).since(self._clock() - KEPT_SECONDS)
            self._write()

    async def _ask(self, session: aiohttp.ClientSession) -> Points:
        points = await self._points(session)
        if not points:
            raise ServiceFailed("its answer has no intensities")
        return points

    async def _points(self, session: aiohttp.ClientSession) -> Points:
        zone, now = self._settings.zone, self._clock()
        match self._settings.kind:
            case "electricity_maps":
                headers = {"auth-token": self._secret()}
                history = await self._get(session, "/v3/carbon-intensity/history", headers, zone=zone)
                latest = await self._get(session, "/v3/carbon-intensity/latest", headers, zone=zone)
                return [*electricity_maps(history), *electricity_maps(latest)]
            case "national_grid_eso":
                since = _minute(now - HISTORY_SECONDS)
                return national_grid_eso(await self._get(session, f"/intensity/{since}/{_minute(now)}", {}))
            case "watttime":
                span = {"start": _minute(now - HISTORY_SECONDS), "end": _minute(now)}
                headers = {"Authorization": f"Bearer {await self._login(session)}"}
                signal = {"region": zone, "signal_type": "co2_moer"}
                points = watttime(await self._get(session, "/v3/historical", headers, **signal, **span))
                # The history ends some minutes ago; the forecast begins now.
                forecast = await self._get(session, "/v3/forecast", headers, **signal, horizon_hours="0")
                return [*points, *watttime(forecast)]

    async def _login(self, session: aiohttp.ClientSession) -> str:
        password = self._secret()
        username = "" if self._credentials is None else self._credentials.username
        login = b64encode(f"{username}:{password}".encode()).decode()
        token = watttime_token(await self._get(session, "/login", {"Authorization": f"Basic {login}"}))
        if token is None:
            raise ServiceFailed("/login gave no token")
        return token

    def _secret(self) -> str:
        if self._credentials is None:
            raise ServiceFailed("needs credentials; name an entry of `credentials` in energy.carbon.service")
        try:
            return self._credentials.password().get_secret_value()
        except ValueError as err:
            raise ServiceFailed(str(err)) from err

    async def _get(
        self,
        session: aiohttp.ClientSession,
        path: str,
        headers: Mapping[str, str],
        **params: str,
    ) -> Any:
        given = {name: value for name, value in params.items() if value}
        async with session.get(f"{self._address}{path}", params=given, headers=headers) as answer:
            if answer.status in {401, 403}:
                raise ServiceFailed(f"refuses the key ({answer.status}) for {path}; check its credentials and the zone")
            if answer.status != 200:
                raise ServiceFailed(f"answers {answer.status} to {path}")
            try:
                return await answer.json(content_type=None)
            except (json.JSONDecodeError, UnicodeDecodeError) as err:
                raise ServiceFailed(f"answers no JSON to {path}") from err

    @property
    def _identity(self) -> str:
        return f"{self._settings.kind} {self._settings.zone} {self._settings.url or ''}"

    def _write(self) -> None:
        body = {"service": self._identity, "times": self.series.times, "values": self.series.values}
        whole = self._cache.with_suffix(".new")
        try:
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            whole.write_text(json.dumps(body), encoding="utf-8")
            whole.replace(self._cache)
        except OSError as err:
            self._problem = f"the carbon intensities cannot be kept in {self._cache}: {err.strerror}"


def cache_file(folder: Path, settings: CarbonService) -> Path:
    """Where a service's values are kept."""
    return folder / f"carbon-{settings.kind}-{re.sub('[^A-Za-z0-9_-]', '_', settings.zone)}.json"


def _read(cache: Path, identity: str) -> Series:
    """What was kept; nothing where the file is absent, broken or of another service."""
    try:
        body = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Series()
    if not isinstance(body, dict) or body.get("service") != identity:
        return Series()
    times, values = body.get("times"), body.get("values")
    if not isinstance(times, list) or not isinstance(values, list) or len(times) != len(values):
        return Series()
    numbers = [each for each in (*times, *values) if isinstance(each, int | float)]
    return Series.of(zip(times, values, strict=True)) if len(numbers) == 2 * len(times) else Series()


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")
