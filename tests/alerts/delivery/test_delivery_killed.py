"""kill -9 at any line of delivery: whatever was taken over is told, ends included, and nothing more than twice."""

import json
import os
import subprocess

import pytest

from tests.support.processes import ROOT, python

TIMES = 12


@pytest.mark.parametrize("seed", [3])
def test_killed_at_any_line_no_alert_is_lost(tmp_path, seed):
    done = subprocess.run(
        python("tests.support.delivery_killed", str(tmp_path), str(seed), str(TIMES)),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    rounds = [json.loads(line) for line in done.stdout.splitlines()]

    assert (len(rounds), done.returncode) == (TIMES, 0), done.stderr[-2000:]
    assert [each for each in rounds if each["problems"]] == []
    assert sum(each["killed"] for each in rounds) > TIMES / 2
    assert len({each["stages"] for each in rounds if each["killed"]}) >= 3, "deaths early and late"
