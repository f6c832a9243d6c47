"""The prolog and epilog scripts can neither fail a job nor hold it up."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.slurm import slurm_cluster

DEPLOY = Path(__file__).parents[3] / "deploy/slurm"
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
