"""A kubelet's word goes through the agent and core's hall, meets the API server's, and comes out as a run."""

import pytest
from aiohttp import web

from collectors import agent as agents
from collectors import kubernetes
from collectors.frame.runner import Runner
from collectors.frame.source import Tier
from collectors.kubelet.source import KubeletSource
from tests.support.kubelet import allocatable, kubelet, pods
from tests.support.kubernetes_api import TOKEN, ApiServer, node, pod
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.inventory import Agent as AgentEntry
from wattstat.inventory import Inventory, Node
from wattstat.jobs import GpuHold, Hold, Placement
from wattstat.serve.agent import Agent
from wattstat.serve.agent_http import application

GPU = "GPU-11111111-aaaa-bbbb-cccc-000000000001"


async def served(app):
    """A running server and its address."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def agent_url(tmp_path):
    """An agent that has asked a kubelet once."""
    agent = Agent.build(Config.model_validate({"agent": {"node": "gpu001"}}))
    source = KubeletSource(target="gpu001", socket=tmp_path / "kubelet.sock", tiers=(Tier("fast", 60.0, 50.0),))
    held = pods(("team-a", "train", "main", "nvidia.com/gpu.shared", [f"{GPU}::2"]))
    with kubelet(source.socket, held, allocatable("nvidia.com/gpu.shared", [f"{GPU}::{n}" for n in range(4)])):
        await agent.runner.add(source)
        await agent.runner.collect_now("kubelet", "gpu001", "fast")
    assert [status.error for status, _ in agent.runner.statuses() if status.error] == []
    runner, url = await served(application(agent))
    yield url
    await runner.cleanup()
    await agent.runner.stop()


@pytest.fixture
async def api_url():
    api = ApiServer(lists={"/api/v1/nodes": [node("gpu001")], "/api/v1/pods": [pod("train")]})
    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    runner, url = await served(app)
    yield url
    await runner.cleanup()


async def test_a_pod_on_a_time_slice_is_a_run_with_a_quarter_of_the_gpu(agent_url, api_url, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    config = Config.model_validate(
        {
            "credentials": {"k8s": {"password_file": str(tmp_path / "token")}},
            "schedulers": {"kubernetes": [{"url": api_url, "credentials": "k8s"}]},
        }
    )
    inventory = Inventory(nodes=(Node(name="gpu001", agent=AgentEntry(url=agent_url)),))
    hall, told = Hall(clock=lambda: 1000.0), []
    core = Runner(hall, concurrency=4, per_host=4, clock=lambda: 1000.0)
    for source in (
        *agents.sources(config, inventory),
        *kubernetes.sources(config, inventory, sink=told.append, hall=hall.snapshot),
    ):
        await core.add(source)
    await core.collect_now("agent", "gpu001", "fast")
    await core.collect_now("kubernetes", "kubernetes", "fast")
    failures = [status.error for status, _ in core.statuses() if status.error]
    await core.stop()

    assert failures == []
    (run,) = told[0].runs
    assert (run.key.job_id, run.user, run.account) == ("team-a/train", "train", "team-a")
    hold = GpuHold(uuid=GPU, hold=Hold.TIME_SLICED, fraction=0.25)
    assert run.placements == (Placement(node="gpu001", gpus=(hold,), cpus=8, memory_bytes=32 * 1024**3),)
