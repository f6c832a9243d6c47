"""The example for PBS makes an answer that Wattstat takes, of qstat's and pbsnodes' documented JSON."""

import json
import os
import sys

import pytest

from collectors.command_scheduler import parse
from docs.examples import pbs_jobs
from wattstat.jobs import Hold, State

JOB = {
    "Job_Name": "train",
    "Job_Owner": "ann@login01.example.org",
    "job_state": "R",
    "queue": "gpu",
    "ctime": "Wed Apr 14 23:34:17 2021",
    "mtime": "Wed Apr 14 23:40:00 2021",
    "stime": "Wed Apr 14 23:34:19 2021",
    "exec_host": "gpu001/0*8",
    "exec_vnode": "(gpu001:ncpus=8:ngpus=2:mem=67108864kb)",
    "project": "_pbs_project_default",
    "Account_Name": "physics",
    "run_count": 1,
}
NODES = {"nodes": {name: {"resources_available": {"host": name, "ngpus": 2}} for name in ("gpu001", "gpu002")}}
PROGRAM = """#!{python}
import json, pathlib, sys
answers = json.loads(pathlib.Path({answers!r}).read_text())
history = "-x" in sys.argv
name = pathlib.Path(sys.argv[0]).name + ("-x" if history else "")
wanted = [each for each in sys.argv[1:] if each[0].isdigit()]
answer = answers.get(name, {{}})
if history:
    answer = {{"Jobs": {{key: job for key, job in answer["Jobs"].items() if key.partition(".")[0] in wanted}}}}
print(json.dumps(answer))
"""


@pytest.fixture
def pbs(tmp_path, monkeypatch, capsys):
    """Runs the example against programs that print these answers."""
    for name in ("qstat", "pbsnodes"):
        (tmp_path / name).write_text(PROGRAM.format(python=sys.executable, answers=str(tmp_path / "answers.json")))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def run(jobs, *arguments, history=None, nodes=NODES):
        answers = {"qstat": {"Jobs": jobs}, "qstat-x": {"Jobs": history or {}}, "pbsnodes": nodes}
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        assert pbs_jobs.main(list(arguments)) == 0
        return parse(capsys.readouterr().out.encode(), "pbs_jobs.py")

    return run


def test_a_job_with_all_gpus_of_a_node_is_a_run_that_names_them(pbs):
    answer = pbs({"1008.server": JOB, "1009.server": {**JOB, "job_state": "Q"}})

    (run,) = answer.runs
    (placement,) = run.placements
    assert (run.job_id, run.instance, run.name, run.user, run.account, run.partition) == (
        "1008", "1", "train", "ann", "physics", "gpu",
    )  # fmt: skip
    assert run.started - run.submitted == 2
    assert (placement.node, placement.cpus, placement.memory_bytes) == ("gpu001", 8, 64 * 1024**3)
    assert [gpu.minor for gpu in placement.gpus] == [0, 1]
    assert answer.nodes == ("gpu001", "gpu002")
    assert answer.pending == 1


def test_which_of_several_gpus_a_job_has_pbs_does_not_tell(pbs):
    answer = pbs({"1": {**JOB, "exec_vnode": "(gpu001:ncpus=8:ngpus=1)"}})

    assert answer.runs[0].placements[0].gpus == ()


def test_virtual_nodes_tell_their_gpus(pbs):
    vnodes = "(gpu001[0]:ncpus=4:ngpus=1+gpu001[3]:ncpus=4:ngpus=1)+(gpu002[1]:ncpus=4:ngpus=1)"
    answer = pbs({"1[7].server": {**JOB, "exec_vnode": vnodes}}, "--gpu-vnodes")

    run = answer.runs[0]
    assert run.job_id == "1[7]"
    assert [(each.node, each.cpus, [gpu.minor for gpu in each.gpus]) for each in run.placements] == [
        ("gpu001", 8, [0, 3]),
        ("gpu002", 4, [1]),
    ]
    assert run.placements[0].gpus[0].hold is Hold.WHOLE


def test_a_suspended_job_says_since_when(pbs):
    run = pbs({"1": {**JOB, "job_state": "S"}}).runs[0]

    assert run.state is State.SUSPENDED
    assert run.suspended_since - run.started == 341


@pytest.mark.parametrize(
    ("status", "state"),
    [(0, State.COMPLETED), (1, State.FAILED), (271, State.CANCELLED), (-29, State.TIMEOUT), (-27, State.OUT_OF_MEMORY)],
)
def test_a_job_that_is_gone_is_asked_for_its_end(pbs, tmp_path, status, state):
    remembering = ("--state", str(tmp_path / "state.json"))
    pbs({"1.server": JOB}, *remembering)
    over = {**JOB, "job_state": "F", "Exit_status": status, "obittime": "Wed Apr 14 23:50:00 2021"}
    runs = [pbs({}, *remembering, history={"1.server": over, "2.server": over}).runs for _ in range(2)]

    assert runs[0] == runs[1]
    (run,) = runs[0]
    assert (run.job_id, run.state, run.exit_code, run.ended - run.started) == ("1", state, status, 941)


def test_an_empty_cluster_is_an_empty_answer(pbs):
    assert pbs({}, nodes={}).runs == ()
