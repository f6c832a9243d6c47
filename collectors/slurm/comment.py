"""A finished job's energy in its AdminComment, so that `sacct -o AdminComment` shows it.

    wattstat=1;kwh=12.34;err=0.05;gpu_kwh=9.87

`kwh` is the job's energy, `err` how far it may be off either way, `gpu_kwh` what its GPUs drew of it, held idle ones included;
all in kWh. 1 is the format's version. Slurm lets nobody change a job that has ended, but in its database: `sacctmgr` writes it,
and needs slurmdbd and a user with administrator level Operator. What other tools wrote there stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from collectors.frame.errors import BadPayload, CollectError, NotSupported
from wattstat.jobs import Run

_JOULES_PER_KWH = 3.6e6
_OURS = re.compile(r"(?:^|(?<=;))wattstat=1;kwh=[0-9.]+;err=[0-9.]+;gpu_kwh=[0-9.]+")
_JOBSTATS = re.compile(r"JS1:([A-Za-z0-9+/]*)(=*)")
_MOST_CHARACTERS = 32_768  # of a command's argument that is surely taken


class Runner(Protocol):
    """What runs Slurm's commands: `collectors.slurm.commands.Commands`."""

    async def run(self, program: str, *arguments: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnergy:
    """A job's settled energy in joules, over all its runs."""

    joules: float
    error_joules: float
    gpu_joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A job's comment before and after; `is_written` says whether it was changed."""

    job_id: str
    before: str
    after: str
    is_written: bool


def line(energy: JobEnergy) -> str:
    """The energy as one line."""
    return f"wattstat=1;kwh={_kwh(energy.joules)};err={_kwh(energy.error_joules)};gpu_kwh={_kwh(energy.gpu_joules)}"


def merged(before: str, ours: str) -> str:
    """The comment with our line in it, once, behind what others wrote.

    jobstats decodes all that follows its `JS1:` as base64 and unpacks it. Its decoder stops at padding; where there is none, a
    zero byte with padding is put between, which its unpacking skips. So jobstats still reads its own.
    """
    if _OURS.search(before):
        return _OURS.sub(ours, before, count=1)
    if not before.strip():
        return ours
    jobstats = _JOBSTATS.fullmatch(before)
    stop = "AA==" if jobstats is not None and not jobstats[2] else ""
    return f"{before}{stop};{ours}"


async def write(commands: Runner, run: Run, energy: JobEnergy, *, dry: bool = True) -> Comment:
    """Put a finished job's energy into its comment; with `dry` only say what would be written.

    Writes at most once, reads it back, and never tries again by itself. Raises a `CollectError`.
    """
    if run.ended is None:
        raise ValueError(f"job {run.key.job_id} has not ended")
    job_id = _address(run)
    before = await _read(commands, job_id)
    after = merged(before, line(energy))
    if len(after) > _MOST_CHARACTERS:
        raise NotSupported(f"job {job_id}: its AdminComment of {len(before)} characters leaves no room")
    if dry or after == before:
        return Comment(job_id=job_id, before=before, after=after, is_written=False)
    await commands.run("sacctmgr", "--immediate", "update", "job", "where", f"jobid={job_id}", "set", f"AdminComment={after}")
    found = await _read(commands, job_id)
    if found != after:
        raise BadPayload(f"job {job_id}: sacctmgr was content, but sacct shows the AdminComment {found[:200]!r}")
    return Comment(job_id=job_id, before=before, after=after, is_written=True)


async def _read(commands: Runner, job_id: str) -> str:
    try:
        shown = await commands.run(
            "sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={job_id}", "--format=AdminComment"
        )
    except CollectError as error:
        if "accounting storage is disabled" in str(error):
            raise NotSupported(f"{error}: without slurmdbd nothing can be written to a job that has ended") from error
        raise
    lines = shown.splitlines()
    if len(lines) != 1:
        raise NotSupported(f"job {job_id}: sacct shows {len(lines)} jobs, expected one")
    return lines[0]


def _address(run: Run) -> str:
    """How sacct and sacctmgr know the job: a task by its array's number, which is also the number of one of the tasks."""
    if "_" in run.key.job_id:
        return run.key.job_id
    return run.labels.get("slurm_job_id", run.key.job_id)


def _kwh(joules: float) -> str:
    """With six decimals at most: 3.6 J."""
    return f"{max(joules, 0.0) / _JOULES_PER_KWH:.6f}".rstrip("0").rstrip(".")
