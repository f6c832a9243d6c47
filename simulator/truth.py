"""The truth about the hall: exact joules, against which every measurement can be checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.bmc.controller import stamp
from simulator.world import World


def truth(world: World) -> dict[str, Any]:
    """Joules since `start` of every server, GPU and job."""
    physics = world.physics
    return {
        "start": stamp(world.start),
        "now": stamp(world.now),
        "now_unix": world.now,
        "nodes": {
            server.name: {
                "input_joules": float(physics.node_joules[server.index]),
                "input_watts": float(physics.node_watts[server.index]),
                "gpu_joules": float(physics.gpu_joules[list(server.gpu_rows)].sum()) if server.model.gpus else 0.0,
                "cpu_joules": float(physics.cpu_joules[:, server.index].sum()),
                "dram_joules": float(physics.dram_joules[:, server.index].sum()),
                "gpus": {server.gpu_uuid(number): float(physics.gpu_joules[row]) for number, row in enumerate(server.gpu_rows)},
            }
            for server in world.hall.servers
        },
        "jobs": [
            {
                "job_id": account.job.id,
                "name": account.job.name,
                "user": account.job.user,
                "account": account.job.account,
                "partition": account.job.partition,
                "kind": account.job.kind.value,
                "gpus": account.job.gpus,
                "start": stamp(account.job.start),
                "end": stamp(account.job.end) if account.ended else None,
                "gpu_uuids": [lane.server.gpu_uuid(lane.gpu) for lane in account.lanes if lane.gpu is not None],
                "gpu_joules": account.gpu_joules,
                "gpu_joules_by_node": account.joules,
            }
            for account in world.accounts.values()
        ],
        "tripped_breakers": physics.tripped,
    }


def write_truth(world: World, path: Path) -> None:
    """Write the truth file, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(truth(world), indent=1), encoding="utf-8")
    fresh.replace(path)
