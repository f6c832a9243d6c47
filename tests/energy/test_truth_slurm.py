"""A real Slurm drives the simulated hall; real prologs, agents and core keep the ledger; the truth stands beside it.

All jobs run side by side, because each has to last more than a minute of real time.
"""

import json
import sqlite3
import sys
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from energy.database import open_reports
from simulator.nvml.build import build, environment
from tests.support.processes import ROOT, http_get, running, wait_for
from tests.support.slurm import Slurm, slurm_cluster
from wattstat.config import load

pytestmark = [pytest.mark.debian, pytest.mark.timeout(420)]

NODES = ("gpu01", "gpu02", "gpu03", "gpu04")
MIG_NODE = "gpu04"
MIG_DEVICES = 32
RUN_SECONDS = 68
# The job holds its GPUs from the prolog to the epilog and works in between: near both ends its GPUs draw little, so that a busy
# machine, on which these commands take their time, moves no energy from one side to the other.
IDLE_SECONDS = 3
TELL = """
n=${{SLURMD_NODENAME#gpu0}}
{body}
bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; printf "%b" "$1" >&3; cat <&3' - "$request" >> {log} 2>&1
cd {root} && {python} -m wattstat {command} --agent 127.84.0.$n:{agent} --spool {spool}/$SLURMD_NODENAME \
--scheduler {scheduler} >> {log} 2>&1
"""
BEGIN = """
body="{\\"job_id\\": \\"$SLURM_JOB_ID\\", \\"node\\": \\"$SLURMD_NODENAME\\", \\"gpus\\": [$SLURM_JOB_GPUS]"
body="$body, \\"idle_seconds\\": IDLE}"
request="POST /jobs HTTP/1.0\\r\\nContent-Length: ${#body}\\r\\n\\r\\n$body"
"""
END = """
request="DELETE /jobs/$SLURM_JOB_ID?node=$SLURMD_NODENAME&idle_seconds=IDLE HTTP/1.0\\r\\n\\r\\n"
"""


@dataclass
class Site:
    """Everything that runs."""

    directory: Path
    control: str
    whole: Slurm
    mig: Slurm
    jobs: dict[str, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    def truth(self):
        return json.loads(http_get(f"{self.control}/truth"))

    def runs(self, number):
        """The runs of a job by Slurm's number, in the truth, by instance; parts on several servers together."""
        found = {}
        for job in self.truth()["jobs"]:
            if job["job_id"] == number:
                found.setdefault(job["instance"], []).append(job)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hall")
    with ExitStack() as stack:
        options = ["--nodes", str(len(NODES)), "--prefix", "gpu", "--model", "xe9680", "--mig", MIG_NODE, "--no-jobs"]
        command = [sys.executable, "-m", "simulator", "--dir", str(directory), "--history-hours", "0", *options]
        stack.enter_context(running(command, directory / "simulator.log"))
        wait_for("the hall", (directory / "ready").exists)
        control = (directory / "control-url").read_text()
        stack.enter_context(agents(directory))
        clusters = {}
        for scheduler, gres, lines, names, devices in (
            ("slurm:hall", "gpu:h100:8", "Name=gpu Type=h100 File={dev}/nvidia[0-7]", NODES[:3], 8),
            (
                "slurm:parts",
                f"gpu:h100_1g.10gb:{MIG_DEVICES}",
                f"Name=gpu Type=h100_1g.10gb File={{dev}}/nvidia[0-{MIG_DEVICES - 1}]",
                (MIG_NODE,),
                MIG_DEVICES,
            ),
        ):
            words = {
                "port": control.rpartition(":")[2],
                "agent": agent_port(directory),
                "root": ROOT,
                "python": sys.executable,
                "spool": directory / "spool",
                "scheduler": scheduler,
                "log": directory / "prolog.log",
            }
            clusters[scheduler] = stack.enter_context(
                slurm_cluster(
                    gpus=devices,
                    names=names,
                    gres=gres,
                    gres_conf=lines,
                    prolog=TELL.format(command="slurm-prolog", body=BEGIN.replace("IDLE", str(IDLE_SECONDS)), **words),
                    epilog=TELL.format(command="slurm-epilog", body=END.replace("IDLE", str(IDLE_SECONDS)), **words),
                    # Who asks for a job by its number means the newest one of any cluster.
                    settings=f"FirstJobId={1000 * (1 + len(clusters))}",
                )
            )
        configure(directory, clusters)
        core = [sys.executable, "-m", "wattstat", "core", "--config", str(directory / "wattstat.yaml")]
        stack.enter_context(running(core, directory / "core.log"))
        found = Site(directory, control, clusters["slurm:hall"], clusters["slurm:parts"])
        wait_for("the first settlement", lambda: settled_until(found) > 0)
        yield play(found)


def agents(directory):
    stack = ExitStack()
    library = build()
    for node in NODES:
        command = [sys.executable, "-m", "wattstat", "agent", "--config", str(directory / "agents" / f"{node}.yaml")]
        variables = environment(library, directory / "state" / f"{node}.nvml")
        stack.enter_context(running(command, directory / f"agent-{node}.log", **variables))
    return stack


def agent_port(directory):
    listen = yaml.safe_load((directory / "agents" / "gpu01.yaml").read_text())["agent"]["listen"]
    return listen.rpartition(":")[2]


def configure(directory, clusters):
    path = directory / "wattstat.yaml"
    config = yaml.safe_load(path.read_text())
    config["schedulers"] = {
        "slurm": [
            {"conf": str(cluster.conf), "cluster": name.partition(":")[2], "every_seconds": 2}
            for name, cluster in clusters.items()
        ]
    }
    config["energy"] = {"settle_seconds": 5, "journal_seconds": 2}
    path.write_text(yaml.safe_dump(config))


def settled_until(site):
    """Until when all nodes are settled; 0 while there are no books."""
    path = site.directory / "data" / "ledger.db"
    if not path.exists():
        return 0.0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as books:
            rows = dict(books.execute("SELECT node, settled_until FROM checkpoints").fetchall())
    except sqlite3.OperationalError:
        return 0.0
    return min(rows.values()) if len(rows) == len(NODES) else 0.0


def play(site):
    """Run the jobs of all tests at once, and wait until the ledger has settled them."""
    whole, script = site.whole, f"sleep {RUN_SECONDS}"
    site.began = time.time()
    on = {node: f"--nodelist={node}" for node in NODES}
    site.jobs["node failure"] = whole.submit(on["gpu03"], "--gres=gpu:8", "--no-requeue", script="sleep 600")
    site.jobs["exclusive"] = whole.submit(on["gpu02"], "--exclusive", "--gres=gpu:8", script=script)
    site.jobs["two GPUs"] = whole.submit(on["gpu01"], "--gres=gpu:2", script=script)
    site.jobs["one GPU"] = whole.submit(on["gpu01"], "--gres=gpu:1", script=script)
    site.jobs["cancelled"] = whole.submit(on["gpu01"], "--gres=gpu:1", script="sleep 600")
    site.jobs["requeued"] = whole.submit(on["gpu01"], "--gres=gpu:1", "--requeue", script=script)
    site.jobs["array"] = whole.submit(on["gpu01"], "--gres=gpu:1", "--array=0-1", script=script)
    site.jobs["MIG"] = site.mig.submit("--gres=gpu:1", script=script)
    site.jobs["more MIG"] = site.mig.submit("--gres=gpu:2", script=script)
    whole.wait(site.jobs["requeued"], "RUNNING")
    started = time.monotonic()
    wait_for("a minute", lambda: time.monotonic() - started > RUN_SECONDS - 4, seconds=RUN_SECONDS)
    whole.command("scontrol", "requeue", site.jobs["requeued"])
    whole.command("scancel", site.jobs["cancelled"])
    for name in ("exclusive", "two GPUs", "one GPU", "cancelled", "array"):
        whole.wait(site.jobs[name], seconds=90)
    for name in ("MIG", "more MIG"):
        site.mig.wait(site.jobs[name], seconds=90)
    whole.wait(site.jobs["requeued"], "RUNNING", seconds=60)
    whole.wait(site.jobs["requeued"], seconds=RUN_SECONDS + 60)
    lose(site, "gpu03", site.jobs["node failure"])
    whole.wait(site.jobs["node failure"], "NODE_FAIL")
    site.ended = time.time()
    wait_for("the ledger to settle it all", lambda: settled_until(site) > site.ended + 3, seconds=90)
    return site


def lose(site, node, number):
    """The node's Slurm is gone, and with it what ran there: no epilog tells of the end."""
    request = urllib.request.Request(f"{site.control}/jobs/{number}?outcome=NODE_FAIL", method="DELETE")
    urllib.request.urlopen(request, timeout=30).close()
    site.whole.stop_node(node)


def posted(site, name, job_id=None, instance=None):
    reports = open_reports(load(site.directory / "wattstat.yaml"))
    try:
        detail = reports.job(job_id or site.jobs[name], instance)
    finally:
        reports.close()
    assert detail is not None, (name, (site.directory / "core.log").read_text()[-2000:])
    return detail.job


def of_gpus(row):
    return row.energy.gpu + row.energy.allocated_idle


def assert_true(site, name, *, number=None, job_id=None, instance="0", within=0.005):
    parts = site.runs(number or site.jobs[name]).get(instance)
    assert parts, (name, (site.directory / "prolog.log").read_text()[-2000:])
    true = sum(part["gpu_joules"] for part in parts)
    row = posted(site, name, job_id, instance)
    seconds = parts[0]["end_unix"] - parts[0]["start_unix"]
    assert seconds > 60
    assert of_gpus(row) == pytest.approx(true, rel=within), f"{name}, {seconds:.1f} s, bound {row.error_joules:.0f} J"


@pytest.mark.parametrize("name", ["exclusive", "two GPUs", "one GPU", "cancelled"])
def test_a_job_has_the_joules_of_its_gpus(site, name):
    assert_true(site, name)


@pytest.mark.parametrize("task", ["0", "1"])
def test_a_task_of_an_array_has_its_own(site, task):
    first = site.jobs["array"]
    numbers = sorted({job["job_id"] for job in site.truth()["jobs"]} - set(site.jobs.values()) | {first}, key=int)
    row = posted(site, "array", f"{first}_{task}", "0")
    true = [sum(part["gpu_joules"] for part in site.runs(number).get("0", [])) for number in numbers]
    assert any(of_gpus(row) == pytest.approx(joules, rel=0.005) for joules in true), (of_gpus(row), true)


def test_both_runs_of_a_requeued_job_have_theirs(site):
    assert_true(site, "requeued", instance="0")
    assert_true(site, "requeued", instance="1")


@pytest.mark.parametrize("name", ["MIG", "more MIG"])
def test_parts_of_a_divided_gpu_have_theirs(site, name):
    assert_true(site, name)


def test_a_job_whose_node_failed_ends_where_slurm_says(site):
    # Nobody was there to read the meters: Slurm's whole second is all there is.
    parts = site.runs(site.jobs["node failure"])["0"]
    seconds = parts[0]["end_unix"] - parts[0]["start_unix"]
    assert posted(site, "node failure").state == "node_fail"
    assert_true(site, "node failure", within=max(0.005, 1.5 / seconds))


def test_the_books_balance(site):
    reports = open_reports(load(site.directory / "wattstat.yaml"))
    try:
        balance = reports.balance(site.began, site.ended)
    finally:
        reports.close()
    assert balance.total.measured_joules > 0
    assert abs(balance.total.residual_ratio) < 0.001
