"""Jobs and nodes as slurmrestd shows them with data parsers v0.0.41 to v0.0.43 (Slurm 24.05 to 25.05)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

from simulator.lanes import MIG_CUT, SHARDS, Lane, LaneKind, Lanes
from simulator.schedule import partition_of
from simulator.site import Server, Sharing
from simulator.workload import Job, Outcome

Document = dict[str, Any]
CLUSTER = "hall"
RELEASE = ("25", "05", "3")
MIB_PER_CPU = 4096
TIME_LIMIT_MINUTES = 14 * 24 * 60


def number(value: float | None) -> Document:
    """A number that may be missing, as data parsers since v0.0.40 write it."""
    return {"set": value is not None, "infinite": False, "number": 0 if value is None else value}


def meta(version: str) -> Document:
    """What stands around every answer."""
    major, minor, micro = RELEASE
    return {
        "plugin": {
            "type": "openapi/slurmctld",
            "name": "Slurm OpenAPI slurmctld",
            "data_parser": f"data_parser/{version}",
            "accounting_storage": "",
        },
        "client": {"source": "[127.0.0.1]", "user": "root", "group": "root"},
        "command": [],
        "slurm": {
            "version": {"major": major, "micro": micro, "minor": minor},
            "release": f"{major}.{minor}.{micro}",
            "cluster": CLUSTER,
        },
    }


def job_document(job: Job, lanes: Lanes, state: str) -> Document:
    """A job. `state` is Slurm's word; a job that has no lanes yet is pending."""
    held = _by_server([lanes[int(row)] for row in job.rows])
    if state == "PENDING":
        held = {}  # one that was requeued held something before
    ended = state not in ("PENDING", "RUNNING")
    restarts = job.restarts + (state == "PENDING" and job.outcome is Outcome.REQUEUED)
    cpus = sum(lane.cpus for chosen in held.values() for lane in chosen)
    array_job, array_task = job.array or (0, None)
    het_job, het_offset = job.het or (0, 0)
    nodes = compressed(server.name for server in held)
    code = {"COMPLETED": 0, "FAILED": 1, "CANCELLED": 0, "TIMEOUT": 0}.get(state, 0)
    return {
        "account": job.account,
        "admin_comment": "",
        "allocating_node": "hall-ctl",
        "array_job_id": number(array_job),
        "array_task_id": number(array_task),
        "array_task_string": "",
        "batch_flag": True,
        "batch_host": next(iter(held)).name if held else "",
        "cluster": CLUSTER,
        "comment": "",
        "cpus": number(cpus or job.gpus),
        "current_working_directory": f"/home/{job.user}",
        "derived_exit_code": _exit_code(code, ended=ended),
        "eligible_time": number(int(job.not_before)),
        "end_time": number(int(job.end if ended else min(job.start + TIME_LIMIT_MINUTES * 60, 2**32)) if held else 0),
        "exit_code": _exit_code(code, ended=ended),
        "failed_node": "",
        "flags": ["JOB_WAS_RUNNING"] if held else [],
        # Slurm forgets what a job held as soon as it has ended.
        "gres_detail": [] if ended else [words for words in map(_gres_detail, held, held.values()) if words],
        "group_id": 1000,
        "group_name": "users",
        "het_job_id": number(het_job),
        "het_job_id_set": f"{het_job}-{het_job + 1}" if job.het else "",
        "het_job_offset": number(het_offset),
        "hold": False,
        "job_id": job.number,
        "job_resources": _resources(held) if held and not ended else {},
        "job_state": [state],
        "last_sched_evaluation": number(int(job.start or job.not_before)),
        "memory_per_cpu": number(MIB_PER_CPU),
        "memory_per_node": number(None),
        "name": job.name,
        "node_count": number(len(held)),
        "nodes": nodes,
        "partition": job.partition,
        "pre_sus_time": number(0),
        "priority": number(4_294_901_000 - job.number),
        "qos": "normal",
        "requeue": True,
        "restart_cnt": restarts,
        "shared": [],
        "standard_error": f"/home/{job.user}/slurm-{job.number}.out",
        "standard_output": f"/home/{job.user}/slurm-{job.number}.out",
        "start_time": number(int(job.start) if held else 0),
        "state_description": "",
        "state_reason": "Resources" if state == "PENDING" else "None",
        "submit_time": number(int(job.not_before)),
        "suspend_time": number(0),
        "tasks": number(len(held) or 1),
        "time_limit": number(TIME_LIMIT_MINUTES),
        "tres_alloc_str": _tres(held, cpus) if held else "",
        "tres_req_str": _tres(held, cpus) if held else "",
        "user_id": 1000 + zlib.crc32(job.user.encode()) % 60_000,
        "user_name": job.user,
    }


def node_document(server: Server, lanes: list[Lane], held: list[Lane], *, powered: bool) -> Document:
    """A node, with what is allocated of it."""
    used = sum(lane.cpus for lane in held)
    total = 2 * server.model.cores
    state = "ALLOCATED" if used >= sum(lane.cpus for lane in lanes) else "MIXED" if held else "IDLE"
    first = lanes[0]
    return {
        "name": server.name,
        "hostname": server.name,
        "address": server.host_address,
        "architecture": "x86_64",
        "cluster_name": CLUSTER,
        "boards": 1,
        "sockets": 2,
        "cores": server.model.cores,
        "threads": 1,
        "cpus": total,
        "alloc_cpus": used,
        "alloc_idle_cpus": total - used,
        "effective_cpus": total,
        "real_memory": total * MIB_PER_CPU,
        "alloc_memory": used * MIB_PER_CPU,
        "gres": _gres(server),
        "gres_drained": "N/A",
        "gres_used": _gres_detail(server, held),
        "partitions": [partition_of(first)],
        "state": [state] if powered else ["DOWN"],
        "reason": "" if powered else "Not responding",
        "version": ".".join(RELEASE),
    }


def compressed(names: Iterable[str]) -> str:
    """Names as Slurm writes a list of hosts: `xe9680-[01-03,07]`."""
    heads: dict[str, list[str]] = {}
    for name in names:
        digits = len(name) - len(name.rstrip("0123456789"))
        heads.setdefault(name[: len(name) - digits], []).append(name[len(name) - digits :])
    return ",".join(f"{head}{tails[0]}" if len(tails) == 1 else f"{head}[{_ranges(tails)}]" for head, tails in heads.items())


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as Slurm writes them: `0-2,5`."""
    return _ranges([str(each) for each in sorted(numbers)])


def _ranges(words: list[str]) -> str:
    runs: list[list[str]] = []
    for word in words:
        if runs and int(runs[-1][-1]) + 1 == int(word):
            runs[-1].append(word)
        else:
            runs.append([word])
    return ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _by_server(lanes: list[Lane]) -> dict[Server, list[Lane]]:
    found: dict[Server, list[Lane]] = {}
    for lane in lanes:
        found.setdefault(lane.server, []).append(lane)
    return found


def gpu_type(server: Server) -> str:
    """What gres.conf calls the GPUs of a server."""
    return server.model.gpu.key.partition("-")[0] if server.model.gpu else ""


def _gres(server: Server) -> str:
    kind, count = gpu_type(server), server.model.gpus
    if server.sharing is Sharing.MIG:
        profiles: dict[str, int] = {}
        for _, profile, *_ in MIG_CUT:
            profiles[profile] = profiles.get(profile, 0) + count
        return ",".join(f"gpu:{kind}_{profile}:{number}" for profile, number in profiles.items())
    shards = f",shard:{kind}:{count * SHARDS}" if server.sharing is Sharing.SHARDS else ""
    return f"gpu:{kind}:{count}{shards}" if count else ""


def _gres_detail(server: Server, held: list[Lane]) -> str:
    """What is held of a server's GRES, as Slurm writes it: indexes of whole GPUs and MIG devices, counts of shards by GPU."""
    kind = gpu_type(server)
    if not held or not kind:
        return ""
    if held[0].kind is LaneKind.SHARD:
        by_gpu = [sum(lane.gpu == gpu for lane in held) for gpu in range(server.model.gpus)]
        return f"shard:{kind}:{len(held)}({','.join(f'{count}/{SHARDS}' for count in by_gpu)})"
    places: dict[str, list[int]] = {}
    for lane in held:
        places.setdefault(f"{kind}_{lane.mig.profile}" if lane.mig else kind, []).append(lane.place)
    return ",".join(f"gpu:{name}:{len(found)}(IDX:{ranges(found)})" for name, found in places.items())


def _resources(held: dict[Server, list[Lane]]) -> Document:
    return {
        "select_type": ["CORE", "MEMORY"],
        "nodes": {
            "count": len(held),
            "select_type": ["AVAILABLE"],
            "list": compressed(server.name for server in held),
            "whole": False,
            "allocation": [
                {
                    "index": index,
                    "name": server.name,
                    "cpus": {"count": sum(lane.cpus for lane in chosen), "used": 0},
                    "memory": {"used": 0, "allocated": sum(lane.cpus for lane in chosen) * MIB_PER_CPU},
                    "sockets": [],
                }
                for index, (server, chosen) in enumerate(held.items())
            ],
        },
        "cpus": sum(lane.cpus for chosen in held.values() for lane in chosen),
        "threads_per_core": number(1),
    }


def _tres(held: dict[Server, list[Lane]], cpus: int) -> str:
    first = next(iter(held.values()))[0]
    count = sum(len(chosen) for chosen in held.values())
    words = [f"cpu={cpus}", f"mem={cpus * MIB_PER_CPU // 1024}G", f"node={len(held)}", f"billing={cpus}"]
    if first.kind is LaneKind.SHARD:
        words.append(f"gres/shard={count}")
    elif first.gpu is not None:
        profile = f"_{first.mig.profile}" if first.mig else ""
        words += [f"gres/gpu={count}", f"gres/gpu:{gpu_type(first.server)}{profile}={count}"]
    return ",".join(words)


def _exit_code(code: int, *, ended: bool) -> Document:
    return {
        "status": ["PENDING"] if not ended else ["SUCCESS"] if code == 0 else ["ERROR"],
        "return_code": number(code if ended else None),
        "signal": {"id": number(None), "name": ""},
    }
