"""Whose a process is: the job or pod that its control group is called by."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from wattstat.slurm import job_id

# Slurm, both versions of control groups: `…/slurm_node1/uid_1000/job_12/step_0`, `…/slurmstepd.scope/job_12/step_0/user/…`.
_SLURM = re.compile(r"/(?:\w+_)?slurm(?:_[^/]*|stepd\.scope)?/(?:uid_\d+/)?job_(\d+)(?:/|$)")
# Slurm 26.05 calls them by the job's SLUID unless CgroupJobIdPaths is set.
_SLUID = re.compile(r"/(?:[^/]*_)?slurmstepd\.scope/(s[0-9A-Z]{13})(?:/|$)")
# Kubernetes; its systemd driver writes the UID with underscores. A static pod's UID is a hash without dashes.
_POD = re.compile(r"/[^/]*pod([0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})(?:\.slice)?(?:/|$)")
_MOST_BYTES = 1 << 20


class Group(NamedTuple):
    """What a control group is called by: `job` or `sluid` (Slurm), `pod`."""

    kind: str
    id: str


def group_of(text: str) -> Group | None:
    """The group that /proc/<pid>/cgroup tells of; None for processes of neither."""
    for line in text.splitlines():
        path = line.rpartition(":")[2]
        for kind, pattern in (("pod", _POD), ("sluid", _SLUID), ("job", _SLURM)):
            if found := pattern.search(path):
                return Group(kind, found[1].replace("_", "-"))
    return None


def slurm_job_of(environment: bytes) -> str:
    """The job's id as its user knows it, out of /proc/<pid>/environ; empty where it is not told."""
    pairs = (entry.partition(b"=") for entry in environment.split(b"\0") if entry.startswith(b"SLURM_"))
    return job_id({name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs})


@dataclass(kw_only=True)
class Holders:
    """Tells the holder of a process: `job:<job id>` or `pod:<uid>`. What was found out once is remembered while it lives.

    `job_of` knows the ids of jobs that prologs told of, by Slurm's own number or SLUID; empty where it does not.
    """

    proc: Path
    job_of: Callable[[str], str]
    _known: dict[int, str] = field(default_factory=dict)

    def of(self, pid: int) -> str | None:
        """The holder; None for a process that is nobody's, or gone."""
        if pid not in self._known:
            holder = self._find(pid)
            if holder is None:
                return None
            self._known[pid] = holder
        return self._known[pid]

    def keep(self, alive: Collection[int]) -> None:
        """Forget processes that are not among these: their numbers are given out again."""
        for pid in self._known.keys() - set(alive):
            del self._known[pid]

    def _find(self, pid: int) -> str | None:
        group = group_of(self._read(pid, "cgroup").decode(errors="replace"))
        if group is None:
            return None
        if group.kind == "pod":
            return f"pod:{group.id}"
        job = self.job_of(group.id) or slurm_job_of(self._read(pid, "environ")) or (group.id if group.kind == "job" else "")
        return f"job:{job}" if job else None

    def _read(self, pid: int, name: str) -> bytes:
        """Reading the environment of another user's process takes root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH."""
        try:
            with (self.proc / str(pid) / name).open("rb") as file:
                return file.read(_MOST_BYTES)
        except OSError:
            return b""
