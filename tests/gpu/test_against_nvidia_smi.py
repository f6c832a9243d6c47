"""The agent on a real GPU says what nvidia-smi says."""

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.gpu

QUERY = (
    "uuid",
    "name",
    "pci.bus_id",
    "driver_version",
    "memory.total",
    "power.limit",
    "power.min_limit",
    "power.max_limit",
    "power.default_limit",
    "power.draw.instant",
    "temperature.gpu",
    "clocks.max.sm",
    "clocks.sm",
)


@pytest.fixture(scope="module")
def smi():
    """nvidia-smi's answers by UUID; members that the board does not have are left out."""
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip().splitlines()
    rows = [dict(zip(QUERY, map(str.strip, line.split(",")), strict=True)) for line in lines]
    return {row["uuid"]: {name: value for name, value in row.items() if not value.startswith("[")} for row in rows}


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """A running agent's samples, (name, labels) to value, as they are now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path_factory.mktemp("agent") / "wattstat.yaml"
    config.write_text(f'agent: {{listen: "127.0.0.1:{port}", node: n1}}\n')
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-m", "wattstat", "agent", "--config", str(config)], env=environment)

    def read():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        families = text_string_to_metric_families(connection.getresponse().read().decode())
        return [sample for family in families for sample in family.samples]

    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if any(sample.name == "wattstat_gpu_info" for sample in read()):
                break
        except OSError:
            time.sleep(0.2)
    yield read
    process.terminate()
    assert process.wait(15) == 0


def value(samples, name, uuid, **labels):
    found = [
        sample.value
        for sample in samples
        if sample.name == f"wattstat_{name}" and {"uuid": uuid, **labels}.items() <= sample.labels.items()
    ]
    assert len(found) == 1, f"{name} {labels}: {found}"
    return found[0]


def test_the_same_gpus_are_seen(smi, agent):
    infos = {s.labels["uuid"]: s.labels for s in agent() if s.name == "wattstat_gpu_info"}
    assert infos.keys() == smi.keys()
    for uuid, row in smi.items():
        assert infos[uuid]["model"] == row["name"]
        assert infos[uuid]["pci_bus_id"].lower() == row["pci.bus_id"].lower()
        assert infos[uuid]["driver"] == row["driver_version"]


def test_limits_memory_and_maxima_are_equal(smi, agent):
    samples = agent()
    for uuid, row in smi.items():
        assert value(samples, "gpu_memory_total_bytes", uuid) / 1024**2 == pytest.approx(float(row["memory.total"]), abs=1)
        assert value(samples, "gpu_clock_max_hertz", uuid, domain="sm") / 1e6 == float(row["clocks.max.sm"])
        for kind, name in {"requested": "limit", "min": "min_limit", "max": "max_limit", "default": "default_limit"}.items():
            if f"power.{name}" in row:
                limit = value(samples, "gpu_power_limit_watts", uuid, kind=kind)
                assert limit == pytest.approx(float(row[f"power.{name}"]), abs=0.01)


def test_power_and_temperature_are_near(smi, agent):
    samples = agent()
    for uuid, row in smi.items():
        watts = value(samples, "gpu_power_watts", uuid, window="instant", scope="gpu")
        assert watts == pytest.approx(float(row["power.draw.instant"]), abs=60, rel=0.3)
        assert value(samples, "gpu_temperature_celsius", uuid, sensor="gpu") == pytest.approx(
            float(row["temperature.gpu"]), abs=8
        )


def test_the_energy_counter_moves_as_the_power_says(smi, agent):
    def energies():
        return {s.labels["uuid"]: s.value for s in agent() if s.name == "wattstat_gpu_energy_joules_total"}

    before, begin = energies(), time.monotonic()
    while time.monotonic() - begin < 12:
        time.sleep(0.5)
    after, seconds = energies(), time.monotonic() - begin
    samples = agent()
    for uuid in smi:
        mean = (after[uuid] - before[uuid]) / seconds
        assert mean == pytest.approx(value(samples, "gpu_power_watts", uuid, window="1s", scope="gpu"), rel=0.5, abs=30)


def test_no_resource_of_a_healthy_gpu_fails(agent):
    failing = [s.labels["resource"] for s in agent() if s.name == "wattstat_collector_resource_errors_total"]
    assert failing == []
