"""Caps and what is wrong with them, on the page of power, on a server's own page and in the list of problems."""

import re
from dataclasses import replace
from datetime import UTC

import pytest
from fixture_budgets import EMERGENCY, NOTHING_YET, FakePower, breaker, budget, device, finding, status
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard import powerproblems
from dashboard.components import powerdevices
from dashboard.components.powerdevices import Moment
from dashboard.pages import power as page
from dashboard.pages.overview import problem_list
from dashboard.problem import Level
from dashboard.problems import problems
from dashboard.services import Services
from power.actuators.findings import Why
from power.tree.budgets import State
from wattstat.api.problems import Problem as Refusal

MOMENT = Moment(now=NOW, zone=UTC)


def services(power: FakePower | None, live: FakeLive | None = None) -> Services:
    return Services(FakeStore(), live or FakeLive(), lambda: NOW, None, power)  # type: ignore[arg-type]


def seen(**changes: object) -> page.Seen:
    return page.Seen(status=status(**changes), now=NOW, zone=UTC, search="", since={})


def test_servers_whose_caps_are_as_wanted_are_left_out_of_what_differs():
    devices = [
        device("gpu-01", "0"),
        device("gpu-02", "0", confirmed_watts=700.0),
        device("gpu-03", "0", confirmed_watts=497.0),
    ]

    written = powerdevices.table(devices, only="wrong", search="")

    assert re.findall(r">(gpu-\d\d)</a>", written) == ["gpu-02"]
    assert "about to change" in written
    assert "would change" in powerdevices.table(devices, only="wrong", search="", mode="observe")


def test_a_device_that_takes_no_cap_is_critical_and_counted():
    written = powerdevices.table([device("gpu-01", "0", state="uncontrolled"), device("gpu-01", "1")], only="all", search="")

    assert 'class="badge critical"' in written
    assert "1 of 2 takes no cap" in written


def test_gpus_that_are_silent_make_the_sum_a_lower_bound_and_absent_caps_no_nought():
    silent = {"power_watts": None, "target_watts": None, "confirmed_watts": None}
    written = powerdevices.table([device("gpu-01", "0"), device("gpu-01", "1", **silent)], only="all", search="")
    whole = powerdevices.table([device("gpu-01", "0", **silent)], only="all", search="")

    assert "≥ 430\u202fW" in written
    assert "0\u202fW" not in whole.replace("430\u202fW", "")


def test_equal_gpus_of_a_server_are_one_line_of_its_page():
    mine = [device("gpu-01", "0"), device("gpu-01", "1"), device("gpu-01", "2", target_watts=300.0), device("gpu-01")]

    written = powerdevices.of_node(status(devices=mine), "gpu-01", MOMENT)[0]

    assert re.findall(r'<th scope="row">([^<]*)</th>', written) == ["GPUs 0, 1", "GPU 2", "server"]
    assert "rack R01" in written


@pytest.mark.parametrize(
    ("told", "said"), [(None, "Nobody steers power here"), (NOTHING_YET, "No device of this server is known to take caps")]
)
def test_a_servers_page_says_why_it_shows_no_caps(told, said):
    assert said in str(powerdevices.of_node(told, "gpu-01", MOMENT)[0])


def test_a_server_page_tells_only_its_own_findings():
    found = status(findings=[finding("not_holding", "gpu-01"), finding("locked", "gpu-02")])

    written = "".join(powerdevices.of_node(found, "gpu-01", MOMENT))

    assert "cap does not hold" in written
    assert "System Lockdown" not in written


def test_a_finding_names_its_gpu_what_is_wrong_since_when_and_what_the_device_said():
    written = powerdevices.findings([finding("not_holding", gpu="1", detail="612 W over 500 W")], status()["devices"], MOMENT)

    assert "· GPU 1: cap does not hold" in written
    assert "20\u202fmin" in written
    assert "612 W over 500 W" in written


def test_every_word_of_a_finding_and_of_a_state_has_words_for_people():
    assert {each.value for each in Why} <= powerproblems.WHY.keys()
    assert {each.value for each in State} <= page.powerbudgets.STATES.keys()
    assert {each.value for each in State} <= page.powerbudgets.LEVELS.keys()


def test_no_finding_is_said_to_be_good():
    assert "Nothing is wrong with any cap." in powerdevices.findings([], [], MOMENT)


def test_the_list_of_problems_names_emergencies_limits_and_caps():
    over = budget("rack", "R01", power_watts=27_000.0, headroom_watts=-1_000.0, state="over", binding="night-cap")
    told = status(
        budgets=[over, breaker("R01-A", envelope_watts=21_000.0, state="unsafe")],
        emergencies=[EMERGENCY],
        findings=[finding("not_holding"), finding("adopted")],
    )

    found = list(powerproblems.problems(told))

    assert [(each.where, each.level) for each in found] == [
        ("rack R01", Level.WARNING), ("rack R01", Level.CRITICAL), ("breaker R01-A", Level.CRITICAL),
        ("gpu-01", Level.WARNING),
    ]  # fmt: skip
    assert found[0].what == "Emergency: at its lowest limits: smoke (anna)"
    assert found[0].since == pytest.approx(NOW - 90)
    assert found[1].what == "Power 1.00\u202fkW over the limit of 26.0\u202fkW (night-cap)"
    assert "worst case 1.00\u202fkW over" in found[2].what


def test_the_same_trouble_of_many_servers_is_one_line():
    many = [finding("unlicensed", f"gpu-{number:02}", ago=100 + number) for number in range(9)]

    (line,) = powerproblems.problems(status(findings=many))

    assert line.where == "9 servers"
    assert "and 7 more" in line.what
    assert line.since == pytest.approx(NOW - 108)


def test_a_site_where_nobody_leads_is_told_so_only_where_it_ought_to_be_steered():
    nobody = {"holder": "", "token": None, "leads": False}

    assert [each.what for each in powerproblems.problems(status(leader=nobody))] == ["Nobody leads: caps stay as they are"]
    assert list(powerproblems.problems(status(leader=nobody, mode="observe"))) == []
    assert list(powerproblems.problems(status(leader={**nobody, "holder": "core-2"}))) == []


def test_a_line_about_a_limit_leads_to_its_charts_and_one_about_a_server_to_that():
    over = budget("rack", "R01", power_watts=27_000.0, headroom_watts=-1_000.0, state="over")
    found = list(powerproblems.problems(status(budgets=[over], findings=[finding("locked")], emergencies=[EMERGENCY])))

    written = problem_list(found, NOW, UTC, "?from=now-1h&to=now&metric=power")

    assert 'href="/power?from=now-1h&amp;to=now&amp;budget=rack:R01"' in written
    assert 'href="/power?from=now-1h&amp;to=now"' in written
    assert 'href="/node/gpu-01?' in written


async def test_the_overview_counts_by_who_steers_and_by_the_inventory_where_nobody_does():
    over = budget("site", "hall", power_watts=61_000.0, limit_watts=60_000.0, headroom_watts=-1_000.0, state="over")

    steered = problems(await services(FakePower(document=status(budgets=[over]))).hall())
    alone = problems(await services(None).hall())

    assert any(each.kind == "over" and each.where == "site hall" for each in steered)
    assert not any(each.kind in {"budget", "rack_budget"} for each in steered)
    assert not any(each.kind == "over" for each in alone)


async def test_the_hall_is_shown_while_core_says_nothing_of_caps():
    refusing = FakePower(down=True)

    hall = await services(refusing).hall()

    assert hall.power is None
    assert hall.nodes


async def test_a_refused_preview_is_told_in_its_own_words():
    power = FakePower(refusal=Refusal(422, "Not understood", "rack: nothing is called R99"))

    found = await page.asked(services(power), status(), "?budget=rack:R01&watts=9000")

    assert "Not understood." in found["power-answer"]
    assert "nothing is called R99" in found["power-answer"]


def test_notices_name_emergencies_troubles_and_what_an_address_mistakes():
    written = "".join(page.notices(seen(emergencies=[EMERGENCY], troubles=["disk full"]), "rack:R99"))

    assert "smoke (anna)" in written
    assert "disk full" in written
    assert "There is no limit “rack:R99”; site hall is shown instead." in written
    known = page.Seen(status=status(), now=NOW, zone=UTC, search="?budget=rack:R01", since={})
    assert page.notices(known, "rack:R01") == []


def test_before_the_first_decision_the_page_says_so_in_every_panel():
    first = page.Seen(status=NOTHING_YET, now=NOW, zone=UTC, search="", since={})

    bodies = page.bodies(first)

    assert "nothing has been decided yet" in "".join(bodies["power-notice"])
    assert "Nothing is known of any limit yet." in bodies["power-budgets-body"]
    assert "No device that takes caps is known yet." in bodies["power-caps-body"]


def test_caps_that_are_still_read_are_counted():
    reading = {"read": 2, "of": 6, "ratio": 0.33, "missing": []}

    assert "Caps of 2 of 6 devices have been read" in "".join(page.notices(seen(ready=False, readiness=reading), ""))


def test_a_site_without_a_power_room_is_told_so():
    assert "No power room." in page.nobody()["power-notice"]


def test_a_large_site_shows_what_presses_and_what_differs_unless_asked_otherwise():
    many = status(budgets=[budget("rack", f"R{number:03}") for number in range(80)],
                  devices=[device(f"gpu-{number:03}", "0") for number in range(200)])  # fmt: skip

    assert [each[0][0] for each in page.choices(many)] == ["urgent", "wrong"]
    assert [each[0][0] for each in page.choices(status())] == ["tree", "all"]
    large = page.Seen(status=many, now=NOW, zone=UTC, search="", since={})
    assert "Every cap is as it was wanted" in page.bodies(large)["power-caps-body"]
    assert ">gpu-199<" in page.bodies(replace(large, search="?caps=all"))["power-caps-body"]


def test_the_same_trouble_of_a_servers_gpus_is_one_line_since_the_first_of_them():
    found = [finding("refused", gpu=str(each), ago=100 + each, detail="no permission") for each in range(2)]

    (line,) = powerproblems.problems(status(findings=found))
    written = powerdevices.findings(found, status()["devices"], MOMENT)

    assert (line.where, line.what) == ("gpu-01", "Cap refused (2 GPUs): no permission")
    assert line.since == pytest.approx(NOW - 101)
    assert written.count("<li>") == 1
    assert "· 2 GPUs: cap refused" in written
