"""`wattstat agent` beside nvitop-exporter: 8 H100 SXM behind the same simulated NVML, both collecting once a second."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.table import Row
from simulator.nvml import H100_SXM, Process, StateFile, build, environment, gpus_of

GPUS = 8
QUIET_SECONDS = 30
SCRAPES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one exporter cost. CPU is a share of one core, collecting and scraped once a second."""

    series: int
    p50_milliseconds: float
    p99_milliseconds: float
    resident_mib: float
    cpu_ratio: float


def run() -> list[Row]:
    """Measure both, one after the other."""
    with tempfile.TemporaryDirectory() as folder, node_of(Path(folder)) as variables:
        ours = _measure(agent_of(Path(folder)), variables)
        peer = _measure(_nvitop(), variables) if importlib.util.find_spec("nvitop_exporter") else None
    note = f"{GPUS} H100 SXM, the same simulated NVML, {ours.series} series"
    beside = f"nvitop-exporter, {peer.series} series" if peer else "nvitop-exporter is not installed"
    return [
        Row(
            what="agent: scrape p99 (p50)",
            measured=f"{ours.p99_milliseconds:.1f} ms ({ours.p50_milliseconds:.1f})",
            peer=f"{peer.p99_milliseconds:.1f} ms ({peer.p50_milliseconds:.1f})" if peer else "-",
            reach="20 ms",
            note=f"{note}; beside {beside}; {SCRAPES} scrapes",
        ),
        Row(
            what="agent: resident memory",
            measured=f"{ours.resident_mib:.0f} MiB",
            peer=f"{peer.resident_mib:.0f} MiB" if peer else "-",
            reach="80 MiB",
            note=note,
        ),
        Row(
            what="agent: CPU at 1 Hz",
            measured=f"{ours.cpu_ratio:.2%} of a core",
            peer=f"{peer.cpu_ratio:.2%}" if peer else "-",
            reach="1 %",
            note=f"{note}; {QUIET_SECONDS} s, one scrape a second",
        ),
    ]


@contextmanager
def node_of(folder: Path) -> Iterator[dict[str, str]]:
    """A node whose readings change five times a second."""
    path = folder / "node.nvml"
    stop = threading.Event()
    with StateFile.create(path, gpus_of(H100_SXM, GPUS, "bench")) as state:
        for gpu in range(GPUS):
            state.set_processes(gpu, [Process(pid=os.getpid(), memory_bytes=60 << 30, sm=90)])
        writer = threading.Thread(target=_move, args=(state, stop))
        writer.start()
        try:
            yield dict(os.environ) | environment(build(), path)
        finally:
            stop.set()
            writer.join()


def _move(state: StateFile, stop: threading.Event) -> None:
    step = 0
    while not stop.wait(0.2):
        step += 1
        with state.update():
            state.columns["power_average_mw"][:] = 600_000 + step % 50 * 1000
            state.columns["power_instant_mw"][:] = 590_000 + step % 70 * 1000
            state.columns["energy_mj"][:] += 120_000
            state.columns["utilization_gpu"][:] = 80 + step % 20
            state.columns["temperature"][:] = 55 + step % 9
            state.columns["gpm_percent"][:, 1:14] = 40 + step % 30
            state.columns["gpm_percent"][:, [20, 21, 60, 61]] = 1000.0
            state.columns["nvlink_tx_kib"][:] += 1 << 20
            state.advance_gpm(0.2)


def agent_of(folder: Path, **settings: str) -> tuple[list[str], int]:
    """The command of an agent, and its port."""
    port = _free_port()
    config = folder / "wattstat.yaml"
    config.write_text(json.dumps({"agent": {"listen": f"127.0.0.1:{port}", "node": "bench", **settings}}))
    return [sys.executable, "-m", "wattstat", "agent", "--config", str(config)], port


def _nvitop() -> tuple[list[str], int]:
    port = _free_port()
    return [sys.executable, "-m", "nvitop_exporter", "--bind-address", "127.0.0.1", "--port", str(port)], port


@contextmanager
def serving(command: list[str], port: int, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """An exporter that has shown its first GPU."""
    process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _measure(program: tuple[list[str], int], variables: dict[str, str]) -> Figures:
    command, port = program
    with serving(command, port, variables) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        begin, before = time.monotonic(), _cpu_seconds(process.pid)
        while time.monotonic() - begin < QUIET_SECONDS:
            _scrape(connection)
            time.sleep(1)
        cpu = (_cpu_seconds(process.pid) - before) / (time.monotonic() - begin)
        took = []
        for _ in range(SCRAPES):
            started = time.perf_counter()
            body = _scrape(connection)
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(0.02)
        cuts = quantiles(took, n=100)
        return Figures(
            series=sum(not line.startswith(b"#") for line in body.splitlines()),
            p50_milliseconds=cuts[49],
            p99_milliseconds=cuts[98],
            resident_mib=_resident_mib(process.pid),
            cpu_ratio=cpu,
        )


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Until both families of slow and fast readings are there, so that the first start is not measured."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        try:
            if b"utilization" in _scrape(http.client.HTTPConnection("127.0.0.1", port, timeout=10)):
                time.sleep(8)
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{process.args} shows no GPU within 60 s")


def _scrape(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/metrics")
    return connection.getresponse().read()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
