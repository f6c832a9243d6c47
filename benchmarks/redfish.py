"""1,000 BMCs read by one process over TLS: the processor it takes and the age of the oldest reading.

The BMCs are a recorded PowerEdge R750 behind HTTPS, each answer 0.2 s late, in processes of their own. Every source has its own
session and its own connection, as in production. The fast tier runs every 10 s (one request), the medium tier every 40 s (eight
requests): three requests for each BMC every 10 s. The frame schedules, the hall takes the samples.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.table import Row
from collectors.frame.runner import Runner
from collectors.redfish import RedfishSource, sources
from tests.support.certificates import Authority
from tests.support.redfish_replay import PASSWORD, USER, Replay, recorded, serving
from tests.support.samples import ROOT
from wattstat.config import Config
from wattstat.hall import Hall
from wattstat.inventory import Inventory

BMCS, SERVERS = int(os.environ.get("WATTSTAT_BENCH_BMCS", "1000")), 2
LATENCY_SECONDS = 0.2
LONGEST_START_SECONDS, SETTLING_SECONDS, MEASURED_SECONDS = 180.0, 30.0, 60.0
SET = ROOT / "redfish-samples" / "dell-r750-h100-idrac9-6.00.30.00"


START = f"{BMCS:,} times login, discovery and the first collection of each tier"


def run() -> list[Row]:
    """Measure; without the recorded samples there is nothing to serve."""
    if not SET.exists():
        return [
            Row(what=f"{BMCS:,} BMCs in one process", measured="not measured", peer="", reach="", note=f"no samples at {SET}")
        ]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        (directory / "password").write_text(PASSWORD, encoding="utf-8")
        certificate = Authority(directory).server("bmc")
        for number in range(SERVERS):
            command = (sys.executable, "-m", "benchmarks.redfish", str(directory / f"url{number}"), str(certificate))
            stack.enter_context(_running(command))
        urls = [_url(directory / f"url{number}") for number in range(SERVERS)]
        return asyncio.run(_measure(directory, urls))


async def _measure(directory: Path, urls: list[str]) -> list[Row]:
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # it tells each run that it skips while all start at once
    hall = Hall(clock=time.time)
    runner = Runner(hall, concurrency=256, per_host=2)
    watched = _sources(directory, urls)
    requests = [0]
    for source in watched:
        _count(source, requests)
    runner.start()
    begun = time.process_time()
    for source in watched:
        await runner.add(source)
    await _all_read(runner)
    started = time.process_time() - begun
    await asyncio.sleep(SETTLING_SECONDS)
    requests[0], cpu, wall, oldest = 0, time.process_time(), time.monotonic(), 0.0
    while time.monotonic() - wall < MEASURED_SECONDS:
        await asyncio.sleep(1)
        oldest = max(oldest, *_ages(runner))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    failing = sum(status.success is not True for status, _ in runner.statuses())
    samples = len(hall.snapshot())
    await runner.stop()
    note = f"{requests[0] / wall:.0f} requests/s over TLS, {LATENCY_SECONDS:g} s each; {samples:,} samples; {failing} failing"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = f"{BMCS:,} BMCs in one process"
    return [
        Row(what=f"{what}: processor", measured=f"{cpu / wall:.2f} of a core", peer="", reach="0.6 of a core", note=note),
        Row(what=f"{what}: oldest power reading", measured=f"{oldest:.1f} s", peer="", reach="15 s"),
        Row(what=f"{what}: resident memory", measured=f"{memory:.0f} MiB", peer="", reach=""),
        Row(what=f"{what}: start", measured=f"{started:.0f} s of processor", peer="", reach="", note=START),
    ]


async def _all_read(runner: Runner) -> None:
    """Until every BMC was read once, or for so long: what did not come by then counts as failing."""
    begun = time.monotonic()
    while time.monotonic() - begun < LONGEST_START_SECONDS:
        if all(status.last_success is not None for status, _ in runner.statuses()):
            return
        await asyncio.sleep(1)


def _sources(directory: Path, urls: list[str]) -> list[RedfishSource]:
    entry = {"username": USER, "password_file": directory / "password"}
    redfish = {"fast_seconds": 10, "medium_seconds": 40}
    config = Config.model_validate({"credentials": {"bmc": entry}, "collectors": {"redfish": redfish}})
    tls = {"ca_file": directory / "ca.pem"}
    nodes = [{"name": f"node{n}", "bmc": {"url": urls[n % len(urls)], "tls": tls}} for n in range(BMCS)]
    made = [each for each in sources(config, Inventory.model_validate({"nodes": nodes})) if isinstance(each, RedfishSource)]
    for source in made:
        source.tiers = source.tiers[:2]  # the slow tier comes every quarter of an hour, outside this window
    return made


def _count(source: RedfishSource, requests: list[int]) -> None:
    session = source._bmc.session  # noqa: SLF001 - the benchmark counts what goes over the wire
    get = session.get

    async def counted(path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        requests[0] += 1
        return await get(path)

    session.get = counted  # type: ignore[method-assign]


def _ages(runner: Runner) -> list[float]:
    now = time.time()
    return [now - (status.last_success or now) for status, _ in runner.statuses() if status.tier == "fast"]


class _running:  # noqa: N801 - reads as a verb
    """A process from entry to exit."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def _url(path: Path) -> str:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text(encoding="utf-8")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service did not write {path}")
        time.sleep(0.1)
    return path.read_text(encoding="utf-8")


async def _serve(url: Path, certificate: Path) -> None:
    replay = Replay(documents=recorded(SET), session_limit=10**9, latency_seconds=LATENCY_SECONDS, rendered={})
    async with serving(replay, certificate):
        url.write_text(replay.url, encoding="utf-8")  # noqa: ASYNC240 - once, before anybody asks
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
