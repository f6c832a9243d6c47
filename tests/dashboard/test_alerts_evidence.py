"""The picture of evidence: what was measured, the line that it crossed, and the time in which it held."""

import pytest
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard.components import alertevidence
from dashboard.components.alertevidence import Drawn, constant, figure, written
from dashboard.components.charts import Chart
from dashboard.pages import alerts as page
from dashboard.services import Services
from dashboard.timerange import Span
from tests.support.alert_desk import alert, bad_desk
from wattstat.api.alerts import EvidenceLine
from wattstat.store.protocol import Series

CHART = Chart(span=Span(start=0, end=600, step=60), now=600)
HOT = EvidenceLine(text="Temperature (memory): fires while above 92 °C", expression="a", limit_expression="92", unit="celsius")


def series(*values: float, **labels: str) -> Series:
    return Series(labels=labels, times=[60.0 * number for number in range(len(values))], values=list(values))


def drawn(*measured: Series, limit: tuple[Series, ...] = (), line: EvidenceLine = HOT) -> Drawn:
    return Drawn(line=line, measured=measured, limit=limit)


def firing(**times: float | None):
    return alert("GpuMemoryHot", "node n1", part="GPU 1", **{"active_at": 120.0, "fired_at": 300.0, **times})


def test_a_limit_that_stays_is_a_dashed_level_with_its_number():
    built = figure([drawn(series(80, 85, 99.5), limit=(series(92, 92, 92),))], firing(), CHART)

    (level,) = [shape for shape in built["layout"]["shapes"] if shape["type"] == "line"]
    assert (level["y0"], level["line"]["dash"]) == (92, "dash")
    assert "limit 92\u202f°C" in built["layout"]["annotations"][0]["text"]
    assert len(built["data"]) == 1


def test_a_limit_that_moves_is_a_line_of_its_own():
    built = figure([drawn(series(80.5, 85, 99), limit=(series(90, 92, 91),))], firing(), CHART)

    assert [(trace["name"], trace["line"]["dash"]) for trace in built["data"]] == [("measured", "solid"), ("limit", "dash")]
    assert [shape["type"] for shape in built["layout"]["shapes"]] == ["rect", "rect"]


def test_the_axis_has_room_for_the_limit_and_for_what_is_below_zero():
    low, high = figure([drawn(series(-4, 2, 1), limit=(series(5, 5, 5),))], firing(), CHART)["layout"]["yaxis"]["range"]

    assert low < -4
    assert high > 5


def test_pending_and_firing_are_marked_apart_and_end_with_the_alert():
    built = figure([drawn(series(80, 99.5))], firing(ended_at=420.0), CHART)

    marked = [(shape["x0"], shape["x1"]) for shape in built["layout"]["shapes"] if shape["type"] == "rect"]
    assert marked == [(120_000, 300_000), (300_000, 420_000)]


def test_what_began_before_the_shown_time_is_marked_from_its_beginning():
    built = figure([drawn(series(80, 99.5))], firing(active_at=-900.0, fired_at=-800.0), CHART)

    (marked,) = [shape for shape in built["layout"]["shapes"] if shape["type"] == "rect"]
    assert (marked["x0"], marked["x1"]) == (0, 600_000)


def test_states_have_no_slope():
    built = figure([drawn(series(0, 1, 1))], firing(), CHART)

    assert built["data"][0]["line"]["shape"] == "hv"


def test_several_series_are_named_by_what_tells_them_apart():
    built = figure([drawn(series(1.5, 2, node="n1", gpu="0"), series(1, 2.5, node="n1", gpu="1"))], firing(), CHART)

    assert [(trace["name"], trace["showlegend"]) for trace in built["data"]] == [("0", True), ("1", True)]


def test_what_history_does_not_have_is_said_and_leaves_no_empty_pane():
    other = EvidenceLine(text="Up: fires while at 0", expression="up", limit_expression="0")

    assert "Nothing was recorded" in figure([drawn()], firing(), CHART)["layout"]["annotations"][0]["text"]
    assert "yaxis2" not in figure([drawn(series(1, 2.5)), drawn(line=other)], firing(), CHART)["layout"]


def test_a_limit_of_several_values_or_of_several_series_is_no_level():
    assert constant((series(1, 1),)) == 1
    assert constant((series(1, 2),)) is None
    assert constant((series(1), series(1))) is None
    assert constant(()) is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.85, "ratio", "85\u202f%"), (650, "watts", "650\u202fW"), (0.05, "seconds", "50.0\u202fms"), (3, "", "3"),
        (1e-12, "", "1e-12"), (2e12, "bytes", "2.00\u202fTB"),
    ],
)  # fmt: skip
def test_limits_are_written_with_their_unit(value, unit, text):
    assert written(value, unit) == text


def test_a_title_leaves_out_what_explains():
    assert alertevidence._short("PSU ok (1 when good), mean: fires while above 0.5") == "PSU ok, mean"
    assert len(alertevidence._short("x" * 90)) == alertevidence.MOST_TITLE


async def test_a_store_that_is_broken_leaves_the_sentence():
    broken = Services(FakeStore(broken=True), FakeLive(), lambda: NOW, alerts=bad_desk(NOW))

    assert await page.measured(broken, HOT, CHART) == Drawn(line=HOT)


def six_hours(now: float) -> Chart:
    return Chart(span=Span(start=now - 21_600, end=now, step=60), now=now, revision="now-6h now")


def test_right_after_it_began_what_there_is_is_drawn_from_before_it_in_fine_steps():
    young = alert("GpuLost", "node n1", active_at=NOW - 60, fired_at=NOW)

    span = alertevidence.near(young, six_hours(NOW), NOW).span

    assert span.step == 10
    assert span.start <= NOW - 60 - 890
    assert NOW - span.end < 10


def test_what_lasts_for_most_of_the_time_is_drawn_in_all_of_it():
    old = alert("GpuLost", "node n1", active_at=NOW - 9000, fired_at=NOW - 8900)

    assert alertevidence.near(old, six_hours(NOW), NOW) == six_hours(NOW)


def test_of_one_that_was_short_the_time_around_it_is_drawn():
    short = alert("GpuLost", "node n1", state="resolved", active_at=NOW - 9000, fired_at=NOW - 8950, ended_at=NOW - 8900)

    span = alertevidence.near(short, six_hours(NOW), NOW).span

    assert span.start < NOW - 9000 < NOW - 8900 < span.end < NOW - 8000


def test_of_a_single_sample_there_is_a_point():
    (trace,) = figure([drawn(series(80))], firing(), CHART)["data"]

    assert trace["mode"] == "lines+markers"
