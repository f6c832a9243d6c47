"""Runs of jobs as rows: what lists and reports search by in columns, the rest as JSON."""

from __future__ import annotations

import json
from typing import Any

from energy.books.tables import reach
from wattstat.jobs import GpuHold, Hold, Placement, Run, RunKey, State


def columns(run: Run) -> dict[str, Any]:
    """What stands in `runs`, sums aside. `closed` begins anew with every word about the run."""
    return {
        "scheduler": run.key.scheduler,
        "job_id": run.key.job_id,
        "instance": run.key.instance,
        "name": _text(run.name),
        "user_name": _text(run.user),
        "account": _text(run.account),
        "partition": _text(run.partition),
        "qos": _text(run.qos),
        "state": str(run.state),
        "submitted": run.submitted,
        "started": run.started,
        "ended": run.ended,
        "reach": reach(run.started, run.ended),
        "gpus": run.gpus,
        "closed": 0,
    }


def _text(value: str) -> str:
    # PostgreSQL's text cannot hold zeros, no database halves of surrogate pairs, and no name of a job needs them.
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def details(run: Run) -> str:
    """What stands in `run_details`."""
    body = {
        "placements": [
            {
                "node": placement.node,
                "gpus": [_hold(gpu) for gpu in placement.gpus],
                "cpus": placement.cpus,
                "memory_bytes": placement.memory_bytes,
            }
            for placement in run.placements
        ],
        "suspended": run.suspended,
        "suspended_since": run.suspended_since,
        "exit_code": run.exit_code,
        "labels": dict(run.labels),
    }
    return json.dumps(body, separators=(",", ":"))


def _hold(gpu: GpuHold) -> list[Any]:
    return [gpu.uuid, gpu.minor, gpu.index, str(gpu.hold), gpu.fraction, gpu.instance]


def run(row: Any, body: str) -> Run:
    """The run of a row of `runs` and its details."""
    found = json.loads(body)
    return Run(
        key=RunKey(row.scheduler, row.job_id, row.instance),
        name=row.name,
        user=row.user_name,
        account=row.account,
        partition=row.partition,
        qos=row.qos,
        state=State(row.state),
        submitted=row.submitted,
        started=row.started,
        ended=row.ended,
        placements=tuple(
            Placement(
                node=each["node"],
                gpus=tuple(
                    GpuHold(uuid=uuid, minor=minor, index=index, hold=Hold(hold), fraction=fraction, instance=instance)
                    for uuid, minor, index, hold, fraction, instance in each["gpus"]
                ),
                cpus=each["cpus"],
                memory_bytes=each["memory_bytes"],
            )
            for each in found["placements"]
        ),
        suspended=tuple((since, until) for since, until in found["suspended"]),
        suspended_since=found["suspended_since"],
        exit_code=found["exit_code"],
        labels=found["labels"],
    )
