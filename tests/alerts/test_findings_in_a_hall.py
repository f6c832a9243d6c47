"""Findings in a hall that moves by the simulator's physics: the slow GPU is found, odd jobs are not taken for one."""

import numpy as np
import pytest

from alerts.findings import stragglers
from alerts.findings.past import Past
from simulator.history import write_history
from simulator.site import layout
from simulator.workload import Habit, Job, Kind
from simulator.world import World
from tests.support.alert_history import History
from wattstat.store.embedded import EmbeddedStore

START = 1_760_000_400.0
SECONDS = 1500.0


@pytest.fixture
def world():
    return World(layout(4), 3, START, jobs=False)


def begin(world, *, kind=Kind.TRAINING, **more):
    """A job on all GPUs of the first server with a baseboard."""
    server = next(each for each in world.hall.servers if each.model.hgx and each.model.gpus == 8)
    rows = np.array(server.gpu_rows)
    job = {"id": "7", "name": "a", "user": "u", "account": "a", "partition": "p", "kind": kind, "gpus": len(rows)}
    world.begin(Job(**job, not_before=0, seconds=1e6, seed=5, rows=rows, **more))
    return server


async def found(world, server, tmp_path):
    write_history(world, START + SECONDS, tmp_path / "hall", beside=False)
    held = History(start=START, seconds=SECONDS)
    for gpu in range(server.model.gpus):
        labels = {"node": server.name, "gpu": str(gpu), "uuid": server.gpu_uuid(gpu), "gpu_instance": ""}
        held.add("wattstat_job_gpu_info", 1.0, scheduler="slurm", job_id="7", **labels)
    held.write(tmp_path / "held")
    store = EmbeddedStore(tmp_path / "history.duckdb", clock=lambda: START + SECONDS)
    try:
        for part in ("hall", "held"):
            await store.import_history(tmp_path / part)
        return list(await stragglers.finder(Past(store)).look(START + SECONDS))
    finally:
        await store.close()


async def test_a_slow_board_is_found_with_its_reason(world, tmp_path):
    server = begin(world)
    world.physics.board_clock_ratio[server.first_gpu + 2] = 0.7

    (raised,) = await found(world, server, tmp_path)

    assert (raised.labels["node"], raised.labels["gpu"]) == (server.name, "2")
    assert "HW slowdown" in raised.annotations["description"]


async def test_a_hot_gpu_is_found_with_its_temperature(world, tmp_path):
    server = begin(world)
    world.physics.resistance[server.first_gpu + 5] *= 3

    (raised,) = await found(world, server, tmp_path)

    assert raised.labels["gpu"] == "5"
    assert "because it is hot" in raised.annotations["description"]


ODD = [{"used": 4, "habit": Habit.WASTEFUL}, {"habit": Habit.STRAGGLER}, {"kind": Kind.INTERACTIVE}, {"kind": Kind.INFERENCE}]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd.get("habit", odd.get("kind"))))
async def test_odd_jobs_on_good_gpus_have_no_straggler(world, tmp_path, odd):
    server = begin(world, **odd)

    assert await found(world, server, tmp_path) == []


async def test_eight_gpus_under_one_cap_have_no_straggler(world, tmp_path):
    server = begin(world)
    world.physics.requested_watts[list(server.gpu_rows)] = 450.0

    assert await found(world, server, tmp_path) == []
