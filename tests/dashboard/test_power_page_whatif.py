"""What another limit would do: what an address asks, what the draft says, and how the answer is told."""

import pytest
from fixture_budgets import FakePower, breaker, budget, change, device, preview, status
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard import whatif
from dashboard.components import powerwhatif
from dashboard.pages import power as page
from dashboard.services import Services
from power.policies.reader import from_json
from wattstat import capcurve

RACK = budget("rack", "R01")
ASKED = whatif.Asked(text="16500", watts=16_500.0)


def answer(found: dict, question: whatif.Asked = ASKED, of: dict = RACK) -> str:
    return "".join(powerwhatif.answer(found, status(), of, question, ""))


@pytest.mark.parametrize(
    ("text", "watts"),
    [("16500", 16_500), ("16.5 kW", 16_500), ("16,5kw", 16_500), ("80 %", 20_800), ("80%", 20_800), ("0.02 MW", 20_000)],
)
def test_amounts_are_read_as_people_write_them(text, watts):
    assert whatif.amount(text, 26_000.0) == watts


@pytest.mark.parametrize("text", ["", "much", "-5", "0", "16 500", "1e9", "nan", "5 %%", "9999999999"])
def test_what_is_no_amount_is_refused(text):
    assert whatif.amount(text, 26_000.0) is None


def test_a_share_of_no_limit_is_refused_and_an_amount_is_not():
    free = budget("feed", "A", limit_watts=None, headroom_watts=None, binding=None)

    assert "expected watts such as 16500" in whatif.asked("?watts=80 %25", free).refusal
    assert "80" not in whatif.asked("?watts=80 %25", free).refusal.split("expected")[1]
    assert whatif.asked("?watts=9 kW", free).watts == 9_000


@pytest.mark.parametrize("kind", ["site", "feed", "breaker", "row", "rack", "group", "node"])
def test_the_draft_is_a_policy_that_core_understands(kind):
    policy = from_json(whatif.draft(budget(kind, "one"), 16_500.0, "guaranteed"), source="draft")

    assert policy.name == whatif.NAME
    assert policy.ask.limit is not None
    assert policy.ask.limit.watts == 16_500
    assert str(policy.scope) == ("the whole site" if kind == "site" else f"{kind} one")


def test_the_way_to_the_page_of_policies_carries_the_draft():
    assert whatif.way_to_policies(RACK, ASKED, "?budget=rack:R01&refresh=off") == (
        "/policies?draft=limit&scope=rack:R01&watts=16500&refresh=off"
    )
    guaranteed = whatif.Asked(text="9000", watts=9_000.0, basis="guaranteed")
    assert whatif.way_to_policies(budget("site", "hall"), guaranteed, "").endswith("scope=site&watts=9000&basis=guaranteed")


def test_lower_caps_cost_work_by_the_measured_curve_and_its_uncertainty():
    cost = whatif.cost([change("gpu-01", "0", 700.0, 490.0)], [device("gpu-01", "0")])

    value, worst, best = capcurve.band(0.7)
    assert cost is not None
    assert (cost.value, cost.high, cost.low) == (pytest.approx(1 - value), pytest.approx(1 - worst), pytest.approx(1 - best))
    assert cost.low < cost.value < cost.high
    assert not cost.beyond


def test_what_nobody_has_measured_is_told():
    cost = whatif.cost([change("gpu-01", "0", 700.0, 210.0)], [device("gpu-01", "0")])

    assert cost is not None
    assert cost.beyond
    assert "lower than anybody has measured" in answer(preview(changes=[change("gpu-01", "0", 700.0, 210.0)], total_changes=1))


def test_raised_caps_and_servers_without_known_bounds_cost_nothing_that_could_be_told():
    raised = [change("gpu-01", "0", 490.0, 700.0), change("gpu-09", "0", 700.0, 490.0), change("gpu-01", "", 9e3, 8e3)]

    assert whatif.cost(raised, [device("gpu-01", "0")]) is None
    assert "no GPU gets a lower cap" in answer(preview(changes=raised, total_changes=3))


def test_the_answer_shows_servers_before_and_after_jobs_and_watts():
    written = answer(preview())

    assert "Can be held" in written
    assert "by moving 2 caps" in written
    assert "39.5" in written
    assert "500\u202fW of 40.0\u202fkW" in written
    assert ">700\u202fW</td>" in written
    assert ">490\u202fW</td>" in written
    assert "this limit" in written
    assert 'href="/job/4201"' in written


def test_what_cannot_be_held_says_how_much_lacks_and_the_least_that_can():
    lack = {"limit": "rack R01", "deficit_watts": 2_300.0, "before_watts": 0.0, "why": "what-if"}

    written = answer(preview(deficits=[lack]))

    assert 'class="verdict critical"' in written
    assert "rack R01 could still draw 2.30\u202fkW too much" in written
    assert "The least that can be held is 18.8\u202fkW." in written


def test_what_lacks_without_the_draft_too_is_not_blamed_on_it():
    lack = {"limit": "rack R02", "deficit_watts": 900.0, "before_watts": 900.0, "why": "inventory"}

    assert "Can be held" in answer(preview(deficits=[lack]))


def test_a_limit_above_the_present_one_changes_nothing_and_says_who_is_lower():
    higher = whatif.Asked(text="30000", watts=30_000.0)

    written = answer(preview(changes=[], total_changes=0, jobs=[], watts_after=40_000.0), higher)

    assert "Changes nothing" in written
    assert "26.0\u202fkW by inventory is lower" in written
    assert "the breaker is lower" in answer(preview(changes=[], total_changes=0), higher, breaker("R01-A"))


def test_what_nothing_bounds_is_not_nought_watts():
    written = answer(preview(watts_before=None, watts_after=None))

    assert "not bounded" in written
    assert ">0</span>" not in written


def test_more_changes_than_are_told_are_counted():
    assert "1,998 more changes are not listed." in answer(preview(total_changes=2_000))


def test_many_servers_are_folded():
    many = [change(f"gpu-{number:02}", "0", 700.0, 400.0 + number) for number in range(20)]

    assert "8 more servers" in answer(preview(changes=many, total_changes=20))


def test_the_handle_stands_where_the_question_is_on_the_budgets_own_scale():
    written = powerwhatif.form(RACK, ASKED, "?watts=16500")

    assert 'max="27040"' in written
    assert 'value="16500"' in written
    assert "63\u202f% of the limit now" in written


async def test_the_page_asks_once_and_changes_nothing():
    power = FakePower()
    services = Services(FakeStore(), FakeLive(), lambda: NOW, None, power)  # type: ignore[arg-type]

    for _ in range(2):
        await page.asked(services, status(), "?budget=rack:R01&watts=16500")
    await page.asked(services, status(), "?budget=rack:R01")
    await page.asked(services, status(), "?budget=rack:R01&watts=lots")

    assert [(method, path) for method, path, _ in power.asked] == [("POST", "preview")]
    assert power.asked[0][2]["policies"][0]["scope"] == {"rack": "R01"}
