"""Silencing from the page: shown first, done after one press more, by who may, and never without a reason and an end."""

import re
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard import alertacts
from dashboard.alertacts import matching, presets, wanted
from dashboard.components.policylist import Viewed
from dashboard.services import Services
from tests.support.alert_desk import alert, bad_desk
from wattstat.access import Caller, Role
from wattstat.api import access
from wattstat.api.alerts import AlertsRefused

ADA = Caller(name="ada", role=Role.OPERATOR)
SEEN = Viewed(who=ADA, now=NOW, zone=UTC)


@pytest.fixture
def desk():
    return bad_desk(NOW)


@pytest.fixture
def ask(desk, monkeypatch):
    services = Services(FakeStore(), FakeLive(), lambda: NOW, alerts=desk)

    async def asked(who: Caller = ADA, **given: str) -> str:
        monkeypatch.setattr(access, "_caller", Now(who))
        said = await alertacts.answer(services, given, Viewed(who=who, now=NOW, zone=UTC))
        return text_of(" ".join(said.to_json()["fill"].values()))

    return asked


class Now:
    def __init__(self, who):
        self.get = lambda: who


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


def lost(desk):
    return next(one for one in desk.alerts if one.name == "GpuLost")


async def test_nothing_is_silenced_before_it_was_shown(desk, ask):
    one = lost(desk).fingerprint

    assert "this alert: GpuLost of gpu-01" in await ask(act="silence", alert=one)
    shown = await ask(act="silence", step="look", alert=one, what="alert", hours="2", reason="its card is on order")
    assert "1 alert would be quiet now" in shown
    assert len(desk.quiet) == 1

    done = await ask(act="silence", step="do", alert=one, what="alert", hours="2", reason="its card is on order")
    assert done.startswith("Silence Done: quiet until")
    made = desk.quiet[-1]
    assert made.matchers == ('alertname="GpuLost"', 'gpu="2"', 'node="gpu-01"')
    assert (made.ends_at, made.created_by, made.comment) == (NOW + 7200, "ada", "its card is on order")


async def test_more_critical_ones_that_would_be_quiet_with_it_are_said(desk, ask):
    desk.alerts.append(alert("GpuXidFatal", "node gpu-01", severity="critical", part="GPU 5"))

    shown = await ask(act="silence", step="look", alert=lost(desk).fingerprint, what="device", hours="2", reason="x")

    assert "1 other critical alert with it" in shown


async def test_without_a_reason_nothing_is_silenced(desk, ask):
    shown = await ask(act="silence", step="do", alert=lost(desk).fingerprint, what="alert", hours="2", reason="  ")

    assert "say why" in shown
    assert len(desk.quiet) == 1


async def test_a_viewer_is_refused_whatever_is_sent(desk, ask):
    bob = Caller(name="bob", role=Role.VIEWER)

    shown = await ask(bob, act="silence", step="do", alert=lost(desk).fingerprint, what="alert", hours="2", reason="x")

    assert "needs the role operator; bob is a viewer" in shown
    assert len(desk.quiet) == 1


async def test_a_silence_is_ended_after_it_was_shown(desk, ask):
    shown = await ask(act="expire", name="s0")
    assert "new ones are ordered" in shown
    assert "1 alert would be told again" in shown
    assert desk.quiet[0].state == "active"

    await ask(act="expire", step="do", name="s0")

    assert desk.quiet[0].state == "expired"
    assert all(not one.silenced_by for one in desk.alerts)


async def test_a_silence_that_is_over_cannot_be_ended(desk, ask):
    assert "the silence s9 is over" in await ask(act="expire", name="s9")


async def test_an_alert_that_is_over_is_not_silenced(ask):
    assert "this alert is over" in await ask(act="silence", alert="0000")


async def test_a_step_that_the_page_does_not_know_does_nothing(ask):
    assert "knows no 'shutdown'" in await ask(act="shutdown")


def test_the_presets_go_from_one_alert_to_its_rule():
    found = presets(alert("GpuLost", "node n1", part="GPU 2", labels={"uuid": "GPU-1"}))

    assert {key: matchers for key, (_, matchers) in found.items()} == {
        "alert": ('alertname="GpuLost"', 'gpu="2"', 'node="n1"', 'uuid="GPU-1"'),
        "device": ('node="n1"',),
        "rule": ('alertname="GpuLost"',),
    }


def test_a_label_with_quotes_stays_within_its_quotes():
    (matcher,) = presets(alert("A", "node n1", labels={"node": 'a"b\\'}))["device"][1]

    assert matcher == 'node="a\\"b\\\\"'
    assert matching([matcher], [alert("A", "node n1", labels={"node": 'a"b\\'})])


def test_matchers_of_ones_own_win_and_are_understood_as_alertmanager_does():
    given, _, _ = wanted({"matchers": 'alertname=~"Gpu.*"\nnode!="n2"', "reason": "x", "hours": "1"}, None, SEEN)
    alerts = [alert("GpuLost", "node n1"), alert("GpuLost", "node n2"), alert("NotGpu", "node n1")]

    assert [(one.name, one.subject) for one in matching(given, alerts)] == [("GpuLost", "node n1")]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"matchers": "node", "reason": "x"}, "cannot be read as matchers"),
        ({"matchers": 'node=~"("', "reason": "x"}, "cannot be read as matchers"),
        ({"matchers": 'node="n1"', "reason": "x", "until": "soon"}, "is no time"),
        ({"matchers": 'node="n1"', "reason": "x", "until": "2020-01-01T00:00"}, "in the past"),
        ({"matchers": 'node="n1"', "reason": ""}, "say why"),
        ({"reason": "x"}, "this alert is over"),
    ],
)
def test_what_cannot_be_a_silence_is_refused_with_what_was_expected(asked, told):
    with pytest.raises(AlertsRefused, match=told):
        wanted(asked, None, SEEN)


def test_an_end_is_in_the_time_of_the_site():
    berlin = Viewed(who=ADA, now=NOW, zone=ZoneInfo("Europe/Berlin"))
    _, ends_at, _ = wanted({"matchers": 'node="n1"', "reason": "x", "until": "2030-01-01T12:00"}, None, berlin)

    assert ends_at == 1_893_495_600
