"""A real Slurm, asked in three ways at once: all of them tell the same."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from collectors.frame.errors import CollectError, NotSupported
from collectors.slurm.commands import Commands
from collectors.slurm.comment import JobEnergy, write
from collectors.slurm.rest import Rest
from tests.collectors.slurm.conftest import Asked, by_id
from tests.support.slurm import Slurm, slurm_cluster
from wattstat.jobs import GpuHold, Hold, RunKey, State

pytestmark = pytest.mark.debian

GRES = "gpu:h100:6,gpu:1g.10gb:7,shard:24"
GRES_CONF = """Name=gpu Type=h100 File={dev}/nvidia[0-5]
Name=gpu Type=1g.10gb File={dev}/nvidia[6-12]
Name=shard Count=24 File={dev}/nvidia[0-5]"""


@pytest.fixture(scope="module")
def slurm():
    with slurm_cluster(nodes=2, gpus=13, gres=GRES, gres_conf=GRES_CONF) as cluster:
        yield cluster


class Ways:
    """The three ways to ask one cluster."""

    def __init__(self, cluster: Slurm):
        text = Commands(timeout_seconds=20, conf=cluster.conf)
        text.way = "scontrol"
        self.all = {
            "slurmrestd": Asked(Rest(url=cluster.rest_url, timeout_seconds=20)),
            "json": Asked(Commands(timeout_seconds=20, conf=cluster.conf)),
            "text": Asked(text),
        }

    async def runs(self):
        """The runs of this moment, as soon as the three ways agree on them: they ask one after another, and Slurm goes on."""
        deadline = time.monotonic() + 20
        while True:
            told = [await each.runs() for each in self.all.values()]
            first, second, third = (_comparable(runs) for runs in told)
            if first == second == third or time.monotonic() > deadline:
                assert first == second
                assert first == third
                return told[0]

    async def run(self, job: str):
        return (await self.runs())[job]

    async def until(self, job: str, *states: State):
        """Ask again and again until the run has one of the states (alive or how it ended)."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            run = (await self.all["slurmrestd"].runs()).get(job)
            if run is not None and run.state in states:
                for each in ("json", "text"):
                    await self.all[each].runs()
                return run
            await asyncio.sleep(0.05)
        raise AssertionError(f"{job} never was {states}")


def _comparable(runs):
    # An end, or a suspension, is told by when it was seen where Slurm itself does not say.
    return {key: replace(run, ended=run.ended and 0.0, suspended=()) for key, run in runs.items()}


@pytest.fixture
async def ways(slurm):
    ways = Ways(slurm)
    yield ways
    for each in ways.all.values():
        await each.source.close()
    slurm.cancel_all()


def held(run, node=0):
    """Slurm's numbers: the nodes have parts of divided GPUs among their devices."""
    return [int(gpu.instance.removeprefix("slurm:")) for gpu in run.placements[node].gpus]


async def test_each_way_is_told_by_its_name(ways):
    await ways.runs()
    assert {name: each.source.way.way for name, each in ways.all.items()} == {
        "slurmrestd": "slurmrestd v0.0.38",
        "json": "squeue --json",
        "text": "scontrol",
    }


async def test_a_job_over_nodes_holds_what_it_was_given_on_each(slurm, ways):
    job = slurm.submit("-N2", "--gres=gpu:h100:2", "--cpus-per-task=3", "--account=physics", "--job-name=a name, with = and (")
    slurm.wait(job, "RUNNING")
    run = await ways.run(job)
    assert run.key == RunKey("slurm", job, "0")
    assert run.nodes == ("gpu01", "gpu02")
    assert [(held(run, node), run.placements[node].cpus) for node in (0, 1)] == [([0, 1], 3), ([0, 1], 3)]
    assert (run.account, run.partition, run.name) == ("physics", "gpu", "a name, with = and (")
    assert run.state is State.RUNNING
    assert run.submitted <= run.started


async def test_nodes_are_told_even_where_nothing_runs(slurm, ways):
    await ways.runs()
    assert [each.told[-1].nodes for each in ways.all.values()] == [frozenset({"gpu01", "gpu02"})] * 3


async def test_several_jobs_share_a_node_with_a_gpu_each(slurm, ways):
    jobs = [slurm.submit("--gres=gpu:h100:1", "--nodelist=gpu01") for _ in range(3)]
    for job in jobs:
        slurm.wait(job, "RUNNING")
    runs = await ways.runs()
    assert sorted(held(runs[job])[0] for job in jobs) == [0, 1, 2]


async def test_tasks_of_an_array_are_runs_of_their_own(slurm, ways):
    job = slurm.submit("--array=3-4", "--gres=gpu:h100:1")
    for task in (3, 4):
        slurm.wait(f"{job}_{task}", "RUNNING")
    runs = await ways.runs()
    assert {f"{job}_3", f"{job}_4"} <= set(runs)
    assert held(runs[f"{job}_3"]) != held(runs[f"{job}_4"])


async def test_components_of_a_heterogeneous_job_have_their_own_nodes(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1", ":", "--gres=gpu:h100:2")
    slurm.wait(job, "RUNNING")
    runs = await ways.runs()
    assert [runs[f"{job}+{number}"].gpus for number in (0, 1)] == [1, 2]


async def test_shards_are_parts_of_a_gpu(slurm, ways):
    job = slurm.submit("--gres=shard:3")
    slurm.wait(job, "RUNNING")
    [gpu] = (await ways.run(job)).placements[0].gpus
    # Four shards to a GPU: 24 on the six of a node that are whole. Which GPU is Slurm's choice.
    assert (gpu.hold, gpu.fraction, gpu.instance[:6]) == (Hold.SHARD, 0.75, "slurm:")


async def test_a_part_of_a_divided_gpu_is_told_by_its_number(slurm, ways):
    job = slurm.submit("--gres=gpu:1g.10gb:1")
    slurm.wait(job, "RUNNING")
    run = await ways.run(job)
    assert run.placements[0].gpus == (GpuHold(hold=Hold.MIG, fraction=1 / 7, instance="slurm:6"),)


async def test_a_job_without_gpus_still_has_its_cpus(slurm, ways):
    job = slurm.submit("--cpus-per-task=5")
    slurm.wait(job, "RUNNING")
    run = await ways.run(job)
    assert (run.gpus, run.placements[0].cpus) == (0, 5)


async def test_a_finished_job_keeps_the_gpus_that_it_was_seen_with(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1", script="sleep 3; exit 3")
    slurm.wait(job, "RUNNING")
    await ways.runs()
    run = await ways.until(job, State.FAILED)
    assert (run.exit_code, run.gpus) == (3, 1)
    assert run.ended >= run.started
    assert (await ways.run(job)).state is State.FAILED


async def test_a_job_that_was_never_seen_running_has_its_nodes(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1", script="exit 0")
    slurm.wait(job)
    run = await ways.until(job, State.COMPLETED)
    assert (len(run.nodes), run.gpus, run.exit_code) == (1, 0, 0)


async def test_a_cancelled_job_ends_when_it_lets_go_of_its_gpus(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1", script="trap '' TERM; sleep 600 & wait; sleep 2 & wait; sleep 2")
    slurm.wait(job, "RUNNING")
    await ways.runs()
    slurm.command("scancel", job)
    run = await ways.until(job, State.CANCELLED)
    assert run.gpus == 1
    assert run.ended >= run.started


async def test_a_job_cancelled_before_it_began_is_no_run(slurm, ways):
    job = slurm.submit("--begin=now+1hour", "--gres=gpu:h100:1")
    slurm.command("scancel", job)
    slurm.wait(job, "CANCELLED")
    assert job not in await ways.runs()


async def test_a_requeued_job_is_two_runs(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:2")
    slurm.wait(job, "RUNNING")
    first = await ways.run(job)
    slurm.command("scontrol", "requeue", job)
    slurm.wait(job, "PENDING")
    ended = await ways.until(job, State.REQUEUED)
    assert (ended.key, ended.gpus) == (first.key, 2)
    assert first.started <= ended.ended <= ways.all["slurmrestd"].told[-1].taken_at
    slurm.wait(job, "RUNNING")
    runs = await ways.runs()
    assert runs[f"{job}/0"].state is State.REQUEUED
    assert runs[f"{job}/1"].state is State.RUNNING
    assert runs[f"{job}/1"].started >= runs[f"{job}/0"].ended - 1


async def test_a_suspended_job_keeps_its_gpus(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1")
    slurm.wait(job, "RUNNING")
    await ways.runs()
    slurm.command("scontrol", "suspend", job)
    run = await ways.run(job)
    assert (run.state, run.gpus) == (State.SUSPENDED, 1)
    assert run.suspended_since >= run.started
    slurm.command("scontrol", "resume", job)
    run = await ways.run(job)
    assert (run.state, run.suspended_since) == (State.RUNNING, None)


async def test_a_job_on_a_failed_node_ends_with_it(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1", "--no-requeue", "--nodelist=gpu02")
    slurm.wait(job, "RUNNING")
    await ways.runs()
    slurm.stop_node("gpu02")
    try:
        run = await ways.until(job, State.NODE_FAIL)
        assert (run.nodes, run.gpus) == (("gpu02",), 1)
    finally:
        slurm.start_node("gpu02")


async def test_where_slurmctld_is_down_nothing_ends(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1")
    slurm.wait(job, "RUNNING")
    await ways.runs()
    with slurm.controller_down():
        for each in ways.all.values():
            before = len(each.told)
            with pytest.raises(CollectError):
                await each.source.collect("jobs")
            assert len(each.told) == before
    assert (await ways.run(job)).state is State.RUNNING
    assert by_id(ways.all["text"].told[-1].runs)[job].ended is None


async def test_without_slurmdbd_no_comment_can_be_written(slurm, ways):
    job = slurm.submit("--gres=gpu:h100:1", script="exit 0")
    run = await ways.until(job, State.COMPLETED)
    with pytest.raises(NotSupported, match="without slurmdbd"):
        await write(ways.all["text"].source.way, run, JobEnergy(joules=1, error_joules=0, gpu_joules=1))


async def test_without_divided_gpus_numbers_are_minor_numbers_or_places_in_pci_order():
    with slurm_cluster(nodes=1, gpus=4) as slurm:
        job = slurm.submit("--gres=gpu:2")
        slurm.wait(job, "RUNNING")
        for order, expected in (("minor", (GpuHold(minor=0), GpuHold(minor=1))), ("pci", (GpuHold(index=0), GpuHold(index=1)))):
            asked = Asked(Rest(url=slurm.rest_url, timeout_seconds=20), order=order, names={"gpu01": "n1"})
            run = (await asked.runs())[job]
            assert (run.nodes, run.placements[0].gpus) == (("n1",), expected)
            await asked.source.close()
