"""`wattstat slurm-prolog`, `slurm-epilog` and `boundary`: fast, silent, never failing, and nothing is lost."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.processes import free_port
from wattstat.prolog import encoded, numbers, run, slurm_job
from wattstat.serve.journal.boundary import noted

SLURM = {
    "SLURM_JOB_ID": "40",
    "SLURM_ARRAY_JOB_ID": "38",
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_RESTART_COUNT": "1",
    "SLURM_JOB_USER": "ada",
    "SLURM_JOB_ACCOUNT": "physics",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_JOB_NAME": 'a "name"\\ of \N{GREEK SMALL LETTER ALPHA}',
    "SLURM_JOB_GPUS": "0,2-3",
    "SLURM_JOB_SLUID": "sEKNKTV3WPV500",
}


def wattstat(*arguments, **environment):
    """The command as Slurm runs it: in an environment of its own."""
    return subprocess.run(
        [sys.executable, "-m", "wattstat", *arguments],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "spool"


def left(spool):
    """What lies in the spool."""
    return [noted(json.loads(path.read_bytes())) for path in sorted(spool.glob("*.json"))]


def nobody():
    return f"127.0.0.1:{free_port()}"


def test_the_job_is_told_as_its_user_knows_it():
    told = slurm_job(SLURM)
    assert (told["job_id"], told["raw_id"], told["instance"], told["sluid"]) == ("38_2", "40", "1", "sEKNKTV3WPV500")
    assert (told["user"], told["account"], told["partition"], told["gpus"]) == ("ada", "physics", "gpu", ["0", "2", "3"])


def test_components_of_heterogeneous_jobs_are_runs_of_their_own():
    assert slurm_job({"SLURM_JOB_ID": "41", "SLURM_HET_JOB_ID": "40", "SLURM_HET_JOB_OFFSET": "1"})["job_id"] == "40+1"


def test_the_epilog_of_a_requeued_job_does_not_know_which_run_ends(spool):
    """Slurm 22.05 tells it the restart count of the run to come; a prolog's is right."""
    for command in ("slurm-prolog", "slurm-epilog"):
        run([command, f"--agent={nobody()}", f"--spool={spool}"], {"SLURM_JOB_ID": "40", "SLURM_JOB_RESTART_COUNT": "1"})
    assert {note.edge.value: note.instance for note in left(spool)} == {"start": "1", "end": ""}


@pytest.mark.parametrize(
    ("variables", "gpus"),
    [
        ({"SLURM_JOB_GPUS": "1", "CUDA_VISIBLE_DEVICES": "0"}, ["1"]),
        ({"SLURM_JOB_GPUS": "", "CUDA_VISIBLE_DEVICES": "0,1"}, ["0", "1"]),
        ({"SLURM_JOB_GPUS": "9", "CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b"}, ["MIG-a", "MIG-b"]),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({}, []),
    ],
)
def test_gpus_are_those_that_slurm_gave(variables, gpus):
    assert slurm_job(variables)["gpus"] == gpus


@given(st.text())
def test_any_list_of_gpus_gives_names_or_none(text):
    assert all(isinstance(each, str) for each in numbers(text))


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.floats(0, 1e18)))
def test_the_body_is_json(body):
    def cleaned(text):
        return text.encode("utf-8", "replace").decode()

    expected = {
        name: cleaned(value)
        if isinstance(value, str)
        else [cleaned(each) for each in value]
        if isinstance(value, list)
        else value
        for name, value in body.items()
    }
    assert json.loads(encoded(body)) == expected


def test_without_an_agent_the_boundary_waits_in_the_spool(spool):
    done = wattstat("slurm-prolog", "--agent", nobody(), "--spool", str(spool), **SLURM)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    [note] = left(spool)
    assert (note.edge, note.job_id, note.user, note.gpus, note.name) == (
        "start",
        "38_2",
        "ada",
        ("0", "2", "3"),
        SLURM["SLURM_JOB_NAME"],
    )
    assert note.joules == {}
    assert note.kernel_boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_addresses_come_from_the_settings_in_the_environment_too(spool):
    variables = {"WATTSTAT_AGENT__LISTEN": nobody(), "WATTSTAT_AGENT__SPOOL": str(spool)}
    assert wattstat("slurm-epilog", **SLURM, **variables).returncode == 0
    assert [note.edge for note in left(spool)] == ["end"]


def test_addresses_are_those_that_the_agent_s_unit_has(spool, tmp_path, monkeypatch):
    settings = tmp_path / "wattstat-agent"
    settings.write_text(f'# of the agent\nWATTSTAT_AGENT__LISTEN=10.1.0.1:9837\nWATTSTAT_AGENT__SPOOL="{spool}"\n')
    monkeypatch.setattr("wattstat.prolog.AGENT_SETTINGS", str(settings))
    asked = []
    monkeypatch.setattr("wattstat.prolog.post", lambda listen, _: asked.append(listen) or 503)
    run(["slurm-prolog"], SLURM)
    run(["slurm-prolog"], {**SLURM, "WATTSTAT_AGENT__LISTEN": "10.1.0.2:9837"})
    assert asked == ["10.1.0.1:9837", "10.1.0.2:9837"]
    assert len(left(spool)) == 2


def test_an_agent_that_hangs_is_not_waited_for(spool):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        listen = f"127.0.0.1:{silent.getsockname()[1]}"
        done = wattstat("slurm-prolog", "--agent", listen, "--spool", str(spool), **SLURM)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(left(spool)) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["slurm-prolog"], "no job is named"),
        (["slurm-prolog", "--agnet", "x"], "'--agnet' is not understood"),
        (["slurm-prolog", "--agent"], "'--agent' is not understood"),
        (["boundary", "begin", "--job", "1"], "expected start or end"),
        (["boundary", "start", "--job", "1"], "no job is named"),
        (["boundary"], "expected start or end"),
    ],
)
def test_wrong_use_is_told_and_fails_no_job(arguments, complaint):
    done = wattstat(*arguments)
    assert (done.returncode, done.stdout) == (0, "")
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_spool_that_cannot_be_written_is_told_and_fails_no_job(tmp_path):
    (tmp_path / "file").touch()
    done = wattstat("slurm-prolog", "--agent", nobody(), "--spool", str(tmp_path / "file" / "spool"), **SLURM)
    assert (done.returncode, done.stdout) == (0, "")
    assert "this start is lost" in done.stderr


def test_any_scheduler_can_tell(spool):
    options = {"scheduler": "pbs", "job": "77.pbs", "gpus": "0-1", "user": "bob", "instance": "3", "gpu-order": "pci"}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    assert wattstat("boundary", "end", *arguments, "--agent", nobody(), "--spool", str(spool)).returncode == 0
    [note] = left(spool)
    assert (note.scheduler, note.job_id, note.gpus, note.gpu_order) == ("pbs", "77.pbs", ("0", "1"), "pci")


def test_help_is_the_command_lines_own():
    done = wattstat("slurm-prolog", "--help")
    assert done.returncode == 0
    assert "--gpu-order" in done.stdout


def test_a_prolog_imports_next_to_nothing():
    code = "import sys; from wattstat import prolog; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = {"wattstat", "wattstat.prolog", "wattstat.slurm", "_json", "_socket", "time", "__future__"}
    before = set(
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", "import sys, os; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )
    assert set(done.stdout.split()) - before <= ours


@pytest.mark.parametrize("status", [403, 500, 503])
def test_an_agent_that_refuses_or_breaks_leaves_it_to_the_spool(monkeypatch, spool, status):
    monkeypatch.setattr("wattstat.prolog.post", lambda *_: status)
    run(["slurm-prolog", "--spool", str(spool)], SLURM)
    assert len(left(spool)) == 1


def test_what_the_agent_does_not_understand_it_would_not_understand_later(monkeypatch, spool):
    monkeypatch.setattr("wattstat.prolog.post", lambda *_: 400)
    with pytest.raises(ValueError, match="HTTP 400"):
        run(["slurm-prolog", "--spool", str(spool)], SLURM)
    assert not spool.exists()
