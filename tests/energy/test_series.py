"""What a meter counted between any two moments."""

import pytest

from energy.ledger.series import HOLE_SECONDS, Reading, levels, track
from energy.model import Method


def _joules(readings, *cuts, **more):
    found = levels(track(readings, **more), cuts, edges=cuts)
    return [level.joules for level in found]


def test_a_counter_counts_from_its_first_reading():
    readings = [Reading(0, 100.0), Reading(10, 600.0), Reading(20, 700.0)]
    assert _joules(readings, 0, 10, 20) == [0, 500, 600]
    assert track(readings)[1].methods == Method.COUNTER


def test_between_readings_somebodys_start_is_shaped_by_what_was_drawn_before_and_after():
    readings = [Reading(0, 0.0), Reading(10, 700.0), Reading(20, 700 + 350 + 3500.0), Reading(30, 4550 + 7000.0)]
    (level,) = levels(track(readings), [15], edges=[15])
    assert level.joules == pytest.approx(1050)
    assert level.slack >= 2800  # it could all have been drawn after the cut


def test_what_a_board_can_draw_bounds_the_error():
    readings = [Reading(0, 0.0), Reading(10, 700.0), Reading(20, 4550.0), Reading(30, 11550.0)]
    unbounded, bounded = (levels(track(readings), [19], most, edges=[19])[0].slack for most in (None, 700.0))
    assert bounded < unbounded
    (level,) = levels(track(readings), [19], 700.0, edges=[19])
    assert 700 + 3850 - 700 - level.slack <= level.joules <= 4550


def test_a_reset_begins_anew_and_power_fills_what_nobody_counted():
    before = Reading(0, 9000.0, 0, 100.0, 1.0, "a")
    after = Reading(10, 1500.0, 1, 100.0 + 5000.0, 11.0, "a")
    knot = track([before, after])[-1]
    assert knot.joules == 5000
    assert knot.filled == 3500
    assert Method.ESTIMATED in Method(knot.methods)


def test_a_reset_without_power_is_filled_by_what_was_drawn_before():
    readings = [Reading(0, 1000.0), Reading(10, 4000.0), Reading(20, 50.0, 1)]
    knot = track(readings, most_watts=700.0)[-1]
    assert knot.joules == 3000 + 3000
    assert knot.error >= 7000 - 3000


def test_an_older_reading_that_comes_late_is_no_reset():
    readings = [
        Reading(0, 1000.0, boot="a"),
        Reading(10, 4000.0, boot="a"),
        Reading(11, 3500.0, boot="a"),
        Reading(20, 5000.0, boot="a"),
    ]
    assert _joules(readings, 20) == [4000]


def test_a_counter_that_is_silent_for_a_while_is_shaped_by_power():
    readings = [
        Reading(0, 0.0, 0, 0.0, 0.0, "a"),
        Reading(10, None, 0, 1000.0, 10.0, "a"),
        Reading(20, 4400.0, 0, 4000.0, 20.0, "a"),
    ]
    assert _joules(readings, 10, 20) == [pytest.approx(1100), 4400]


def test_without_a_counter_power_is_integrated_and_says_so():
    readings = [Reading(0, None, 0, 0.0, 0.0, "a"), Reading(10, None, 0, 3000.0, 10.0, "a")]
    knot = track(readings)[-1]
    assert (knot.joules, Method(knot.methods)) == (3000, Method.INTEGRAL)


def test_seconds_in_which_power_was_not_read_are_filled_and_marked():
    readings = [Reading(0, None, 0, 0.0, 0.0, "a"), Reading(10, None, 0, 2400.0, 6.0, "a")]
    knot = track(readings)[-1]
    assert knot.joules == pytest.approx(4000)
    assert knot.filled == pytest.approx(1600)


def test_an_integral_begins_at_0_with_the_agent_and_a_counter_does_not():
    with_counter = [Reading(0, 1000.0, 3, 500.0, 5.0, "a"), Reading(60, 9000.0, 0, 10.0, 1.0, "b")]
    assert track(with_counter)[-1].joules == 8000
    without = [Reading(0, None, 0, 500.0, 5.0, "a"), Reading(10, None, 0, 1200.0, 4.0, "b")]
    assert track(without)[-1].joules == pytest.approx(3000)


def test_a_start_within_a_hole_is_in_a_hole_and_one_at_a_reading_is_not():
    readings = [Reading(0, 0.0), Reading(HOLE_SECONDS * 2, 100.0)]
    inside, at_end = levels(track(readings), [HOLE_SECONDS, 2 * HOLE_SECONDS])
    assert inside.in_hole
    assert not at_end.in_hole
