"""A real Slurm cluster for tests: slurmctld, one slurmd for each virtual node, munged and slurmrestd, all of its own.

Nothing in /etc is read or written, every port is a free one, so several clusters run side by side, as root or as any user.
GPUs are links to /dev/null named nvidia0, nvidia1 …, as gres.conf of a real node has them; jobs get them by number.

    @pytest.fixture(scope="module")
    def slurm() -> Iterator[Slurm]:
        with slurm_cluster(nodes=2, gpus=8) as cluster:
            yield cluster

    job = slurm.submit("--gres=gpu:2", script="sleep 600")      # its id, as text
    slurm.wait(job, "RUNNING")                                  # scontrol's fields of the job, as a dict
    slurm.command("scontrol", "requeue", job)                   # any command of Slurm, its output
    slurm.stop_node("gpu01")                                    # as if its power went

`prolog` and `epilog` are lines of shell that every node runs before and after a job, with Slurm's variables in the
environment: SLURM_JOB_ID, SLURM_JOB_GPUS (the numbers), SLURM_JOB_USER, SLURMD_NODENAME and more. `gres` replaces the GPUs:
`gres="gpu:h100:8,shard:32"` with the lines of gres.conf in `gres_conf`, in which {dev} is the folder with the devices.
A collector's settings: `Slurm(conf=slurm.conf)` for the commands, `Slurm(url=slurm.rest_url)` for slurmrestd. Debian's
build has no JSON web tokens (auth/jwt), so slurmrestd listens at a Unix socket and knows its caller by it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import free_port, running, stop, wait_for
from tests.support.programs import required_program

PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "slurmrestd": "slurmrestd",
    "scontrol": "slurm-wlm",
    "sbatch": "slurm-wlm",
}
PARTITION = "gpu"
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL"})


@dataclass(kw_only=True)
class Slurm:
    """A running cluster. `environment` is what Slurm's commands need to reach it."""

    folder: Path
    nodes: tuple[str, ...]
    environment: Mapping[str, str]
    _slurmd: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _slurmctld: subprocess.Popen[bytes] | None = None
    _stack: ExitStack

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def rest_socket(self) -> Path:
        """Where slurmrestd listens."""
        return self.folder / "rest.sock"

    @property
    def rest_url(self) -> str:
        return f"unix:{self.rest_socket}"

    def command(self, *arguments: str) -> str:
        """What a command of Slurm printed; an AssertionError with its complaint where it failed."""
        done = _run(arguments, self.environment)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def submit(self, *options: str, script: str = "sleep 600") -> str:
        """The id of a new batch job; of a heterogeneous one (options with `:`) and of an array the leader's."""
        leader, components = _components(options)
        rest = [each for component in components for each in (":", *component)]
        wrapped = self.folder / "script.sh"
        wrapped.write_text(f"#!/bin/sh\n{script}\n")
        output = () if any(each.startswith(("-o", "--output")) for each in options) else ("--output=/dev/null",)
        text = self.command("sbatch", "--parsable", *output, *leader, *rest, str(wrapped))
        return text.strip().partition(";")[0]

    def job(self, job_id: str) -> dict[str, str]:
        """The job's fields as `scontrol show job` has them; empty where Slurm has forgotten it."""
        done = _run(["scontrol", "show", "job", "-d", "-o", job_id], self.environment)
        first = done.stdout.partition("\n")[0]
        return dict(word.partition("=")[::2] for word in first.split() if "=" in word)

    def wait(self, job_id: str, *states: str, seconds: float = 60) -> dict[str, str]:
        """The job's fields as soon as it is in one of the states; without any, as soon as it has ended."""
        wanted = frozenset(states) or ENDED

        def look() -> dict[str, str] | None:
            fields = self.job(job_id)
            return fields if fields.get("JobState") in wanted else None

        return wait_for(f"job {job_id} to be {' or '.join(sorted(wanted))}", look, seconds=seconds)

    def wait_node(self, node: str, *states: str, seconds: float = 60) -> None:
        """Wait until sinfo calls the node by one of the states (idle, mixed, allocated, down …)."""
        wait_for(f"{node} to be {' or '.join(states)}", lambda: self._state(node) in states, seconds=seconds)

    def cancel_all(self) -> None:
        """End every job and wait until their nodes are free, but for nodes that are down."""
        me = pwd.getpwuid(os.getuid()).pw_name
        self.command("scancel", "--full", "--user", me)
        self.command("scancel", "--signal=KILL", "--user", me)
        wait_for("the queue to be empty", self._calm)

    def stop_node(self, node: str) -> None:
        """End the node's slurmd and call it down, as a node that lost power; its jobs fail."""
        stop(self._slurmd.pop(node))
        self.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def start_node(self, node: str) -> None:
        """Start a stopped node again and wait until it is idle."""
        self._start(node)
        self.command("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self.wait_node(node, "idle", "mixed", "allocated")

    @contextmanager
    def controller_down(self) -> Iterator[None]:
        """Without slurmctld while the body runs; it then comes back with all it knew."""
        stop(self._slurmctld)
        yield
        command = ["slurmctld", "-D"]
        log = self.folder / "slurmctld.log"
        self._slurmctld = self._stack.enter_context(running(command, log, **self.environment))
        wait_for("slurmctld to be back", lambda: " UP" in _run(["scontrol", "ping"], self.environment).stdout)

    def log(self, name: str) -> str:
        """What slurmctld, slurmd-gpu01, munged or slurmrestd wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, node: str) -> None:
        command = ["slurmd", "-D", "-N", node]
        self._slurmd[node] = self._stack.enter_context(running(command, self.folder / f"slurmd-{node}.log", **self.environment))

    def _calm(self) -> bool:
        return not self.command("squeue", "-h", "-t", "PD,R,S,CG", "-o", "%T").split()

    def _state(self, node: str) -> str:
        return self.command("sinfo", "-h", "-n", node, "-o", "%T").strip().rstrip("*~#!%$@^-+")


@contextmanager
def slurm_cluster(
    *,
    nodes: int = 2,
    gpus: int = 8,
    cpus: int = 64,
    memory_megabytes: int = 64_000,
    names: Sequence[str] = (),
    gres: str = "",
    gres_conf: str = "",
    prolog: str = "",
    epilog: str = "",
    settings: str = "",
) -> Iterator[Slurm]:
    """A cluster with idle nodes gpu01, gpu02 … (or `names`). `settings` are further lines of slurm.conf."""
    programs = {program: required_program(program, package=package) for program, package in PROGRAMS.items()}
    named = tuple(names) or tuple(f"gpu{number:02d}" for number in range(1, nodes + 1))
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # short: the path of a socket has at most 107 characters
    folder.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "MUNGE"))}
    environment["PATH"] = f"{environment.get('PATH', '')}:/usr/sbin"
    environment |= {"SLURM_CONF": str(folder / "slurm.conf"), "SLURMRESTD_SECURITY": "disable_user_check"}
    gres = gres or f"gpu:h100:{gpus}"
    gres_conf = gres_conf or f"Name=gpu Type=h100 File={{dev}}/nvidia[0-{gpus - 1}]"
    _files(folder, gpus, prolog, epilog)
    (folder / "gres.conf").write_text(gres_conf.replace("{dev}", str(folder / "dev")) + "\n")
    node_line = f"CPUs={cpus} RealMemory={memory_megabytes} Gres={gres}"
    (folder / "slurm.conf").write_text(
        _conf(folder, named, node_line, prolog=bool(prolog), epilog=bool(epilog), settings=settings)
    )
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_end_what_is_left, folder)
        cluster = Slurm(folder=folder, nodes=named, environment=environment, _stack=stack)
        for name, command in _daemons(folder, programs["slurmrestd"]).items():
            process = stack.enter_context(running(command, folder / f"{name}.log", **environment))
            if name == "slurmctld":
                cluster._slurmctld = process
            if name == "munged":
                wait_for("munged", (folder / "munge.sock").exists)
        for node in named:
            cluster._start(node)
        wait_for("the nodes to be idle", lambda: _all_idle(cluster))
        wait_for("slurmrestd", cluster.rest_socket.exists)
        try:
            yield cluster
        finally:
            if cluster._slurmctld is not None:
                cluster._slurmctld.kill()  # on SIGTERM it may wait half a minute for nodes that do not answer


def _components(options: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    groups: list[list[str]] = [[]]
    for option in options:
        if option == ":":
            groups.append([])
        else:
            groups[-1].append(option)
    return groups[0], groups[1:]


def _files(folder: Path, gpus: int, prolog: str, epilog: str) -> None:
    for name in ("dev", "state", "spool"):
        (folder / name).mkdir()
    for number in range(gpus):
        (folder / "dev" / f"nvidia{number}").symlink_to("/dev/null")  # a character device that needs no root to be made
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    for name, text in {"prolog": prolog, "epilog": epilog}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)


def _daemons(folder: Path, slurmrestd: str) -> dict[str, list[str]]:
    munge = ["--key-file=munge.key", "--socket=munge.sock", "--pid-file=munged.pid", "--seed-file=munged.seed"]
    placed = [option.replace("=", f"={folder}/") for option in munge]
    return {
        "munged": ["munged", "--foreground", "--force", f"--log-file={folder}/munge-own.log", *placed],
        "slurmctld": ["slurmctld", "-D", "-c"],
        "slurmrestd": ["slurmrestd", "-s", _openapi(slurmrestd), "-a", "rest_auth/local", f"unix:{folder / 'rest.sock'}"],
    }


def _openapi(program: str) -> str:
    """The plugin of slurmrestd that asks slurmctld; those that ask slurmdbd refuse to load where there is none."""
    version = _run([program, "-V"], {**os.environ, "SLURMRESTD_SECURITY": "disable_user_check"}).stdout
    major = int(version.split()[-1].partition(".")[0])
    return "openapi/v0.0.38" if major < 23 else "openapi/slurmctld"


def _conf(folder: Path, nodes: Sequence[str], node_line: str, *, prolog: bool, epilog: bool, settings: str) -> str:
    me = pwd.getpwuid(os.getuid()).pw_name
    lines = [
        "ClusterName=testbed",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmctldPort={free_port()}",
        f"SlurmUser={me}",
        f"SlurmdUser={me}",
        "AuthType=auth/munge",
        "CryptoType=crypto/munge",
        # A requeued job waits until its old credential has expired: two minutes unless told.
        f"AuthInfo=socket={folder}/munge.sock,cred_expire=5",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        "SlurmdParameters=config_overrides",  # the nodes are as large as they are said to be
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "MpiDefault=none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0",
        "ReturnToService=2",
        "MessageTimeout=5",  # how long commands try to reach a slurmctld that is down
        "KillWait=1",
        "GresTypes=gpu,shard,mps",
        "AccountingStorageType=accounting_storage/none",
        "JobAcctGatherType=jobacct_gather/none",
        "JobCompType=jobcomp/none",
        *([f"Prolog={folder}/prolog", "PrologFlags=Alloc"] if prolog else []),
        *([f"Epilog={folder}/epilog"] if epilog else []),
        *[f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={free_port()} {node_line}" for node in nodes],
        f"PartitionName={PARTITION} Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        settings,
    ]
    return "\n".join(lines) + "\n"


def _all_idle(cluster: Slurm) -> bool:
    done = _run(["sinfo", "-h", "-N", "-o", "%T"], cluster.environment)
    return done.stdout.split() == ["idle"] * len(cluster.nodes)


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, check=False, env=environment, capture_output=True, text=True, timeout=60)


def _end_what_is_left(folder: Path) -> None:
    """Kill what jobs of this cluster left behind: it is known by the slurm.conf in its environment."""
    mark = f"SLURM_CONF={folder}/slurm.conf".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue
