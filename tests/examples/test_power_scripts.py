"""The five worked scripts, as people run them: another process, a token in the environment, a whole site to steer."""

import csv
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support import power_desk, power_site

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


@pytest.fixture
def desk(tmp_path):
    made = power_desk.made_desk(tmp_path / "core")
    yield made
    power_desk.closed(made)


@pytest.fixture
def script(desk, tmp_path):
    """Runs an example against the site as somebody; gives its exit code and all that it said."""
    with capture_logs(), power_site.running(desk, tmp_path) as url:

        def run(name, *words, who="bert", types=""):
            environ = {**os.environ, "WATTSTAT_TOKEN": power_site.token(who), "PYTHONPATH": str(EXAMPLES.parents[1])}
            command = [sys.executable, EXAMPLES / f"{name}.py", *map(str, words), "--url", url]
            done = subprocess.run(command, env=environ, input=types, capture_output=True, text=True, timeout=60, check=False)
            return done.returncode, done.stdout + done.stderr

        yield run


def at(desk, moment):
    """The hall's clock goes on to a moment, and decides."""
    desk.steering.at = moment.timestamp()
    desk.steering.changed()
    return desk.steering.cap("n1")


def test_a_night_cap_holds_by_night(script, desk):
    shown = script("night_cap", "r1", "--percent", 60)
    assert "16 caps lower" in shown[1] or "0 caps lower" in shown[1]
    assert desk.repository.policies() == ()

    code, said = script("night_cap", "r1", "--percent", 60, "--timezone", "Europe/Berlin", "--yes")
    assert (code, "version 1 is in force by night" in said) == (0, True)
    assert at(desk, datetime(2026, 9, 22, 10, tzinfo=UTC)) == 700
    assert at(desk, datetime(2026, 9, 22, 21, tzinfo=UTC)) == 420  # 23:00 in Berlin
    assert at(desk, datetime(2026, 9, 26, 5, tzinfo=UTC)) == 420  # Saturday at 7:00, of Friday's night

    code, said = script("night_cap", "r1", "--percent", 80, "--timezone", "Europe/Berlin", "--yes", who="ada")
    assert "version 2 waits for a second person: it would be 80 % instead of 60 %" in said


def test_dear_power_lowers_caps_and_cheap_power_ends_it(script, desk, tmp_path):
    def prices(now):
        path = tmp_path / "prices.csv"
        with path.open("w", newline="") as file:
            here, minute = datetime.now(UTC), timedelta(minutes=1)
            rows = [(here - 60 * minute, 9.0), (here - minute, now), (here + 30 * minute, 9.0)]
            csv.writer(file).writerows([("from", "price"), *rows])
        return path

    assert "--yes does it" in script("price_signal", prices(0.5))[1]
    assert desk.repository.policies() == ()
    for price, cap in ((0.5, 490), (0.1, 700), (0.6, 490)):
        code, said = script("price_signal", prices(price), "--above", 0.35, "--yes")
        assert (code, f"The price is {price:g}" in said) == (0, True), said
        assert at(desk, datetime.fromtimestamp(power_desk.NOW, UTC)) == pytest.approx(cap)
    assert len(desk.repository.versions("dear-power")) == 1

    (tmp_path / "prices.csv").write_text("from,price\n")
    assert "has no price" in script("price_signal", tmp_path / "prices.csv", "--yes")[1]


def test_an_event_of_the_grid_is_saved_and_enabled(script, desk):
    code, said = script("demand_response", "2026-12-01T14:00:00Z", "--reduction", 30, "--yes")
    policy = desk.repository.policy("dr-20261201-1400").shown.policy

    assert (code, "dr-20261201-1400 is enabled" in said) == (0, True), said
    assert (policy.ask.limit.percent, policy.when.event.minutes) == (70, 180)
    assert "has no time zone" in script("demand_response", "2026-12-01T14:00:00")[1]


def test_each_partition_has_its_cap(script, desk):
    code, said = script("partition_cap", "gpu=400", "debug=300")
    assert "n1/GPU-n1-0: 700 W -> 400 W (partition-gpu)" in said
    assert desk.repository.policies() == ()

    code, said = script("partition_cap", "gpu=400", "debug=300", "--yes")
    assert (code, desk.steering.caps[:3].tolist()) == (0, [400, 400, 700])  # the job holds two GPUs
    assert "partition-debug is enabled." in said
    assert "partition-gpu is enabled, as it was." in script("partition_cap", "gpu=400", "--yes")[1]
    assert "waits for a second person" in script("partition_cap", "gpu=500", "--yes")[1]


def test_a_drill_goes_down_measures_and_ends(script, desk):
    code, said = script("emergency_drill", "r1", types="r2\n", who="olga")
    assert (code, "expected 'r1'" in said, desk.steering.cap("n1")) == (1, True, 700)

    code, said = script("emergency_drill", "r1", types="r1\n", who="olga")
    assert code == 0, said
    assert "16 caps would go down" in said
    assert "16 of 16 GPUs confirmed their lowest limit" in said
    assert desk.steering.cap("n1") == 700
    assert [each.body["what"] for each in desk.trail.read()] == ["all clear", "emergency"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("night_cap", ("r1", "--yes")),
        ("demand_response", ("2026-12-01T14:00:00Z", "--yes")),
        ("partition_cap", ("gpu=400", "--yes")),
        ("emergency_drill", ("r1", "--confirm", "r1")),
    ],
)
def test_who_may_not_is_told_in_one_line(script, desk, name, words):
    code, said = script(name, *words, who="vera")

    assert code == 1
    assert "needs the role" in said
    assert "Traceback" not in said
    assert desk.trail.read() == ()
