"""When breakers trip: the documented curves, curves of data sheets, and the heat between."""

import math

import numpy as np
import pytest

from power.model import Floats
from power.tree.build import breakers, build
from power.tree.trips import MAIN, RACK, UPS, Breakers, Curve, Points
from wattstat.inventory import Breaker, Inventory, TripPoint


def _seconds(curve: Curve, *ratios: float) -> list[float]:
    return curve.seconds(np.array(ratios)).tolist()


def _one(curve: Curve) -> Breakers:
    return Breakers(names=("b",), limit_rows=(0,), rating_watts=np.array([1000.0]), curves=(curve,))


def _watts(value: float) -> Floats:
    return np.array([value])


def test_a_racks_breaker_holds_ten_percent_for_seventeen_minutes_and_forty_for_one() -> None:
    assert _seconds(RACK, 1.1, 1.4) == [pytest.approx(17 * 60, rel=0.02), pytest.approx(60, rel=0.02)]


def test_a_main_holds_fifteen_percent_for_a_minute() -> None:
    assert _seconds(MAIN, 1.15) == [pytest.approx(60, rel=0.02)]


def test_a_ups_holds_a_third_over_for_ten_seconds() -> None:
    assert _seconds(UPS, 1.33, 1.25, 2.0, 3.0) == [pytest.approx(10), pytest.approx(30), pytest.approx(0.2), pytest.approx(0.2)]


@pytest.mark.parametrize("curve", [RACK, MAIN, UPS])
def test_every_curve_holds_its_rating_for_ever_and_falls_from_there(curve: Curve) -> None:
    held = curve.seconds(np.linspace(1.001, 6, 400))

    assert _seconds(curve, 0.2, 1.0) == [math.inf, math.inf]
    assert (np.diff(held) <= 1e-9).all()
    assert np.isfinite(held).all()


@pytest.mark.parametrize("curve", [RACK, MAIN, UPS])
def test_a_load_that_nobody_read_never_counts_as_little(curve: Curve) -> None:
    assert curve.seconds(np.array([math.nan]))[0] <= curve.seconds(np.array([5.0]))[0]


def test_from_five_times_its_rating_a_thermal_magnetic_breaker_opens_at_once() -> None:
    assert _one(RACK).carry(_watts(5000.0), 0.01) == ("b",)


def test_points_of_a_data_sheet_are_met_and_joined_without_a_step() -> None:
    curve = Points(((1.1, 1000.0), (1.4, 60.0), (5.0, 0.02)))

    assert _seconds(curve, 1.1, 1.4, 5.0, 9.0) == [
        pytest.approx(1000),
        pytest.approx(60),
        pytest.approx(0.02),
        pytest.approx(0.02),
    ]
    assert _seconds(curve, 1.0999)[0] == pytest.approx(1000, rel=0.01)
    assert 60 < _seconds(curve, 1.2)[0] < 1000


def test_a_breaker_opens_when_its_time_is_over_whatever_the_step() -> None:
    for step in (0.1, 1.0, 7.0):
        one, after = _one(RACK), 0.0
        while not one.tripped.any():
            one.carry(_watts(1400.0), step)
            after += step
        assert after == pytest.approx(float(RACK.seconds(np.array([1.4]))[0]), abs=step)


def test_a_breaker_cools_and_then_holds_as_long_as_before() -> None:
    one = _one(RACK)
    one.carry(_watts(1400.0), 30.0)
    warm = one.left_seconds(_watts(1400.0))[0]
    heat = one.heat[0]
    one.carry(_watts(1000.0), 60.0)
    cooler = one.heat[0]
    one.carry(_watts(900.0), 600.0)

    assert warm < 31
    assert heat - cooler == pytest.approx(0.1)
    assert one.heat[0] == 0
    assert one.left_seconds(_watts(1400.0))[0] == pytest.approx(60, rel=0.02)
    assert one.left_seconds(_watts(1000.0))[0] == math.inf


def test_an_open_breaker_is_told_once_and_starts_cold_when_it_is_closed() -> None:
    one = _one(RACK)

    assert [one.carry(_watts(2000.0), 60.0), one.carry(_watts(0.0), 1.0)] == [("b",), ()]
    one.close("b")
    assert not one.tripped.any()
    assert one.heat[0] == 0


def test_breakers_of_an_inventory_have_its_curves_and_ratings() -> None:
    inventory = Inventory(
        breakers=(
            Breaker(name="main", limit_watts=10_000, curve="main"),
            Breaker(name="r1", limit_watts=2000, upstream="main"),
            Breaker(
                name="r2",
                limit_watts=2000,
                upstream="main",
                trip_points=(TripPoint(ratio=1.2, seconds=100), TripPoint(ratio=2, seconds=1)),
            ),
        )
    )
    fleet = build(inventory, {})

    found = breakers(inventory, fleet.tree)

    assert found.curves == (MAIN, RACK, Points(((1.2, 100.0), (2.0, 1.0))))
    assert [fleet.tree.limits[row].name for row in found.limit_rows] == ["main", "r1", "r2"]
    assert found.seconds(np.array([11_500.0, 2800.0, 2400.0])) == pytest.approx([60, 60, 100], rel=0.02)
