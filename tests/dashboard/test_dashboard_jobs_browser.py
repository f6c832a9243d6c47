"""The pages of jobs and of energy in Chromium: what is chosen stands in the address, and everything leads somewhere."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

ROWS = ".job-row"


def address_has(page: Page, text: str) -> None:
    expect(page).to_have_url(re.compile(re.escape(text)))


def test_what_is_typed_filters_at_the_server_and_stands_in_the_address(site, watched):
    page = watched.page
    page.goto(site.url + "/jobs?cursor=50&row=50")
    expect(page.locator(ROWS).first).to_be_visible()

    page.get_by_role("textbox", name="Show only jobs with this text").fill("4203")

    address_has(page, "/jobs?q=4203")
    expect(page.locator(ROWS)).to_have_count(0)
    page.get_by_role("textbox", name="Show only jobs with this text").fill("4204")
    expect(page.locator(ROWS)).to_have_count(1)
    assert watched.complaints == []


def test_an_address_fills_the_filters_and_a_state_is_chosen_from_a_list(site, watched):
    page = watched.page
    page.goto(site.url + "/jobs?q=4204&state=running&account=climate")
    expect(page.get_by_role("textbox", name="Show only jobs with this text")).to_have_value("4204")
    expect(page.get_by_role("textbox", name="State")).to_have_value("Running")
    expect(page.locator(ROWS)).to_have_count(1)

    page.get_by_role("textbox", name="State").click()
    page.get_by_role("option", name="Failed", exact=True).click()

    address_has(page, "state=failed")
    expect(page.get_by_text("No job of the chosen time fits the filter.")).to_be_visible()
    page.get_by_role("link", name="Do not filter by account climate").click()
    expect(page).not_to_have_url(re.compile("account="))


def test_headings_sort_by_keyboard_and_a_row_leads_to_its_job(site, watched):
    page = watched.page
    page.goto(site.url + "/jobs?from=now-3h&to=now&state=running")
    expect(page.locator(ROWS).first).to_be_visible()

    page.get_by_role("link", name="Energy, kWh").press("Enter")

    address_has(page, "sort=-energy")
    expect(page.get_by_role("columnheader", name="Energy, kWh")).to_have_attribute("aria-sort", "descending")
    name = page.locator(ROWS).first.locator(".row-link").inner_text()
    page.locator(ROWS).first.locator(".row-link").press("Enter")
    address_has(page, f"/job/{name}?instance=0")
    expect(page.locator("#job-head strong")).to_have_text(name)
    assert watched.complaints == []


def test_pages_follow_one_another(site, watched):
    page = watched.page
    page.goto(site.url + "/jobs?from=now-30d&to=now")
    expect(page.get_by_text("1 to 50 of 230 jobs")).to_be_visible()
    first = page.locator(ROWS).first.inner_text()

    page.get_by_role("link", name="Next page").click()

    expect(page.get_by_text("51 to 100 of 230 jobs")).to_be_visible()
    assert page.locator(ROWS).first.inner_text() != first
    page.get_by_role("link", name="First page").click()
    expect(page.get_by_text("1 to 50 of 230 jobs")).to_be_visible()


def test_a_dot_of_the_scatter_leads_to_its_job(site, watched):
    page = watched.page
    page.goto(site.url + "/jobs?q=4204&refresh=off")
    dot = page.locator("#jobs-scatter .scatterlayer .point").first
    expect(dot).to_be_visible()
    place = dot.bounding_box()

    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)

    address_has(page, "/job/4204?refresh=off&instance=0")


def test_an_address_asks_a_senseless_page_and_is_told_so(site, watched):
    page = watched.page
    page.goto(site.url + "/jobs?cursor=yesterday")

    expect(page.get_by_role("alert")).to_contain_text("is no cursor of this list")


@pytest.mark.parametrize("path", ["/jobs", "/job/4204", "/energy"])
def test_a_silent_ledger_is_said_and_comes_back(site, watched, path):
    site.reports.down = True
    page = watched.page
    page.goto(site.url + path + "?refresh=5s")
    expect(page.get_by_role("alert")).to_contain_text("the ledger's database does not answer")

    site.reports.down = False

    expect(page.get_by_role("alert")).to_have_count(0, timeout=60_000)
    assert watched.complaints == []


def test_a_pods_page_is_reached_by_its_address_with_a_slash(site, watched):
    page = watched.page
    page.goto(site.url + "/job/ml-team/serve-70b-0")

    expect(page.locator("#job-head strong")).to_have_text("ml-team/serve-70b-0")
    expect(page.get_by_role("table", name="Inference")).to_contain_text("llama-70b")
    expect(page).to_have_title("ml-team/serve-70b-0 · Wattstat")


def test_a_run_is_shown_over_its_own_time_until_another_is_chosen_and_back(site, watched):
    page = watched.page
    page.goto(site.url + "/job/4204")
    times = page.get_by_role("textbox", name="Time range")
    expect(times).to_have_value("Whole run")
    expect(page.locator("#job-heat .heatmaplayer image").first).to_be_visible()

    times.click()
    page.get_by_role("option", name="Last hour").click()
    address_has(page, "from=now-1h")
    times.click()
    page.get_by_role("option", name="Whole run").click()

    expect(page).not_to_have_url(re.compile("from="))
    expect(times).to_have_value("Whole run")
    assert watched.complaints == []


def test_the_shared_link_shows_the_same_times_to_others(site, watched):
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(site.url + "/job/4204?refresh=off")

    page.get_by_role("button", name="Copy link").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(re.escape(site.url) + r"/job/4204\?instance=0&from=\d{13}&to=\d{13}", link)


def test_an_unknown_job_says_so(site, watched):
    watched.page.goto(site.url + "/job/999999")

    expect(watched.page.get_by_role("alert")).to_contain_text("The ledger knows no job “999999”")


def test_the_header_leads_to_every_page_and_says_which_it_is(site, watched):
    page = watched.page
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(site.url + "/jobs?from=now-3h&to=now&sort=-energy")
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(links).to_have_text(
        ["Overview", "Servers", "Jobs", "Energy", "Power", "Policies", "Storage", "Fabric", "Alerts", "Health"]
    )
    expect(page.locator(".crumbs [aria-current=page]")).to_have_text("Jobs")

    links.get_by_text("Energy").click()

    expect(page).to_have_url(site.url + "/energy?from=now-3h&to=now")
    page.locator("body").press("g")
    page.locator("body").press("j")
    expect(page).to_have_url(site.url + "/jobs?from=now-3h&to=now")


def test_a_servers_gpu_leads_to_the_job_that_holds_it(site, watched):
    page = watched.page
    page.goto(site.url + "/node/gpu-03")

    page.locator(".gpu-row .job a").first.click()

    address_has(page, "/job/4201")


def test_two_days_are_chosen_with_both_of_them_in(site, watched):
    page = watched.page
    page.goto(site.url + "/energy?by=user")
    expect(page.get_by_role("textbox", name="Time range")).to_have_value("This month")
    page.get_by_label("First day").fill("2026-11-03")
    page.get_by_label("Last day").fill("2026-11-04")

    page.get_by_role("button", name="Show", exact=True).click()

    address_has(page, "from=2026-11-03")
    address_has(page, "to=2026-11-05")
    expect(page.locator("#energy-head")).to_contain_text("03 Nov 2026 00:00 to 05 Nov 2026 00:00")
    expect(page.get_by_label("Last day")).to_have_value("2026-11-04")


def test_tables_of_one_page_are_sorted_each_for_itself(site, watched):
    page = watched.page
    page.goto(site.url + "/energy")
    report, balance = page.get_by_role("table", name="Report"), page.locator("#energy-balance-body table")
    expect(report.locator(".report-row").first).to_be_visible()

    balance.get_by_role("button", name="Metered").click()

    expect(balance.locator("th[aria-sort]")).to_have_count(1)
    expect(report.locator("th[aria-sort]")).to_have_count(0)
    expect(report.locator("tfoot th")).to_have_text("All")
    assert watched.complaints == []


def test_on_paper_there_is_the_report_and_no_controls(site, watched):
    page = watched.page
    page.goto(site.url + "/energy")
    expect(page.locator(".report-row").first).to_be_visible()

    page.emulate_media(media="print")

    expect(page.locator(".top")).to_be_hidden()
    expect(page.locator(".periods")).to_be_hidden()
    expect(page.locator(".report tfoot")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_server_slower_than_the_refresh_still_fills_the_page(site, watched):
    page = watched.page

    def late(route):
        if "jobs-fill.data" in (route.request.post_data or ""):
            page.wait_for_timeout(2500)
        route.continue_()

    page.route(re.compile("_dash-update-component"), late)
    page.goto(site.url + "/jobs?refresh=1s")

    expect(page.locator(ROWS).first).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")
