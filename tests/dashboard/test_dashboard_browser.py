"""The pages in Chromium: they draw, follow, complain about nothing and ask nobody else."""

import itertools
import re

import pytest
from playwright.sync_api import Page, Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

pytestmark = pytest.mark.browser

CHART = ".js-plotly-plot .scatterlayer .trace"
PAGES = {
    "/": "#map .cell",
    "/node/gpu-03": ".gpu-row",
    "/nodes": ".servers .server-row",
    "/jobs": ".job-row",
    "/job/4204": ".gpu-row",
    "/energy": ".report-row",
}
WITHOUT_CHARTS = {"/nodes", "/energy"}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_draws_without_complaint_and_asks_no_other_host(site, watched, path):
    page = watched.page
    page.goto(site.url + path)

    expect(page.locator(PAGES[path]).first).to_be_visible()
    if path not in WITHOUT_CHARTS:
        expect(page.locator(CHART).first).to_be_visible()
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith((site.url, "data:", "blob:"))] == []


def test_the_overview_names_what_is_wrong_and_leads_there(site, watched):
    page = watched.page
    page.goto(site.url + "/?from=now-3h&to=now")
    page.get_by_role("link", name=re.compile("gpu-03 · GPU 5")).click()

    expect(page).to_have_url(site.url + "/node/gpu-03?from=now-3h&to=now")
    expect(page.get_by_role("heading", level=1, name="gpu-03")).to_be_visible()
    expect(page.locator(".gpu-row")).to_have_count(8)
    assert watched.complaints == []


def test_the_map_has_every_gpu_and_follows_the_metric_without_asking_the_server(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=off")
    expect(page.locator("#map .server .cell")).to_have_count(88 + 2)
    expect(page.locator(CHART).first).to_be_visible()
    asked = updates(watched)

    page.get_by_text("Temp. margin").click()

    cell = page.locator("#map .server", has_text="gpu-03").locator(".cell").nth(5)
    expect(cell).to_have_class("cell warning")
    expect(cell).to_have_text("3")
    assert "metric=margin" in page.url
    assert updates(watched) == asked


def updates(watched) -> int:
    return sum("_dash-update-component" in url for url in watched.requests)


def test_a_refresh_brings_new_numbers_in_place(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=1s")
    expect(page.get_by_text("2 of 30 collectors down")).to_be_visible()
    page.locator("#map .server", has_text="gpu-06").focus()

    site.live.well = True

    expect(page.get_by_text("Nothing: every server and GPU answers and is healthy.")).to_be_visible()
    expect(page.locator("#map .server", has_text="gpu-06")).to_be_focused()
    expect(page.locator("#map .cell.none")).to_have_count(0)
    assert watched.complaints == []


def test_the_first_numbers_need_no_callback_and_the_chosen_metric_is_theirs(site, watched):
    page = watched.page
    page.route("**/_dash-update-component*", without_the_present)
    page.goto(site.url + "/?metric=margin")

    expect(page.locator("#figures .number")).to_have_count(6)
    expect(page.locator("#wrong li").first).to_be_visible()
    expect(page.locator("#map .server", has_text="gpu-03").locator(".cell").nth(5)).to_have_text("3")


def without_the_present(route: Route) -> None:
    if "overview-fill" in (route.request.post_data or ""):
        route.abort()
    else:
        route.continue_()


def test_the_overview_comes_by_its_callback_where_the_early_request_failed(site, watched):
    watched.page.route("**/_overview*", lambda route: route.abort())
    watched.page.goto(site.url + "/")

    expect(watched.page.locator("#map .cell").first).to_be_visible()


def test_a_silent_core_is_said_and_old_values_do_not_look_live(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=1s")
    expect(page.locator("#map .cell").first).to_be_visible()

    site.live.down = True

    expect(page.get_by_role("alert")).to_contain_text("No live data.")
    page.evaluate("document.querySelector('#map-panel .age').dataset.late = '0'")
    expect(page.locator("#map-panel")).to_have_class(re.compile("stale"))
    expect(page.locator("#figures")).to_have_class(re.compile("stale"))


def test_a_store_without_answer_is_said_in_its_panel(site, watched):
    site.store.broken = True
    watched.page.goto(site.url + "/")

    expect(watched.page.locator("#power-panel")).to_contain_text("History does not answer: the store is closed")
    expect(watched.page.locator("#map .cell").first).to_be_visible()


def test_dark_and_light_are_there_from_the_first_paint_and_are_remembered(site, watched):
    page = watched.page
    page.goto(site.url + "/", wait_until="commit")
    page.wait_for_selector("body")
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    expect(page.locator("#map .cell").first).to_be_visible()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.locator("#scheme").click()

    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    assert dark != page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(site.url + "/nodes", wait_until="commit")
    page.wait_for_selector("body")
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "light"


def test_the_table_of_servers_is_dark_in_the_dark(site, watched):
    page = watched.page
    page.goto(site.url + "/nodes")
    expect(page.locator(".server-row").first).to_be_visible()

    luminance = page.evaluate(
        "getComputedStyle(document.querySelector('.servers thead th')).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    )

    assert max(luminance) < 60


def test_the_table_of_servers_sorts_by_keyboard_and_stays_so_after_a_refresh(site, watched):
    page = watched.page
    page.goto(site.url + "/nodes?refresh=1s")
    heading = page.get_by_role("button", name="State")
    heading.press("Enter")
    heading.press("Enter")
    expect(page.get_by_role("columnheader", name="State")).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".server-row .badge").first).to_have_class("badge critical")

    site.live.well = True

    expect(page.locator(".server-row .badge.critical")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="State")).to_have_attribute("aria-sort", "descending")
    expect(heading).to_be_focused()
    assert watched.complaints == []


def test_the_table_of_servers_shows_what_is_filtered_for_and_leads_to_it(site, watched):
    page = watched.page
    page.goto(site.url + "/nodes?from=now-3h&to=now")
    expect(page.locator(".server-row").first).to_be_visible()

    page.get_by_role("textbox", name="Show only servers with this text").fill("GPU-03")

    expect(page.locator(".server-row:visible")).to_have_count(1)
    page.get_by_role("link", name="gpu-03").click()
    expect(page).to_have_url(site.url + "/node/gpu-03?from=now-3h&to=now")


def test_everything_is_reached_by_keyboard_with_a_visible_focus(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=off")
    expect(page.locator("#map .cell").first).to_be_visible()
    reached = []
    for _ in range(50):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(e => [e.className, e.dataset.name, getComputedStyle(e).outlineStyle])(document.activeElement)")
        )

    assert "skip" in {kind for kind, _, _ in reached}
    assert {entry.name for entry in site.live.hall_inventory.nodes} <= {name for _, name, _ in reached}
    assert all(outline != "none" for _, name, outline in reached if name)


def test_enter_on_a_server_and_j_and_k_walk_through_the_hall(site, watched):
    page = watched.page
    page.goto(site.url + "/")
    page.locator("#map .server", has_text="gpu-04").press("Enter")
    expect(page.get_by_role("heading", level=1, name="gpu-04")).to_be_visible()
    expect(page.locator("#next")).to_be_visible()

    page.keyboard.press("j")

    expect(page.get_by_role("heading", level=1, name="gpu-05")).to_be_visible()


def test_a_choice_of_time_goes_into_the_address_and_comes_from_it(site, watched):
    page = watched.page
    page.goto(site.url + "/?from=now-24h&to=now&refresh=30s")
    expect(page.get_by_role("textbox", name="Time range")).to_have_value("Last 24 hours")
    expect(page.get_by_role("textbox", name="Refresh every")).to_have_value("30 s")

    page.get_by_role("textbox", name="Time range").click()
    page.get_by_role("option", name="Last hour").click()

    expect(page).to_have_url(re.compile("from=now-1h"))
    assert watched.complaints == []


def test_kiosk_has_no_header_and_does_not_scroll(site, watched):
    page = watched.page
    page.goto(site.url + "/?kiosk=1")
    expect(page.locator("#map .cell").first).to_be_visible()

    expect(page.locator(".top")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


@pytest.mark.parametrize("size", [(3840, 2160), (1920, 1080), (1366, 768)])
def test_no_text_is_smaller_than_14_pixels_and_nothing_is_wider_than_the_screen(site, watched, size):
    page = watched.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path in ("/", "/node/gpu-03", "/jobs", "/job/4204", "/energy"):
        page.goto(site.url + path)
        expect(page.locator(PAGES[path]).first).to_be_visible()
        if path not in WITHOUT_CHARTS:
            expect(page.locator(CHART).first).to_be_visible()

        smallest = page.evaluate("""Math.min(...[...document.querySelectorAll('body *')]
            .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
            .map(e => parseFloat(getComputedStyle(e).fontSize)))""")
        assert smallest >= 13.99
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_hidden_tab_asks_for_nothing(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=1s")
    expect(page.locator("#map .cell").first).to_be_visible()

    show(page, hidden=True)

    # what was under way when the tab was hidden may still come
    assert any(not asks(page, 3000) for _ in range(4))
    assert not asks(page, 3000)
    show(page, hidden=False)
    assert asks(page, 20_000)


def show(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        """hidden => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange')) }""",
        hidden,
    )


def asks(page: Page, milliseconds: int) -> bool:
    """Whether the page asks the server for anything within a time."""
    try:
        page.wait_for_event("request", timeout=milliseconds)
    except PlaywrightTimeout:
        return False
    return True


def test_an_unknown_page_and_an_unknown_server_say_so(site, watched):
    page = watched.page
    page.goto(site.url + "/nowhere")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    page.goto(site.url + "/node/gpu-99")
    expect(page.get_by_role("alert")).to_contain_text("The inventory has no server “gpu-99”.")


def test_a_mistyped_call_of_the_api_gets_no_page(site, watched):
    answer = watched.page.request.get(site.url + "/api/nodez")

    assert answer.status == 404


def test_no_two_words_of_the_maps_legend_lie_upon_each_other(site, watched):
    page = watched.page
    page.goto(site.url + "/?refresh=off")
    expect(page.locator("#map-legend .key")).to_have_count(3)

    boxes = sorted((each.bounding_box() for each in page.locator("#map-legend .key").all()), key=lambda box: box["x"])

    assert all(left["x"] + left["width"] <= right["x"] for left, right in itertools.pairwise(boxes))
    widths = page.locator("#map-legend .key").evaluate_all("keys => keys.map(key => key.scrollWidth - key.clientWidth)")
    assert max(widths) <= 0
