#!/usr/bin/env python3
"""PBS for Wattstat: asks qstat and pbsnodes, prints runs as docs/schedulers.md describes. Needs nothing but Python and PBS.

    schedulers:
      commands:
        - {name: pbs, command: [python3, /opt/wattstat/pbs_jobs.py, --state, /var/lib/wattstat/pbs.json]}

Which GPUs of a node a job has, PBS tells only where each GPU is a virtual node of its own (`gpu001[3]`; then give
`--gpu-vnodes`), or where a job has all of them. For other jobs let a hook tell the agent, as docs/schedulers.md shows.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ENDED_FOR_SECONDS = 600  # so long a finished job is repeated, so that a reading that was missed costs nothing
VNODE = re.compile(r"(?P<host>[^\[:]+)(?:\[(?P<number>\d+)\])?(?P<resources>(?::[^:=]+=[^:]*)*)")
BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}
# Exit statuses by which PBS says that it ended the job: exceeded memory, exceeded time, deleted by a user (256 + signal).
STATES = {0: "completed", -26: "out_of_memory", -27: "out_of_memory", -29: "timeout", 265: "cancelled", 271: "cancelled"}


def main(arguments: list[str]) -> int:
    """Print one answer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--state", type=Path, help="file that remembers which jobs were alive, so that their ends are found")
    parser.add_argument("--gpu-vnodes", action="store_true", help="the number of a virtual node is that of its GPU")
    options = parser.parse_args(arguments)
    jobs = asked("qstat", "-t", "-f", "-F", "json").get("Jobs", {})
    capacity = gpus_of_nodes(asked("pbsnodes", "-a", "-F", "json"))
    found = [run(job_id, job, capacity, gpu_vnodes=options.gpu_vnodes) for job_id, job in jobs.items()]
    alive = [each for each in found if each is not None]
    ended = finished(options.state, [each["job_id"] for each in alive], capacity, gpu_vnodes=options.gpu_vnodes)
    pending = sum(job.get("job_state") in ("Q", "H", "W") for job in jobs.values())
    print(json.dumps({"runs": [*alive, *ended], "nodes": sorted(capacity), "pending": pending}))
    return 0


def asked(*command: str) -> Any:
    """The JSON that a command prints; {} where it finds nothing to tell."""
    told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - PBS's own commands
    if not told.stdout.strip():
        if told.returncode:
            sys.exit(f"{command[0]}: {told.stderr.strip() or f'status {told.returncode}'}")
        return {}
    return json.loads(told.stdout)


def gpus_of_nodes(document: Any) -> dict[str, int]:
    """How many GPUs each host has, virtual nodes added up."""
    found: dict[str, int] = {}
    for name, node in document.get("nodes", {}).items():
        available = node.get("resources_available", {})
        host = available.get("host") or name.partition("[")[0]
        found[host] = found.get(host, 0) + int(available.get("ngpus", 0))
    return found


def run(job_id: str, job: Mapping[str, Any], capacity: Mapping[str, int], *, gpu_vnodes: bool) -> dict[str, Any] | None:
    """A job as a run; None while it waits, and for an array as a whole."""
    state, started = job.get("job_state"), seconds(job.get("stime"))
    if state not in ("R", "S", "U", "E", "F", "X") or started is None or "exec_vnode" not in job:
        return None
    is_over, stopped = state in ("F", "X"), state in ("S", "U")
    status = job.get("Exit_status")
    return {
        "job_id": job_id.partition(".")[0],
        "instance": str(job.get("run_count", 1)),
        "name": str(job.get("Job_Name", "")),
        "user": str(job.get("Job_Owner", "")).partition("@")[0],
        "account": str(job.get("Account_Name") or job.get("project", "")).replace("_pbs_project_default", ""),
        "partition": job.get("queue", ""),
        "state": STATES.get(status, "failed") if is_over else "suspended" if stopped else "running",
        "submitted": seconds(job.get("ctime")),
        "started": started,
        "ended": max(seconds(job.get("obittime") or job.get("mtime")) or started, started) if is_over else None,
        "suspended_since": seconds(job.get("mtime")) if stopped else None,
        "exit_code": status if is_over else None,
        "placements": list(placements(job["exec_vnode"], capacity, gpu_vnodes=gpu_vnodes)),
    }


def placements(exec_vnode: str, capacity: Mapping[str, int], *, gpu_vnodes: bool) -> Iterator[dict[str, Any]]:
    """What is held on each host, of `(gpu001:ncpus=8:ngpus=2:mem=64gb)+(gpu002[0]:ncpus=4+gpu002[1]:ncpus=4)`."""
    hosts: dict[str, dict[str, Any]] = {}
    for chunk in exec_vnode.replace("(", "").replace(")", "").split("+"):
        match = VNODE.fullmatch(chunk)
        if match is None:
            sys.exit(f"exec_vnode: {chunk!r} is none of a virtual node's forms")
        resources = dict(each.split("=", 1) for each in match["resources"].split(":") if each)
        held = hosts.setdefault(match["host"], {"cpus": 0, "memory_bytes": 0, "gpus": 0, "numbers": []})
        held["cpus"] += int(resources.get("ncpus", 0))
        held["memory_bytes"] += size(resources.get("mem", "0b"))
        held["gpus"] += int(resources.get("ngpus", 0))
        if gpu_vnodes and match["number"] and int(resources.get("ngpus", 0)):
            held["numbers"].append(int(match["number"]))
    for host, held in hosts.items():
        everything = list(range(held["gpus"])) if held["gpus"] and held["gpus"] == capacity.get(host) else []
        yield {
            "node": host,
            "cpus": held["cpus"],
            "memory_bytes": held["memory_bytes"] or None,
            "gpus": [{"minor": number} for number in held["numbers"] or everything],
        }


def finished(state: Path | None, alive: list[str], capacity: Mapping[str, int], *, gpu_vnodes: bool) -> list[dict[str, Any]]:
    """The jobs that were alive at an earlier call and are no more, for a while, from PBS's history."""
    if state is None:
        return []
    now = time.time()
    before = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {"alive": [], "ended": {}}
    ended = {job: at for job, at in before["ended"].items() if now - at < ENDED_FOR_SECONDS and job not in alive}
    ended |= {job: now for job in before["alive"] if job not in alive}
    fresh = state.with_suffix(".new")
    fresh.write_text(json.dumps({"alive": alive, "ended": ended}), encoding="utf-8")
    fresh.replace(state)
    jobs = asked("qstat", "-x", "-f", "-F", "json", *ended).get("Jobs", {}) if ended else {}
    found = (run(job_id, job, capacity, gpu_vnodes=gpu_vnodes) for job_id, job in jobs.items())
    return [each for each in found if each is not None and each["ended"] is not None]


def seconds(text: Any) -> float | None:
    """Unix seconds of PBS's `Wed Apr 14 23:34:17 2021`, which is this machine's local time."""
    if not isinstance(text, str):
        return None
    return time.mktime(time.strptime(text, "%a %b %d %H:%M:%S %Y"))


def size(text: str) -> int:
    """Bytes of PBS's `33554432kb`."""
    match = re.fullmatch(r"(\d+)(b|kb|mb|gb|tb)?", text.lower())
    return int(match[1]) * BYTES[match[2] or "b"] if match else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
