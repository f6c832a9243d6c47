"""kill -9 wherever it hurts: the record is whole, no older token is let in, nothing goes back to the factory's value."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from simulator.nvml import H100_SXM, StateFile, environment, gpus_of
from tests.support.nvml import library
from tests.support.processes import ROOT, free_port, http_get, python, running, wait_for

TIMES = 100


@pytest.mark.parametrize("seed", [1])
def test_killed_at_any_line_of_the_guard_everything_is_known(tmp_path, seed):
    path = tmp_path / "n1.nvml"
    with StateFile.create(path, gpus_of(H100_SXM, 1, "n1")):
        done = subprocess.run(
            python("tests.support.cap_killed", str(tmp_path / "caps"), str(seed), str(TIMES)),
            env=os.environ | environment(library(), path) | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert (len(rounds), done.returncode) == (TIMES, 0), done.stderr[-2000:]
    assert [each for each in rounds if each["problems"]] == []
    assert sum(each["killed"] for each in rounds) > TIMES / 2
    assert {each["answered"] for each in rounds if each["killed"]} >= {0, 1, 2, 3, 4}, "deaths before, between and after"


class Site:
    """A node whose agent is a real process."""

    def __init__(self, folder):
        self.folder, self.port, self.path = folder, free_port(), folder / "n1.nvml"
        settings = {
            "listen": f"127.0.0.1:{self.port}",
            "node": "n1",
            "sysfs": str(folder / "sys"),
            "spool": str(folder / "spool"),
            "cap_state": str(folder / "caps"),
        }
        self.config = folder / "wattstat.yaml"
        self.config.write_text(json.dumps({"agent": settings}))
        self.variables = environment(library(), self.path) | {"PYTHONPATH": str(ROOT)}

    def agent(self):
        return running(python("wattstat", "agent", "--config", str(self.config)), self.folder / "log", **self.variables)

    def view(self):
        body = http_get(f"http://127.0.0.1:{self.port}/cap")
        found = json.loads(body) if body else None
        return found if found and found["gpus"] else None

    def order(self, **order):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/cap", json.dumps(order).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


def test_a_killed_agent_comes_back_with_its_token_its_caps_and_its_dead_man(tmp_path):
    site = Site(tmp_path)
    with StateFile.create(site.path, gpus_of(H100_SXM, 8, "n1")) as state:
        limits = state.columns["limit_requested_mw"]
        limits[:] = 650_000
        uuids = [uuid.decode() for uuid in state.columns["uuid"]]
        with site.agent() as process:
            wait_for("the first view", site.view)
            word = {"fence": 5, "holder": "a", "safe_watts": dict.fromkeys(uuids, 350.0), "dead_man_seconds": 3}
            status, answer = site.order(**word, caps=dict.fromkeys(uuids, 450.0))
            assert (status, {each["outcome"] for each in answer["results"]}) == (200, {"confirmed"})
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        assert set(limits) == {450_000}, "the caps outlive the agent"
        with site.agent():
            view = wait_for("the view after the death", site.view)
            assert (view["fence"], {each["previous_watts"] for each in view["gpus"]}) == (5, {650})
            assert site.order(fence=4, holder="z", caps={uuids[0]: 700.0})[0] == 409
            wait_for("the dead-man", lambda: set(limits) == {350_000}, seconds=60)
            status, answer = site.order(fence=6, holder="b", safe_watts={}, release=uuids)
            assert (status, set(limits)) == (200, {650_000})
