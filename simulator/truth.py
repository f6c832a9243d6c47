"""The truth about the hall: exact joules, against which every measurement can be checked.

A whole GPU's joules are the exact integral of its power between a run's start and end. Of a GPU that several hold there is no
measuring of each alone, so the truth is a definition: what it draws idle (static) goes by the slices or shards held, what work
adds (dynamic) by activity, instant by instant. Processors and memory go by the processors given to those who run on a server,
the rest of the server by what each one's devices drew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.bmc.controller import stamp
from simulator.plant.moving import MovingPlant
from simulator.world import Account, World


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
        **_plant(world.plant),
        "jobs": [_job(account) for account in world.accounts.values()],
        "breakers": physics.breakers.document(),
        "tripped_breakers": physics.tripped,
    }


def _plant(plant: MovingPlant) -> dict[str, Any]:
    """What was drawn beside the servers, and what is stored."""
    electric = plant.electric
    drawn = {
        name: {"joules": float(electric.joules[row]), "watts": float(electric.watts[row])} for name, row in plant.rows.items()
    }
    used = plant.stores.used_bytes
    inlets = zip(plant.plant.pdus, electric.pdu_joules, electric.pdu_watts, strict=True)
    return {
        "switches": {device.name: drawn[device.name] for device in plant.described.switches},
        "storage_nodes": {device.name: drawn[device.name] for device in plant.described.members},
        "storage": {each.name: {"used_bytes": float(used[row])} for row, each in enumerate(plant.plant.clusters)},
        "pdus": {pdu.name: {"joules": float(joules), "watts": float(watts)} for pdu, joules, watts in inlets},
    }


def write_truth(world: World, path: Path) -> None:
    """Write the truth file, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(truth(world), indent=1), encoding="utf-8")
    fresh.replace(path)


def _job(account: Account) -> dict[str, Any]:
    job, joules = account.job, account.by_lane
    parts = [
        {
            "node": lane.server.name,
            "kind": lane.kind.value,
            "gpu": lane.gpu,
            "uuid": "" if lane.gpu is None else lane.server.gpu_uuid(lane.gpu),
            "holder": lane.mig.holder if lane.mig else "",
            "mig_uuid": lane.mig.uuid if lane.mig else "",
            "fraction": lane.weight,
            "gpu_joules": float(joules[0, place]),
            "cpu_joules": float(joules[1, place]),
            "rest_joules": float(joules[2, place]),
        }
        for place, lane in enumerate(account.lanes)
    ]
    return {
        "job_id": job.id,
        "instance": str(job.restarts),
        "number": job.number,
        "name": job.name,
        "user": job.user,
        "account": job.account,
        "partition": job.partition,
        "kind": job.kind.value,
        "habit": job.habit.value,
        "outcome": job.outcome.value if account.ended else None,
        "gpus": job.gpus,
        "start": stamp(job.start),
        "end": stamp(job.end) if account.ended else None,
        "start_unix": job.start,
        "end_unix": job.end if account.ended else None,
        "gpu_uuids": [part["uuid"] for part in parts if part["uuid"]],
        "gpu_joules": account.gpu_joules,
        "gpu_joules_by_node": account.joules,
        "cpu_joules": float(joules[1].sum()),
        "rest_joules": float(joules[2].sum()),
        "joules": float(joules.sum()),
        "parts": parts,
    }
