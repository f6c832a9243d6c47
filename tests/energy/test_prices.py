"""What energy costs: time of use by the clock on the wall, files of carbon intensities, spans over changes."""

from __future__ import annotations

import math
import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.prices.carbon import Series, moment, parse_csv
from energy.prices.prices import JOULES_PER_KWH, Prices
from energy.prices.tariff import TimeOfUse
from wattstat.config.energy import Carbon, Energy, Tariff, TariffPeriod

NIGHT = TariffPeriod(start="22:00", end="06:00", price_per_kwh=0.1)
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def tariff(*periods: TariffPeriod, default: float | None = 0.3, zone: str = "Europe/Berlin", **others) -> TimeOfUse:
    return TimeOfUse(Tariff(price_per_kwh=default, periods=periods, **others), zone)


def prices(tmp_path: Path = Path(), **energy) -> Prices:
    return Prices.of(Energy(**energy), "Europe/Berlin", data_dir=tmp_path, credentials={})


@pytest.mark.parametrize(
    ("moment", "price"),
    [
        ("2026-01-05T21:59:59", 0.3),
        ("2026-01-05T22:00:00", 0.1),
        ("2026-01-06T00:00:00", 0.1),
        ("2026-01-06T05:59:59", 0.1),
        ("2026-01-06T06:00:00", 0.3),
        ("2026-07-05T22:00:00", 0.1),
    ],
)
def test_a_period_over_midnight_holds_until_the_morning(moment, price):
    assert tariff(NIGHT).per_kwh(at(moment)) == price


@pytest.mark.parametrize(("moment", "price"), [("2026-01-09T23:00", 0.1), ("2026-01-10T05:00", 0.1), ("2026-01-10T23:00", 0.3)])
def test_a_period_belongs_to_the_day_on_which_it_begins(moment, price):
    friday = NIGHT.model_copy(update={"days": ("fri",)})
    assert tariff(friday).per_kwh(at(moment)) == price


def test_sundays_night_ends_on_monday():
    sunday = NIGHT.model_copy(update={"days": ("sun",)})
    assert tariff(sunday).per_kwh(at("2026-01-12T05:00")) == 0.1
    assert tariff(sunday).per_kwh(at("2026-01-11T05:00")) == 0.3


def test_the_first_period_that_holds_counts():
    peak = TariffPeriod(start="08:00", end="12:00", price_per_kwh=0.5)
    day = TariffPeriod(start="06:00", end="20:00", price_per_kwh=0.4)
    found = tariff(peak, day)
    assert [found.per_kwh(at(f"2026-01-05T{hour:02}:00")) for hour in (5, 7, 9, 13)] == [0.3, 0.4, 0.5, 0.4]


def test_a_tariff_has_its_own_time_zone():
    assert tariff(NIGHT, timezone="Asia/Tokyo").per_kwh(at("2026-01-05T14:00")) == 0.1


def test_summer_time_moves_the_night_with_the_clock():
    found = tariff(NIGHT)
    assert found.per_kwh(at("2026-03-29T05:59")) == 0.1
    assert found.per_kwh(at("2026-03-29T06:00")) == 0.3
    night = [found.per_kwh(at("2026-10-24T22:00") + minute * 60) for minute in range(12 * 60)]
    assert night.count(0.1) == 9 * 60  # the night of the extra hour


def test_hours_without_a_price_are_not_free():
    assert tariff(NIGHT, default=None).per_kwh(at("2026-01-05T12:00")) is None
    found = prices(tariff=Tariff(periods=(NIGHT,)))
    assert found.price(JOULES_PER_KWH, at("2026-01-05T12:00")).cost is None
    assert found.price_span(JOULES_PER_KWH, at("2026-01-05T21:00"), at("2026-01-05T23:00")).cost is None


def test_joules_over_a_boundary_cost_by_their_parts():
    found = prices(tariff=Tariff(price_per_kwh=0.3, periods=(NIGHT,)))
    span = at("2026-01-05T21:45"), at("2026-01-05T22:05")
    assert found.price_span(JOULES_PER_KWH, *span).cost == pytest.approx(0.75 * 0.3 + 0.25 * 0.1)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-06-01"])
@given(data=st.data())
def test_a_span_costs_what_its_seconds_cost(day, data):
    """Also where the clocks change, and where a period's edge lies in the hour that is skipped or comes twice."""
    edges = st.sampled_from(["00:00", "01:59", "02:00", "02:30", "02:45", "03:00", "03:10", "22:07"])
    start, end = data.draw(edges), data.draw(edges)
    if start == end:
        return
    found = tariff(TariffPeriod(start=start, end=end, price_per_kwh=0.1))
    since = at(f"{day}T00:00") + data.draw(st.integers(-7200, 14400))
    until = since + data.draw(st.integers(60, 6 * 3600))
    steps = range(int(since), int(until))
    summed = sum(found.per_kwh(second + 0.5) for second in steps) / len(steps)
    whole = Prices(found, Series(), Series()).price_span(JOULES_PER_KWH, int(since), int(until))
    assert whole.cost == pytest.approx(summed, rel=1e-9)


@pytest.mark.parametrize(
    ("periods", "zone", "words"),
    [
        ((NIGHT,), "Europe/Atlantis", "no time zone"),
        ((NIGHT, TariffPeriod(start="23:00", end="05:00", price_per_kwh=1)), "UTC", r"periods\[1\] never holds"),
    ],
)
def test_a_tariff_without_sense_is_refused(periods, zone, words):
    with pytest.raises(ValueError, match=words):
        tariff(*periods, zone=zone)


def test_constants_are_location_and_market_based():
    found = prices(carbon=Carbon(location_grams_per_kwh=380, market_grams_per_kwh=0)).price(2 * JOULES_PER_KWH, 0)
    assert (found.location_grams, found.market_grams, found.cost) == (760, 0, None)


def test_a_value_of_a_file_holds_until_the_next(tmp_path):
    path = tmp_path / "grid.csv"
    path.write_text("time,grams_per_kwh\n2026-01-01T00:00:00Z,100\n2026-01-01T02:00:00+01:00,300\n")
    found = prices(carbon=Carbon(file=path, location_grams_per_kwh=1))
    midnight = at("2026-01-01T00:00", ZoneInfo("UTC"))
    grams = [found.price(JOULES_PER_KWH, midnight + hours * 3600).location_grams for hours in (-1, 0, 0.99, 1, 99)]
    assert grams == [None, 100, 100, 300, 300]
    assert found.price_span(JOULES_PER_KWH, midnight, midnight + 7200).location_grams == pytest.approx(200)
    assert found.price_span(JOULES_PER_KWH, midnight - 60, midnight + 7200).location_grams is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: has no values"),
        ("time,grams_per_kwh\n", "line 1: has no values"),
        ("when,grams_per_kwh\n", "line 1: has no column time"),
        ("time,grams_per_kwh\n2026-01-01T00:00:00Z,12\nyesterday,3", "line 3: 'yesterday' is no time"),
        ("time,grams_per_kwh\n2026-01-01T00:00:00,12", "line 2: .* is no time with a zone"),
        ("time,grams_per_kwh\n2026-01-01T00:00:00Z,", "line 2: '' is no intensity"),
        ("time,grams_per_kwh\n2026-01-01T00:00:00Z,-1", "line 2: '-1' is no intensity"),
        ("time,grams_per_kwh\n2026-01-01T00:00:00Z,nan", "line 2: 'nan' is no intensity"),
        ("time,grams_per_kwh\n2026-01-01T00:00:00Z,1,2", "line 2: has 3 columns"),
        ("time,grams_per_kwh\n2026-01-02T00:00:00Z,1\n\n2026-01-01T00:00:00Z,1", "line 4: its time is not after"),
    ],
)
def test_a_broken_file_is_told_by_its_line(text, words):
    with pytest.raises(ValueError, match=words):
        parse_csv(text)


@given(st.text())
def test_any_text_is_a_series_or_a_clear_error(text):
    try:
        found = parse_csv(text)
    except ValueError as err:
        said = str(err)
    else:
        said = "line"
        assert all(map(math.isfinite, found.values))
    assert said.startswith("line")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"energy\.carbon\.file: .*none\.csv cannot be read"):
        prices(carbon=Carbon(file=tmp_path / "none.csv"))


async def test_a_file_that_changed_is_read_again_and_a_broken_one_changes_nothing(tmp_path):
    path = tmp_path / "grid.csv"
    path.write_text("time,grams_per_kwh\n2026-01-01T00:00:00Z,100\n")
    found = prices(carbon=Carbon(file=path))
    path.write_text("time,grams_per_kwh\n2026-01-01T00:00:00Z,120.5\n")
    await found.refresh()
    now = at("2026-02-01T00:00")
    assert found.price(JOULES_PER_KWH, now).location_grams == 120.5
    path.write_text("time,grams_per_kwh\noops")
    os.utime(path, (1, 1))
    await found.refresh()
    assert found.price(JOULES_PER_KWH, now).location_grams == 120.5
    assert "line 2" in found.problem


def test_seconds_may_be_left_out_of_a_time():
    assert moment("2018-01-20T12:00Z") == at("2018-01-20T12:00", ZoneInfo("UTC"))
    assert moment(5) is None
