"""The alerts of one server and of one run: theirs, their causes', and nobody else's."""

import re
from datetime import UTC

import pytest
from fixture_hall import NOW, FakeLive, FakeStore
from fixture_ledger import FakeReports

from dashboard import alertsof
from dashboard.services import Services
from dashboard.timerange import Span
from tests.support.alert_desk import MINUTE, alert, bad_desk
from tests.support.told_alerts import ToldDesk

SPAN = Span(start=NOW - 6 * 3600, end=NOW, step=60)


def text_of(markup: object) -> str:
    joined = "".join(str(each or "") for each in markup) if isinstance(markup, list | tuple) else str(markup)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", joined)).strip()


def services(desk: object) -> Services:
    return Services(FakeStore(), FakeLive(), lambda: NOW, FakeReports(at=NOW), alerts=desk)


async def of_node(desk: object, name: str) -> str:
    return text_of(await alertsof.of_node(services(desk), name, SPAN, "", UTC))


@pytest.fixture
def run():
    """A run that holds all of gpu-03."""
    reports = FakeReports(at=NOW)
    detail = reports.job("4201", None)
    assert detail is not None
    return detail


async def test_a_server_shows_its_own_alerts_and_what_causes_them():
    shown = await of_node(bad_desk(NOW), "gpu-03")

    assert "A server runs without redundant power" in shown
    assert "A rack has lost a feed" in shown
    assert "GpuLost" not in shown


async def test_what_is_over_stands_below_what_holds():
    shown = await of_node(bad_desk(NOW), "gpu-05")

    assert shown.count("GpuNearSlowdown") == 6
    assert shown.index("GPU 1") < shown.index("10 min")


async def test_a_server_without_alerts_says_so():
    assert await of_node(bad_desk(NOW), "gpu-09") == "None, now and in the shown time."


async def test_without_a_desk_the_server_says_so():
    assert "no alert desk" in await of_node(None, "gpu-03")


async def test_a_run_shows_the_alerts_of_what_it_held(run):
    node = run.job.nodes[0]
    fired = {"active_at": run.job.start + 60, "fired_at": run.job.start + 120}
    ours = alert("GpuThrottled", f"node {node}", part="GPU 0", **fired)
    others = alert("FanFailed", "node somewhere-else", **fired)
    before = alert("TooEarly", f"node {node}", active_at=run.job.start - 9000, fired_at=run.job.start - 9000,
                   ended_at=run.job.start - 600)  # fmt: skip

    desk = ToldDesk(past=[ours, others, before])
    shown = text_of(await alertsof.of_run(services(desk), run, "", UTC))

    assert "GpuThrottled" in shown
    assert "FanFailed" not in shown
    assert "TooEarly" not in shown


def test_a_gpu_that_another_run_held_is_not_shown(run):
    node = run.job.nodes[0]
    held = {each.index for each in run.gpus if each.node == node}
    foreign = next(index for index in range(99) if index not in held)

    assert not alertsof.is_of_run(alert("GpuLost", f"node {node}", part=f"GPU {foreign}"), run)
    assert alertsof.is_of_run(alert("GpuLost", f"node {node}", part=f"GPU {min(held)}"), run)
    assert alertsof.is_of_run(alert("FanFailed", f"node {node}"), run)


def test_an_alert_about_the_job_itself_is_its_own(run):
    assert alertsof.is_of_run(alert("JobIdle", "job 1", labels={"job_id": run.job.job_id}), run)


async def test_what_is_pending_is_shown_too():
    desk = ToldDesk(alerts=[alert("FanFailed", "node gpu-02", state="pending", active_at=NOW - MINUTE)])

    assert "pending since" in await of_node(desk, "gpu-02")
