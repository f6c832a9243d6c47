"""The prolog and epilog scripts can neither fail a job nor hold it up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.slurm.rest import Rest
from energy.ledger.matching import run_of
from tests.collectors.slurm.conftest import Asked
from tests.support.processes import free_port, wait_for
from tests.support.slurm import slurm_cluster
from wattstat.journal import Boundary, Edge

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy/slurm"
SCRIPTS = {"slurm-prolog": DEPLOY / "prolog.d/50-wattstat.sh", "slurm-epilog": DEPLOY / "epilog.d/50-wattstat.sh"}
# No search path, as slurmd has it.
BARE = {"SLURM_JOB_ID": "7"}


@pytest.fixture
def wattstat(tmp_path):
    """A script in place of the command."""

    def write(text):
        path = tmp_path / "wattstat"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return {**BARE, "WATTSTAT": str(path)}

    return write


@pytest.mark.parametrize("command", SCRIPTS)
def test_the_command_is_called_with_slurms_variables(wattstat, tmp_path, command):
    environment = wattstat(f'echo "$1 $SLURM_JOB_ID" > {tmp_path}/called')
    assert subprocess.run([SCRIPTS[command]], env=environment, check=True, timeout=30, capture_output=True).stdout == b""
    assert (tmp_path / "called").read_text() == f"{command} 7\n"


@pytest.mark.parametrize("command", SCRIPTS)
@pytest.mark.parametrize("text", ["exit 7", "echo noise; echo noise >&2; kill -9 $$", "trap '' TERM; while :; do :; done"])
def test_whatever_the_command_does_the_script_ends_with_0_and_is_silent(wattstat, command, text):
    begin = time.monotonic()
    done = subprocess.run([SCRIPTS[command]], env=wattstat(text), check=True, timeout=30, capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert time.monotonic() - begin < 20  # two seconds, on a machine that has time


@pytest.mark.parametrize("command", SCRIPTS)
def test_without_the_command_the_script_ends_with_0(command):
    done = subprocess.run(
        [SCRIPTS[command]], env={**BARE, "WATTSTAT": "/nonexistent"}, check=True, timeout=30, capture_output=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.debian
def test_a_real_slurms_jobs_run_where_wattstat_hangs(tmp_path):
    (tmp_path / "wattstat").write_text(f"#!/bin/sh\necho $1 >> {tmp_path}/called\nsleep 600\n")
    (tmp_path / "wattstat").chmod(0o755)
    lines = {name: f"export WATTSTAT={tmp_path}/wattstat; exec {path}" for name, path in SCRIPTS.items()}
    with slurm_cluster(nodes=1, prolog=lines["slurm-prolog"], epilog=lines["slurm-epilog"]) as slurm:
        job = slurm.submit("--gres=gpu:1", script="exit 0")
        assert slurm.wait(job)["JobState"] == "COMPLETED"
        slurm.wait_node("gpu01", "idle")
    assert (tmp_path / "called").read_text().split() == ["slurm-prolog", "slurm-epilog"]


def told(spool):
    """What prologs and epilogs left for the agent, as core would hear it."""
    notes = [json.loads(path.read_bytes()) for path in spool.glob("[!.]*.json")]
    return [
        Boundary(
            id=note["id"], edge=Edge(note["edge"]), at=note["wall"], scheduler=note["scheduler"], job_id=note["job_id"],
            instance=note["instance"], gpus=tuple(note["gpus"]),
        )
        for note in notes
    ]  # fmt: skip


@pytest.mark.debian
async def test_what_prologs_and_epilogs_of_a_real_slurm_say_finds_the_runs_that_the_collector_tells(tmp_path):
    spool = tmp_path / "spool"
    options = f"--agent=127.0.0.1:{free_port()} --spool={spool}"
    (tmp_path / "wattstat").write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m wattstat "$@" {options}\n', encoding="utf-8"
    )
    (tmp_path / "wattstat").chmod(0o755)
    lines = {name: f"export WATTSTAT={tmp_path}/wattstat; exec {path}" for name, path in SCRIPTS.items()}
    with slurm_cluster(nodes=2, prolog=lines["slurm-prolog"], epilog=lines["slurm-epilog"]) as slurm:
        asked = Asked(Rest(url=slurm.rest_url, timeout_seconds=20))
        task = slurm.submit("--array=3-4", "--gres=gpu:1", "--nodelist=gpu01")
        component = slurm.submit("--gres=gpu:2", "--nodelist=gpu01", ":", "--gres=gpu:1", "--nodelist=gpu02")
        requeued = slurm.submit("--gres=gpu:1", "--nodelist=gpu02")
        for job in (f"{task}_3", f"{task}_4", component, requeued):
            slurm.wait(job, "RUNNING")
        await asked.runs()
        slurm.command("scontrol", "requeue", requeued)
        slurm.wait(requeued, "PENDING")
        slurm.wait(requeued, "RUNNING")
        runs = await asked.runs()
        wait_for("all prologs", lambda: sum(each.edge is Edge.START for each in told(spool)) == 6)
        found = {(each.edge, run_of(each, runs.values()).key[1:]): each.gpus for each in told(spool)}
        await asked.source.close()
    held = {run.key[1:]: tuple(str(gpu.minor) for gpu in run.placements[0].gpus) for run in runs.values()}
    assert set(held) == {(f"{task}_3", "0"), (f"{task}_4", "0"), (f"{component}+0", "0"), (f"{component}+1", "0"),
                         (requeued, "0"), (requeued, "1")}  # fmt: skip
    assert {key: gpus for (edge, key), gpus in found.items() if edge is Edge.START} == held
    assert [key for edge, key in found if edge is Edge.END] == [(requeued, "0")]
