"""The page of policies in Chromium, against a real desk behind core's door: what is pressed is done, and nothing else."""

import asyncio
import threading
import time
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fixture_hall import FakeLive, FakeStore
from fixture_power import alive
from playwright.sync_api import expect

from dashboard.app import create
from power.desk.desk import Desk
from power.desk.policy_calls import PolicyCalls
from power.policies.masks import Masks
from tests.support import power_desk
from tests.support.power_desk import ADA, FLEET, core_of, made_desk, night_cap
from tests.support.web_server import serving
from wattstat.api import access
from wattstat.api.power_calls import PowerCalls
from wattstat.config.access import Access

pytestmark = pytest.mark.browser


@dataclass
class Steered:
    """A served dashboard and the desk behind it."""

    url: str
    desk: Desk

    def cap(self, node):
        return self.desk.steering.cap(node)


def status_of(desk):
    """As core tells it: which emergency holds which device."""

    def status():
        masks, hall = Masks(FLEET), desk.steering
        devices = [{**each, "uuid": each["device"].partition("/")[2], "gpu": "0"} for each in hall._devices()]
        for emergency in desk.emergencies():
            urgent = masks.nodes(emergency.scope)
            for row, device in enumerate(devices):
                if urgent[FLEET.gpu_node[row]]:
                    device["binding_policy"] = f"emergency {emergency.id} by {emergency.owner}"
        enabled = [alive(each.policy.name, enabled=each.enabled, counts=each.enabled) for each in desk.repository.standing()]
        return {
            "mode": "enforce", "leader": {"leads": True}, "ready": True, "devices": devices, "policies": enabled,
            "budgets": [{"kind": "site", "name": "hall"}, {"kind": "rack", "name": "r1"}, {"kind": "rack", "name": "r2"}],
            "emergencies": [], "findings": [], "troubles": [],
        }  # fmt: skip

    return status


@pytest.fixture
def role():
    return "operator"


@pytest.fixture
def steered(tmp_path, role):
    """The dashboard in a thread, with a core that has a desk, for somebody at this machine with a role."""
    desk = made_desk(tmp_path / "core")
    desk.steering.status = status_of(desk)
    (tmp_path / "core.key").write_text(power_desk.KEY.hex())
    (tmp_path / "core.key").chmod(0o600)
    began, found, over = threading.Event(), [], asyncio.Event()
    loops = []

    async def serve():
        loops.append(asyncio.get_running_loop())
        async with core_of(desk) as core:
            calls, web = PowerCalls(core, tmp_path / "core.key"), FastAPI()
            create(web, FakeStore(), FakeLive(clock=time.time), power=calls)
            access.guard(web, access.identity(Access(local_role=role), tmp_path))
            async with serving(web, lifespan="auto") as url:
                found.append(url)
                began.set()
                await over.wait()
            await calls.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert began.wait(20), "the web server did not start within 20 s"
    try:
        yield Steered(url=found[0], desk=desk)
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(20)
        power_desk.closed(desk)


def save(desk, **changes):
    PolicyCalls(desk).save("night-cap", night_cap(**changes), ADA, expected=None, dry_run=False)


def test_a_policy_is_enabled_after_its_difference_was_shown_and_not_before(steered, watched):
    save(steered.desk)
    page = watched.page
    page.goto(steered.url + "/policies")
    row = page.locator("#policies-panel").get_by_role("row", name="night-cap")
    expect(row).to_contain_text("approved, not enabled")

    row.get_by_role("button", name="Enable").click()

    dialog = page.get_by_role("dialog", name="Enable night-cap")
    expect(dialog.get_by_role("table", name="Caps before and after")).to_contain_text("700\u202fW")
    expect(dialog).to_contain_text("500\u202fW")
    assert steered.cap("n1") == 700
    dialog.get_by_role("button", name="Enable", exact=True).click()
    expect(dialog).to_contain_text("Done: it is enabled.")
    assert steered.cap("n1") == 500
    dialog.get_by_role("button", name="Close").click()
    expect(row).to_contain_text("enabled, holds now")
    assert watched.complaints == []


def test_the_emergency_works_by_keyboard_alone_and_goes_by_an_all_clear(steered, watched):
    page = watched.page
    page.goto(steered.url + "/policies")
    page.get_by_role("button", name="Emergency").press("Enter")
    dialog = page.get_by_role("dialog", name="Emergency: lowest limits at once")
    expect(dialog.get_by_label("Where")).to_be_focused()

    page.keyboard.type("r1")
    expect(dialog.get_by_role("table", name="Caps before and after")).to_contain_text("200\u202fW")
    page.keyboard.press("Tab")
    page.keyboard.type("smoke")
    page.keyboard.press("Tab")
    page.keyboard.type("r2")
    page.keyboard.press("Enter")
    assert steered.cap("n1") == 700, "another name than the scope's confirms nothing"
    expect(dialog.get_by_label("to confirm")).to_be_focused()
    page.keyboard.press("Backspace")
    page.keyboard.type("1")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog", name="The emergency is on: rack r1")).to_be_visible()
    assert (steered.cap("n1"), steered.cap("n3")) == (200, 700)
    page.keyboard.press("Enter")
    strip = page.get_by_role("alert").filter(has_text="Emergency: rack r1")
    expect(strip).to_contain_text("16 of 16 devices at their lowest")
    strip.get_by_role("button", name="All clear").press("Enter")
    page.get_by_role("dialog", name="All clear").get_by_label("Reason").fill("the smoke is gone")
    page.keyboard.press("Enter")
    expect(strip).to_have_count(0)
    assert steered.cap("n1") == 700
    expect(page.get_by_role("row", name="the smoke is gone")).to_contain_text("all clear")
    assert watched.complaints == []


def test_an_address_chooses_where_the_emergency_is(steered, watched):
    page = watched.page
    page.goto(steered.url + "/policies?emergency=rack/r2")
    dialog = page.get_by_role("dialog", name="Emergency: lowest limits at once")

    expect(dialog.get_by_label("Reason")).to_be_focused()
    expect(dialog.get_by_label("Where")).to_have_value("rack/r2")
    expect(dialog.get_by_label("to confirm")).to_have_accessible_name("Type r2 to confirm")
    page.keyboard.press("Escape")
    expect(page).to_have_url(steered.url + "/policies")
    assert steered.cap("n3") == 700


@pytest.mark.parametrize("role", ["author"])
def test_a_policy_is_written_mended_at_its_line_and_saved(steered, watched):
    page = watched.page
    page.goto(steered.url + "/policies?draft=gpu_cap&scope=rack:r1&watts=50")
    dialog = page.get_by_role("dialog", name="New policy")
    text = dialog.get_by_role("textbox", name="The policy as YAML")
    dialog.get_by_role("button", name="Show the difference").click()
    expect(dialog.get_by_role("alert")).to_contain_text("reason: is empty")
    dialog.get_by_role("button", name="line 3").click()
    page.keyboard.type("reason: It is loud")
    assert "reason: It is loud\n" in text.input_value()
    text.fill(text.input_value().replace("watts: 50.0", "watts: 500.0"))

    dialog.get_by_role("button", name="Show the difference").click()
    save_it = dialog.get_by_role("button", name="Save", exact=True)
    expect(save_it).to_be_visible()
    text.press_sequentially(" ")
    expect(save_it).to_have_count(0)
    dialog.get_by_role("button", name="Show the difference").click()
    save_it.click()

    expect(page.get_by_role("dialog", name="gpu-cap-r1 is saved")).to_contain_text("approved, not enabled")
    assert steered.cap("n1") == 700
    page.get_by_role("button", name="Close").click()
    expect(page).to_have_url(steered.url + "/policies")
    expect(page.locator("#policies-panel").get_by_role("row", name="gpu-cap-r1")).to_contain_text("each GPU at most 500\u202fW")


@pytest.mark.parametrize("role", ["viewer"])
def test_a_viewers_buttons_are_shut_and_a_forged_press_is_refused(steered, watched):
    save(steered.desk)
    page = watched.page
    page.goto(steered.url + "/policies")
    expect(page.get_by_role("button", name="Emergency")).to_be_disabled()
    expect(page.get_by_role("button", name="Enable")).to_be_disabled()
    told = "needs the role author; you are local, viewer"
    expect(page.get_by_role("button", name="New policy")).to_have_attribute("title", told)

    forged = {"act": "emergency", "step": "do", "scope": "site", "reason": "x", "confirm": "site", "at": 1}
    with page.expect_response(lambda answer: "needs the role operator" in answer.text()):
        page.evaluate("forged => dash_clientside.set_props('policies-asked', {data: forged})", forged)

    assert steered.cap("n1") == 700
    assert [each.body["what"] for each in steered.desk.trail.read()] == ["save policy"]


def test_a_hold_is_shown_made_and_released(steered, watched):
    page = watched.page
    page.goto(steered.url + "/policies")
    page.get_by_role("button", name="New hold").click()
    dialog = page.get_by_role("dialog", name="New hold")
    dialog.get_by_label("Hold").fill("node/n1")
    dialog.get_by_label("Watts").fill("400")
    dialog.get_by_label("Reason").fill("a fan is loose")
    dialog.get_by_role("button", name="Show the difference").click()
    expect(dialog).to_contain_text("Each GPU of node n1 at 400\u202fW for 60\u202fmin: a fan is loose")
    assert steered.cap("n1") == 700
    dialog.get_by_role("button", name="Hold", exact=True).click()
    expect(dialog).to_contain_text("Done: it is held.")
    assert steered.cap("n1") == 400

    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("row", name="node n1").get_by_role("button", name="Release").click()
    page.get_by_role("dialog", name="Release hold").get_by_label("Reason").fill("mended")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is held")).to_be_attached()
    assert steered.cap("n1") == 700
