"""The pictures of the README, taken of a running demo: `./run demo`, a few minutes later `python docs/screenshots.py [URL]`.

Needs Chromium (Debian package chromium). Looks in dark, 1600 x 900, and writes docs/images/*.png.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
MOST_BYTES = 400_000
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
_DRAWN = ".js-plotly-plot .scatterlayer .trace"


def take(page: Page, url: str, name: str) -> Path:
    """One picture, once its chart is drawn. Raises `ValueError` when it is too large for a README."""
    page.goto(url)
    page.wait_for_selector(_DRAWN, timeout=60_000)
    page.wait_for_function("document.fonts.status === 'loaded'")
    page.wait_for_timeout(1500)  # the cells' colours fade in
    target = IMAGES / f"{name}.png"
    page.screenshot(path=target)
    if target.stat().st_size > MOST_BYTES:
        raise ValueError(f"{target} has {target.stat().st_size:,} bytes, more than {MOST_BYTES:,}; take a smaller window")
    return target


def busiest(page: Page, url: str) -> str:
    """The server that draws most."""
    found = page.request.get(f"{url}/api/v1/query", params={"query": 'topk(1, wattstat_node_power_watts{source="system"})'})
    return str(found.json()["data"]["result"][0]["metric"]["node"])


def largest_job(page: Page, url: str) -> str:
    """The job that drew most in the last six hours."""
    found = page.request.get(f"{url}/api/jobs", params={"from": "now-6h", "sort": "-energy", "limit": 1})
    return str(found.json()["items"][0]["job_id"])


def main(url: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is not installed; on Debian: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_QUIET))
        page = browser.new_page(viewport={"width": 1600, "height": 900}, color_scheme="dark")
        print(take(page, f"{url}/?from=now-6h&to=now", "overview-dark"))
        print(take(page, f"{url}/node/{busiest(page, url)}?from=now-1h&to=now", "node-dark"))
        print(take(page, f"{url}/job/{largest_job(page, url)}", "job-dark"))
        print(take(page, f"{url}/alerts?from=now-1h&to=now", "alerts-dark"))  # break something first
        browser.close()


if __name__ == "__main__":
    main((sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8050").rstrip("/"))
