"""How numbers are written."""

import pytest

from dashboard import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, words.NOTHING),
        (0, "0 W"),
        (612.4, "612 W"),
        (999.7, "1.00 kW"),
        (48_240, "48.2 kW"),
        (128_400, "128 kW"),
        (1.93e6, "1.93 MW"),
    ],
)
def test_power_has_a_unit_and_three_digits(value, text):
    assert text == words.watts(value).replace(words.THIN, " ")


def test_an_absent_value_is_a_dash_and_never_zero():
    assert {words.percent(None), words.celsius(None), words.gigabytes(None), words.megahertz(None)} == {words.NOTHING}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (99, "99 s"),
        (100, "1 min"),
        (5999, "99 min"),
        (6000, "1 h 40 min"),
        (7200, "2 h"),
        (187_200, "2 d 4 h"),
        (-3, "0 s"),
    ],
)
def test_durations_are_short(seconds, text):
    assert text == words.duration(seconds).replace(words.THIN, " ")


def test_a_time_of_another_day_has_its_date():
    assert words.clock(1_789_900_000, 1_790_000_000) == "20 Sep 10:26"
    assert words.clock(1_789_999_000, 1_790_000_000) == "13:56"


def test_a_small_share_is_not_shown_as_none():
    assert words.percent(0.0) == f"0{words.THIN}%"
    assert words.percent(0.003) == f"<1{words.THIN}%"
    assert words.percent(0.006) == f"1{words.THIN}%"
