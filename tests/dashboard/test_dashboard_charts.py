"""Figures: pure builders on given series."""

import dataclasses
from zoneinfo import ZoneInfo

from fixture_hall import NOW

from dashboard.components import charts
from dashboard.pages.overview import PowerHistory, power_figure, split_by_coverage
from dashboard.timerange import Span
from wattstat.store.protocol import Series

SPAN = Span(start=NOW - 600, end=NOW, step=60)
CHART = charts.Chart(span=SPAN, revision="now-6h now", now=NOW)


def series(*values: float, **labels: str) -> Series:
    return Series(labels=labels, times=[SPAN.start + 60 * i for i in range(len(values))], values=list(values))


def test_no_line_is_drawn_through_what_was_not_measured():
    assert charts.with_gaps([0, 60, 240, 300], [1, 2, 3, 4], 60) == ([0, 60, 120, 240, 300], [1, 2, None, 3, 4])


def test_the_axis_shows_the_sites_own_time():
    drawn = charts.figure([], dataclasses.replace(CHART, zone=ZoneInfo("Europe/Berlin")), unit="W")

    assert drawn["layout"]["xaxis"]["range"] == [(SPAN.start + 7200) * 1000, (SPAN.end + 7200) * 1000]


def test_the_budget_is_in_view_and_named():
    drawn = power_figure(PowerHistory(total=[series(10, 20, 30)], meters=[series(2, 2, 2)], gpus=[]), 90.0, CHART)

    assert drawn["layout"]["yaxis"]["range"][1] > 90
    assert drawn["layout"]["annotations"][0]["text"].startswith("budget")


def test_a_sum_over_fewer_meters_is_drawn_as_a_lower_bound():
    whole, part = split_by_coverage(series(10, 20, 15), series(4, 4, 3))

    assert list(whole.values) == [10, 20]
    assert list(part.values) == [15]


def test_without_a_count_of_meters_nothing_is_called_a_lower_bound():
    assert split_by_coverage(series(10, 20), None)[1].values == ()


def test_an_empty_history_says_so():
    drawn = power_figure(PowerHistory(total=[], meters=[], gpus=[]), None, CHART)

    assert "No power" in drawn["layout"]["annotations"][0]["text"]


def test_up_to_64_series_are_lines_and_more_are_bands():
    few = [series(1, 2, gpu=str(i)) for i in range(64)]
    many = [series(float(i), float(i), gpu=str(i)) for i in range(101)]

    assert len(charts.lines_or_band(few)) == 64
    assert [(line.name, line.series.values[0]) for line in charts.lines_or_band(many)] == [
        ("p5", 5), ("median", 50), ("p95", 95), ("max", 100),
    ]  # fmt: skip


def test_the_zoom_of_a_viewer_survives_new_data_of_the_same_range():
    first = charts.figure([], CHART, unit="W")
    later_span = Span(start=SPAN.start + 60, end=SPAN.end + 60, step=60)
    later = charts.figure([], dataclasses.replace(CHART, span=later_span), unit="W")

    assert first["layout"]["uirevision"] == later["layout"]["uirevision"]


def test_a_chart_that_ends_in_the_past_has_no_age():
    assert "data-age" in charts.drawn({}, CHART, "age", [series(1, 2)])["fill"]["age"]
    assert charts.drawn({}, dataclasses.replace(CHART, is_live=False), "age", [series(1, 2)])["fill"]["age"] == ""
