"""Switches by SNMP: one of 64 ports beside Debian's snmp_exporter, and 200 of them every 30 s.

Both ask the same responder (this repository's, in a process of its own), which shows all columns of ifTable and ifXTable, as
switches do. snmp_exporter walks its module if_mib with its default of 25 repetitions; Debian ships it without a configuration,
so one with that module is written here. `BENCH_SWITCHES` and `BENCH_SNMP_SECONDS` set other numbers than 200 and 120.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import yaml

from benchmarks.table import Row
from collectors.frame.runner import Runner
from collectors.switches import SwitchSource, sources
from simulator.snmp import Responder, Table, Value, counter32, counter64, gauge32, identifier, integer, octets, ticks
from wattstat.config import Config
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall
from wattstat.inventory import Inventory

PORTS = 64
SWITCHES = int(os.environ.get("BENCH_SWITCHES", "200"))
SECONDS = float(os.environ.get("BENCH_SNMP_SECONDS", "120"))
WALKS = 60
COMMUNITY = "public"
_EXPORTER = "prometheus-snmp-exporter"
_TICKS = os.sysconf("SC_CLK_TCK")
_IF, _IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What one walk of a switch took; CPU of who asks, not of the agent."""

    seconds: float
    cpu_seconds: float
    requests: float
    series: int


def run() -> list[Row]:
    """Measure both, then many switches."""
    with tempfile.TemporaryDirectory() as folder:
        with _agents(1) as agents:
            ours = asyncio.run(_ours(Path(folder), agents))
            peer = _peer(Path(folder), agents)
        with _agents(SWITCHES) as agents:
            polled, scraped = asyncio.run(_many(Path(folder), agents))
    return [_beside(ours, peer), polled, scraped]


class Agents:
    """Responders in another process, and how many requests they had since they were asked the last time."""

    def __init__(self, pipe: Connection, ports: list[int]) -> None:
        self.ports = ports
        self._pipe = pipe

    def requests(self) -> int:
        """Since the last call."""
        self._pipe.send("requests")
        told: int = self._pipe.recv()
        return told


@contextmanager
def _agents(count: int) -> Iterator[Agents]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, count), daemon=True)
    process.start()
    try:
        yield Agents(ours, ours.recv())
    finally:
        ours.send("end")
        process.join(10)
        process.terminate()


def _serve(pipe: Connection, count: int) -> None:
    asyncio.run(_serving(pipe, count))


async def _serving(pipe: Connection, count: int) -> None:
    table = Table.of(switch(PORTS))
    responders = [Responder(lambda: table, community=COMMUNITY) for _ in range(count)]
    for responder in responders:
        await responder.start("127.0.0.1")
    pipe.send([responder.port for responder in responders])
    told = 0
    while await asyncio.to_thread(pipe.recv) == "requests":
        total = sum(responder.requests for responder in responders)
        pipe.send(total - told)
        told = total


def switch(ports: int) -> dict[str, Value]:
    """All columns of the tables of interfaces, with counters as long as busy ports have them."""
    shown = {
        "1.3.6.1.2.1.1.1.0": octets("Dell EMC Networking OS10 Enterprise."),
        "1.3.6.1.2.1.1.2.0": identifier("1.3.6.1.4.1.674.11000.5000.100.2.1.33"),
        "1.3.6.1.2.1.1.3.0": ticks(8_640_000),
        "1.3.6.1.2.1.2.1.0": integer(ports),
    }
    for port in range(1, ports + 1):
        name = octets(f"ethernet1/1/{port}")
        small = {column: counter32(4e9 + port) for column in (*range(10, 21),)}
        flags = {3: 6, 4: 9216, 7: 1, 8: 1}
        rows = {
            _IF: {1: integer(port), 2: name, **{column: integer(flag) for column, flag in flags.items()}, **small}
            | {5: gauge32(2**32 - 1), 6: octets(bytes(6)), 9: ticks(10), 21: gauge32(0), 22: identifier("0.0")},
            _IFX: {1: name, **{column: counter32(1e9 + port) for column in range(2, 6)}, 14: integer(1), 15: gauge32(400_000)}
            | {column: counter64(9e15 + port) for column in range(6, 14)}
            | {16: integer(2), 17: integer(1), 18: octets(f"gpu-{port}"), 19: ticks(0)},
        }
        shown |= {f"{table}.{column}.{port}": value for table, row in rows.items() for column, value in row.items()}
    return shown


def _sources(folder: Path, ports: list[int]) -> list[SwitchSource]:
    secret = folder / "community"
    secret.write_text(COMMUNITY)
    config = Config.model_validate({"credentials": {"snmp": {"password_file": secret}}})
    switches = [{"name": f"leaf-{number}", "snmp": {"address": f"127.0.0.1:{port}"}} for number, port in enumerate(ports)]
    return [
        source
        for source in sources(config, Inventory.model_validate({"switches": switches}))
        if isinstance(source, SwitchSource)
    ]


async def _ours(folder: Path, agents: Agents) -> Walk:
    """Read, parsed, posted, and written as text: what a scrape of the exporter does."""
    (source,) = _sources(folder, agents.ports)
    hall, exposition = Hall(clock=time.time), Exposition()
    await source.collect("ports")
    agents.requests()
    times, cpu = [], time.process_time()
    for _ in range(WALKS):
        start = time.perf_counter()
        found = (await source.collect("ports")).samples
        key = BlockKey(source.collector, source.target, "ports")
        hall.post(Block(key=key, samples=tuple(found), taken_at=time.time(), interval_seconds=30))
        exposition.render(hall.snapshot())
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / WALKS
    await source.close()
    return Walk(seconds=statistics.median(times), cpu_seconds=cpu, requests=agents.requests() / WALKS, series=len(found))


def _peer(folder: Path, agents: Agents) -> Walk:
    file = folder / "snmp.yml"
    file.write_text(yaml.safe_dump({"if_mib": _module()}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    command = [_EXPORTER, f"--config.file={file}", f"--web.listen-address={listen}"]
    url = f"http://{listen}/snmp?target=127.0.0.1:{agents.ports[0]}&module=if_mib"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until(lambda: _fetched(f"http://{listen}/metrics"), seconds=20)
            _scrape(url)
            agents.requests()
            times, cpu = [], _cpu_seconds(process.pid)
            for _ in range(WALKS):
                start = time.perf_counter()
                page = _scrape(url)
                times.append(time.perf_counter() - start)
            cpu = (_cpu_seconds(process.pid) - cpu) / WALKS
        finally:
            process.terminate()
    series = sum(1 for line in page.splitlines() if line.startswith("if"))
    return Walk(seconds=statistics.median(times), cpu_seconds=cpu, requests=agents.requests() / WALKS, series=series)


def _module() -> dict[str, object]:
    """The module if_mib as snmp_exporter's generator makes it: both tables whole, names looked up by ifIndex."""
    lookups = [
        {"labels": ["ifIndex"], "labelname": name, "oid": oid, "type": "DisplayString"}
        for name, oid in (("ifAlias", f"{_IFX}.18"), ("ifDescr", f"{_IF}.2"), ("ifName", f"{_IFX}.1"))
    ]
    kinds = dict.fromkeys((3, 4, 5, 7, 8, 9, 21), "gauge") | dict.fromkeys((*range(10, 15), *range(16, 21)), "counter")
    more = dict.fromkeys((14, 15, 16, 17, 19), "gauge") | dict.fromkeys(range(2, 14), "counter")
    columns = [(f"ifTable{column}", f"{_IF}.{column}", kind) for column, kind in kinds.items()]
    columns += [(f"ifXTable{column}", f"{_IFX}.{column}", kind) for column, kind in more.items()]
    indexes = [{"labelname": "ifIndex", "type": "gauge"}]
    return {
        "walk": ["1.3.6.1.2.1.2", "1.3.6.1.2.1.31.1.1"],
        "get": ["1.3.6.1.2.1.1.3.0"],
        "metrics": [
            {"name": name, "oid": oid, "type": kind, "help": name, "indexes": indexes, "lookups": lookups}
            for name, oid, kind in columns
        ],
        "version": 2,
        "auth": {"community": COMMUNITY},
    }


async def _many(folder: Path, agents: Agents) -> tuple[Row, Row]:
    """The frame with all switches, after everything was read for the first time."""
    hall, exposition = Hall(clock=time.time), Exposition()
    runner = Runner(hall, concurrency=64, per_host=4)
    for source in _sources(folder, agents.ports):
        await runner.add(source)
    runner.start()
    await asyncio.sleep(60)
    agents.requests()
    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(SECONDS)
    elapsed, used = time.perf_counter() - start, time.process_time() - cpu
    requests, series = agents.requests() / elapsed, len(hall.snapshot())
    oldest = max(time.time() - block.taken_at for block in hall.snapshot().blocks if block.key.part == "ports")
    cpu = time.process_time()
    exposition.render(hall.snapshot())
    await asyncio.sleep(0)
    first = time.process_time() - cpu
    await asyncio.sleep(30)
    cpu = time.process_time()
    exposition.render(hall.snapshot())
    again = time.process_time() - cpu
    await runner.stop()
    what = f"{SWITCHES} switches of {PORTS} ports by SNMP, ports every 30 s"
    return (
        Row(
            what=what,
            measured=f"{used / elapsed:.3f} of a core",
            peer="-",
            reach="a quarter of a core",
            note=f"with the frame and the hall; {series:,} series, {requests:.0f} requests a second, oldest ports"
            f" {oldest:.0f} s; seen for {elapsed:.0f} s",
        ),
        Row(
            what=f"{what}: their exposition",
            measured=f"{again * 1000:.0f} ms of CPU",
            peer="-",
            reach="-",
            note=f"when every port's reading is new; the first one {first * 1000:.0f} ms",
        ),
    )


def _beside(ours: Walk, peer: Walk) -> Row:
    return Row(
        what=f"a switch of {PORTS} ports by SNMP: time / CPU / requests",
        measured=f"{ours.seconds * 1000:.1f} ms / {ours.cpu_seconds * 1000:.1f} ms / {ours.requests:.0f}",
        peer=f"snmp_exporter {peer.seconds * 1000:.1f} ms / {peer.cpu_seconds * 1000:.1f} ms / {peer.requests:.0f}",
        reach="at least as fast, half the requests",
        note=f"the same responder; {ours.series} series ({peer.series} of the exporter); {peer.seconds / ours.seconds:.1f}"
        f" times faster, {ours.requests / peer.requests:.2f} of the requests; median of {WALKS}",
    )


def _scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        page: str = answer.read().decode()
    return page


def _fetched(url: str) -> bool:
    try:
        _scrape(url)
    except urllib.error.URLError:
        return False
    return True


def _until(is_so: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"{_EXPORTER} was not ready within {seconds:g} s")
        time.sleep(0.1)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
