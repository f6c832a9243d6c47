"""A web process with books in memory, for commands that ask it."""

import asyncio
import os
import threading

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from energy.http.routes import router
from tests.support.energy_reports import NOW, BooksInMemory
from tests.support.web_server import serving
from wattstat.api import problems
from wattstat.cli import app


@pytest.fixture
def books():
    return BooksInMemory()


@pytest.fixture
def now():
    """What the web process takes for the time."""
    return NOW


@pytest.fixture
def site(books, now):
    """URL of a web process that answers from the books. It runs in a thread: commands have an event loop of their own."""
    up, stop, found = threading.Event(), threading.Event(), []

    async def serve():
        served = FastAPI()
        problems.install(served)
        served.include_router(router(books, clock=lambda: now))
        async with serving(served) as url:
            found.append(url)
            up.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(60)
    yield found[0]
    stop.set()
    thread.join()


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a command in an empty folder without settings from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))
