"""A cluster's API server, what the agents told, and a source that reads both."""

import pytest
from aiohttp import web

from collectors import kubernetes
from tests.support.kubernetes_api import TOKEN, ApiServer, node
from wattstat.catalogue import Samples
from wattstat.catalogue.job import POD_GPU_INFO
from wattstat.catalogue.own import COLLECTOR_SUCCESS
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.inventory import Inventory, Node

NOW = 1767229200.0  # 2026-01-01T01:00:00Z


class Agents:
    """What the agents of some nodes told the hall."""

    def __init__(self):
        self.samples = Samples()

    def heard(self, *nodes):
        for name in nodes:
            self.samples.add(COLLECTOR_SUCCESS, 1, "kubelet", name, "fast")

    def holds(self, pod, device="", *, node="gpu001", namespace="team-a", container="main", **labels):
        labels = {"node": node, "namespace": namespace, "pod": pod, "container": container, "device": device, **labels}
        labels.setdefault("uuid", device if device.startswith(("GPU-", "MIG-")) else "")
        self.samples.add(POD_GPU_INFO, 1, *(labels.get(name, "") for name in POD_GPU_INFO.labels))

    def snapshot(self):
        key = BlockKey("agent", "all", "fast")
        block = Block(key=key, samples=tuple(self.samples), taken_at=NOW, interval_seconds=5)
        return Snapshot(taken_at=NOW, blocks=(block,))


@pytest.fixture
def agents():
    return Agents()


@pytest.fixture
async def server():
    api = ApiServer(lists={"/api/v1/nodes": [node("gpu001"), node("gpu002.example.org")], "/api/v1/pods": []})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


@pytest.fixture
def make(server, agents, tmp_path, monkeypatch):
    """Makes a source of settings; what it tells the ledger is in its `told`."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "token").write_text(TOKEN + "\n")

    def made(**settings):
        told = []
        document = {
            "credentials": {"k8s": {"password_file": str(tmp_path / "token")}},
            "schedulers": {"kubernetes": [{"url": server.url, "credentials": "k8s", **settings}]},
        }
        inventory = Inventory(nodes=tuple(Node(name=name) for name in ("gpu001", "gpu002", "cpu001")))
        source, *_ = kubernetes.sources(
            Config.model_validate(document), inventory, sink=told.append, hall=agents.snapshot, account=tmp_path / "no"
        )
        source.clock = lambda: NOW
        source.told = told
        return source

    return made


@pytest.fixture
async def source(make):
    found = make()
    await found.open()
    yield found
    await found.close()
