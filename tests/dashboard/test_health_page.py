"""The page of health: worst first, with what took points off, and the count of alerts in every header."""

import re
from dataclasses import replace
from datetime import UTC

import pytest
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard import alertbell, words
from dashboard.components import healthlist
from dashboard.components.policylist import Viewed
from dashboard.pages import health, runbook
from dashboard.problem import Level
from dashboard.services import Services
from tests.support.alert_desk import alert, bad_desk
from wattstat.access import Caller, Role
from wattstat.api.alerts import Deduction, HealthView

SEEN = Viewed(who=Caller(name="bob", role=Role.VIEWER), now=NOW, zone=UTC)


def text_of(markup: object) -> str:
    joined = "".join(str(each or "") for each in markup) if isinstance(markup, list | tuple) else str(markup)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", joined)).strip()


def device(name: str, *lost: int, kind: str = "node") -> HealthView:
    deductions = tuple(
        Deduction(fingerprint="1", name="FanFailed", severity="warning", category="components", points=points,
                  what="A fan does not turn", since=NOW - 60)
        for points in lost
    )  # fmt: skip
    by_category = {"components": sum(lost)} if lost else {}
    return HealthView(kind=kind, name=name, score=max(0, 100 - sum(lost)), by_category=by_category, deductions=deductions)


def test_what_took_points_off_is_said_and_leads_to_its_alert():
    shown = health.bodies([device("n1", 10, 5), device("n2")], SEEN)["health-list"]

    assert "n1 node 85" in text_of(shown)
    assert f"{words.MINUS}10 A fan does not turn FanFailed, since" in text_of(shown)
    assert 'href="/alerts?alert=1"' in "".join(str(each) for each in shown)


def test_what_is_well_is_named_and_takes_no_room():
    shown = text_of(health.bodies([device("n1"), device("s1", kind="switch")], SEEN)["health-list"])

    assert shown == "2 devices at 100 Servers: n1 Switches: s1"


def test_a_kind_can_be_looked_at_alone():
    seen = replace(SEEN, search="?kind=switch")

    shown = text_of(health.bodies([device("n1", 10), device("s1", 10, kind="switch")], seen)["health-list"])

    assert "s1" in shown
    assert "n1" not in shown


def test_what_takes_no_more_points_is_counted_and_not_a_line():
    shown = text_of(health.bodies([device("n1", 10, 0, 0)], SEEN)["health-list"])

    assert f"{words.MINUS}0" not in shown
    assert "and 2 more" in shown


def test_a_healthy_hall_is_said_to_be_at_100():
    assert text_of(healthlist.filters([device("n1"), device("n2")], "")).startswith("All 2 devices, all at 100")
    assert text_of(healthlist.filters([device("n1", 5), device("n2")], "")).startswith("All 1 of 2 lose points")


def test_each_category_counts_its_devices_and_names_the_worst():
    shown = text_of(healthlist.figures([device("n1", 10), device("n2", 30), device("n3")]))

    assert "Components Warning 2 devices most: n2, 30 points" in shown
    assert "Security 0 devices what is open" in shown


@pytest.mark.parametrize(("score", "level"), [(100, Level.OK), (90, Level.OK), (89, Level.WARNING), (69, Level.CRITICAL)])
def test_colour_begins_where_a_score_is_no_longer_good(score, level):
    assert healthlist.level(score) == level


def test_ten_thousand_devices_are_a_page_that_one_can_read():
    shown = health.bodies([device(f"n{number}", 10) for number in range(10_000)], SEEN)["health-list"]

    assert "and 9,900 more that lose points" in text_of(shown)


async def test_the_header_counts_what_nobody_silenced_and_nothing_explains():
    desk = bad_desk(NOW)
    shown = alertbell.shown(desk.alerts, desk.state, NOW, "")

    assert text_of(shown) == "2 6 1 pending"
    assert 'aria-label="Alerts: 2 critical, 6 warning, 1 info, 1 pending: not long enough to fire"' in str(shown)


def test_the_header_is_calm_when_nothing_fires():
    desk = bad_desk(NOW)

    assert text_of(alertbell.shown([alert("Watchdog", "site", severity="none")], desk.state, NOW, "")) == "no alerts"


def test_the_header_does_not_claim_calm_while_nothing_is_evaluated():
    desk = bad_desk(NOW)

    assert text_of(alertbell.shown([], replace(desk.state, last_evaluation=NOW - 600), NOW, "")) == "alerts not evaluated"


async def test_a_runbook_names_the_alerts_that_it_is_for():
    services = Services(FakeStore(), FakeLive(), lambda: NOW, alerts=bad_desk(NOW))

    shown = await runbook.bodies(services, "GpuLost", "")

    assert text_of(shown["runbook-text"]).startswith("GpuLost Meaning")
    assert "gpu-01 · GPU 2" in text_of(shown["runbook-alerts"])
    assert "rack R02" not in text_of(shown["runbook-alerts"])


async def test_an_unknown_runbook_is_said():
    services = Services(FakeStore(), FakeLive(), lambda: NOW, alerts=bad_desk(NOW))

    assert "there is no runbook Nothing" in text_of((await runbook.bodies(services, "Nothing", ""))["runbook-notice"])


async def test_without_a_desk_a_runbook_says_so():
    services = Services(FakeStore(), FakeLive(), lambda: NOW)

    assert "no alert desk" in text_of((await runbook.bodies(services, "GpuLost", ""))["runbook-notice"])
