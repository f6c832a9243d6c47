"""The highest power of the window, and what late readings count for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power.control.peaks import Peaks, Ring

NAN, INF = float("nan"), float("inf")


def told(ring: Ring, second: float, watts: float, *, age: float = 0.0, ceiling: float = 700.0) -> float:
    return float(ring.update(100.0 + second, np.array([watts]), np.array([age]), np.array([ceiling]))[0])


def test_the_peak_is_the_highest_of_the_window_and_leaves_with_it():
    ring = Ring(30.0, 1.0)
    told(ring, 0, 600.0)
    assert told(ring, 1, 300.0) == 600
    for second in range(2, 30):
        assert told(ring, second, 300.0) == 600
    assert told(ring, 31, 300.0) == 300


def test_a_late_reading_counts_as_the_last_and_the_steepest_rise_times_its_age():
    ring = Ring(30.0, 1.0)
    told(ring, 0, 200.0)
    told(ring, 1, 230.0)
    assert told(ring, 5, 230.0, age=4.0) == pytest.approx(230 + 30 * 4)


def test_a_late_reading_counts_no_higher_than_the_cap_lets_it():
    ring = Ring(30.0, 1.0)
    told(ring, 0, 200.0)
    told(ring, 1, 400.0)
    assert told(ring, 20, 400.0, age=19.0, ceiling=450.0) == 450


def test_who_was_never_read_counts_at_its_ceiling():
    assert told(Ring(30.0, 1.0), 0, NAN, age=INF, ceiling=510.0) == 510


def test_who_was_never_read_and_has_no_ceiling_has_no_peak():
    assert np.isnan(told(Ring(30.0, 1.0), 0, NAN, age=INF, ceiling=NAN))
    assert np.isnan(told(Ring(30.0, 1.0), 0, NAN, age=INF, ceiling=INF))


def test_a_sentinel_is_no_reading():
    ring = Ring(30.0, 1.0)
    told(ring, 0, 400.0)
    told(ring, 1, 400.0)
    assert told(ring, 2, 32_767.0) == 400


def test_gpus_and_servers_have_windows_of_their_own():
    peaks = Peaks()
    one, two = np.array([300.0]), np.array([2000.0, 3000.0])
    gpu, node = peaks.update(1.0, one, np.zeros(1), one + 100, two, np.zeros(2), two + 100)
    np.testing.assert_array_equal(gpu, one)
    np.testing.assert_array_equal(node, two)


@given(st.lists(st.one_of(st.floats(0, 700), st.just(NAN)), min_size=1, max_size=40))
def test_a_missing_reading_never_counts_less_than_the_last_one_or_what_the_cap_lets(readings):
    ring, last, at = Ring(30.0, 1.0), NAN, -INF
    for second, watts in enumerate(readings):
        if not np.isnan(watts):
            last, at = watts, float(second)
        peak = told(ring, second, last, age=second - at)
        assert peak >= min(700.0, last) - 1e-3 if not np.isnan(last) else peak == 700
