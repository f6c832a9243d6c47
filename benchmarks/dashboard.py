"""Overview with 400 GPUs: the server's time for a refresh, and the browser's until it can be used."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import statistics
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI

from benchmarks.table import Row
from dashboard.app import create
from dashboard.components import rackmap
from dashboard.markup import filled
from dashboard.pages.overview import key_figures, notices, problem_list
from dashboard.problems import problems
from dashboard.services import Services
from dashboard.timerange import View
from wattstat.api.live import CollectorState, LiveSnapshot, parse_hall
from wattstat.catalogue import Metric, Samples, gpu, node
from wattstat.store import Answer, Series

NODES, GPUS = 50, 8
REFRESHES = 40
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
# When the browser first shows numbers, cells and what is wrong, in milliseconds since the navigation began.
_USABLE = """new MutationObserver(() => {
  if (!window.usable && document.querySelector('.figure .number') && document.querySelector('.cell .text')
      && document.querySelector('#wrong .all-well, #wrong li')) window.usable = performance.now();
}).observe(document, {subtree: true, childList: true});"""


class Hall:
    """Core's answers for 50 servers with 8 GPUs each, made once: what is measured is ours and not the maker of the data."""

    def __init__(self) -> None:
        families: dict[str, Any] = {}
        for sample in [sample for number in range(NODES) for sample in _samples(f"gpu-{number:03d}")]:
            family = families.setdefault(sample.metric.name, {"labels": list(sample.metric.labels), "samples": []})
            family["samples"].append([list(sample.labels), sample.value, 2.0])
        self._families = json.dumps(families)

    async def hall(self, metrics: Sequence[Metric] = (), node: str | None = None) -> LiveSnapshot:
        """Parsed anew at each call, as an answer of core is."""
        return parse_hall({"taken_at": time.time(), "metrics": json.loads(self._families)})

    async def inventory(self) -> dict[str, Any]:
        racks = [{"name": f"r{number:02d}"} for number in range((NODES + 3) // 4)]
        nodes = [
            {"name": f"gpu-{i:03d}", "rack": f"r{i // 4:02d}", "unit": 1 + 7 * (i % 4), "height": 6, "gpus": GPUS}
            for i in range(NODES)
        ]
        return {"site": {"budget_watts": 500_000}, "racks": racks, "nodes": nodes}

    async def collectors(self) -> list[CollectorState]:
        return []


class Store:
    """A flat history."""

    async def query(self, expression: str, at: float | None = None) -> Answer:
        return Answer(kind="vector", series=())

    async def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        return Answer(kind="matrix", series=(Series(labels={}, times=times, values=[3e5] * len(times)),))


def _samples(name: str) -> Samples:
    found = Samples()
    found.add(node.NODE_POWER_WATTS, 6000, name, "system")
    found.add(node.NODE_POWER_ON, 1, name)
    for index in range(GPUS):
        labels = (name, str(index), f"{name}-{index}")
        found.add(gpu.GPU_POWER_WATTS, 550 + index, *labels, "1s", "gpu")
        found.add(gpu.GPU_POWER_LIMIT_WATTS, 700, *labels, "enforced")
        found.add(gpu.GPU_UTILIZATION_RATIO, 0.9, *labels)
        found.add(gpu.GPU_TEMPERATURE_CELSIUS, 60, *labels, "gpu")
        found.add(gpu.GPU_TEMPERATURE_MARGIN_CELSIUS, 27, *labels)
        found.add(gpu.GPU_MEMORY_USED_BYTES, 6e10, *labels)
        found.add(gpu.GPU_MEMORY_TOTAL_BYTES, 8e10, *labels)
        for reason in ("idle", "sw_power_cap", "hw_slowdown", "hw_thermal"):
            found.add(gpu.GPU_THROTTLE_ACTIVE, 0, *labels, reason)
    return found


async def refresh_seconds() -> list[float]:
    """What one refresh costs the server, from core's answer to the JSON for the browser."""
    found: list[float] = []
    for _ in range(REFRESHES):
        services = Services(Store(), Hall(), time.time)  # type: ignore[arg-type]
        await services.inventory()
        begun = time.perf_counter()
        hall = await services.hall()
        wrong = await services.dated(problems(hall))
        fill = filled({
            "notice": notices(hall, View()),
            "figures": key_figures(hall, 1e9),
            "wrong": problem_list(wrong, time.time(), await services.zone(), ""),
        })  # fmt: skip
        json.dumps([fill, rackmap.payload(hall, wrong)])
        found.append(time.perf_counter() - begun)
    return found


async def usable_seconds(chromium: str) -> list[float]:
    """Until a fresh browser shows numbers, map and list; then the same with a warm cache."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only where Chromium is

    web = FastAPI()
    create(web, Store(), Hall())  # type: ignore[arg-type]
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(web, log_level="warning", timeout_graceful_shutdown=1))
        serving = asyncio.ensure_future(server.serve(sockets=[bound]))
        found: list[float] = []
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=list(_QUIET))
            context = await browser.new_context(viewport={"width": 1920, "height": 1080})
            for _ in range(4):
                page = await context.new_page()
                await page.add_init_script(_USABLE)
                await page.goto(f"http://127.0.0.1:{bound.getsockname()[1]}/?refresh=off")
                await page.wait_for_function("window.usable", timeout=60_000)
                found.append(await page.evaluate("window.usable") / 1000)
                await page.close()
            await browser.close()
        server.should_exit = True
        await serving
    return found


def run() -> list[Row]:
    """The rows of the benchmark table."""
    refreshes = asyncio.run(refresh_seconds())
    rows = [
        Row(
            what=f"dashboard: refresh of Overview, {NODES * GPUS} GPUs, server time p50 / worst of {REFRESHES}",
            measured=f"{statistics.median(refreshes) * 1000:.0f} / {max(refreshes) * 1000:.0f} ms",
            peer="-",
            reach="300 ms",
            note="from core's JSON to the browser's JSON; nothing shared with another viewer",
        )
    ]
    chromium = shutil.which("chromium")
    if chromium:
        cold, *warm = asyncio.run(usable_seconds(chromium))
        rows.append(
            Row(
                what=f"dashboard: Overview usable, {NODES * GPUS} GPUs, cold / warm browser",
                measured=f"{cold:.2f} / {min(warm):.2f} s",
                peer="-",
                reach="1.5 s",
                note="numbers, map and list on the screen; Chromium, server and browser on the same cores",
            )
        )
    return rows
