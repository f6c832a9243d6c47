"""The agent as a process and as HTTP: who may read, what they get, how it stops."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from collectors import agent as reader
from collectors.frame import Fetched, Source, Tier
from simulator.nvml import H100_SXM, StateFile, environment, gpus_of
from tests.support.nvml import library
from wattstat.catalogue import ALL, gpu
from wattstat.catalogue.metric import Samples
from wattstat.config import Agent, Config, Exporter
from wattstat.inventory import Agent as InventoryAgent
from wattstat.inventory import Inventory, Node
from wattstat.serve import agent as agent_module
from wattstat.serve.agent import beat, listen_address, read_token
from wattstat.serve.process import ListenError


@pytest.mark.parametrize("listen", ["0.0.0.0:9837", "10.1.2.3:9837", ":9837"])
def test_beyond_loopback_it_wants_a_token_or_a_written_word(listen, tmp_path):
    with pytest.raises(ListenError, match=r"agent\.token_file"):
        listen_address(Config(agent=Agent(listen=listen)))
    assert listen_address(Config(agent=Agent(listen=listen, insecure=True))).port == 9837
    assert listen_address(Config(agent=Agent(listen=listen, token_file=tmp_path / "token"))).port == 9837


def test_an_empty_or_missing_token_is_refused_and_not_taken_for_none(tmp_path):
    with pytest.raises(ListenError, match="cannot be read"):
        read_token(tmp_path / "nothing")
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ListenError, match="is empty"):
        read_token(tmp_path / "token")


class Beats(Source[None]):
    """Notes when it is collected; time passes only while it collects."""

    collector = "beats"
    target = "n1"
    tiers = (Tier("fast", 1.0, 5.0),)

    def __init__(self, takes):
        self.takes, self.now, self.at = list(takes), 100.0, []

    async def fetch(self, tier):
        self.at.append(round(self.now - 100.0, 3))
        if not self.takes:
            raise asyncio.CancelledError
        self.now += self.takes.pop(0)
        return Fetched(documents={})

    def parse(self, tier, documents):
        return None

    def samples(self, reading):
        return Samples()


async def test_beats_do_not_drift_and_missed_ones_are_left_out(monkeypatch):
    source = Beats([0.01, 0.4, 2.3, 0.02])

    async def sleep(seconds):
        source.now += seconds

    monkeypatch.setattr(agent_module.asyncio, "sleep", sleep)
    built = agent_module.Agent.build(Config())
    await built.runner.add(source)
    with pytest.raises(asyncio.CancelledError):
        await beat(built.runner, source, source.tiers[0], monotonic=lambda: source.now)
    assert source.at == [0, 1, 2, 5, 6]


@pytest.fixture
async def run_agent(tmp_path):
    """Starts `wattstat agent` in a process of its own on a free port; stops it at the end."""
    started = []

    async def start(config, state):
        config_file = tmp_path / "wattstat.yaml"
        config_file.write_text(json.dumps(config))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wattstat",
            "agent",
            "--config",
            str(config_file),
            env=os.environ | environment(library(), state) | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def answer(session, url, **headers):
    """The body once the agent is there."""
    end = time.monotonic() + 60
    while True:
        try:
            async with session.get(url, headers=headers) as response:
                return response.status, await response.text()
        except aiohttp.ClientConnectionError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.05)


async def settled(session, url, name):
    """The body once a family is in it."""
    end = time.monotonic() + 60
    while True:
        _, body = await answer(session, url)
        if name in body or time.monotonic() > end:
            return body
        await asyncio.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_real_agent_serves_metrics_and_readings_and_stops_cleanly(tmp_path, run_agent):
    port, state = free_port(), tmp_path / "n1.nvml"
    StateFile.create(state, gpus_of(H100_SXM, 2, "n1")).close()
    process = await run_agent({"agent": {"listen": f"127.0.0.1:{port}", "node": "n1", "sysfs": str(tmp_path)}}, state)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        await settled(session, url + "/metrics", "wattstat_gpu_info{")
        text = await settled(session, url + "/metrics", "wattstat_gpu_processes{")
        families = {family.name for family in text_string_to_metric_families(text)}
        assert {"wattstat_gpu_power_watts", "wattstat_gpu_energy_joules", "wattstat_build_info"} <= families
        lines = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
        assert [line for line, count in Counter(lines).items() if count > 1] == []

        document = json.loads((await answer(session, url + "/readings"))[1])
        assert document.keys() == {"taken_at", "node", "parts"}
        assert abs(document["taken_at"] - time.time()) < 10
        parts = {part["part"]: part["metrics"] for part in document["parts"]}
        assert {"nvml.fast", "nvml.medium", "frame"} <= parts.keys()
        assert not any("wattstat_build_info" in metrics for metrics in parts.values())
        assert all(f["labels"] == list(ALL[name].labels) for metrics in parts.values() for name, f in metrics.items())

    [core] = reader.sources(Config(), Inventory(nodes=(Node(name="n1", agent=InventoryAgent(url=url)),)))
    await core.open()
    collected = await core.collect("fast")
    await core.close()
    assert collected.errors == {}
    assert {
        sample.labels[1] for part in collected.parts for sample in part.samples if sample.metric is gpu.GPU_POWER_WATTS
    } == {"0", "1"}

    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_with_a_token_only_the_liveness_probe_is_open(tmp_path, run_agent):
    (tmp_path / "token").write_text("s3cret\n")
    port, state = free_port(), tmp_path / "n1.nvml"
    StateFile.create(state, gpus_of(H100_SXM, 1, "n1")).close()
    settings = {"listen": f"127.0.0.1:{port}", "token_file": str(tmp_path / "token")}
    await run_agent({"agent": settings}, state)
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        assert (await answer(session, url + "/-/healthy"))[0] == 200
        assert (await answer(session, url + "/metrics"))[0] == 401
        assert (await answer(session, url + "/readings", Authorization="Bearer wrong"))[0] == 401
        assert (await answer(session, url + "/metrics", Authorization="Bearer s3cret"))[0] == 200


async def test_dcgm_names_are_there_only_when_asked_for(tmp_path, run_agent):
    port, state = free_port(), tmp_path / "n1.nvml"
    StateFile.create(state, gpus_of(H100_SXM, 1, "n1")).close()
    exporter = Exporter(dcgm_names=True).model_dump()
    await run_agent({"agent": {"listen": f"127.0.0.1:{port}", "node": "n1"}, "exporter": exporter}, state)
    async with aiohttp.ClientSession() as session:
        text = await settled(session, f"http://127.0.0.1:{port}/metrics", "DCGM_FI_DEV_POWER_USAGE{")
    assert "wattstat_gpu_power_watts{" in text
    assert "DCGM_FI_DEV_POWER_USAGE{" in text


async def test_a_taken_port_is_told_with_what_to_do(tmp_path, run_agent):
    state = tmp_path / "n1.nvml"
    StateFile.create(state, gpus_of(H100_SXM, 1, "n1")).close()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await run_agent({"agent": {"listen": f"127.0.0.1:{port}"}}, state)
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    server.close()
    assert process.returncode == 1
    assert "is an agent running already?" in errors.decode()
    assert "Traceback" not in errors.decode()


def test_it_imports_only_what_the_base_installation_has():
    code = "import sys, wattstat.cli, wattstat.serve.agent_http; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"fastapi", "duckdb", "redfish", "dash", "numpy", "pyarrow", "promql_parser", "plotly", "uvicorn"}
