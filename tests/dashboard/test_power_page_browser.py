"""The page of power in Chromium: a budget is chosen, a limit is tried, and all of it stands in the address."""

import re
import time

import pytest
from fixture_budgets import status
from playwright.sync_api import expect

from wattstat.api.times import rfc3339

pytestmark = pytest.mark.browser


def test_a_budget_is_chosen_a_limit_tried_and_made_a_draft(site, watched):
    site.power.document = status(taken_at=rfc3339(time.time()))
    page = watched.page
    page.goto(site.url + "/power?refresh=off")
    page.get_by_role("table", name="Budgets").get_by_role("link", name="R01", exact=True).click()
    expect(page).to_have_url(re.compile("budget=rack:R01"))
    expect(page.get_by_text("If rack R01 were limited to")).to_be_visible()
    expect(page.locator("#power-where .barlayer .point").first).to_be_visible()

    field = page.get_by_role("textbox", name="Limit in watts, kilowatts or percent")
    field.fill("16.5 kW")
    field.press("Enter")

    expect(page.locator("#power-answer")).to_contain_text("Can be held")
    expect(page.get_by_role("table", name="Changes")).to_contain_text("gpu-01")
    make = page.get_by_role("link", name="Make it a policy")
    expect(make).to_have_attribute("href", "/policies?draft=limit&scope=rack:R01&watts=16500&refresh=off")
    handle = page.get_by_role("slider", name="Limit of rack R01 in watts")
    expect(handle).to_have_value("16500")
    handle.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"watts=16[34]\d\d\b"))
    assert {method for method, path, _ in site.power.asked if path != "status"} == {"POST"}
    assert {path for method, path, _ in site.power.asked if method == "POST"} == {"preview"}
    assert watched.complaints == []


def test_a_silent_core_is_said(site, watched):
    site.power.down = True
    watched.page.goto(site.url + "/power?refresh=off")

    expect(watched.page.get_by_role("alert")).to_contain_text("does not answer")
