"""`wattstat core` as a site runs it and a thousand BMCs: simulated iDRACs over TLS, each answer 0.2 s late.

Every tier at its default interval: power every 10 s, thermals, supplies, GPUs and health every 60 s, the inventory every 900 s.
Two lines: while everything is read for the first time, and afterwards.
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
from collections.abc import Callable, Iterator
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
    """What was seen of core during some time; ages are those of power."""

    seconds: float
    cpu_share: float
    oldest_seconds: float
    usual_age_seconds: float
    collections: int
    failed: int


def run() -> list[Row]:
    """Measure one core, from its start."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as folder, _simulator(Path(folder)):
        gets = asyncio.run(_requests(Path(folder)))
        with _core(Path(folder)) as (process, url):
            _wait(process, lambda: _is_read(url, "fast"), START_SECONDS)
            first = _watch(process, url, until=lambda: _is_read(url, "medium") and _is_read(url, "slow"), limit=START_SECONDS)
            steady = _watch(process, url, until=lambda: False, limit=WINDOW_SECONDS)
            resident = _resident_mib(process.pid)
    steadily = BMCS * (gets["fast"] / 10 + gets["medium"] / 60 + gets["slow"] / 900)
    beginning = BMCS * (gets["fast"] * first.seconds / 10 + gets["medium"] + gets["slow"]) / first.seconds
    return [
        _row(
            steady,
            f"{BMCS:,} BMCs, all tiers",
            steadily,
            "at most 0.6 of a core, none older than 15 s",
            f"; {resident:.0f} MiB",
        ),
        _row(first, f"{BMCS:,} BMCs, while all is read for the first time ({first.seconds:.0f} s)", beginning, "", ""),
    ]


def _row(seen: Seen, what: str, gets_a_second: float, reach: str, more: str) -> Row:
    note = (
        f"TLS, answers {LATENCY_SECONDS:g} s late, {gets_a_second:.0f} GETs a second; {seen.collections} readings of power in "
        f"{seen.seconds:.0f} s, usual age {seen.usual_age_seconds:.1f} s; the simulator on the same machine{more}"
    )
    return Row(
        what=what,
        measured=f"{seen.cpu_share:.2f} of a core, oldest power {seen.oldest_seconds:.1f} s, {seen.failed} failed",
        peer=f"synchronous client: {gets_a_second * 1.0e-3:.2f} of a core for requests alone (1.0 ms each, measured earlier)",
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


def _watch(process: subprocess.Popen[bytes], url: str, *, until: Callable[[], bool], limit: float) -> Seen:
    """Look every 5 s until something is so, or the limit is reached."""
    failed, cpu, start = _failures(url), _cpu_seconds(process.pid), time.monotonic()
    oldest, ages, seen = 0.0, [], set[tuple[str, float]]()
    while (elapsed := time.monotonic() - start) < limit and not (elapsed and until()):
        time.sleep(5)
        items = [item for item in _collectors(url) if item["tier"] == "fast"]
        seen.update((item["target"], item["last_success"]) for item in items)
        found = [time.time() - (item["last_success"] or 0) for item in items]
        oldest = max(oldest, *found)
        ages.append(statistics.median(found))
    elapsed = time.monotonic() - start
    return Seen(
        seconds=elapsed,
        cpu_share=(_cpu_seconds(process.pid) - cpu) / elapsed,
        oldest_seconds=oldest,
        usual_age_seconds=statistics.median(ages),
        collections=len(seen) - BMCS,
        failed=_failures(url) - failed,
    )


@contextmanager
def _simulator(folder: Path) -> Iterator[None]:
    command = ["-m", "simulator", "--dir", str(folder), "--nodes", str(BMCS), "--bmc-only", "--latency", str(LATENCY_SECONDS)]
    with _process([sys.executable, *command]) as process:
        _wait(process, (folder / "ready").exists, START_SECONDS)
        yield


@contextmanager
def _core(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    file = folder / "wattstat.yaml"
    command = [sys.executable, "-m", "wattstat", "core", "--config", str(file)]
    with _process(command) as process:
        yield process, f"http://{config.load(file).core.listen}"


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} was not ready within {seconds:g} s")
        time.sleep(1)


def _is_read(url: str, tier: str) -> bool:
    """Whether the tier of every BMC was read once."""
    try:
        items = [item for item in _collectors(url) if item["tier"] == tier]
    except OSError:
        return False  # not up yet
    return len(items) == BMCS and all(item["success"] is not None for item in items)


def _collectors(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/live/collectors", timeout=30) as answer:
        items: list[dict[str, Any]] = json.load(answer)["items"]
    return items


def _failures(url: str) -> int:
    """Collections that failed so far."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return round(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("wattstat_collector_errors_total{")))


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5): fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
