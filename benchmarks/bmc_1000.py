"""One core process and a thousand BMCs: simulated iDRACs over TLS, each answer 0.2 s late, power read every 10 s.

Two cases: power alone (the fast tier, after the first full reading), and every tier at its default interval.
`BENCH_BMCS` sets another number than 1,000; the simulator runs on the same machine and takes its share of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.table import Row
from collectors import redfish
from collectors.frame import Source
from wattstat import config, inventory
from wattstat.inventory import Inventory

BMCS = int(os.environ.get("BENCH_BMCS", "1000"))
LATENCY_SECONDS = 0.2
WINDOW_SECONDS = 120
START_SECONDS = 900
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of core during the window."""

    cpu_share: float
    resident_mib: float
    oldest_seconds: float
    usual_age_seconds: float
    collections: int
    failed: int
    first_round_seconds: float


def run() -> list[Row]:
    """Measure both cases, each with a core of its own."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as folder, _simulator(Path(folder)):
        gets = asyncio.run(_requests(Path(folder)))
        power = _case(Path(folder), {"WATTSTAT_COLLECTORS__REDFISH__MEDIUM_SECONDS": "86400"})
        everything = _case(Path(folder), {})
    synchronous = {"power": gets["fast"] / 10, "everything": gets["fast"] / 10 + gets["medium"] / 60 + gets["slow"] / 900}
    reach = "at most 0.6 of a core, none older than 15 s"
    return [
        _row(power, f"{BMCS:,} BMCs, power every 10 s", synchronous["power"], reach=reach),
        _row(everything, f"{BMCS:,} BMCs, every tier (10 s, 60 s, 900 s)", synchronous["everything"], reach=reach),
    ]


def _row(seen: Seen, what: str, gets_a_second: float, *, reach: str) -> Row:
    note = (
        f"TLS, answers {LATENCY_SECONDS:g} s late, {gets_a_second * BMCS:.0f} GETs a second; {seen.collections} collections of "
        f"power in {WINDOW_SECONDS} s, usual age {seen.usual_age_seconds:.1f} s, {seen.resident_mib:.0f} MiB; "
        f"first full round {seen.first_round_seconds:.0f} s"
    )
    return Row(
        what=what,
        measured=f"{seen.cpu_share:.2f} of a core, oldest {seen.oldest_seconds:.1f} s, {seen.failed} failed",
        peer=f"synchronous client: {gets_a_second * BMCS * 1.0e-3:.2f} of a core for the requests alone (1.0 ms each)",
        reach=reach,
        note=note,
    )


async def _requests(folder: Path) -> dict[str, float]:
    """How many requests a collection of each tier takes, on average over a few of the servers."""
    settings = config.load(folder / "wattstat.yaml")
    stock = inventory.load(settings.inventory.file)
    some = redfish.sources(settings, Inventory(nodes=stock.nodes[:: max(1, len(stock.nodes) // 8)]))
    counted: Counter[str] = Counter()
    tier = ContextVar("tier", default="")
    original = aiohttp.ClientSession._request  # noqa: SLF001 - every request passes here

    async def counting(self: aiohttp.ClientSession, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        counted[tier.get()] += 1
        return await original(self, *arguments, **options)

    async def count(source: Source[Any]) -> None:
        for name in ("slow", "slow", "medium", "fast"):
            tier.set(name if counted.get(f"{source.target} found") else "discovery")
            await source.collect(name)
            counted[f"{source.target} found"] = 1
        tier.set("close")
        await source.close()

    aiohttp.ClientSession._request = counting  # type: ignore[method-assign]  # noqa: SLF001
    try:
        await asyncio.gather(*map(count, some))
    finally:
        aiohttp.ClientSession._request = original  # type: ignore[method-assign]  # noqa: SLF001
    return {name: counted[name] / len(some) for name in ("fast", "medium", "slow")}


def _case(folder: Path, environment: Mapping[str, str]) -> Seen:
    begin = time.monotonic()
    with _core(folder, environment) as (process, url):
        _wait(process, lambda: _all_read(url), START_SECONDS)
        first_round = time.monotonic() - begin
        before, cpu = _counts(url), _cpu_seconds(process.pid)
        oldest, ages, seen = 0.0, [], set[tuple[str, float]]()
        start = time.monotonic()
        while time.monotonic() - start < WINDOW_SECONDS:
            time.sleep(5)
            items = [item for item in _collectors(url) if item["tier"] == "fast"]
            seen.update((item["target"], item["last_success"]) for item in items)
            found = [_age(item) for item in items]
            oldest = max(oldest, *found)
            ages.append(statistics.median(found))
        elapsed = time.monotonic() - start
        after = _counts(url)
        return Seen(
            cpu_share=(_cpu_seconds(process.pid) - cpu) / elapsed,
            resident_mib=_resident_mib(process.pid),
            oldest_seconds=oldest,
            usual_age_seconds=statistics.median(ages),
            collections=len(seen) - BMCS,
            failed=after - before,
            first_round_seconds=first_round,
        )


@contextmanager
def _simulator(folder: Path) -> Iterator[None]:
    command = ["-m", "simulator", "--dir", str(folder), "--nodes", str(BMCS), "--bmc-only", "--latency", str(LATENCY_SECONDS)]
    with _process([sys.executable, *command], {}) as process:
        _wait(process, (folder / "ready").exists, START_SECONDS)
        yield


@contextmanager
def _core(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    file = folder / "wattstat.yaml"
    command = [sys.executable, "-m", "wattstat", "core", "--config", str(file)]
    with _process(command, environment) as process:
        yield process, f"http://{config.load(file).core.listen}"


@contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], is_so: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} was not ready within {seconds:g} s")
        time.sleep(1)


def _all_read(url: str) -> bool:
    """Whether every tier of every BMC was read once."""
    try:
        items = _collectors(url)
    except OSError:
        return False  # not up yet
    return len({item["target"] for item in items}) == BMCS and all(item["success"] is not None for item in items)


def _collectors(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/live/collectors", timeout=30) as answer:
        items: list[dict[str, Any]] = json.load(answer)["items"]
    return items


def _counts(url: str) -> int:
    """Collections that failed so far."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return round(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("wattstat_collector_errors_total{")))


def _age(item: Mapping[str, Any]) -> float:
    return time.time() - (item["last_success"] or 0)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5): fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
