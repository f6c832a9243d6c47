"""Grafana's grammar of time in the URL."""

from zoneinfo import ZoneInfo

import pytest

from dashboard.timerange import DEFAULT_FROM, moment, parse, start_of_day

NOW = 1_790_000_000.0
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOW),
        ("now-90s", NOW - 90),
        ("now-6h", NOW - 21_600),
        ("now-2d", NOW - 172_800),
        ("1789999000000", 1_789_999_000.0),
        ("2026-09-21T12:00:00+00:00", 1_789_992_000.0),
        ("now/h", NOW - NOW % 3600),
    ],
)
def test_a_moment_is_read_as_grafana_reads_it(text, seconds):
    assert seconds == moment(text, NOW)


@pytest.mark.parametrize("text", ["", "yesterday", "now-", "now-6x", "-6h", "now-9999999h", "12"])
def test_what_is_no_moment_is_none(text):
    assert moment(text, NOW) is None


def test_a_day_begins_at_midnight_of_the_site():
    assert start_of_day(NOW, BERLIN) == 1_789_941_600  # 2026-09-21 00:00 in Berlin, summer time


def test_a_span_has_at_most_some_720_points_and_is_a_multiple_of_its_step():
    for text in ("now-5m", "now-6h", "now-7d", "now-90d"):
        span = parse(f"?from={text}&to=now", NOW).span(NOW)

        assert span.start % span.step == span.end % span.step == 0
        assert (span.end - span.start) / span.step <= 721


def test_neighbouring_moments_ask_for_the_same_span():
    view = parse("?from=now-6h&to=now", NOW)

    assert view.span(NOW) == view.span(NOW + 5)


def test_a_range_that_cannot_be_read_falls_back_and_says_so():
    view = parse("?from=soon&to=now", NOW)

    assert view.from_text == DEFAULT_FROM
    assert "soon" in view.note


def test_a_range_that_runs_backwards_falls_back_and_says_so():
    view = parse("?from=now&to=now-6h", NOW)

    assert view.from_text == DEFAULT_FROM
    assert view.note


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("1m", 60), ("off", 0), ("", 10), ("often", 10)])
def test_refresh_is_seconds_and_off_is_zero(text, seconds):
    assert seconds == parse(f"?refresh={text}", NOW).refresh_seconds


def test_kiosk_and_metric_come_from_the_url():
    view = parse("?kiosk=1&metric=margin", NOW)

    assert view.kiosk
    assert view.metric == "margin"
