"""The whole demo: started, watched, broken and stopped."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from wattstat.serve import demo as demo_module
from wattstat.serve.demo import held_core_port

SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, data=None, method=None):
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode()


def exposition(url):
    found = {}
    with contextlib.suppress(urllib.error.URLError, TimeoutError, ConnectionError):
        for line in fetch(f"{url}/metrics").splitlines():
            if match := SERIES.match(line):
                name, labels, value = match.groups()
                found[name, frozenset(LABEL.findall(labels or ""))] = float(value)
    return found


def eventually(what, read, seconds=120):
    """Read until `what` holds of it; the demo's processes need their time."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if what(value):
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"did not come about within {seconds} s")
        time.sleep(0.5)


def of(found, name, **labels):
    return {key: value for key, value in found.items() if key[0] == name and set(labels.items()) <= key[1]}


def processes_of(directory):
    """Every process that was started with the demo's directory in its arguments or its environment."""
    mark, found = str(directory).encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != os.getpid() and (
                mark in (process / "cmdline").read_bytes() or mark in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "hall"
    port = free_port()
    command = [sys.executable, "-m", "wattstat", "demo", "--nodes", "2", "--port", str(port), "--data", str(directory)]
    with (tmp_path_factory.mktemp("log") / "demo.log").open("w+") as log:
        process = subprocess.Popen([*command, "--history-hours", "1", "--no-browser"], stdout=log, stderr=log)
        try:
            yield process, directory, f"http://127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


@pytest.fixture(scope="module")
def live(demo):
    """The exposition once GPUs of both servers and power of both controllers are there."""
    _, _, url = demo
    return eventually(
        lambda found: (
            len(of(found, "wattstat_gpu_power_watts", window="1s", scope="gpu")) == 12
            # The tiers come in any order: the sum of the supplies may be there before the server's own meter.
            and all(len(of(found, "wattstat_node_power_watts", source=each)) == 2 for each in ("system", "hgx", "psu_sum"))
            and len(of(found, "wattstat_gpu_info")) == 12
            and len(of(found, "wattstat_node_energy_joules_total", source="counter")) == 2
        ),
        lambda: exposition(url),
    )


def test_gpus_and_controllers_appear_with_believable_watts(live):
    for watts in of(live, "wattstat_gpu_power_watts", window="1s", scope="gpu").values():
        assert 50 < watts <= 712
    for watts in of(live, "wattstat_node_power_watts", source="system").values():
        assert 700 < watts < 10_500


def test_nothing_fails_in_a_healthy_hall(live):
    failing = {key: value for key, value in of(live, "wattstat_collector_success").items() if value == 0}
    assert failing == {}


def test_storage_switches_pdus_and_managers_are_read(demo, live):
    _, _, url = demo
    wanted = {
        "wattstat_storage_up": {"scratch", "projects", "objects"},
        "wattstat_switch_up": {"eth-leaf-1", "eth-leaf-2", "ib-leaf-1", "ib-leaf-2"},
        "wattstat_pdu_up": {"pdu-rack-01-a", "pdu-rack-01-b"},
        "wattstat_fabric_manager_up": {"ufm"},
        "wattstat_cluster_manager_up": {"bcm"},
    }
    for name, expected in wanted.items():
        eventually(
            lambda found, name=name, expected=expected: (
                expected
                <= {value for (family, labels), up in found.items() if family == name and up == 1 for _, value in labels}
            ),
            lambda: exposition(url),
        )


def test_slow_metadata_is_seen_in_the_latency_of_its_cluster_alone(demo, live):
    _, directory, url = demo
    control = (directory / "control-url").read_text()

    def latency(cluster):
        return max(of(exposition(url), "wattstat_storage_latency_seconds", storage=cluster).values(), default=0.0)

    eventually(lambda seconds: 0 < seconds < 0.01, lambda: latency("scratch"))
    fault = json.loads(fetch(f"{control}/faults", json.dumps({"target": "scratch", "kind": "storage_slow_metadata"}).encode()))
    eventually(lambda seconds: seconds > 0.03, lambda: latency("scratch"))
    assert latency("projects") < 0.01
    fetch(f"{control}/faults/{fault['id']}", method="DELETE")
    eventually(lambda seconds: 0 < seconds < 0.01, lambda: latency("scratch"))


def test_every_series_of_the_history_goes_on_live(demo, live):
    _, directory, url = demo
    rows = pq.read_table(directory / "history" / "series.parquet").to_pylist()
    assert len(rows) > 300
    wanted = {(row["name"], frozenset(json.loads(row["labels"]).items())) for row in rows}
    eventually(lambda missing: not missing, lambda: wanted - exposition(url).keys())


def test_energy_counters_go_on_without_a_reset(demo, live):
    _, directory, _ = demo
    rows = {row["id"]: row for row in pq.read_table(directory / "history" / "series.parquet").to_pylist()}
    samples = pq.read_table(directory / "history" / "samples.parquet")
    last = dict(zip(samples.column("id").to_pylist(), samples.column("value").to_pylist(), strict=True))
    checked = 0
    for number, value in last.items():
        row = rows[number]
        if row["name"] in ("wattstat_gpu_energy_joules_total", "wattstat_node_energy_joules_total"):
            assert live[row["name"], frozenset(json.loads(row["labels"]).items())] >= value - 3600
            checked += 1
    assert checked == 14


def test_a_fault_changes_only_its_own_rows(demo, live):
    _, directory, url = demo
    control = (directory / "control-url").read_text()
    broken, well = sorted({dict(labels)["node"] for (name, labels) in live if name == "wattstat_gpu_info"})
    body = json.dumps({"target": broken, "kind": "gpu_off_bus", "gpu": 2}).encode()
    fault = json.loads(fetch(f"{control}/faults", body))
    found = eventually(
        lambda found: list(of(found, "wattstat_gpu_lost", node=broken, gpu="2").values()) == [1.0], lambda: exposition(url)
    )
    assert not of(found, "wattstat_gpu_power_watts", node=broken, gpu="2")
    assert len(of(found, "wattstat_gpu_power_watts", node=broken, window="1s", scope="gpu")) == 3
    for name in ("wattstat_gpu_power_watts", "wattstat_node_power_watts", "wattstat_gpu_lost"):
        assert set(of(found, name, node=well)) == set(of(live, name, node=well))
    fetch(f"{control}/faults/{fault['id']}", method="DELETE")
    eventually(lambda found: of(found, "wattstat_gpu_power_watts", node=broken, gpu="2"), lambda: exposition(url))


def test_an_agent_that_is_gone_comes_back(demo, live):
    _, directory, url = demo
    control = (directory / "control-url").read_text()
    node = min(dict(labels)["node"] for (name, labels) in live if name == "wattstat_gpu_info")

    def success():
        return set(of(exposition(url), "wattstat_collector_success", collector="agent", target=node).values())

    fetch(f"{control}/faults", json.dumps({"target": node, "kind": "agent_gone"}).encode())
    eventually(lambda found: found == {0.0}, success)
    fetch(f"{control}/faults", method="DELETE")
    eventually(lambda found: found == {1.0}, success)


def test_the_truth_agrees_with_what_was_measured(demo, live):
    _, directory, url = demo
    truth = json.loads((directory / "truth.json").read_text())
    query = urllib.request.quote("increase(wattstat_gpu_energy_joules_total[30m])")
    answer = json.loads(fetch(f"{url}/api/v1/query?query={query}"))["data"]["result"]
    assert {entry["metric"]["uuid"] for entry in answer} == {uuid for node in truth["nodes"].values() for uuid in node["gpus"]}
    measured = sum(float(entry["value"][1]) for entry in answer) / 1800
    drawn = sum(node["gpu_joules"] for node in truth["nodes"].values()) / 3600
    assert measured == pytest.approx(drawn, rel=0.5)


def test_it_stops_cleanly_and_leaves_no_process(demo, live):
    process, directory, _ = demo
    assert len(processes_of(directory)) >= 6
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 0
    eventually(lambda left: left == [], lambda: processes_of(directory), seconds=20)
    truth = json.loads((directory / "truth.json").read_text())
    assert sum(node["input_joules"] for node in truth["nodes"].values()) > 1e6


def test_a_demo_that_is_killed_takes_everything_with_it(tmp_path):
    command = [sys.executable, "-m", "wattstat", "demo", "--nodes", "1", "--port", str(free_port()), "--data", str(tmp_path)]
    with (tmp_path / "demo.log").open("w+") as log:
        process = subprocess.Popen([*command, "--history-hours", "0", "--no-browser"], stdout=log, stderr=log)
        eventually(lambda text: "is live" in text, (tmp_path / "demo.log").read_text)
        eventually(lambda text: "agent runs" in text, (tmp_path / "logs" / "agent-xe9680-01.log").read_text)
        process.kill()
        process.wait(10)
    eventually(lambda left: left == [], lambda: processes_of(tmp_path), seconds=40)


def test_two_demos_that_start_together_run_side_by_side(tmp_path):
    command = [sys.executable, "-m", "wattstat", "demo", "--nodes", "1", "--history-hours", "0", "--no-browser"]
    halls = [tmp_path / name for name in ("one", "two")]
    with contextlib.ExitStack() as stack:
        for hall in halls:
            log = stack.enter_context(hall.with_suffix(".log").open("w"))
            given = ["--port", str(free_port()), "--data", str(hall)]
            process = stack.enter_context(subprocess.Popen([*command, *given], stdout=log, stderr=log))
            stack.callback(process.terminate)
        for hall in halls:
            eventually(lambda text: "is live" in text or "ended" in text, hall.with_suffix(".log").read_text)
            assert "is live" in hall.with_suffix(".log").read_text()
            eventually(lambda text: "agent runs" in text, (hall / "logs" / "agent-xe9680-01.log").read_text)
    cores = [yaml.safe_load((hall / "wattstat.yaml").read_text())["core"]["listen"] for hall in halls]
    assert cores[0] != cores[1]


def test_the_port_of_core_is_nobody_elses_until_core_takes_it(monkeypatch):
    usual = free_port()
    monkeypatch.setattr(demo_module, "USUAL_CORE_PORT", usual)
    with held_core_port(8050) as first, held_core_port(8050) as second, held_core_port(8051) as third, socket.socket() as core:
        ports = [held.getsockname()[1] for held in (first, second, third)]
        assert ports[0] == usual
        assert len(set(ports)) == 3
        core.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            core.bind(("127.0.0.1", usual))
        first.close()
        core.bind(("127.0.0.1", usual))


def test_a_taken_port_is_refused_at_once_and_clearly(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [
            sys.executable,
            "-m",
            "wattstat",
            "demo",
            "--nodes",
            "1",
            "--port",
            port,
            "--data",
            str(tmp_path),
            "--no-browser",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "another port" in done.stderr
