"""Core's HTTP calls, over a real socket, with sources that answer as told."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from collectors.frame import Fetched, Source, Tier, Unreachable
from wattstat.api.live import CoreUnavailable, Live
from wattstat.catalogue import gpu, node, own
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.settings import Exporter
from wattstat.hall import Block, BlockKey
from wattstat.inventory import Agent, Bmc, Inventory, Node
from wattstat.serve import core as core_module
from wattstat.serve.core import Core
from wattstat.serve.core_http import application

INVENTORY = Inventory(
    nodes=(
        Node(name="gpu01", rack="r1", bmc=Bmc(url="https://192.0.2.1"), agent=Agent(url="http://192.0.2.101:9837")),
        Node(name="gpu02"),
    )
)


class Meter(Source[float]):
    collector = "meter"
    tiers = (Tier("fast", every_seconds=10, timeout_seconds=1),)

    def __init__(self, target: str, watts: float | None) -> None:
        self.target, self.watts = target, watts

    async def fetch(self, tier: str) -> Fetched:
        if self.watts is None:
            raise Unreachable("switched off")
        return Fetched(documents={"watts": self.watts})

    def parse(self, tier: str, documents: Mapping[str, Any]) -> float:
        return float(documents["watts"])

    def samples(self, reading: float) -> Samples:
        out = Samples()
        out.add(node.NODE_POWER_WATTS, reading, self.target, "system")
        return out


@pytest.fixture
async def core(monkeypatch):
    meters = [Meter("gpu01", 5000), Meter("gpu02", None)]
    monkeypatch.setattr(core_module, "all_sources", lambda *_: meters)
    made = Core.build(Config(energy={"enabled": False}))
    await made.watch(INVENTORY)
    yield made
    await made.runner.stop()


@pytest.fixture
async def url(core):
    server = web.AppRunner(application(core), access_log=None)
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{server.addresses[0][1]}"
    await server.cleanup()


@pytest.fixture
async def live(url):
    client = Live(url)
    yield client
    await client.close()


async def collect_all(core):
    await asyncio.gather(*(core.runner.collect_now("meter", name, "fast") for name in ("gpu01", "gpu02")))


async def get(url, **params):
    async with aiohttp.ClientSession() as session, session.get(url, params=params) as answer:
        return answer.status, await answer.text()


async def test_metrics_show_what_was_read_and_who_fails(core, url):
    await collect_all(core)

    _, text = await get(url + "/metrics")
    samples = {
        (each.name, *each.labels.values()): each.value for f in text_string_to_metric_families(text) for each in f.samples
    }

    assert samples["wattstat_node_power_watts", "gpu01", "system"] == 5000
    assert ("wattstat_node_power_watts", "gpu02", "system") not in samples
    assert samples[own.COLLECTOR_SUCCESS.name, "meter", "gpu02", "fast"] == 0
    assert samples[own.COLLECTOR_ERRORS_TOTAL.name, "meter", "gpu02", "unreachable"] == 1


async def test_ready_only_after_every_target_was_tried(core, url):
    assert (await get(url + "/-/ready"))[0] == 503
    await collect_all(core)
    assert (await get(url + "/-/ready"))[0] == 200


async def test_the_live_hall_tells_values_with_their_age(core, live):
    await collect_all(core)

    snapshot = await live.hall([node.NODE_POWER_WATTS], node="gpu01")

    (sample,) = snapshot.find(node.NODE_POWER_WATTS)
    assert (sample.labels, sample.value) == ({"node": "gpu01", "source": "system"}, 5000)
    assert 0 <= sample.age_seconds < 5
    assert snapshot.value(node.NODE_POWER_WATTS, node="gpu02") is None


async def test_an_unknown_metric_is_named(core, url):
    status, text = await get(url + "/live/hall", metric="wattstat_nonsense")

    assert (status, "wattstat_nonsense" in text) == (400, True)


async def test_collectors_tell_why_a_target_fails(core, live):
    await collect_all(core)

    states = {state.target: state for state in await live.collectors()}

    assert (states["gpu01"].success, states["gpu01"].error) == (True, "")
    assert (states["gpu02"].success, states["gpu02"].error) == (False, "switched off")
    assert states["gpu02"].failing_since is not None


async def test_the_inventory_travels_whole(core, live):
    assert Inventory.model_validate(await live.inventory()) == INVENTORY


async def test_http_sd_lists_agents_to_scrape_and_bmcs_to_probe(core, url):
    _, text = await get(url + "/sd", role="agent")

    assert '"targets": ["192.0.2.101:9837"]' in text
    assert "https://192.0.2.1" not in text


async def test_an_unknown_role_is_refused_with_those_that_there_are(core, url):
    status, text = await get(url + "/sd", role="gpu")

    assert (status, "agent, bmc" in text) == (400, True)


async def test_dcgm_names_of_all_gpus_are_there_only_when_asked_for(core):
    out = Samples()
    out.add(gpu.GPU_INFO, 1, "gpu01", "0", "GPU-1", "H100", "1", "0000:19", "0", "1", "hopper", "96", "580")
    out.add(gpu.GPU_TEMPERATURE_CELSIUS, 61, "gpu01", "0", "GPU-1", "gpu")
    core.hall.post(Block(key=BlockKey("nvml", "gpu01", "fast"), samples=tuple(out), taken_at=core.clock(), interval_seconds=10))
    assert b"DCGM_FI" not in core.metrics()

    core.config = core.config.model_copy(update={"exporter": Exporter(dcgm_names=True)})

    assert b'DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-1"' in core.metrics()


async def test_the_bmcs_names_of_gpus_stand_beside_the_drivers_and_are_looked_up_now_and_then(core):
    now = core.clock()
    core.clock = lambda: now
    out = Samples()
    out.add(gpu.GPU_LOST, 0, "gpu01", "0", "GPU-1")
    out.add(node.NODE_GPU_INFO, 1, "gpu01", "GPU_SXM_1", "H100", "165", "1", "96")
    told = b'wattstat_gpu_bmc_info{node="gpu01",gpu="0",uuid="GPU-1",device="GPU_SXM_1"} 1'
    assert told not in core.metrics()
    core.hall.post(Block(key=BlockKey("test", "gpu01", "all"), samples=tuple(out), taken_at=now, interval_seconds=60))
    assert told not in core.metrics()

    now += core_module.LINKED_SECONDS

    assert told in core.metrics()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "target is missing"),
        ({"target": "nowhere"}, "no node of the inventory"),
        ({"target": "https://192.0.2.9", "module": "none"}, "names no credentials"),
    ],
)
async def test_a_probe_that_cannot_be_is_explained(core, url, params, says):
    status, text = await get(url + "/probe", **params)

    assert (status, says in text) == (400, True)


async def test_an_absent_core_is_said_to_be_absent():
    live = Live("http://127.0.0.1:9", timeout_seconds=2)
    with pytest.raises(CoreUnavailable, match="wattstat serve"):
        await live.inventory()
    await live.close()
