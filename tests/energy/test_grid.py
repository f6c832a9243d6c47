"""Services that tell the grid's carbon intensity, spoken to over HTTP in the shapes of their documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from hypothesis import given
from hypothesis import strategies as st

from energy.prices.grid_answers import electricity_maps, national_grid_eso, watttime, watttime_token
from energy.prices.prices import JOULES_PER_KWH, Prices
from tests.support.web_server import serving
from wattstat.config.energy import Carbon, CarbonService, Energy
from wattstat.config.settings import Credentials

HOUR = 3600
T0 = 1_767_268_800.0  # 2026-01-01T12:00:00Z

MAPS_LATEST = {
    "zone": "DE",
    "carbonIntensity": 302,
    "datetime": "2026-01-01T12:00:00.000Z",
    "updatedAt": "2026-01-01T12:44:01.000Z",
    "createdAt": "2025-12-29T12:51:00.000Z",
    "emissionFactorType": "lifecycle",
    "isEstimated": True,
    "estimationMethod": "TIME_SLICER_AVERAGE",
}
MAPS_HISTORY = {
    "zone": "DE",
    "history": [
        {**MAPS_LATEST, "carbonIntensity": 280, "datetime": "2026-01-01T10:00:00.000Z", "isEstimated": False},
        {**MAPS_LATEST, "carbonIntensity": 290, "datetime": "2026-01-01T11:00:00.000Z"},
    ],
}
ESO = {
    "data": [
        {
            "from": "2026-01-01T11:30Z",
            "to": "2026-01-01T12:00Z",
            "intensity": {"forecast": 266, "actual": 263, "index": "moderate"},
        },
        {
            "from": "2026-01-01T12:00Z",
            "to": "2026-01-01T12:30Z",
            "intensity": {"forecast": 250, "actual": None, "index": "moderate"},
        },
    ]
}
MOER = {
    "data": [
        {"point_time": "2026-01-01T11:55:00+00:00", "value": 1000.0, "version": "2.0"},
        {"point_time": "2026-01-01T12:00:00+00:00", "value": 900.0, "version": "2.0"},
    ],
    "meta": {
        "region": "CAISO_NORTH",
        "signal_type": "co2_moer",
        "units": "lbs_co2_per_mwh",
        "data_point_period_seconds": 300,
        "model": {"date": "2022-10-01"},
        "generated_at": "2026-01-01T12:05:00+00:00",
    },
}


class Grid:
    """The three services in one; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.instead: Response | None = None
        self.app = FastAPI()
        self.app.get("/{path:path}")(self.answer)
        self.url = ""
        self.now = T0 + 60

    async def answer(self, path: str, request: Request) -> Response:
        self.asked.append((path, dict(request.query_params), dict(request.headers)))
        if self.instead is not None:
            return self.instead
        bodies = {
            "v3/carbon-intensity/latest": MAPS_LATEST,
            "v3/carbon-intensity/history": MAPS_HISTORY,
            "login": {"token": "a.b.c"},
            "v3/historical": MOER,
            "v3/forecast": {**MOER, "data": [{"point_time": "2026-01-01T12:05:00+00:00", "value": 800.0}]},
        }
        return JSONResponse(ESO if path.startswith("intensity/") else bodies[path])


@pytest.fixture
async def grid() -> AsyncIterator[Grid]:
    found = Grid()
    async with serving(found.app) as found.url:
        yield found


@pytest.fixture
def priced(grid, tmp_path, monkeypatch):
    monkeypatch.setenv("GRID_KEY", "secret")

    def make(kind: str = "electricity_maps", zone: str = "DE") -> Prices:
        service = CarbonService(kind=kind, url=grid.url, zone=zone, credentials="grid", refresh_seconds=600)
        energy = Energy(carbon=Carbon(service=service, location_grams_per_kwh=1))
        login = Credentials(username="ada", password_env="GRID_KEY")
        return Prices.of(energy, "UTC", data_dir=tmp_path, credentials={"grid": login}, clock=lambda: grid.now)

    return make


def grams(prices: Prices, at: float) -> float | None:
    return prices.price(JOULES_PER_KWH, at).location_grams


async def test_electricity_maps_is_asked_with_its_token(grid, priced):
    prices = priced()
    await prices.refresh()
    assert [grams(prices, T0 + hours * HOUR) for hours in (-3, -2, -1, 0, 1)] == [None, 280, 290, 302, 302]
    assert [(path, query) for path, query, _ in grid.asked] == [
        ("v3/carbon-intensity/history", {"zone": "DE"}),
        ("v3/carbon-intensity/latest", {"zone": "DE"}),
    ]
    assert all(headers["auth-token"] == "secret" for _, _, headers in grid.asked)
    assert (prices.grid.grams_per_kwh, prices.grid.known_at, prices.grid.is_stale) == (302, T0, False)


async def test_great_britain_is_measured_where_known_and_else_forecast(grid, priced):
    prices = priced("national_grid_eso", zone="")
    await prices.refresh()
    assert [grams(prices, T0 + minutes * 60) for minutes in (-31, -30, -1, 0)] == [None, 263, 263, 250]
    assert grid.asked[0][0] == "intensity/2025-12-31T12:01Z/2026-01-01T12:01Z"


async def test_watttime_is_logged_in_to_and_its_pounds_become_grams(grid, priced):
    prices = priced("watttime", zone="CAISO_NORTH")
    await prices.refresh()
    assert grams(prices, T0 - 60) == pytest.approx(453.59237)
    assert grams(prices, T0 + 600) == pytest.approx(800 * 0.45359237)
    (login, history, forecast) = grid.asked
    assert login[2]["authorization"] == "Basic " + base64.b64encode(b"ada:secret").decode()
    assert history[2]["authorization"] == "Bearer a.b.c"
    assert history[1]["region"] == "CAISO_NORTH"
    assert forecast[1] == {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": "0"}


async def test_it_is_asked_no_more_often_than_it_shall_be(grid, priced):
    prices = priced()
    await prices.refresh()
    grid.now += 599
    await prices.refresh()
    assert len(grid.asked) == 2
    grid.now += 1
    await prices.refresh()
    assert len(grid.asked) == 4


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        (Response(status_code=500), "answers 500"),
        (Response(status_code=401), "refuses the key"),
        (Response("<html>"), "answers no JSON"),
        (JSONResponse({"message": "no data"}), "no intensities"),
    ],
    ids=["error", "refused", "html", "empty"],
)
async def test_what_is_known_holds_and_is_marked_when_the_service_fails(grid, priced, instead, words):
    prices = priced()
    await prices.refresh()
    grid.instead = instead
    grid.now += 6 * HOUR
    await prices.refresh()
    assert grams(prices, grid.now) == 302
    assert prices.grid.is_stale
    assert prices.grid.known_at == T0
    assert words in prices.problem
    grid.instead = None
    grid.now += 600
    await prices.refresh()
    assert prices.problem == ""


async def test_what_was_told_survives_a_restart(grid, priced):
    await priced().refresh()
    grid.instead = Response(status_code=503)
    again = priced()
    assert grams(again, T0) == 302
    assert priced(zone="FR").price(1.0, T0).location_grams is None


async def test_a_service_that_never_answered_gives_no_carbon_rather_than_none_at_all(grid, priced):
    grid.instead = Response(status_code=503)
    prices = priced()
    await prices.refresh()
    assert grams(prices, T0) is None
    assert prices.grid.is_stale


@pytest.mark.parametrize("text", ["", "{", "[]", '{"service": "other"}', '{"times": 1}'])
async def test_a_broken_cache_is_no_cache(grid, priced, tmp_path, text):
    (tmp_path / "carbon-electricity_maps-DE.json").write_text(text)
    prices = priced()
    assert grams(prices, T0) is None
    await prices.refresh()
    assert grams(prices, T0) == 302


async def test_a_server_that_is_gone_is_told(priced, grid, tmp_path):
    service = CarbonService(kind="national_grid_eso", url="http://127.0.0.1:9")
    prices = Prices.of(Energy(carbon=Carbon(service=service)), "UTC", data_dir=tmp_path, credentials={}, clock=lambda: T0)
    await prices.refresh()
    assert "does not answer" in prices.problem


def test_credentials_that_do_not_exist_are_refused(tmp_path):
    service = CarbonService(kind="electricity_maps", zone="DE", credentials="nobody")
    with pytest.raises(ValueError, match="'nobody'"):
        Prices.of(Energy(carbon=Carbon(service=service)), "UTC", data_dir=tmp_path, credentials={})


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(JSON, st.sampled_from([MAPS_LATEST, MAPS_HISTORY, ESO, MOER]), st.data())
def test_no_answer_breaks_the_parsers(anything, sample, data):
    """Any member of a true answer may be anything else, or absent."""
    text = json.loads(json.dumps(sample))
    holder = text
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = anything
        break
    for parse in (electricity_maps, national_grid_eso, watttime):
        for answer in (text, anything):
            assert all(grams >= 0 for _, grams in parse(answer))
    assert watttime_token(anything) is None or isinstance(watttime_token(anything), str)


def test_watttime_in_other_units_is_not_taken_for_pounds():
    assert watttime({**MOER, "meta": {"units": "percentile"}}) == []
