"""`wattstat alerts` and `wattstat health` against a web process that listens."""

import asyncio
import json
import re
import time
from dataclasses import replace
from datetime import datetime

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from tests.support.told_alerts import ToldDesk, view
from tests.support.web_server import serving
from wattstat.api import access, alert_routes, problems, prometheus
from wattstat.api.alerts import Deduction, DeskStatus, EvidenceLine, HealthView, RuleNoise
from wattstat.cli import app
from wattstat.config.access import Access


@pytest.fixture
def desk():
    now = time.time()
    return ToldDesk(alerts=[view(active_at=now - 7_500, fired_at=now - 7_440)])


@pytest.fixture
async def run(desk, tmp_path):
    """Runs a command against the desk."""
    site = FastAPI()
    problems.install(site)
    site.include_router(alert_routes.router(desk))
    site.include_router(prometheus.router(None, desk))
    access.guard(site, access.identity(Access(local_role="operator"), tmp_path))
    async with serving(site) as url:

        async def command(*arguments):
            return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--url", url])

        yield command


async def test_what_is_critical_is_listed_with_its_age_and_ends_the_command_with_1(run):
    found = await run("alerts", "list")

    assert found.exit_code == 1
    assert found.output.splitlines()[1].split()[:7] == ["00c0ffee", "critical", "GpuLost", "node", "gpu-017", "GPU", "3"]
    assert found.output.splitlines()[0].split()[4:7] == ["SINCE", "FIRING", "SINCE"]


async def test_since_when_it_holds_and_since_when_it_fires_are_both_said(run, desk):
    now = time.time()
    held, fired = (datetime.fromtimestamp(at).astimezone() for at in (now - 7_500, now - 7_440))
    desk.lines["00c0ffee00c0ffee"] = ()
    output = (await run("alerts", "show", "00c0")).output

    assert re.search(rf"since +(\S+ )?{held:%H:%M}, firing since (\S+ )?{fired:%H:%M} \(2h4m\)", output)


async def test_what_core_does_not_confirm_is_listed_as_such(run, desk):
    desk.alerts = [view(unconfirmed_since=time.time() - 60)]
    desk.lines["00c0ffee00c0ffee"] = ()

    assert re.search(r"not confirmed since (\S+ )?\d\d:\d\d", (await run("alerts", "list")).output)
    assert "core gives no data" in (await run("alerts", "show", "00c0")).output


async def test_before_the_first_message_it_says_when_that_leaves(run, desk):
    desk.alerts = [view(notified_at=None, receivers=(), tells_at=time.time() + 25)]
    desk.lines["00c0ffee00c0ffee"] = ()

    assert re.search(r"nobody yet: the first message waits 2\ds for its group", (await run("alerts", "show", "00c0")).output)


async def test_that_silences_are_of_before_is_said_beside_them(run, desk):
    desk.state = replace(desk.state, silences_problem="silences are kept by Alertmanager, and it does not answer")

    assert "not known: silences are kept by Alertmanager" in (await run("alerts", "silences")).stderr
    assert "not known: silences are kept by Alertmanager" in (await run("alerts", "list")).stderr


async def test_where_nothing_is_wrong_it_says_so(run, desk):
    desk.alerts = [view("Watchdog", severity="none")]

    found = await run("alerts", "list")

    assert (found.exit_code, found.output) == (0, "Nothing is wrong that anybody should hear of.\n")


async def test_where_nothing_fires_yet_it_says_how_much_is_pending(run, desk):
    desk.alerts = [view("Watchdog", severity="none"), view(state="pending", fired_at=None)]

    found = await run("alerts", "list")

    assert found.exit_code == 0
    assert found.output.startswith("Nothing fires; 1 pending: `wattstat alerts list --pending`")
    assert "GpuLost" in (await run("alerts", "list", "--pending")).output
    assert json.loads((await run("alerts", "list", "--json")).output)["items"][0]["name"] == "Watchdog"


async def test_what_is_silenced_is_listed_with_all_only(run, desk):
    desk.alerts = [view(silenced_by=("s1",))]

    assert "GpuLost" not in (await run("alerts", "list")).output
    assert "silenced" in (await run("alerts", "list", "--all")).output


async def test_what_could_not_be_evaluated_or_told_is_said_beside_the_list(run, desk):
    desk.state = DeskStatus(
        evaluates=True, last_evaluation=None, failing_rules={"GpuHot": "timed out"}, queue=3,
        failing_receivers={"pager": "HTTP 500"}, heartbeat_at=None, has_receivers=True,
    )  # fmt: skip

    found = await run("alerts", "list")

    assert "not evaluated: GpuHot: timed out" in found.stderr
    assert "not told: pager: HTTP 500" in found.stderr


async def test_one_alert_shows_evidence_cause_and_runbook(run, desk):
    desk.alerts = [view(inhibited_by=("abad1dea",)), view("FeedLost", fingerprint="abad1dea", subject="rack r12")]
    desk.lines["00c0ffee00c0ffee"] = (EvidenceLine(text="lost for 2 h"),)

    output = (await run("alerts", "show", "00c0")).output

    assert "GpuLost (critical, firing): node gpu-017 GPU 3" in output
    assert "evidence  lost for 2 h" in output
    assert "because   of FeedLost on rack r12" in output
    assert "wattstat alerts runbook GpuLost" in output


async def test_an_id_that_fits_none_is_wrong_use(run):
    found = await run("alerts", "show", "ffff")

    assert found.exit_code == 2
    assert "no active alert begins with" in found.stderr


async def test_a_bare_name_is_silenced_as_a_server_until_the_span_is_over(run, desk):
    made = await run("alerts", "silence", "gpu-017", "--for", "2h", "--comment", "swapping a PSU", "--json")

    assert made.exit_code == 0
    assert json.loads(made.output)["matchers"] == ['node="gpu-017"']
    assert abs(desk.quiet[0].ends_at - time.time() - 7200) < 60
    assert "gpu-017" in (await run("alerts", "silences")).output
    assert (await run("alerts", "expire", desk.quiet[0].id)).exit_code == 0
    assert desk.quiet == []


async def test_a_silence_that_is_refused_says_why(run, desk):
    found = await run("alerts", "silence", "gpu-017", "--for", "tomorrow", "--comment", "x")

    assert found.exit_code == 2
    assert "--for: 'tomorrow' is no span; expected a number with a unit, such as 30m, 2h or 3d" in found.stderr
    assert desk.quiet == []


@pytest.mark.parametrize(
    ("matcher", "says"), [('foo="bar"', "It matches nothing now"), ('alertname=~"Gpu.*"', "It matches 1 alert now.")]
)
async def test_a_silence_says_how_much_it_keeps_quiet_now(run, matcher, says):
    made = await run("alerts", "silence", matcher, "--for", "2h", "--comment", "x")

    assert made.exit_code == 0
    assert says in made.output


async def test_the_beginning_of_a_silences_id_ends_it_where_only_one_has_it(run, desk):
    for matcher in ("gpu-017", "gpu-018"):
        await run("alerts", "silence", matcher, "--for", "2h", "--comment", "x")
    desk.quiet = [replace(each, id=name) for each, name in zip(desk.quiet, ("5eed-a", "5eed-b"), strict=True)]

    several = await run("alerts", "expire", "5eed")

    assert several.exit_code == 2
    assert "2 silences begin with '5eed'" in several.stderr
    assert "5eed-b has ended" in (await run("alerts", "expire", "5eed-b")).output
    assert "5eed-a has ended" in (await run("alerts", "expire", "5e")).output
    assert (await run("alerts", "expire", "5e")).exit_code == 2


async def test_history_noise_rules_and_runbooks_are_printed(run, desk):
    now = time.time()
    desk.past = [view(fired_at=now - 700, active_at=now - 700, ended_at=now - 100)]
    desk.noisy = [RuleNoise(name="GpuHot", severity="warning", fired=7, seconds_firing=4000, notified=5, silenced=1)]
    desk.groups = [
        {
            "name": "wattstat-gpu",
            "rules": [
                {
                    "type": "alerting",
                    "name": "GpuLost",
                    "labels": {"severity": "critical"},
                    "duration": 60,
                    "health": "ok",
                    "alerts": [{"state": "firing"}],
                }
            ],
        }
    ]
    desk.runbooks["GpuLost"] = "# GpuLost"

    assert "10m" in (await run("alerts", "history")).output
    assert (await run("alerts", "noise")).output.splitlines()[1].split() == ["GpuHot", "warning", "7", "1h6m", "5", "1"]
    assert (await run("alerts", "rules")).output.splitlines()[1].split() == [
        "wattstat-gpu", "GpuLost", "critical", "1m", "ok", "1",
    ]  # fmt: skip
    assert (await run("alerts", "runbook", "GpuLost")).output == "# GpuLost\n"
    assert (await run("alerts", "runbook", "Nothing")).exit_code == 2


async def test_a_receiver_is_tried(run):
    assert (await run("alerts", "test", "pager")).output == "pager took it\n"


async def test_health_lists_the_worst_and_tells_of_one_device_what_took_points_off(run, desk):
    lost = Deduction(
        fingerprint="f", name="GpuLost", severity="critical", category="components", points=40, what="GPU 3 is lost", since=1.0
    )
    desk.devices = [
        HealthView(kind="node", name="gpu-017", score=60, by_category={"components": 40}, deductions=(lost,)),
        HealthView(kind="node", name="gpu-018", score=100, by_category={}, deductions=()),
    ]

    assert (await run("health")).output.splitlines()[1].split() == ["60", "node", "gpu-017", "-40", "GpuLost"]
    assert "-40  components     GpuLost: GPU 3 is lost" in (await run("health", "gpu-017")).output
    assert "gpu-018" in (await run("health", "--all")).output
    assert "There is no device 'gpu-019'." in (await run("health", "gpu-019")).output


def test_rule_files_are_exported_with_links_that_lead_to_the_site(tmp_path):
    done = CliRunner().invoke(app, ["alerts", "export", str(tmp_path / "out"), "--public-url", "https://wattstat.site/"])

    assert done.exit_code == 0, done.output
    written = list((tmp_path / "out" / "rules").glob("*.yml"))
    assert written
    assert not any("localhost:8050" in path.read_text() for path in written)


async def test_the_words_of_a_pending_alert_are_said_to_be_those_of_when_it_fires(run, desk):
    desk.alerts = [view(state="pending", fired_at=None, notified_at=None, receivers=())]
    desk.lines["00c0ffee00c0ffee"] = ()

    assert "  will say  GPU 3 of gpu-017 is lost." in (await run("alerts", "show", "00c0")).output
