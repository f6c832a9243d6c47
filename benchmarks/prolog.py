"""What a prolog costs a job: `wattstat slurm-prolog` from its start to its end, beside an interpreter that does nothing."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks.agent import GPUS, agent_of, node_of, serving
from benchmarks.table import Row

RUNS = 200
LIMIT = "50 ms"
# What the console script that pip writes does.
_ENTRY = "import sys; from wattstat.entry import main; sys.exit(main())"
_SLURM = {
    "SLURM_JOB_ID": "1234",
    "SLURM_JOB_USER": "ada",
    "SLURM_JOB_ACCOUNT": "physics",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_JOB_GPUS": ",".join(map(str, range(GPUS))),
}


def run() -> list[Row]:
    """The same machine, in turns: nothing, with an agent, without one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = folder / "spool"
        command, port = agent_of(folder, spool=str(spool))
        told = [sys.executable, "-c", _ENTRY, "slurm-prolog", "--agent", f"127.0.0.1:{port}", "--spool", str(spool)]
        alone = [*told[:-3], "127.0.0.1:1", "--spool", str(folder)]
        with node_of(folder) as variables, serving(command, port, variables):
            nothing, with_agent, without = _in_turns([[sys.executable, "-c", "pass"], told, alone])
            noted = _noted(port)
    note = f"wall time p50 / p99, and CPU, of {RUNS} prologs of a job on {GPUS} GPUs, process start included"
    peer = f"an empty `python -c pass`: {_times(nothing)}"
    cases = {
        f"the agent notes the counters (in time {noted} of {RUNS} times)": with_agent,
        "no agent: a file in the spool": without,
    }
    return [Row(what=f"prolog, {how}", measured=_times(took), peer=peer, reach=LIMIT, note=note) for how, took in cases.items()]


class Took(NamedTuple):
    """Milliseconds of a process."""

    wall: float
    cpu: float


def _in_turns(commands: Sequence[Sequence[str]]) -> list[list[Took]]:
    """What every run of every command took; a busy machine is as busy for all of them."""
    variables = _prolog_environment()
    took: list[list[Took]] = [[] for _ in commands]
    for _ in range(RUNS):
        for command, found in zip(commands, took, strict=True):
            started = time.perf_counter()
            pid = os.posix_spawn(command[0], command, variables)
            _, status, usage = os.wait4(pid, 0)
            if status:
                raise RuntimeError(f"{command} ended with {status}")
            cpu = usage.ru_utime + usage.ru_stime
            found.append(Took((time.perf_counter() - started) * 1000, cpu * 1000))
    return took


def _prolog_environment() -> Mapping[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1]), **_SLURM}


def _noted(port: int) -> int:
    """How many boundaries the agent has with the counters of all GPUs."""
    with urlopen(f"http://127.0.0.1:{port}/journal?step=3600", timeout=30) as answer:
        return sum(len(each["joules"]) == GPUS for each in json.load(answer)["boundaries"])


def _times(took: Sequence[Took]) -> str:
    cuts = quantiles([each.wall for each in took], n=100)
    return f"{cuts[49]:.1f} / {cuts[98]:.1f} ms, CPU {median(each.cpu for each in took):.1f} ms"
