"""The page of alerts: what stands first, what stands below its cause, and what it says where nobody can tell."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC

import pytest
from fixture_hall import NOW, FakeLive, FakeStore

from dashboard import alertbell, alertwords
from dashboard.alertcauses import causes
from dashboard.components import alertdetail, alertlist
from dashboard.components.alerthistory import episodes
from dashboard.components.policylist import Viewed
from dashboard.pages import alerts as page
from dashboard.runbooktext import rendered
from dashboard.services import Services
from tests.support.alert_desk import MINUTE, RUNBOOK, alert, bad_desk
from tests.support.told_alerts import ToldDesk
from wattstat.access import Caller, Role
from wattstat.api.alerts import AlertsRefused, AlertsUnavailable

OPERATOR = Viewed(who=Caller(name="ada", role=Role.OPERATOR), now=NOW, zone=UTC)
VIEWER = Viewed(who=Caller(name="bob", role=Role.VIEWER), now=NOW, zone=UTC)


def text_of(markup: object) -> str:
    joined = "".join(str(each or "") for each in markup) if isinstance(markup, list | tuple) else str(markup)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", joined)).strip()


def services(desk: object, **live: object) -> Services:
    return Services(FakeStore(), FakeLive(**live), lambda: NOW, alerts=desk)


async def shown(desk: object, search: str = "", **live: object) -> dict[str, str]:
    asked = services(desk, **live)
    return {name: text_of(part) for name, part in (await page.bodies(asked, await page.look(asked, search))).items()}


async def test_what_a_lost_feed_brings_about_stands_below_it():
    found = causes(await bad_desk(NOW).active(), {})

    feed = next(cause for cause in found if cause.lead.name == "RackFeedLost")
    assert [effect.name for effect in feed.effects] == ["PsuRedundancyLost"] * 3
    assert all(cause.lead.name != "PsuRedundancyLost" for cause in found)


def test_the_cause_of_a_cause_is_the_one_line():
    feed = alert("RackFeedLost", "rack R1", severity="critical")
    off = alert("ServerOff", "node n1", severity="critical", inhibited_by=(feed.fingerprint,))
    gpu = alert("GpuLost", "node n1", part="GPU 1", inhibited_by=(off.fingerprint,))

    (only,) = causes([gpu, off, feed], {})

    assert only.lead == feed
    assert {effect.name for effect in only.effects} == {"ServerOff", "GpuLost"}


def test_two_that_name_each_other_are_both_shown():
    first, second = alert("A", "node n1"), alert("B", "node n1")
    first = replace(first, inhibited_by=(second.fingerprint,))
    second = replace(second, inhibited_by=(first.fingerprint,))

    assert [cause.lead.name for cause in causes([first, second], {})] == ["A", "B"]


def test_an_alert_whose_cause_is_over_stands_for_itself():
    orphan = alert("GpuLost", "node n1", inhibited_by=("0123456789abcdef",))

    assert causes([orphan], {})[0].lead == orphan


def test_what_several_rules_say_of_one_gpu_is_one_line():
    lost = alert("GpuLost", "node n1", severity="critical", part="GPU 2", fired_at=20.0)
    fatal = alert("GpuXidFatal", "node n1", severity="critical", part="GPU 2", fired_at=10.0)
    hot = alert("GpuNearSlowdown", "node n1", part="GPU 3")

    found = causes([lost, hot, fatal], {})

    assert [(cause.lead.name, [one.name for one in cause.beside]) for cause in found] == [
        ("GpuXidFatal", ["GpuLost"]), ("GpuNearSlowdown", []),
    ]  # fmt: skip


def test_three_of_one_rule_in_one_rack_are_one_line_and_two_are_not():
    racks = {"n1": "R1", "n2": "R1", "n3": "R1", "n4": "R2", "n5": "R2"}
    found = causes([alert("BmcUnreachable", f"node {name}") for name in racks], racks)

    assert sorted((len(cause.alerts), cause.place) for cause in found) == [(1, ""), (1, ""), (3, "rack R1")]


def test_one_rule_in_many_racks_is_a_matter_of_the_site():
    racks = {f"n{number}": f"R{number}" for number in range(7)}

    (only,) = causes([alert("BmcUnreachable", f"node {name}") for name in racks], racks)

    assert (len(only.alerts), only.place) == (7, "site")


def test_a_storm_of_ten_thousand_is_a_page_that_one_can_read():
    storm = [alert(f"Rule{number % 40}", f"node n{number}", part=f"GPU {number % 8}") for number in range(10_000)]

    listed = alertlist.listing(storm, {}, "", OPERATOR)

    assert len(listed) < 300_000
    assert f"250 {alertwords.TIMES} site" in text_of(listed)


async def test_critical_stands_before_warning_and_the_oldest_first():
    found = causes(await bad_desk(NOW).active(), {})

    names = [cause.lead.name for cause in found if cause.lead.state == "firing" and cause.lead.severity != "none"]
    assert names[:3] == ["GpuLost", "RackFeedLost", "BmcCertificateEnds"]
    assert found[-1].lead.state == "pending"


async def test_the_watchdog_is_no_trouble():
    found = await shown(bad_desk(NOW))

    assert "Watchdog" not in " ".join(found.values())


async def test_what_is_silenced_is_apart_and_not_counted():
    found = await shown(bad_desk(NOW))

    assert "Nothing fires" not in found["alerts-list"]
    assert found["alerts-list"].index("1 silenced") > found["alerts-list"].index("scratch")
    assert "In working hours Warning 6 the oldest for" in found["alerts-figures"]
    assert "3 kept quiet by their cause, 1 silenced" in found["alerts-figures"]


def test_an_alert_is_counted_once_and_the_same_in_figures_list_and_header():
    feed = alert("FeedLost", "rack R02", severity="critical")
    effect = alert("PsuFailed", "node n1", inhibited_by=(feed.fingerprint,))
    effects = [
        effect,
        replace(effect, fingerprint="e2", state="pending"),
        replace(effect, fingerprint="e3", silenced_by=("s",)),
    ]
    soon = alert("FanFailed", "node n1", state="pending")
    hushed = replace(soon, fingerprint="h1", silenced_by=("s",))
    alerts = [feed, *effects, soon, hushed]

    status = replace(ToldDesk().state, last_evaluation=NOW)
    figures = text_of("".join(str(each) for each in alertlist.figures(alerts, status, NOW)))
    listed = text_of(alertlist.listing(alerts, {}, "", OPERATOR))

    assert "Pending 1 not long enough to fire, 3 kept quiet by their cause, 1 silenced" in figures
    assert "In working hours 0 only what is kept quiet" in figures
    assert "1 pending" in listed
    assert "keeps 3 others quiet" in listed
    assert "1 silenced" in listed
    assert text_of(alertbell.shown(alerts, status, NOW, "")) == "1 1 pending"


async def test_the_worst_is_open_while_nobody_has_chosen():
    found = await shown(bad_desk(NOW))

    assert found["alert-head"].startswith("GpuLost Critical")
    assert "GPU 2 (GPU-0c1f2a) of gpu-01 has been lost" in found["alert-body"]
    assert "pager, chat told at" in found["alert-body"]
    assert "Drain the node, then reboot it." in found["alert-runbook"]


async def test_an_effect_names_its_cause_and_the_job_that_it_touches():
    desk = bad_desk(NOW)
    effect = next(one for one in desk.alerts if one.subject == "node gpu-03")

    found = await shown(desk, f"?alert={effect.fingerprint}")

    assert "Caused by RackFeedLost rack R02" in found["alert-body"]
    assert "Jobs on it: 4201" in found["alert-body"]


async def test_an_alert_that_is_over_can_still_be_looked_at():
    desk = bad_desk(NOW)

    found = await shown(desk, f"?alert={desk.past[0].fingerprint}&from=now-6h")

    assert found["alert-head"].startswith("GpuNearSlowdown Warning")


async def test_an_unknown_alert_is_said():
    found = await shown(bad_desk(NOW), "?alert=0000")

    assert "No alert “0000” fires" in found["alerts-notice"]


async def test_without_a_desk_the_page_says_so():
    with pytest.raises(AlertsRefused, match="no alert desk"):
        await page.look(services(None), "")


async def test_while_core_is_silent_alerts_are_shown_all_the_same():
    found = await shown(bad_desk(NOW), down=True)

    assert "Times are UTC" in found["alerts-notice"]
    assert "GpuLost" in found["alerts-list"]


async def test_a_calm_list_without_evaluation_is_not_believed():
    desk = bad_desk(NOW)
    desk.alerts = []
    desk.state = replace(desk.state, last_evaluation=NOW - 900)

    found = await shown(desk)

    assert "an empty list means nothing" in found["alerts-notice"]
    assert found["alerts-list"] == "OK Nothing fires.".removeprefix("OK ")


async def test_a_receiver_that_nobody_reaches_is_critical():
    desk = bad_desk(NOW)
    desk.state = replace(desk.state, failing_receivers={"pager": "connection refused"}, queue=12)

    found = await shown(desk)

    assert "Messages do not reach pager. connection refused" in found["alerts-notice"]
    assert "12 waiting" in found["alerts-figures"]


async def test_a_component_can_be_looked_at_alone():
    found = await shown(bad_desk(NOW), "?component=storage")

    assert "scratch" in found["alerts-list"]
    assert "GpuLost" not in found["alerts-list"]


def test_a_viewer_cannot_silence_and_is_told_why():
    one = alert("GpuLost", "node n1")

    assert "needs operator" in text_of(alertdetail.head(one, VIEWER))
    assert "needs operator" not in text_of(alertdetail.head(one, OPERATOR))


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("node gpu-01", "/node/gpu-01"), ("switch leaf-1", "/fabric?leaf=leaf-1"), ("storage s", "/storage?cluster=s"),
        ("rack R1", "/power?budget=rack:R1"), ("site", "/"), ("account llm", "/energy"), ("wattstat", ""), ("job 7", "/job/7"),
    ],
)  # fmt: skip
def test_each_subject_leads_to_its_page(subject, expected):
    assert alertwords.way(subject, "?alert=1") == expected


def test_the_way_keeps_the_chosen_time():
    assert alertwords.way("switch leaf-1", "?from=now-1h&alert=1") == "/fabric?from=now-1h&leaf=leaf-1"


def test_episodes_that_lie_together_are_one_bar():
    def fired(start: float, end: float | None) -> object:
        return alert("A", "node n1", active_at=start, fired_at=start, ended_at=end)

    found = episodes([fired(0, 100), fired(110, 200), fired(3000, None)], 0, 36_000)

    assert [(one.fired_at, last, count) for one, last, count in found] == [(0, 200, 2), (3000, 36_000, 1)]


def test_what_ended_before_the_time_is_no_bar():
    assert episodes([alert("A", "node n1", active_at=0, fired_at=0, ended_at=50)], 100, 200) == []


async def test_history_counts_each_rule():
    found = await shown(bad_desk(NOW))

    assert "GpuNearSlowdown" in found["alerts-history"]
    assert f"8 {alertwords.TIMES}" in found["alerts-history"]
    assert "BmcCertificateEnds" in found["alerts-silences"]
    assert "new ones are ordered" in found["alerts-silences"]


def test_a_runbook_cannot_bring_html_of_its_own():
    found = rendered(RUNBOOK, titled=True)

    assert "<script>" not in found
    assert "<h1>GpuLost</h1>" in found
    assert '<a href="/runbooks/GpuXidFatal" data-link="">' in found


def test_a_runbook_beside_an_alert_has_no_title_of_its_own():
    found = rendered(RUNBOOK, titled=False, below=1)

    assert "<h1>" not in found
    assert found.startswith("<h3>Meaning</h3>")


async def test_an_empty_desk_is_calm():
    found = await shown(ToldDesk())

    assert found["alert-head"] == "Nothing fires"
    assert found["alerts-history"] == "Nothing fired in this time."
    assert found["alerts-silences"] == "Nothing is silenced."


def test_pending_is_not_told_and_says_since_when():
    one = alert("A", "node n1", state="pending", active_at=NOW - 2 * MINUTE)

    assert alertwords.told(one, NOW, UTC) == "not told yet: it must hold a while"
    assert alertwords.since(one, NOW, UTC).startswith("pending since ")


async def test_before_the_first_message_it_says_how_long_that_waits():
    one = alert("GpuLost", "node n1", severity="critical", tells_at=NOW + 24.5)

    wait = alertwords.words.duration(25)
    assert alertwords.told(one, NOW, UTC) == f"not told yet: the first message waits {wait} for its group"
    assert alertwords.told(replace(one, tells_at=NOW - 1), NOW, UTC) == "not told yet: the first message is on its way"
    assert alertwords.told(replace(one, tells_at=None), NOW, UTC) == "nobody was told"


def test_since_when_it_holds_and_fires_are_both_said():
    one = alert("GpuLost", "node n1", active_at=NOW - 120, fired_at=NOW)
    held, fired = (alertwords.words.clock(at, NOW, UTC) for at in (NOW - 120, NOW))

    assert alertwords.since_when(one, NOW, UTC) == f"since {held}, firing since {fired}"
    assert alertwords.since_when(replace(one, active_at=NOW), NOW, UTC) == f"firing since {fired}"


async def test_while_core_gives_no_data_what_fires_is_said_to_be_unconfirmed():
    desk = bad_desk(NOW)
    desk.alerts = [replace(each, unconfirmed_since=NOW - 600) if each.state == "firing" else each for each in desk.alerts]
    found = await shown(desk)

    assert "Core gives no data." in found["alerts-notice"]
    assert "ot confirmed since" in found["alert-body"]
    assert "not confirmed since" in found["alerts-list"]


async def test_silences_that_nobody_can_tell_leave_the_rest_of_the_page():
    class Hanging(ToldDesk):
        async def silences(self):
            raise AlertsRefused("it does not answer")

    desk = Hanging(alerts=list(await bad_desk(NOW).active()))
    desk.state = replace(desk.state, silences_problem="silences are kept by Alertmanager, and it does not answer: it hangs")
    found = await shown(desk)

    assert "Silences are not known right now." in found["alerts-silences"]
    assert "it hangs" in found["alerts-silences"]
    assert "GpuLost" in found["alerts-list"]


async def test_the_header_is_not_calm_while_something_is_pending():
    pending = alert("PsuFailed", "node n1", state="pending", active_at=NOW - 30)
    status = replace(ToldDesk().state, last_evaluation=NOW)

    said = text_of(alertbell.shown([pending], status, NOW, ""))

    assert said == "1 pending"
    assert "no alerts" in text_of(alertbell.shown([], status, NOW, ""))
    assert "no alerts" in text_of(alertbell.shown([replace(pending, silenced_by=("s",))], status, NOW, ""))


async def test_what_fires_is_shown_where_the_past_cannot_be_told():
    class Forgetful(ToldDesk):
        async def history(self, start, end):
            raise AlertsUnavailable("alerts.sqlite cannot be read: disk I/O error")

    desk = Forgetful()
    desk.alerts = [alert("GpuLost", "node n1", severity="critical")]

    told = await shown(desk)

    assert "GpuLost" in told["alerts-list"]
    assert "disk I/O error" in told["alerts-history"]


async def test_a_core_that_hangs_leaves_the_page_with_what_it_told_before(monkeypatch):
    monkeypatch.setattr("dashboard.services.PATIENCE_SECONDS", 0.05)
    live, now = FakeLive(), [NOW]
    asked = Services(FakeStore(), live, lambda: now[0], alerts=bad_desk(NOW))
    zone, notices = await page.zone_of(asked)
    assert (str(zone), notices) == ("Europe/Berlin", ())

    async def hang():
        await asyncio.Event().wait()

    monkeypatch.setattr(live, "inventory", hang)
    now[0] += 60
    async with asyncio.timeout(10):
        zone, notices = await page.zone_of(asked)
        assert await page.racks_of(asked)
    assert str(zone) == "Europe/Berlin"
    assert "Core does not answer in time." in text_of(notices)


async def test_a_core_that_hangs_from_the_start_leaves_the_page_in_utc(monkeypatch):
    monkeypatch.setattr("dashboard.services.PATIENCE_SECONDS", 0.05)
    live = FakeLive()

    async def hang():
        await asyncio.Event().wait()

    monkeypatch.setattr(live, "inventory", hang)
    async with asyncio.timeout(10):
        zone, notices = await page.zone_of(Services(FakeStore(), live, lambda: NOW, alerts=bad_desk(NOW)))
    assert zone is UTC
    assert "Times are UTC." in text_of(notices)


def test_the_words_of_a_pending_alert_are_said_to_be_those_of_when_it_fires():
    pending = alert("BmcUnreachable", "node n1", state="pending", active_at=NOW - 60, description="No answer for 10 minutes.")

    assert "When it fires it will say: No answer for 10 minutes." in text_of(alertdetail.body(pending, {}, VIEWER))
    firing = replace(pending, state="firing", fired_at=NOW)
    assert "When it fires" not in text_of(alertdetail.body(firing, {}, VIEWER))


def test_a_command_in_a_sentence_is_set_as_code_and_cannot_be_markup():
    one = alert("FeedLost", "rack rack-01", description="Look at `wattstat power status`, <b>then</b> at the breaker.")
    body = "".join(str(each or "") for each in alertdetail.body(one, {}, VIEWER))

    assert "Look at <code>wattstat power status</code>, &lt;b&gt;then" in body


def test_a_rack_that_is_named_as_one_is_not_called_so_twice():
    assert alertwords.where(alert("FeedLost", "rack rack-01")) == "rack-01"
    assert alertwords.where(alert("FeedLost", "rack R02")) == "rack R02"
