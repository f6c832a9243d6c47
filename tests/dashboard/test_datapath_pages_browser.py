"""The pages of storage and of the fabric in Chromium, on a real history of a made-up data path."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fixture_datapath import DatapathLive, datapath_inventory, filled
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CHART = ".js-plotly-plot .scatterlayer .trace"


@pytest.fixture
def datapath(served, tmp_path):
    live = DatapathLive(hall_inventory=datapath_inventory(), clock=time.time)
    # in a thread of its own: Playwright's event loop stands in this one
    with ThreadPoolExecutor(1) as thread:
        store = thread.submit(lambda: asyncio.run(filled(tmp_path / "history.duckdb", live, time.time()))).result()
    return served(live, store)


def test_storage_says_that_the_slow_cluster_is_likely_the_reason(datapath, watched):
    page = watched.page
    page.goto(datapath.url + "/storage?refresh=off&cluster=scratch&from=now-1h")

    expect(page.locator("#storage-path-panel " + CHART).first).to_be_visible()
    expect(page.locator("#storage-verdict")).to_contain_text("Likely")
    expect(page.locator("#storage-verdict")).to_contain_text(re.compile("latency of nfs3 is .*, usually .*; its readers"))
    expect(page.get_by_role("region", name="Storage objects")).to_contain_text("No answer since")
    expect(page.get_by_role("table", name="Nodes of scratch")).to_contain_text("own sensor")
    page.get_by_role("link", name="projects", exact=True).press("Enter")
    expect(page).to_have_url(re.compile("cluster=projects"))
    expect(page.get_by_role("table", name="Nodes of projects")).to_contain_text("no power sensor")
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith((datapath.url, "data:", "blob:"))] == []


def test_fabric_shows_each_link_and_leads_to_its_server(datapath, watched):
    page = watched.page
    page.goto(datapath.url + "/fabric?refresh=off&from=now-1h")

    expect(page.locator("#fabric-errors-panel .legendtext", has_text="ib-leaf-1 3/2").first).to_be_visible()
    expect(page.get_by_role("table", name="Cables to reseat")).to_contain_text("200\u202fGb/s, its neighbours 400\u202fGb/s")
    page.get_by_role("link", name="ib-leaf-1", exact=True).click()
    expect(page).to_have_url(re.compile("leaf=ib-leaf-1"))
    expect(page.get_by_role("table", name="Jobs that ib-leaf-1 touches")).to_contain_text("4201 pretrain-34b")
    page.get_by_role("link", name=re.compile("^gpu-02 rail 8, down")).press("Enter")
    expect(page.get_by_role("heading", level=1, name="gpu-02")).to_be_visible()
    assert watched.complaints == []


@pytest.mark.parametrize("size", [(3840, 2160), (1920, 1080), (1366, 768)])
def test_no_text_is_smaller_than_14_pixels_and_nothing_is_wider_than_the_screen(datapath, watched, size):
    page = watched.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for path, drawn in (("/storage", ".members tbody tr"), ("/fabric", ".matrix tbody tr")):
        page.goto(datapath.url + path + "?refresh=off")
        expect(page.locator(drawn).first).to_be_visible()

        smallest = page.evaluate("""Math.min(...[...document.querySelectorAll('body *')]
            .filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
            .map(e => parseFloat(getComputedStyle(e).fontSize)))""")
        assert smallest >= 13.99
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_missing_is_said_with_the_lines_that_change_it(site, watched):
    page = watched.page
    page.goto(site.url + "/storage?refresh=off")
    expect(page.get_by_text("No storage cluster is configured.")).to_be_visible()
    expect(page.get_by_label("For inventory.yaml")).to_contain_text("kind: powerscale")

    site.store.empty = True
    page.goto(site.url + "/fabric?refresh=off")
    expect(page.get_by_text("No switch is configured, and no cable is known.")).to_be_visible()
    site.live.down = True
    for path in ("/storage", "/fabric"):
        page.goto(site.url + path)
        expect(page.get_by_role("alert")).to_contain_text("does not answer")


def test_the_list_of_what_is_wrong_leads_to_the_cluster_and_to_the_switch(datapath, watched):
    page = watched.page
    page.goto(datapath.url + "/?refresh=off")
    page.get_by_role("link", name=re.compile("^Critical objects")).click()
    expect(page).to_have_url(re.compile("/storage.*cluster=objects"))

    page.keyboard.press("g")
    page.keyboard.press("o")
    page.get_by_role("link", name=re.compile("^Critical eth-leaf-2")).click()
    expect(page).to_have_url(re.compile("/fabric.*leaf=eth-leaf-2"))
    assert watched.complaints == []
