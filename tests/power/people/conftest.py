"""A site that can be steered, and commands that ask it."""

import os

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from tests.support import power_desk, power_site
from wattstat.cli import app


@pytest.fixture
def desk(tmp_path):
    made = power_desk.made_desk(tmp_path / "core")
    yield made
    power_desk.closed(made)


@pytest.fixture
def site(desk, tmp_path):
    # Core's log goes to its own standard error, not to that of a command in the same process.
    with capture_logs(), power_site.running(desk, tmp_path) as url:
        yield url


@pytest.fixture
def run(site, monkeypatch, tmp_path):
    """Runs `wattstat power …` against the site as somebody; with `types`, at a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    for name in [name for name in os.environ if name.startswith("WATTSTAT_")]:
        monkeypatch.delenv(name)

    def command(*words, who="", types=None):
        if who:
            monkeypatch.setenv("WATTSTAT_TOKEN", power_site.token(who))
        else:
            monkeypatch.delenv("WATTSTAT_TOKEN", raising=False)
        if types is not None:
            monkeypatch.setattr("wattstat.cli.acting.at_terminal", lambda: True)
        return CliRunner().invoke(app, ["power", *map(str, words), "--url", site], input=types)

    return command
