"""What a prolog costs a job: `wattstat slurm-prolog` from its start to its end, beside an interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import quantiles

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
    beside = f"an interpreter that does nothing: {_times(nothing)}"
    note = f"p50 / p99 of {RUNS} prologs of a job on {GPUS} GPUs, wall time, process start included"
    return [
        Row(what="prolog, the agent notes the counters", measured=_times(with_agent), peer=beside, reach=LIMIT, note=note),
        Row(what="prolog, no agent: a file in the spool", measured=_times(without), peer=beside, reach=LIMIT, note=note),
    ]


def _in_turns(commands: Sequence[Sequence[str]]) -> list[list[float]]:
    """Milliseconds of every run of every command; a busy machine is as busy for all of them."""
    variables = _prolog_environment()
    took: list[list[float]] = [[] for _ in commands]
    for _ in range(RUNS):
        for command, times in zip(commands, took, strict=True):
            started = time.perf_counter()
            subprocess.run(command, env=variables, check=True)
            times.append((time.perf_counter() - started) * 1000)
    return took


def _prolog_environment() -> Mapping[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1]), **_SLURM}


def _times(milliseconds: Sequence[float]) -> str:
    cuts = quantiles(milliseconds, n=100)
    return f"{cuts[49]:.1f} / {cuts[98]:.1f} ms"
