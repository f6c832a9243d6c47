"""Who was active on a GPU that several share, as the journal has it."""

import pytest

from simulator.nvml import H100_SXM, L40, MigInstance, Process
from tests.support.agent_node import served
from tests.support.nvml import node

SLURM = "/system.slice/slurmstepd.scope/job_{}/step_0/user/task_0"


@pytest.fixture
def board(tmp_path, monkeypatch):
    with node(tmp_path / "n1.nvml", monkeypatch, H100_SXM, 2) as state:
        yield state


@pytest.fixture
async def gpus(board, tmp_path):
    async with served(board, tmp_path, proc=tmp_path / "proc") as found:
        found.proc = tmp_path / "proc"
        await found.read()
        yield found


def run_on(gpus, gpu, busy):
    """Let processes of jobs run on a GPU: percent by job."""
    for job in busy:
        folder = gpus.proc / str(1000 + job)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup").write_text("0::" + SLURM.format(job))
    now = round(gpus.clock.now * 1e6)
    gpus.state.set_processes(
        gpu, [Process(pid=1000 + job, memory_bytes=1, sm=percent, time_us=now) for job, percent in busy.items()]
    )


async def work(gpus, seconds, busy, gpu=0):
    """Seconds in which jobs are so busy on a GPU."""
    for _ in range(seconds):
        run_on(gpus, gpu, busy)
        gpus.state.columns["processes"]["time_us"][gpu, :] = round((gpus.clock.now + 1) * 1e6)
        gpus.state.columns["utilization_gpu"][gpu] = min(sum(busy.values()), 100)
        await gpus.work(1)


async def shares(gpus, gpu=0):
    read = await gpus.journal()
    uuid = read["gpus"][gpu]["uuid"]
    return {each["holder"]: each["seconds"] for each in read["shares"] if each["uuid"] == uuid}


async def grown(gpus, seconds, busy, gpu=0):
    """What holders' columns grew by over a time."""
    before = await shares(gpus, gpu)
    await work(gpus, seconds, busy, gpu)
    after = await shares(gpus, gpu)
    return {holder: values[-1] - (before.get(holder, [0.0])[-1] or 0.0) for holder, values in after.items() if values[-1]}


async def test_time_sliced_jobs_have_the_driver_s_utilization_of_their_processes(gpus):
    run_on(gpus, 0, {1: 60, 2: 20})
    await gpus.read("medium")
    await gpus.work(2)
    assert await grown(gpus, 10, {1: 60, 2: 20}) == pytest.approx({"job:1": 6, "job:2": 2})


async def test_a_job_that_is_alone_has_all_that_the_gpu_does(gpus):
    run_on(gpus, 0, {1: 90})
    await gpus.read("medium")
    await gpus.work(2)
    assert await grown(gpus, 10, {1: 90}) == pytest.approx({"job:1": 9})


async def test_processes_are_asked_for_only_where_several_jobs_are_on_the_gpu(gpus, board):
    run_on(gpus, 0, {1: 90})
    run_on(gpus, 1, {2: 50, 3: 10})
    await gpus.read("medium")
    board.fail(0, "nvmlDeviceGetProcessUtilization", 999)
    board.fail(1, "nvmlDeviceGetProcessUtilization", 999)
    collected = await gpus.nvml.collect("fast")
    assert list(collected.errors) == ["gpu1 GetProcessUtilization"]


async def test_an_idle_process_has_a_share_of_nothing(gpus):
    run_on(gpus, 0, {1: 60, 2: 0})
    await gpus.read("medium")
    await gpus.work(2)
    await work(gpus, 10, {1: 60, 2: 0})
    assert (await shares(gpus))["job:2"][-1] == 0


async def test_what_the_driver_does_not_tell_is_no_share_of_nothing(gpus, board):
    board.fail(0, "nvmlDeviceGetProcessUtilization", 4)
    run_on(gpus, 0, {1: 60, 2: 20})
    await gpus.read("medium")
    await work(gpus, 5, {1: 60, 2: 20})
    assert await shares(gpus) == {}


async def test_a_job_that_the_prolog_told_of_is_there_before_its_first_process(gpus):
    for job in (1, 2):
        body = {"edge": "start", "scheduler": "slurm", "job_id": job, "gpus": ["0"]}
        assert (await gpus.post("/boundary", body))[0] == 200
    run_on(gpus, 0, {1: 80})
    await gpus.read("medium")
    await work(gpus, 5, {1: 80})
    found = await shares(gpus)
    assert (found["job:1"][-1], found["job:2"][-1]) == (pytest.approx(4), 0)
    await gpus.post("/boundary", {"edge": "end", "scheduler": "slurm", "job_id": 2, "gpus": ["0"]})
    await work(gpus, 2, {1: 80})
    assert (await shares(gpus))["job:2"][-1] is None


def instance(uuid, number, slices=3):
    return MigInstance(
        uuid=uuid,
        gpu_instance=number,
        compute_instance=0,
        memory_bytes=40 << 30,
        used_bytes=0,
        sm_count=60,
        gpu_slices=slices,
        compute_slices=slices,
    )


async def cut(gpus, *instances):
    gpus.state.set_mig(0, list(instances))
    await gpus.read("medium")
    await gpus.read()


async def test_mig_instances_have_their_own_activity_each_second(gpus, board):
    await cut(gpus, instance("MIG-a", 1), instance("MIG-b", 2, slices=4))
    board.columns["mig"]["gpm_percent"][0, :2, 2] = [80, 10]
    await gpus.work(10)
    before = await shares(gpus)
    await gpus.work(10)
    after = await shares(gpus)
    assert after["mig:1:0"][-1] - before["mig:1:0"][-1] == pytest.approx(8)
    assert after["mig:2:0"][-1] - before["mig:2:0"][-1] == pytest.approx(1)
    described = (await gpus.journal())["gpus"][0]
    assert described["slices"] == {"mig:1:0": 3, "mig:2:0": 4}


async def test_gpus_that_are_cut_anew_have_other_holders(gpus, board):
    await cut(gpus, instance("MIG-a", 1))
    board.columns["mig"]["gpm_percent"][0, 0, 2] = 50
    await gpus.work(5)
    await cut(gpus, instance("MIG-c", 1, slices=2), instance("MIG-d", 5))
    await gpus.work(5)
    described = (await gpus.journal())["gpus"][0]
    assert described["mig_uuids"] == {"mig:1:0": "MIG-c", "mig:5:0": "MIG-d"}
    found = await shares(gpus)
    assert all(later >= earlier for earlier, later in zip(found["mig:1:0"][2:], found["mig:1:0"][3:], strict=False))
    gpus.state.set_mig(0, None)
    await gpus.read("medium")
    await gpus.work(2)
    assert (await gpus.journal())["gpus"][0]["slices"] == {}
    assert (await shares(gpus))["mig:5:0"][-1] is None


async def test_boards_without_gpm_have_no_activity_of_instances(tmp_path, monkeypatch):
    with node(tmp_path / "n2.nvml", monkeypatch, L40, 1) as state:
        async with served(state, tmp_path, proc=tmp_path / "proc") as gpus:
            await gpus.read()
            await gpus.work(3)
            read = await gpus.journal()
    assert read["shares"] == []
    assert read["counts"]["sm_active_seconds"][-1] == [None]
    assert read["counts"]["busy_seconds"][-1] == [0]
