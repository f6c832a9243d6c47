"""Times as people write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattstat.api.times import BadTime, moment, rfc3339, span

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC).timestamp()
BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone=UTC, now=NOW):
    return rfc3339(moment(text, name="from", now=now, zone=zone))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T09:00:00+01:00", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T09:00:00 01:00", "2026-11-23T08:00:00.000Z"),  # a plus sign lost in an address
        ("2026-11-23 08:00:00", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
        ("2026-11", "2026-11-01T00:00:00.000Z"),
        ("2026", "2026-01-01T00:00:00.000Z"),
        ("1795422600", "2026-11-23T08:30:00.000Z"),
        ("1795422600.5", "2026-11-23T08:30:00.500Z"),
        ("now", "2026-11-23T08:30:00.000Z"),
        ("now-90m", "2026-11-23T07:00:00.000Z"),
        ("now-7d", "2026-11-16T08:30:00.000Z"),
        ("now+1h", "2026-11-23T09:30:00.000Z"),
        ("now 1h", None),
        ("now-1M", "2026-10-23T08:30:00.000Z"),
        ("now-1y", "2025-11-23T08:30:00.000Z"),
        ("today", "2026-11-23T00:00:00.000Z"),
        ("yesterday", "2026-11-22T00:00:00.000Z"),
        ("this-month", "2026-11-01T00:00:00.000Z"),
        ("last-month", "2026-10-01T00:00:00.000Z"),
        ("2026-13", None),
        ("2026-02-30", None),
        ("20261123", "1970-08-23T12:05:23.000Z"),  # Unix seconds, as the help says
        ("-5", None),
        ("inf", None),
        ("1e9", None),
        ("tomorrowish", None),
        ("", None),
    ],
)
def test_a_time_is_understood_or_refused(text, meant):
    if meant is None:
        with pytest.raises(BadTime, match=r"from: .*expected RFC 3339"):
            at(text)
    else:
        assert at(text) == meant


def test_dates_are_the_sites_own():
    assert at("2026-11-23", BERLIN) == "2026-11-22T23:00:00.000Z"
    assert at("2026-07-01", BERLIN) == "2026-06-30T22:00:00.000Z"


def test_a_day_ago_is_the_same_hour_across_a_change_of_clocks():
    after_the_change = datetime(2026, 10, 25, 12, tzinfo=BERLIN).timestamp()

    assert at("now-1d", BERLIN, after_the_change) == "2026-10-24T10:00:00.000Z"
    assert at("now-24h", BERLIN, after_the_change) == "2026-10-24T11:00:00.000Z"


def test_a_month_back_from_the_31st_is_the_last_day_of_a_shorter_month():
    assert at("now-1M", now=datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp()) == "2026-02-28T12:00:00.000Z"


def test_months_join_without_gap_or_overlap():
    october, november = (span(None, None, month=month, now=NOW, zone=BERLIN) for month in ("2026-10", "2026-11"))

    assert october.end == november.start
    assert october.end - october.start == 31 * 86400 + 3600  # the clocks went back


def test_a_span_ends_now_unless_told_and_must_have_a_length():
    assert span("now-1h", None, now=NOW).end == NOW
    assert span(None, None, now=NOW).start == moment("now-7d", name="from", now=NOW)
    with pytest.raises(BadTime, match="is not before"):
        span("now", "now-1h", now=NOW)


@given(st.text(max_size=40) | st.from_regex(r"[0-9TZ:+ .-]{1,30}", fullmatch=True))
def test_no_text_is_worse_than_refused(text):
    try:
        seconds = moment(text, name="to", now=NOW, zone=BERLIN)
    except BadTime:
        return
    assert 0 <= seconds < 7.3e9
