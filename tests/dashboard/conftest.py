"""The dashboard behind a real socket, and a browser that fails the test on any complaint."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest
import uvicorn
from fastapi import FastAPI
from fixture_budgets import FakePower
from fixture_hall import FakeLive, FakeStore
from fixture_ledger import FakeReports
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard.app import create
from tests.support.programs import required_program

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@dataclass
class Site:
    """A served dashboard and what stands behind it."""

    live: FakeLive
    store: FakeStore
    reports: FakeReports
    power: FakePower
    url: str = ""


@pytest.fixture
def served() -> Iterator[Callable[[FakeLive, FakeStore], Site]]:
    """Serves the dashboard on a hall and a history at the present time, each in a thread of its own."""
    with ExitStack() as stack:
        yield lambda live, store: stack.enter_context(serving(live, store))


@pytest.fixture
def site() -> Iterator[Site]:
    """The dashboard on the fixture's hall."""
    with serving(FakeLive(clock=time.time), FakeStore()) as found:
        yield found


@contextmanager
def serving(live: FakeLive, store: FakeStore) -> Iterator[Site]:
    served = Site(live=live, store=store, reports=FakeReports(at=time.time()), power=FakePower())
    web = FastAPI()
    create(web, served.store, served.live, reports=served.reports, power=served.power)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        served.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(web, log_level="warning", timeout_graceful_shutdown=1))
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


# For one file only: while Playwright runs, its event loop is in the way of every asynchronous test of the same process.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium-browser") or required_program("chromium", package="chromium")
    expect.set_options(timeout=30_000)  # a busy machine draws slowly; a page that never draws fails all the same
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and everything about which it complained."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def watched(chromium: Browser) -> Iterator[Watched]:
    """A fresh page of a full-HD screen in dark. What the console or a failed request says ends up in `complaints`."""
    context = chromium.new_context(viewport={"width": 1920, "height": 1080}, color_scheme="dark")
    found = Watched(page=context.new_page())
    found.page.on("console", lambda said: found.complaints.append(said.text) if said.type in {"error", "warning"} else None)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("requestfailed", lambda request: found.complaints.append(f"failed: {request.url}"))
    found.page.set_default_timeout(30_000)
    yield found
    context.close()
