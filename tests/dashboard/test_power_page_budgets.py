"""The page of power says what is safe, what is over, and where the watts go, and never more than is known."""

import re

import pytest
from fixture_budgets import NOTHING_YET, breaker, budget, device, status

from dashboard import words
from dashboard.components import powerbudgets, powerfigures, powerhistory, powerwhere
from dashboard.components.charts import Chart
from dashboard.components.powerbudgets import Shown
from dashboard.timerange import Span
from wattstat.store.protocol import Series

CHART = Chart(span=Span(start=0, end=90, step=10), now=90)
OVER = budget(
    "rack", "R01", power_watts=27_000.0, headroom_watts=-1_000.0, state="over", peak_watts=27_500.0, envelope_watts=28_000.0
)
UNSAFE = breaker("R01-A", envelope_watts=21_000.0, state="unsafe")


def text_of(markup: object) -> str:
    return re.sub(r"<[^>]+>", " ", "".join(map(str, markup)) if isinstance(markup, list) else str(markup))


def series(values: list[float], step: float = 10) -> tuple[Series, ...]:
    return (Series(labels={}, times=[number * step for number in range(len(values))], values=values),)


def test_a_site_where_all_is_well_is_called_safe():
    written = text_of(powerfigures.figures(status()))

    assert "safe" in written
    assert "all 1" in written
    assert "none" in written
    assert "all by read-back" in written


def test_what_is_over_names_itself_by_how_much_and_since_when():
    figures = powerfigures.figures(status(budgets=[budget("site", "hall"), OVER]), {"rack:R01": "since 14:02"})

    assert figures[1].startswith('<div class="figure critical">')
    assert "R01 by 1.00\u202fkW, since 14:02" in figures[1]
    assert "rack R01 is over its limit" in figures[3]


def test_a_breaker_is_unsafe_by_its_worst_case_even_where_power_is_over_its_limit_too():
    both = breaker("R01-A", envelope_watts=21_000.0, power_watts=20_500.0, headroom_watts=-500.0, state="over")

    for unsafe in (UNSAFE, both):
        figure = powerfigures.figures(status(budgets=[unsafe]))[0]
        assert "critical" in figure
        assert "of 1 unsafe" in figure


def test_a_breaker_without_any_bound_is_never_called_safe():
    figure = powerfigures.figures(status(budgets=[breaker("R01-A", envelope_watts=None, state="unsafe")]))[0]

    assert "critical" in figure
    assert "nothing bounds it" in figure


def test_before_the_first_decision_nothing_is_safe_and_nothing_is_nought():
    figures = powerfigures.figures(NOTHING_YET)

    assert text_of(figures[:5]).count("nothing decided yet") == 5
    assert not re.search(r"\b(0|safe|none)\b", text_of(figures[:5]))
    assert powerwhere.figure(powerwhere.places(NOTHING_YET))["layout"]["annotations"][0]["text"].startswith("Nothing is known")
    assert "Nothing is known" in powerbudgets.table([], Shown())


def test_states_are_named_and_an_unsafe_worst_case_is_marked_on_its_scale():
    written = powerbudgets.table([UNSAFE, OVER], Shown(since={"rack:R01": "since 14:02"}))

    assert "not trip-safe" in written
    assert "since 14:02" in written
    assert written.count("tick worst unsafe") == 1
    assert '<span class="fill ok"' in written
    assert '<span class="fill critical"' in written


def test_one_mark_stands_for_a_breaker_that_is_the_limit():
    assert powerbudgets.ticks(breaker("R01-A")).keys() == {"peak", "worst", "trip"}
    assert powerbudgets.ticks(breaker("R01-A", limit_watts=18_000.0)).keys() == {"peak", "worst", "trip", "limit"}


def test_no_limit_is_no_number():
    none = budget("feed", "A", limit_watts=None, headroom_watts=None, binding=None, state="unlimited")

    cells = re.findall(r'<td class="number[^"]*">([^<]*)</td>', powerbudgets.table([none], Shown()))

    assert cells[1:3] == [words.NOTHING, words.NOTHING]


def test_a_sum_with_unmeasured_parts_says_so():
    assert "≈" not in powerbudgets.table([budget("rack", "R01")], Shown())
    assert "70\u202f% of it measured" in powerbudgets.table([budget("rack", "R01", measured_ratio=0.7)], Shown())


def test_the_most_pressing_comes_first_when_asked_for():
    written = powerbudgets.table([budget("rack", "fine"), UNSAFE, OVER], Shown(order="urgent"))

    assert written.index(">R01<") < written.index(">R01-A<") < written.index(">fine<")


def test_an_address_that_names_no_limit_shows_the_site():
    budgets = status()["budgets"]

    assert powerbudgets.chosen(budgets, "rack:R02")["name"] == "R02"
    assert powerbudgets.chosen(budgets, "rack:R99")["name"] == "hall"
    assert powerbudgets.chosen([], "rack:R02") is None


def test_the_parts_of_a_rack_are_its_power_and_its_headroom():
    place = powerwhere.places(status())[0]

    assert place.gpus == 860
    assert place.gpus + place.rest + place.fixed == 12_000
    assert place.left == 14_000


def test_a_gpu_that_does_not_tell_its_power_is_told():
    quiet = [device("gpu-01", "0", power_watts=None), device("gpu-01", "1")]
    places = powerwhere.places(status(devices=quiet))

    assert places[0].gpus == 430
    assert powerwhere.note(places).startswith("1 GPU does not tell")


def test_a_rack_without_a_limit_has_nothing_left_and_not_nought():
    free = budget("rack", "R01", limit_watts=None, headroom_watts=None)
    drawn = powerwhere.figure(powerwhere.places(status(budgets=[free])))

    assert [trace["name"] for trace in drawn["data"]] == ["GPUs", "rest of the servers", "takes no cap (charged)"]


def test_a_rack_over_its_limit_says_so_above_its_column():
    drawn = powerwhere.figure(powerwhere.places(status(budgets=[OVER])))

    assert [(note["x"], note["text"]) for note in drawn["layout"]["annotations"]] == [("R01", "over")]


def test_a_duration_curve_falls_and_ends_with_all_of_the_time():
    curve = powerhistory.duration([3.0, 1.0, 2.0, 2.0])

    assert curve == [(0.0, 3.0), (0.25, 3.0), (0.5, 2.0), (0.75, 2.0), (1.0, 1.0)]
    assert powerhistory.duration([]) == []


def test_a_curve_of_part_of_the_time_tells_which_part():
    found = powerhistory.BudgetHistory(power=series([1.0, 2.0, 3.0, 4.0, 5.0]))

    assert powerhistory.recorded(found, CHART) == pytest.approx(0.5)
    assert powerhistory.recorded(powerhistory.BudgetHistory(), CHART) == 0
    assert (
        "Nothing was recorded"
        in powerhistory.over_time(powerhistory.BudgetHistory(), CHART)["layout"]["annotations"][0]["text"]
    )


def test_a_breaker_that_is_the_limit_is_drawn_once():
    power, level = series([5.0, 6.0]), series([9.0, 9.0])
    found = powerhistory.BudgetHistory(power=power, limit=level, trip=level)

    assert [trace["name"] for trace in powerhistory.over_time(found, CHART)["data"]] == ["power", "trip-safe"]
    lower = powerhistory.BudgetHistory(power=power, limit=series([7.0, 7.0]), trip=level)
    assert [trace["name"] for trace in powerhistory.over_time(lower, CHART)["data"]] == ["power", "limit", "trip-safe"]


def test_who_only_observes_writes_nothing_and_who_leads_elsewhere_is_named():
    assert "writes nothing" in powerfigures.figures(status(mode="observe"))[5]
    away = {"holder": "core-2", "token": 7, "leads": False}
    assert "core-2 leads" in powerfigures.figures(status(leader=away))[5]
    nobody = {"holder": "", "token": None, "leads": False}
    assert "nobody leads" in powerfigures.figures(status(leader=nobody))[5]
