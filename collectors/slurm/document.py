"""Jobs and nodes of Slurm's JSON, as slurmrestd and `--json` of the commands give it, from v0.0.38 to current versions.

Members keep their names and change their shape: a number is plain (v0.0.38), or `{"set", "infinite", "number"}` (since
v0.0.39, times since v0.0.40); a state is a word, or a list of words (v0.0.40); an exit code is the status of wait(), or an
object (v0.0.40); what is held on each node moved from `allocated_nodes` to `nodes.allocation` (v0.0.41).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collectors.slurm.hostlist import expand
from collectors.slurm.job import Allocation, Job, NodeRecord

_MIB = 1024**2
# Slurm's "no value" and "infinite" of 16, 32 and 64 bits, as old versions print them where they should print nothing.
_NO_VALUES = frozenset({0xFFFE, 0xFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF})
_MOST_SECONDS = 2**40

Json = Mapping[str, Any]


def errors(document: Any) -> str:
    """What the document itself calls an error; empty where nothing is wrong. With an error, its lists are empty, not true."""
    found = document.get("errors") if isinstance(document, Mapping) else None
    if not isinstance(found, list):
        return ""
    words = [_words(error) for error in found if isinstance(error, Mapping)]
    return "; ".join(word for word in words if word)[:500] or ("an error without a description" if found else "")


def jobs(document: Any) -> tuple[tuple[Job, ...], int]:
    """The jobs of a document, and how many of its records were not to be understood."""
    return _all(document, "jobs", _job)


def nodes(document: Any) -> tuple[tuple[NodeRecord, ...], int]:
    """The nodes of a document, and how many of its records were not to be understood."""
    return _all(document, "nodes", _node)


def _all(document: Any, member: str, read: Any) -> tuple[tuple[Any, ...], int]:
    records = document.get(member) if isinstance(document, Mapping) else None
    if not isinstance(records, list):
        return (), 1
    read_ones = [read(record) if isinstance(record, Mapping) else None for record in records]
    good = tuple(each for each in read_ones if each is not None)
    return good, len(read_ones) - len(good)


def _job(record: Json) -> Job | None:
    number = _whole(record.get("job_id"))
    states = _states(record.get("job_state"))
    if not number or not states:
        return None
    suspended = _time(record.get("suspend_time"))
    return Job(
        id=number,
        array_id=_whole(record.get("array_job_id")) or None,
        array_task=_whole(record.get("array_task_id")),
        het_id=_whole(record.get("het_job_id")) or None,
        het_offset=_whole(record.get("het_job_offset")),
        name=_text(record.get("name")),
        user=_text(record.get("user_name")) or _user(record.get("user_id")),
        account=_text(record.get("account")),
        partition=_text(record.get("partition")),
        qos=_text(record.get("qos")),
        states=states,
        submitted=_time(record.get("submit_time")),
        started=_time(record.get("start_time")),
        ended=_time(record.get("end_time")),
        suspend_time=suspended,
        ran_before_suspend_seconds=float(_whole(record.get("pre_sus_time")) or 0) if suspended else 0.0,
        preempted=_time(record.get("preempt_time")),
        restarts=_whole(record.get("restart_cnt")) or 0,
        exit_code=_exit_code(record.get("exit_code")),
        nodes=_hosts(record.get("nodes")),
        allocations=_allocations(record),
        admin_comment=_text(record.get("admin_comment")),
    )


def _node(record: Json) -> NodeRecord | None:
    name = _text(record.get("name"))
    # Until v0.0.38 one word, and the others beside it as flags.
    states = _states(record.get("state")) | _states(record.get("state_flags"))
    return NodeRecord(name=name, gres=_text(record.get("gres")), states=states) if name else None


def _allocations(record: Json) -> tuple[Allocation, ...]:
    """What is held on each node. `gres_detail` has an entry for each node, in the order of the node list."""
    resources = record.get("job_resources")
    resources = resources if isinstance(resources, Mapping) else {}
    held = list(_held(resources))
    listed = resources.get("nodes")
    names = _hosts(listed.get("list") if isinstance(listed, Mapping) else listed) or _hosts(record.get("nodes"))
    details = record.get("gres_detail")
    details = details if isinstance(details, list) else []
    # Without its own word, a part of the list's entries cannot be laid at the right nodes.
    gres = dict(zip(names, map(_text, details), strict=False)) if len(details) == len(names) else {}
    cpus = _cpus(held, _whole(record.get("cpus")))
    memory = {_node_name(node): _memory(node) for node in held}
    return tuple(
        Allocation(node=name, cpus=cpus.get(name), memory_bytes=memory.get(name), gres=gres.get(name, "")) for name in names
    )


def _held(resources: Json) -> Iterator[Json]:
    listed = resources.get("nodes")
    entries = listed.get("allocation") if isinstance(listed, Mapping) else resources.get("allocated_nodes")
    if isinstance(entries, Mapping):
        entries = list(entries.values())
    return (entry for entry in entries if isinstance(entry, Mapping)) if isinstance(entries, list) else iter(())


def _node_name(node: Json) -> str:
    return _text(node.get("name")) or _text(node.get("nodename"))


def _memory(node: Json) -> int | None:
    memory = node.get("memory")
    held = _whole(memory.get("allocated") if isinstance(memory, Mapping) else node.get("memory_allocated"))
    return held * _MIB if held else None  # zero is memory that Slurm does not hand out, not a job without any


def _cpus(held: list[Json], total: int | None) -> dict[str, int]:
    """CPUs by node; before v0.0.41 only cores are told, by which the job's CPUs are divided."""
    counted = {_node_name(node): node["cpus"].get("count") for node in held if isinstance(node.get("cpus"), Mapping)}
    counts = {name: _whole(count) for name, count in counted.items()}
    if counts:
        return {name: count for name, count in counts.items() if count}
    cores = {_node_name(node): _cores(node.get("sockets")) for node in held}
    every = sum(cores.values())
    if not every:
        return {}
    return {name: (total or every) * count // every for name, count in cores.items() if count}


def _cores(sockets: Any) -> int:
    if isinstance(sockets, Mapping):
        sockets = list(sockets.values())
    if not isinstance(sockets, list):
        return 0
    cores = [socket.get("cores") for socket in sockets if isinstance(socket, Mapping)]
    return sum(len(each) for each in cores if isinstance(each, Mapping | list))


def _exit_code(value: Any) -> int | None:
    """What the job's script returned; 128 and the signal's number where one ended it, as a shell has it."""
    if isinstance(value, Mapping) and "return_code" in value:
        signal = value.get("signal")
        ended_by = _whole(signal.get("id") or signal.get("signal_id")) if isinstance(signal, Mapping) else None
        return 128 + ended_by if ended_by else _whole(value["return_code"])
    status = _whole(value)
    if status is None:
        return None
    return 128 + (status & 0x7F) if status & 0x7F else (status >> 8) & 0xFF


def _states(value: Any) -> frozenset[str]:
    words = value if isinstance(value, list) else [value]
    return frozenset(word.upper() for word in words if isinstance(word, str) and word)


def _whole(value: Any) -> int | None:
    if isinstance(value, Mapping):
        value = value.get("number") if value.get("set") is True and value.get("infinite") is not True else None
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0 and value not in _NO_VALUES
    return value if is_number and value < 2**63 else None


def _time(value: Any) -> float | None:
    """Unix seconds. Zero is "never"."""
    seconds = _whole(value)
    return float(seconds) if seconds and seconds < _MOST_SECONDS else None


def _hosts(value: Any) -> tuple[str, ...]:
    try:
        return expand(value) if isinstance(value, str) else ()
    except ValueError:
        return ()


def _user(number: Any) -> str:
    """A user without a name on slurmrestd's machine is told by number."""
    found = _whole(number)
    return str(found) if found is not None else ""


def _text(value: Any) -> str:
    # A lone surrogate is good JSON and no text: nothing could write it out again.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _words(error: Json) -> str:
    parts = [_text(error.get("description")), _text(error.get("error"))]
    return ": ".join(part for part in dict.fromkeys(parts) if part)
