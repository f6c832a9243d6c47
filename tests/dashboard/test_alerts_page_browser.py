"""The pages of alerts in Chromium, by mouse and by keyboard: chosen, explained, silenced; and the count in every header."""

import re
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from fixture_hall import FakeLive, FakeStore
from fixture_ledger import FakeReports
from playwright.sync_api import expect

from dashboard.app import create
from tests.support.alert_desk import bad_desk
from wattstat.api import access
from wattstat.config.access import Access

pytestmark = pytest.mark.browser

CHART = ".js-plotly-plot .scatterlayer .trace"


class Served:
    """The dashboard with a desk behind it, for somebody at this machine with a role."""

    def __init__(self, tmp_path, role):
        now = time.time()
        self.desk, self.live = bad_desk(now), FakeLive(clock=time.time)
        self.web = FastAPI()
        create(self.web, FakeStore(), self.live, reports=FakeReports(at=now), alerts=self.desk)
        access.guard(self.web, access.identity(Access(local_role=role), tmp_path))
        self.url = ""


@contextmanager
def serving(served):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        served.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(served.web, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the web server ended"
            assert time.monotonic() < deadline, "the web server did not start within 20 s"
            time.sleep(0.01)
        try:
            yield served
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def role():
    return "operator"


@pytest.fixture
def site(tmp_path, role):
    with serving(Served(tmp_path, role)) as served:
        yield served


def test_an_alert_is_chosen_explained_and_shown_with_its_runbook(site, watched):
    page = watched.page
    page.goto(site.url + "/alerts?refresh=off")

    chosen = page.get_by_role("region", name="The chosen alert")
    expect(chosen.get_by_role("heading", name="GpuLost")).to_be_visible()
    expect(page.locator("#alert-panel " + CHART).first).to_be_visible()
    expect(page.locator("#alert-runbook")).to_contain_text("Drain the node, then reboot it.")
    page.get_by_text("keeps 3 others quiet").click()
    page.get_by_role("link", name=re.compile("gpu-03")).first.press("Enter")
    expect(page).to_have_url(re.compile("alert=[0-9a-f]{16}"))
    expect(chosen.get_by_role("heading", name="PsuRedundancyLost")).to_be_visible()
    expect(chosen).to_contain_text("Caused by RackFeedLost rack R02")
    chosen.get_by_role("link", name="RackFeedLost rack R02").click()
    expect(chosen.get_by_role("heading", name="RackFeedLost")).to_be_visible()
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith((site.url, "data:", "blob:"))] == []


def test_an_alert_is_silenced_by_keyboard_after_it_was_shown_what_goes_quiet(site, watched):
    page = watched.page
    page.goto(site.url + "/alerts?refresh=off")
    page.get_by_role("button", name="Silence").press("Enter")
    dialog = page.get_by_role("dialog", name="Silence")
    expect(dialog.get_by_label("Quiet about")).to_be_focused()

    dialog.get_by_label("Reason").fill("its card is on order")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("1 alert would be quiet now")
    assert len(site.desk.quiet) == 1
    expect(dialog.get_by_role("button", name="Silence", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Done: quiet until")
    page.get_by_role("button", name="Close").press("Enter")

    expect(page.get_by_role("table", name="Silences")).to_contain_text("its card is on order")
    assert site.desk.quiet[-1].created_by == "local"
    expect(page.get_by_text("2 silenced", exact=True)).to_be_visible()
    page.get_by_role("row", name=re.compile("its card is on order")).get_by_role("button", name="End").click()
    page.get_by_role("dialog", name="End this silence").get_by_role("button", name="End it now").click()
    expect(page.get_by_role("dialog", name="Silence")).to_contain_text("Done: it is over")
    assert site.desk.quiet[-1].state == "expired"
    assert watched.complaints == []


@pytest.mark.parametrize("role", ["viewer"])
def test_a_viewers_forged_silence_is_refused(site, watched):
    page = watched.page
    page.goto(site.url + "/alerts?refresh=off")
    expect(page.get_by_role("button", name="Silence")).to_be_disabled()
    forged = {"act": "silence", "step": "do", "alert": "", "matchers": 'node=~".+"', "reason": "x", "at": 1}

    with page.expect_response(lambda answer: "needs the role operator" in answer.text()):
        page.evaluate("forged => dash_clientside.set_props('alerts-asked', {data: forged})", forged)

    assert len(site.desk.quiet) == 1


def test_every_page_counts_what_fires_and_leads_there(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=off")
    bell = page.get_by_role("link", name="Alerts: 2 critical, 6 warning, 1 info")
    expect(bell).to_be_visible()
    pages = page.get_by_role("navigation", name="Pages")
    for name in ("Servers", "Energy", "Fabric", "Health"):
        pages.get_by_role("link", name=name).click()
        expect(pages.locator("[aria-current]")).to_have_text(name)
        expect(bell).to_be_visible()

    bell.click()
    expect(page.get_by_role("heading", name="What fires")).to_be_visible()


def test_health_leads_to_what_took_points_off_and_a_server_shows_its_alerts(site, watched):
    page = watched.page
    page.goto(site.url + "/health?refresh=off")
    page.get_by_role("row", name=re.compile("^gpu-01")).get_by_role("link", name=re.compile("does not answer")).click()
    expect(page.get_by_role("region", name="The chosen alert")).to_contain_text("GPU 2 (GPU-0c1f2a)")
    page.get_by_role("link", name="gpu-01 · GPU 2", exact=True).click()
    expect(page.get_by_role("region", name="Alerts").get_by_role("table", name="Alerts")).to_contain_text("GpuLost")
    assert watched.complaints == []

    page.goto(site.url + "/job/4201?refresh=off")
    expect(page.get_by_role("region", name="Alerts during the run")).to_contain_text("GpuLost")


def test_a_runbook_has_an_address_of_its_own(site, watched):
    page = watched.page
    page.goto(site.url + "/runbooks/GpuLost?refresh=off")

    expect(page.get_by_role("heading", level=1, name="GpuLost")).to_be_visible()
    expect(page.get_by_role("region", name="Fires now")).to_contain_text("gpu-01")
    assert watched.complaints == []
    page.goto(site.url + "/runbooks/NoSuchThing?refresh=off")
    expect(page.get_by_role("alert")).to_contain_text("there is no runbook NoSuchThing")


@pytest.mark.parametrize("size", [(3840, 2160), (1920, 1080), (1366, 768)])
def test_no_text_is_smaller_than_14_pixels_and_nothing_is_wider_than_the_screen(site, watched, size):
    page = watched.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path, drawn in (("/alerts", ".causes li"), ("/health", ".health tbody tr"), ("/runbooks/GpuLost", ".runbook h2")):
        page.goto(site.url + path + "?refresh=off")
        expect(page.locator(drawn).first).to_be_visible()

        smallest = page.evaluate("""Math.min(...[...document.querySelectorAll('body *')]
            .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
            .map(e => parseFloat(getComputedStyle(e).fontSize)))""")
        assert smallest >= 13.99
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_silent_is_said_and_what_is_known_is_shown(site, watched):
    page = watched.page
    site.live.down = True
    page.goto(site.url + "/alerts?refresh=off")

    expect(page.get_by_role("alert")).to_contain_text("Times are UTC")
    expect(page.locator("#alerts-list")).to_contain_text("gpu-01")
