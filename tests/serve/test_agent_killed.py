"""A real agent, real prologs, and a kill -9 between them."""

import json
import os
import signal
import subprocess
import sys

import pytest

from simulator.nvml import H100_SXM, StateFile, environment, gpus_of
from tests.support.nvml import library
from tests.support.processes import ROOT, free_port, http_get, running, wait_for


@pytest.fixture
def site(tmp_path):
    """A node's state, and how its agent is started."""
    port, path = free_port(), tmp_path / "n1.nvml"
    settings = {
        "listen": f"127.0.0.1:{port}",
        "node": "n1",
        "sysfs": str(tmp_path / "sys"),
        "spool": str(tmp_path / "spool"),
    }
    config = tmp_path / "wattstat.yaml"
    config.write_text(json.dumps({"agent": settings}))
    variables = environment(library(), path) | {"PYTHONPATH": str(ROOT)}
    with StateFile.create(path, gpus_of(H100_SXM, 2, "n1")) as state:
        yield Site(state, port, config, variables, tmp_path)


class Site:
    def __init__(self, state, port, config, variables, folder):
        self.state, self.port, self.config, self.variables, self.folder = state, port, config, variables, folder

    def agent(self):
        command = [sys.executable, "-m", "wattstat", "agent", "--config", str(self.config)]
        return running(command, self.folder / "log", **self.variables)

    def journal(self, after=""):
        body = http_get(f"http://127.0.0.1:{self.port}/journal{after}")
        return None if body is None else json.loads(body)

    def measured(self):
        read = self.journal()
        return read if read and read["gpus"] and read["ages"] else None

    def slurm(self, command, job, gpus="0"):
        listen = f"127.0.0.1:{self.port}"
        done = subprocess.run(
            [sys.executable, "-m", "wattstat", command, "--agent", listen, "--spool", str(self.folder / "spool")],
            env=os.environ | {"PYTHONPATH": str(ROOT), "SLURM_JOB_ID": str(job), "SLURM_JOB_GPUS": gpus},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, b"")


def test_boundaries_survive_the_agent_and_those_told_meanwhile_are_found(site):
    energy = site.state.columns["energy_mj"]
    with site.agent() as process:
        first = wait_for("the first readings", site.measured)
        energy[:] = 1_000_000
        site.slurm("slurm-prolog", 1)
        told = wait_for("the first boundary", lambda: site.journal()["boundaries"])
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    energy[:] = 4_000_000
    site.slurm("slurm-epilog", 1)
    site.slurm("slurm-prolog", 2, gpus="1")
    with site.agent():
        read = wait_for("readings after the death", site.measured)
        energy[:] = 6_000_000
        site.slurm("slurm-epilog", 2, gpus="1")
        [last] = wait_for(
            "the last boundary", lambda: site.journal(f"?after={read['cursor']}&boot={read['boot']}")["boundaries"]
        )

    assert read["boot"] != first["boot"]
    found = {(each["job_id"], each["edge"]): each for each in read["boundaries"]}
    assert found.keys() == {("1", "start"), ("1", "end"), ("2", "start")}
    assert found["1", "start"]["id"] == told[0]["id"]
    gpu = [each["uuid"] for each in read["gpus"]]
    assert all(each["gpus"] == [gpu[0] if each["job_id"] == "1" else gpu[1]] for each in found.values())
    assert found["1", "end"]["joules"] == {}, "nobody was there to read the counter"
    assert found["1", "start"]["age"] > found["1", "end"]["age"] > found["2", "start"]["age"] > 0
    assert (last["job_id"], last["edge"]) == ("2", "end")
    # On a busy machine the agent may have answered too late for the prolog, which then left a file without counters.
    assert told[0]["joules"] in ({gpu[0]: 1000}, {})
    assert last["joules"] in ({gpu[1]: 6000}, {})
