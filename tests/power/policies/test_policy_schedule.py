"""Schedules against brute force: the clock on the wall, looked at minute by minute, over changes of summer time both ways."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from power.policies.schedule import expand, timetable
from power.policies.when import Schedule, Span

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
MINUTE = 60
# Days on which clocks change in one of the zones, and on which nothing does; 2028-02-29 is a leap day.
AROUND = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-07-01", "2026-10-04", "2026-10-25", "2026-11-01", "2028-02-29")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

clocks = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from((0, 10, 15, 30, 45, 59)))
ends = clocks | st.just("24:00")


def spans():
    return (
        st.builds(
            dict,
            start=clocks,
            end=ends,
            days=st.lists(st.sampled_from(DAYS), max_size=3, unique=True).map(tuple),
            around=st.sampled_from((None, -1, 0, 1)),
        )
        .filter(lambda each: each["start"] != each["end"])
        .map(dict)
    )


def span_of(drawn: dict, day: date) -> Span:
    given = {name: value for name, value in drawn.items() if name != "around"}
    if drawn["around"] is not None:
        given["first_date"] = day + timedelta(days=drawn["around"])
    return Span(**given)


@cache
def walls(zone: ZoneInfo, start: datetime, minutes: int) -> list[tuple[int, datetime]]:
    """Every minute of UTC with what the clock on the wall shows then."""
    first = int(start.timestamp())
    moments = range(first, first + minutes * MINUTE, MINUTE)
    return [(at, datetime.fromtimestamp(at, zone).replace(tzinfo=None)) for at in moments]


def by_brute_force(given: list[Span], shown: list[tuple[int, datetime]]) -> set[int]:
    """The minutes in which a span holds: from the first that shows its start to the last that shows less than its end."""
    found: set[int] = set()
    days = sorted({wall.date() for _, wall in shown})
    for span in given:
        for day in days:
            if span.days and DAYS[day.weekday()] not in span.days:
                continue
            if span.first_date is not None and day < span.first_date:
                continue
            begins = datetime.combine(day, datetime.min.time()) + clock(span.start)
            stops = datetime.combine(day, datetime.min.time()) + clock(span.end)
            if stops <= begins:
                stops += timedelta(days=1)
            reached = [at for at, wall in shown if wall >= begins]
            before = [at for at, wall in shown if wall < stops]
            if reached and before:
                found.update(range(reached[0], before[-1] + 1, MINUTE))
    return found


def clock(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


@settings(max_examples=120)
@given(zone=st.sampled_from(ZONES), day=st.sampled_from(AROUND), drawn=st.lists(spans(), min_size=1, max_size=3))
@example(zone="Europe/Berlin", day="2026-03-29", drawn=[{"start": "02:15", "end": "02:45", "days": (), "around": None}])
@example(zone="Europe/Berlin", day="2026-10-25", drawn=[{"start": "22:00", "end": "02:30", "days": (), "around": None}])
@example(zone="Australia/Lord_Howe", day="2026-10-04", drawn=[{"start": "02:10", "end": "02:59", "days": (), "around": None}])
@example(zone="Australia/Lord_Howe", day="2026-04-05", drawn=[{"start": "01:45", "end": "02:15", "days": (), "around": None}])
@example(zone="UTC", day="2028-02-29", drawn=[{"start": "00:00", "end": "24:00", "days": (), "around": 0}])
def test_a_schedule_holds_in_the_minutes_in_which_the_clock_on_the_wall_says_so(zone, day, drawn):
    middle = date.fromisoformat(day)
    given = [span_of(each, middle) for each in drawn]
    start = datetime.combine(middle, datetime.min.time(), UTC) - timedelta(days=2)
    shown = walls(ZoneInfo(zone), start, 5 * 24 * 60)
    # Spans of the first and last days reach beyond what was looked at.
    looked_at = {at for at, _ in shown[36 * 60 : -36 * 60]}
    first, last = min(looked_at), max(looked_at) + MINUTE
    intervals = expand(given, ZoneInfo(zone), first, last)
    held = {at for at in looked_at if any(begin <= at < end for begin, end in intervals)}
    assert held == by_brute_force(given, shown) & looked_at
    assert all(begin < end for begin, end in intervals)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(intervals))


def hours(zone: str, day: str, start: str, end: str) -> float:
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp()
    only = Span(start=start, end=end, dates=(date.fromisoformat(day),))
    return sum(last - first for first, last in expand([only], ZoneInfo(zone), begin - 86_400, begin + 2 * 86_400)) / 3600


def test_a_night_in_which_the_clock_is_put_back_is_an_hour_longer_and_one_piece():
    assert hours("Europe/Berlin", "2026-10-24", "22:00", "06:00") == 9.0


def test_a_night_in_which_the_clock_is_put_forward_is_an_hour_shorter():
    assert hours("Europe/Berlin", "2026-03-28", "22:00", "06:00") == 7.0


def test_an_hour_that_does_not_exist_does_not_hold():
    assert hours("America/New_York", "2026-03-08", "02:00", "03:00") == 0.0


def test_half_an_hour_of_summer_time_counts_as_half_an_hour():
    assert hours("Australia/Lord_Howe", "2026-04-05", "00:00", "24:00") == 24.5


def test_a_day_that_a_whole_island_skipped_does_not_hold():
    assert hours("Pacific/Apia", "2011-12-30", "08:00", "20:00") == 0.0


def test_a_timetable_tells_its_next_edge_and_holds_from_its_start_until_before_its_end():
    zone = ZoneInfo("Europe/Berlin")
    noon = datetime(2026, 7, 1, 12, tzinfo=zone).timestamp()
    night = timetable(Schedule(spans=(Span(start="22:00", end="06:00"),)), "Europe/Berlin", noon)
    begins = datetime(2026, 7, 1, 22, tzinfo=zone).timestamp()
    ends = datetime(2026, 7, 2, 6, tzinfo=zone).timestamp()
    assert (night.next_edge(noon), night.next_edge(begins)) == (begins, ends)
    assert [night.holds(at) for at in (begins - 1, begins, ends - 1, ends)] == [False, True, True, False]
    assert night.knows(noon)
    assert not night.knows(noon + 9 * 86_400)


def test_a_schedule_that_always_holds_has_no_edge():
    always = timetable(Schedule(spans=(Span(),)), "UTC", 1.8e9)
    assert always.holds(1.8e9)
    assert always.next_edge(1.8e9) == float("inf")


@pytest.mark.parametrize("zone", ZONES)
def test_a_timezone_of_the_schedule_goes_over_that_of_the_site(zone):
    at = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    own = timetable(Schedule(timezone=zone, spans=(Span(start="08:00", end="09:00"),)), "Asia/Tokyo", at)
    assert datetime.fromtimestamp(own.starts[0], ZoneInfo(zone)).hour == 8
