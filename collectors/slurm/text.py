"""Jobs and nodes of the text that `scontrol` prints, for where Slurm was built without JSON.

Asked with SLURM_TIME_FORMAT=%s, so that times are Unix seconds whatever the time zone. A job's record is read line by line,
not in one line: a user chooses the job's name, and a name with ` JobState=COMPLETED` in it ends with its line.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from collectors.slurm.hostlist import expand, numbers
from collectors.slurm.job import Allocation, Job, NodeRecord

_MIB = 1024**2
_MEMORY = {"K": 1024, "M": _MIB, "G": 1024**3, "T": 1024**4}
_HELD = re.compile(r"\s*Nodes=(\S+) CPU_IDs=(\S*) Mem=(\S*) GRES=(\S*)")
_NODE = re.compile(r"NodeName=(\S+)")
_GRES = re.compile(r"\sGres=(\S+)")
_STATE = re.compile(r"\sState=(\S+)")
# Lines of a record that have more than one member, by their first.
_LINES = ("UserId", "Priority", "JobState", "Requeue", "SubmitTime", "StartTime", "SuspendTime", "PreemptEligibleTime",
          "PreemptTime", "Partition", "NodeList", "AdminComment")  # fmt: skip


def jobs(text: str) -> tuple[tuple[Job, ...], int]:
    """The jobs of `scontrol show jobs -d`, and how many records were not to be understood."""
    if text.strip() in {"", "No jobs in the system"}:
        return (), 0
    records = [record for record in re.split(r"\n\s*\n(?=JobId=)", text) if record.strip()]
    read = [_job(record) for record in records]
    good = tuple(job for job in read if job is not None)
    return good, len(read) - len(good)


def nodes(text: str) -> tuple[tuple[NodeRecord, ...], int]:
    """The nodes of `scontrol show nodes -o`, and how many lines were not to be understood."""
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "No nodes in the system"]
    read = [_node(line) for line in lines]
    good = tuple(node for node in read if node is not None)
    return good, len(read) - len(good)


def _node(line: str) -> NodeRecord | None:
    name, gres, state = _NODE.match(line), _GRES.search(line), _STATE.search(line)
    if name is None:
        return None
    # `IDLE+DRAIN`, `DOWN*+DRAIN`: a sign behind a word says more of it; the star, that the node does not respond.
    words = re.findall(r"[A-Z_]+", state[1].upper().replace("*", "+NOT_RESPONDING")) if state else ()
    return NodeRecord(name=name[1], gres="" if gres is None or gres[1] == "(null)" else gres[1], states=frozenset(words))


def _job(record: str) -> Job | None:
    lines = record.strip().splitlines()
    head, _, name = lines[0].partition(" JobName=")
    ids = dict(word.partition("=")[::2] for word in head.split())
    number, members = _whole(ids.get("JobId")), _members(lines[1:])
    if number is None or members is None or "JobState" not in members:
        return None
    suspended = _time(members.get("SuspendTime"))
    return Job(
        id=number,
        array_id=_whole(ids.get("ArrayJobId")),
        array_task=_whole(ids.get("ArrayTaskId")),
        het_id=_whole(ids.get("HetJobId")),
        het_offset=_whole(ids.get("HetJobOffset")),
        name=name,
        user=members.get("UserId", "").rpartition("(")[0],
        account=members.get("Account", ""),
        partition=members.get("Partition", ""),
        qos=members.get("QOS", ""),
        states=frozenset({members["JobState"].upper()}),
        submitted=_time(members.get("SubmitTime")),
        started=_time(members.get("StartTime")),
        ended=_time(members.get("EndTime")),
        suspend_time=suspended,
        ran_before_suspend_seconds=float(_whole(members.get("SecsPreSuspend")) or 0) if suspended else 0.0,
        preempted=_time(members.get("PreemptTime")),
        restarts=_whole(members.get("Restarts")) or 0,
        exit_code=_exit_code(members.get("ExitCode", "")),
        nodes=_hosts(members.get("NodeList", "")),
        allocations=tuple(held for line in itertools.takewhile(_before_comments, lines) for held in _held(line)),
        admin_comment=members.get("AdminComment", ""),
    )


def _members(lines: list[str]) -> Mapping[str, str] | None:
    """The members of the lines that are known; None where one comes twice, which only a forged record has."""
    members: dict[str, str] = {}
    for line in lines:
        start = line.strip().partition("=")[0]
        if start not in _LINES:
            continue
        if start in members:
            return None
        if start == "AdminComment":
            members[start] = line.strip().partition("=")[2]
            continue
        pairs = (word.partition("=") for word in line.split() if "=" in word)
        members |= {name: "" if value == "(null)" else value for name, _, value in pairs}
    return members


def _before_comments(line: str) -> bool:
    """Whether the line comes before those that a user may have written, with line breaks in them."""
    return not line.lstrip().startswith("MinCPUsNode=")


def _held(line: str) -> list[Allocation]:
    """What is held on a group of nodes that hold the same."""
    found = _HELD.match(line)
    if found is None:
        return []
    hosts, cpu_ids, memory, gres = found.groups()
    try:
        cpus = sum(1 for _ in numbers(cpu_ids)) if cpu_ids else None
    except ValueError:
        cpus = None
    return [Allocation(node=host, cpus=cpus, memory_bytes=_memory(memory), gres=gres) for host in _hosts(hosts)]


def _memory(text: str) -> int | None:
    unit = _MEMORY.get(text[-1:].upper())
    number = _whole(text[:-1] if unit else text)
    return number * (unit or _MIB) if number else None


def _exit_code(text: str) -> int | None:
    """`3:0`: what the script returned, and the signal that ended it; 128 and its number for one, as a shell has it."""
    returned, _, signal = text.partition(":")
    ended_by = _whole(signal)
    return 128 + ended_by if ended_by else _whole(returned)


def _time(text: str | None) -> float | None:
    """Unix seconds; `Unknown`, `None` and zero are no time."""
    seconds = _whole(text)
    return float(seconds) if seconds else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 13 else None


def _hosts(text: str) -> tuple[str, ...]:
    try:
        return expand(text)
    except ValueError:
        return ()
