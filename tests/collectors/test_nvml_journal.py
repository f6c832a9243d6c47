"""What fast readings add up to: integrals with their gaps, counters with their resets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.nvml.counters import EnergySegments
from collectors.nvml.fast import FastReading
from collectors.nvml.gpm import SM, TENSOR, Window
from collectors.nvml.identity import Identity
from collectors.nvml.integral import Integral
from collectors.nvml.journal import GpuMeter

AVERAGE, INSTANT = ("1s", "gpu"), ("instant", "gpu")


def reading(**values):
    return FastReading(identity=Identity(index=0, uuid="GPU-1"), **values)


@pytest.fixture
def meter():
    return GpuMeter(longest_gap_seconds=3)


def test_what_was_never_read_is_absent_and_not_zero(meter):
    counts = meter.see(0, reading(), resets=0)
    assert (counts.joules, counts.power_joules, counts.power_seconds, counts.capped_seconds) == (None, None, None, None)
    assert (counts.sm_active_seconds, counts.tensor_active_seconds, counts.busy_seconds) == (None, None, None)


def test_an_average_over_a_second_is_its_own_integral(meter):
    for at, watts in enumerate([100, 700, 700, 100]):
        counts = meter.see(at, reading(power_watts={AVERAGE: watts, INSTANT: 1}), resets=0)
    assert (counts.power_joules, counts.power_seconds) == (1500, 3)


def test_instants_are_joined_by_straight_lines(meter):
    for at, watts in enumerate([100, 700, 700, 100]):
        counts = meter.see(at, reading(power_watts={INSTANT: watts}), resets=0)
    assert (counts.power_joules, counts.power_seconds) == (400 + 700 + 400, 3)


def test_averages_further_apart_than_their_second_are_joined_like_instants(meter):
    meter.see(0, reading(power_watts={AVERAGE: 100}), resets=0)
    counts = meter.see(2, reading(power_watts={AVERAGE: 300}), resets=0)
    assert counts.power_joules == 400


def test_a_gap_is_not_bridged_and_shows_in_the_seconds(meter):
    for at in (0, 1, 2, 10, 11):
        counts = meter.see(at, reading(power_watts={INSTANT: 200}, utilization_ratio=1.0), resets=0)
    assert (counts.power_joules, counts.power_seconds, counts.busy_seconds) == (600, 3, 3)


def test_a_reading_without_power_is_a_gap(meter):
    for at, watts in enumerate([200, None, 200, 200]):
        counts = meter.see(at, reading(power_watts={} if watts is None else {INSTANT: watts}), resets=0)
    assert (counts.power_joules, counts.power_seconds) == (200, 1)


def test_an_average_and_an_instant_are_never_mixed(meter):
    meter.see(0, reading(power_watts={AVERAGE: 100}), resets=0)
    counts = meter.see(1, reading(power_watts={INSTANT: 900}), resets=0)
    assert (counts.power_joules, counts.power_seconds) == (0, 0)
    assert meter.see(2, reading(power_watts={INSTANT: 900}), resets=0).power_joules == 900


def test_each_window_of_activity_counts_once(meter):
    first = Window(number=1, seconds=1.0, values={SM: 50, TENSOR: 20})
    second = Window(number=1, seconds=4.0, values={SM: 25, TENSOR: 10})  # a new session counts windows from 1 again
    for at, window in enumerate([first, first, second, second]):
        activity = {metric: value / 100 for metric, value in window.values.items()}
        counts = meter.see(at, reading(gpm_window=window, activity=activity), resets=0)
    assert (counts.sm_active_seconds, counts.tensor_active_seconds) == (1.5, pytest.approx(0.6))


def test_time_under_the_cap_is_what_the_hardware_counted_since_the_first_look(meter):
    for at, (cap, brake) in enumerate([(500.0, 7.0), (500.4, 7.0), (501.0, 7.5)]):
        times = {"sw_power_cap": cap, "hw_power_brake": brake, "sw_thermal": at * 100.0}
        counts = meter.see(at, reading(throttle_seconds=times, throttle_reasons=0), resets=0)
    assert counts.capped_seconds == pytest.approx(1.5)


def test_counters_of_throttling_that_begin_anew_lose_nothing_after_it(meter):
    for at, cap in enumerate([500.0, 501.0, 0.0, 0.25]):
        counts = meter.see(at, reading(throttle_seconds={"sw_power_cap": cap}), resets=0)
    assert counts.capped_seconds == 1.25


@pytest.mark.parametrize(("reasons", "seconds"), [(0x4, 2), (0x80, 2), (0x84 | 1, 2), (0x20, 0), (0, 0)])
def test_without_such_counters_the_reasons_tell(meter, reasons, seconds):
    for at in range(3):
        counts = meter.see(at, reading(throttle_reasons=reasons), resets=0)
    assert counts.capped_seconds == seconds


@given(st.lists(st.tuples(st.floats(0.01, 20), st.none() | st.floats(0, 1e6)), min_size=1))
def test_an_integral_never_falls_and_covers_no_more_than_the_time(steps):
    integral, at, begin, totals = Integral(longest_gap_seconds=3), 0.0, None, [0.0]
    for seconds, value in steps:
        at += seconds
        begin = at if begin is None else begin
        integral.see(at, value)
        totals.append(integral.total or 0.0)
    assert totals == sorted(totals)
    assert integral.seconds <= at - begin + 1e-9
    assert integral.total is None or integral.total <= 1e6 * integral.seconds + 1e-6


def test_a_counter_that_falls_began_anew():
    segments = EnergySegments()
    for at, joules in enumerate([100.0, 150.0, 2.0, None, 2.0, 1.0]):
        segments.see(joules, at)
    assert segments.resets == 2


def test_a_reading_that_comes_late_is_no_new_beginning():
    segments = EnergySegments()
    segments.see(100.0, 10)
    segments.see(107.0, 12)
    segments.see(103.0, 11)
    segments.see(108.0, 13)
    assert segments.resets == 0
