"""The simulated scheduler as Slurm shows it: slurmrestd, prologs, jobs of somebody else's."""

import asyncio

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from simulator.external import External
from simulator.inference import Inference
from simulator.motion import Motion
from simulator.site import layout
from simulator.slurm import token
from simulator.slurm.documents import compressed, ranges
from simulator.slurm.prolog import Prologs
from simulator.slurm.server import SlurmRest
from simulator.truth import truth
from simulator.workload import Habit, Outcome
from simulator.world import World

START = 1_760_000_000.0
KEY = b"0123456789abcdef"


@pytest.fixture(scope="module")
def world():
    world = World(layout(16), 4, START)
    world.advance(START + 20 * 3600, 60.0)
    return world


async def answer(world, path, headers=None):
    good = {"X-SLURM-USER-NAME": "wattstat", "X-SLURM-USER-TOKEN": token.make(KEY, "wattstat", now=START, seconds=60)}
    rest = SlurmRest(world, KEY, clock=lambda: START)
    server = TestServer(rest.application())
    async with TestClient(server) as client, client.get(path, headers=good if headers is None else headers) as response:
        return response.status, await response.json() if response.content_type == "application/json" else None


async def jobs_of(world):
    return (await answer(world, "/slurm/v0.0.43/jobs"))[1]["jobs"]


async def test_only_a_good_token_is_answered(world):
    forged = token.make(b"another key", "wattstat", now=START, seconds=60)
    stale = token.make(KEY, "wattstat", now=START - 100, seconds=60)
    for shown in ("", "a.b.c", forged, stale):
        status, _ = await answer(world, "/slurm/v0.0.43/jobs", {"X-SLURM-USER-TOKEN": shown})
        assert status == 401
    status, document = await answer(world, "/slurm/v0.0.41/ping/")
    assert (status, document["pings"][0]["responding"]) == (200, True)
    assert document["meta"]["plugin"]["data_parser"] == "data_parser/v0.0.41"


async def test_the_description_names_the_versions_that_are_answered(world):
    _, document = await answer(world, "/openapi/v3")
    paths = [path for path in document["paths"] if path.endswith("/jobs/")]
    assert paths == [f"/slurm/{version}/jobs/" for version in ("v0.0.41", "v0.0.42", "v0.0.43")]
    for path in paths:
        assert (await answer(world, path))[0] == 200
    assert (await answer(world, "/slurm/v0.0.38/jobs"))[0] == 404


async def test_running_jobs_show_the_lanes_that_they_hold(world):
    jobs = {job["job_id"]: job for job in await jobs_of(world)}
    for job in world.scheduler.running.values():
        shown = jobs[job.number]
        assert shown["job_state"] == ["RUNNING"]
        assert shown["start_time"] == {"set": True, "infinite": False, "number": int(job.start)}
        lanes = [world.lanes[int(row)] for row in job.rows]
        allocation = shown["job_resources"]["nodes"]["allocation"]
        assert [node["name"] for node in allocation] == list(dict.fromkeys(lane.server.name for lane in lanes))
        assert sum(node["cpus"]["count"] for node in allocation) == sum(lane.cpus for lane in lanes)
        assert len(shown["gres_detail"]) == (len(allocation) if lanes[0].gpu is not None else 0)


async def test_pending_jobs_hold_nothing_and_ended_ones_are_told_for_five_minutes(world):
    states = {}
    for job in await jobs_of(world):
        states.setdefault(job["job_state"][0], []).append(job)
    assert all(not job["nodes"] and not job["gres_detail"] for job in states["PENDING"])
    later = World(layout(16), 3, START)
    ended = []
    later.on_event = lambda event: ended.append(event) if not event.started else None
    while not [event for event in ended if event.job.outcome is not Outcome.REQUEUED]:
        later.advance(later.now + 60, 60.0)
    shown = {job["job_id"]: job for job in await jobs_of(later)}
    last = next(event.job for event in ended if event.job.outcome is not Outcome.REQUEUED)
    assert shown[last.number]["job_state"] == [last.outcome.value]
    assert shown[last.number]["end_time"]["number"] == int(last.end)
    later.advance(later.now + 301, 60.0)
    assert last.number not in {job["job_id"] for job in await jobs_of(later)}


async def test_nodes_show_their_gres_and_what_is_used(world):
    _, document = await answer(world, "/slurm/v0.0.42/nodes")
    nodes = {node["name"]: node for node in document["nodes"]}
    assert "r660-02" not in nodes  # a login server
    assert nodes["xe9680-01"]["gres"] == "gpu:h100:8"
    assert nodes["xe8640-02"]["gres"] == "gpu:h100_3g.40gb:4,gpu:h100_2g.20gb:4,gpu:h100_1g.10gb:8"
    assert nodes["r760xa-l40-02"]["gres"] == "gpu:l40:4,shard:l40:8"
    assert all(node["alloc_cpus"] + node["alloc_idle_cpus"] == node["cpus"] for node in nodes.values())


def test_lists_of_hosts_and_numbers_are_written_as_slurm_does():
    assert compressed(["gpu01", "gpu02", "gpu03", "gpu07", "cpu1"]) == "gpu[01-03,07],cpu1"
    assert compressed(["login"]) == "login"
    assert ranges([5, 0, 1, 2]) == "0-2,5"


def test_a_day_has_every_kind_of_job(world):
    seen = [account.job for account in world.accounts.values()]
    assert {job.partition for job in seen} == {
        "xe9680", "xe8640", "xe8640-mig", "r760xa-l40", "r760xa-l40-shard", "r760xa-l4", "r660"
    }  # fmt: skip
    assert any(job.array for job in seen)
    assert any(job.used for job in seen)
    assert any(job.restarts for job in seen)
    assert any(job.het for job in seen)
    assert {job.habit for job in seen} == set(Habit)


def test_the_parts_of_shared_gpus_and_idle_add_up_to_the_gpus(world):
    document = truth(world)
    of_gpus = sum(sum(node["gpus"].values()) for node in document["nodes"].values())
    of_jobs = sum(job["gpu_joules"] for job in document["jobs"])
    assert 0.5 * of_gpus < of_jobs <= of_gpus * (1 + 1e-9)
    whole = [server for server in world.hall.servers if server.model.gpus]
    for server in whole:
        drawn = world.physics.gpu_joules[list(server.gpu_rows)].sum()
        posted = sum(job["gpu_joules_by_node"].get(server.name, 0.0) for job in document["jobs"])
        assert posted <= drawn * (1 + 1e-9)
        inputs = world.physics.node_joules[server.index]
        parts = [part for job in document["jobs"] for part in job["parts"] if part["node"] == server.name]
        assert sum(part["gpu_joules"] + part["cpu_joules"] + part["rest_joules"] for part in parts) <= inputs * (1 + 1e-9)


def test_a_mig_gpu_that_is_held_whole_is_posted_whole():
    world = World(layout(2, prefix="gpu", model="xe8640", mig=["gpu02"]), 1, START, jobs=False)
    lanes = world.lanes
    rows = [row for row in lanes.by_server["gpu02"] if lanes[int(row)].gpu == 1]
    assert len(rows) == 4
    assert sum(lanes[int(row)].weight for row in rows) == pytest.approx(1.0)
    assert world.hall.by_name("gpu01").sharing.value == "whole"
    gpu = world.hall.by_name("gpu02").first_gpu + 1
    moved = motion_of(world)
    external = External(moved)
    asyncio.run(begin_all(external, [{"job_id": str(n), "node": "gpu02", "gpus": [4 + n]} for n in range(4)]))
    before = world.physics.gpu_joules[gpu]
    world.advance(world.now + 600, 0.5)
    drawn = world.physics.gpu_joules[gpu] - before
    parts = [account.gpu_joules for account in world.accounts.values()]
    assert sum(parts) == pytest.approx(drawn, rel=1e-9)
    assert all(parts[n] > parts[n + 1] * 0.99 for n in range(2))


async def begin_all(external, bodies):
    return [await external.begin(body) for body in bodies]


def motion_of(world, clock=None):
    return Motion(world, None, None, None, step=0.25, clock=clock or (lambda: world.now))


async def test_somebody_elses_job_begins_and_ends_when_it_is_told():
    world = World(layout(2, prefix="gpu", model="xe9680"), 1, START, jobs=False)
    now = [START + 5.0]
    external = External(motion_of(world, lambda: now[0]))
    application = web.Application()
    application.add_routes(external.routes())
    async with TestClient(TestServer(application)) as client:
        async with client.post("/jobs", json={"job_id": "7", "node": "gpu02", "gpus": [0, 3], "user": "ada"}) as response:
            assert (response.status, await response.json()) == (201, {"job_id": "7", "node": "gpu02", "start": START + 5.0})
        now[0] += 0.5
        for wrong in ({"job_id": "8", "node": "gpu02", "gpus": [3]}, {"job_id": "8", "node": "gpu9"}, {"node": "gpu01"}):
            async with client.post("/jobs", json=wrong) as response:
                assert response.status == 400
        now[0] += 69.75
        async with client.delete("/jobs/7?outcome=CANCELLED") as response:
            assert (await response.json())["items"] == [{"job_id": "7", "node": "gpu02", "end": START + 75.25}]
        async with client.delete("/jobs/7") as response:
            assert response.status == 404
    [job] = truth(world)["jobs"]
    assert (job["user"], job["outcome"], job["start_unix"], job["end_unix"]) == ("ada", "CANCELLED", START + 5, START + 75.25)
    rows = world.hall.by_name("gpu02").first_gpu + np.array([0, 3])
    assert job["gpu_joules"] <= world.physics.gpu_joules[rows].sum()


async def test_prologs_are_told_the_exact_time_while_the_meters_stand_there():
    world = World(layout(16), 3, START)
    now, told = [START], []

    async def boundary(request):
        body = await request.json()
        assert body["at"] == world.now
        told.append(body)
        return web.json_response({})

    agent = web.Application()
    agent.add_routes([web.post("/boundary", boundary)])
    async with TestServer(agent) as server:
        prologs = Prologs({each.name: str(server.make_url("")).rstrip("/") for each in world.hall.servers})
        motion = Motion(world, None, None, prologs, step=60.0, clock=lambda: now[0])
        while len(told) < 12:
            now[0] += 600
            await motion.to_now()
        await prologs.close()
    assert {body["edge"] for body in told} == {"start", "end"}
    ended = {(body["job_id"], body["instance"]): body["at"] for body in told if body["edge"] == "end"}
    for account in world.accounts.values():
        key = account.job.id, str(account.job.restarts)
        if key in ended:
            assert ended[key] == account.job.end
    assert prologs.failed == 0


async def test_an_agent_that_is_gone_holds_up_nobody():
    world = World(layout(16), 3, START)
    now = [START]
    prologs = Prologs({each.name: "http://127.0.0.1:9" for each in world.hall.servers})
    motion = Motion(world, None, None, prologs, step=60.0, clock=lambda: now[0])
    while not prologs.failed:
        now[0] += 600
        await motion.to_now()
    await prologs.close()
    assert world.now == now[0]


def test_a_services_tokens_follow_the_joules_of_its_job():
    world = World(layout(16), 4, START)
    inference = Inference(world)
    [first, *_] = inference.services("http://127.0.0.1:8100")
    job = next(each for each in world.scheduler.running.values() if each.id == first["job_id"])

    def tokens():
        families = text_string_to_metric_families(inference.page(job))
        return next(family.samples[0].value for family in families if family.name == "vllm:generation_tokens")

    counts = [tokens()]
    for _ in range(3):
        world.advance(world.now + 600, 10.0)
        counts.append(tokens())
    assert counts == sorted(counts)
    assert counts[-1] > 10_000
