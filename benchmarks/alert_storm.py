"""A storm: ten thousand alerts at once, by our own routes to a webhook, and through Alertmanager."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from alerts.delivery.alertmanager import AlertmanagerClient
from alerts.delivery.delivery import Delivery
from alerts.model import Notice
from benchmarks.table import Row
from tests.support.alertmanager import alertmanager
from tests.support.receivers import Webhook, webhook
from wattstat.config.alerts import Alertmanager, Alerts

ALERTS = 10_000
NODES, RACK = 500, 20
TICK_SECONDS = 0.005
ROUTING = """
route: {{receiver: pager, group_by: [{group_by}], group_wait: 2s, group_interval: 10s, repeat_interval: 12h}}
receivers: [{{name: pager{webhook}}}]
"""


@dataclass
class Pauses:
    """How long others on the event loop had to wait, told by somebody who wants to run every 5 ms.

    By the clock, and in CPU time of the process: on a machine that others use, too, only the second is ours.
    """

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{_high(self.cpu_seconds)} of our CPU, {_high(self.seconds)} by the clock (p99 / worst)"


def _high(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[int(len(ordered) * 0.99)] * 1000:.0f} / {ordered[-1] * 1000:.0f} ms"


def run() -> list[Row]:
    """Grouped, each alone, and beside us Alertmanager."""
    idle = asyncio.run(_idle())
    rows = [
        asyncio.run(_ours("alertname, rack", "grouped by name and rack", idle)),
        asyncio.run(_ours("'...'", "each a group of its own", idle)),
    ]
    if shutil.which("prometheus-alertmanager"):
        rows.append(asyncio.run(_through_alertmanager()))
    return rows


async def _idle() -> Pauses:
    """The same on this machine, now, when nothing is to do."""
    with tempfile.TemporaryDirectory() as name:
        async with _running(Alerts(), Path(name)) as (_, pauses):
            await asyncio.sleep(5)
    return pauses


async def _ours(group_by: str, how: str, idle: Pauses) -> Row:
    with tempfile.TemporaryDirectory() as name, webhook() as hook:
        folder = Path(name)
        os.environ["WATTSTAT_STORM"] = hook.url
        (folder / "routing.yml").write_text(ROUTING.format(group_by=group_by, webhook=""))
        receivers = {"pager": {"urls": [{"env": "WATTSTAT_STORM"}]}}
        settings = Alerts.model_validate({"receivers": receivers, "routing": str(folder / "routing.yml")})
        notices = _storm()
        fingerprints = [each.fingerprint for each in notices]
        begin, cpu = time.perf_counter(), time.process_time()
        async with _running(settings, folder) as (delivery, pauses):
            await delivery.tell(notices, time.time())
            taken = time.perf_counter() - begin
            again = time.perf_counter()
            await delivery.tell(notices, time.time())
            again = time.perf_counter() - again
            told = await _until(delivery, fingerprints)
            took = time.perf_counter() - begin
            used = time.process_time() - cpu
    return Row(
        what=f"storm of {ALERTS:,} alerts, {how}",
        measured=f"{told:,} told in {len(hook.got)} messages after {took:.1f} s; others waited {pauses}",
        peer=f"{ALERTS - told} lost; with nothing to do others waited {idle}",
        reach="none lost, at most 10 messages a minute, the pages go on",
        note=f"on disk after {taken:.1f} s, the same again in {again:.1f} s; {used:.1f} s of CPU in all; group_wait 2 s",
    )


async def _through_alertmanager() -> Row:
    with tempfile.TemporaryDirectory() as name, webhook() as hook:
        folder = Path(name)
        there = f", webhook_configs: [{{url: 'http://127.0.0.1:{hook.port}/'}}]"
        (folder / "alertmanager.yml").write_text(ROUTING.format(group_by="alertname, rack", webhook=there))
        with alertmanager(folder, folder / "alertmanager.yml") as url:
            settings = Alerts.model_validate({"alertmanagers": [{"url": url}]})
            client = AlertmanagerClient(Alertmanager(url=url), {})
            begin = time.perf_counter()
            async with _running(settings, folder) as (delivery, pauses):
                await delivery.tell(_storm(), time.time())
                known = 0
                async with asyncio.timeout(300):
                    while known < ALERTS:
                        await asyncio.sleep(0.2)
                        known = len(await client.alerts())
                there_after = time.perf_counter() - begin
                told = await _heard(hook)
            await client.close()
            took = time.perf_counter() - begin
    return Row(
        what=f"storm of {ALERTS:,} alerts, through Alertmanager",
        measured=f"Alertmanager has {known:,} after {there_after:.1f} s; others waited {pauses}",
        peer=f"Alertmanager tells {told:,} in {len(hook.got)} messages after {took:.1f} s",
        reach="none lost, the pages go on",
        note="in calls of 500 alerts; Alertmanager has no limit on messages a minute",
    )


async def _heard(hook: Webhook) -> int:
    """How many alerts a webhook of Alertmanager was told of, once that are all, or after a minute."""

    def count() -> int:
        return len({json.dumps(alert["labels"], sort_keys=True) for each in hook.got for alert in each["alerts"]})

    return await _steady(count)


async def _until(delivery: Delivery, fingerprints: Sequence[str]) -> int:
    told = 0
    async with asyncio.timeout(600):
        while told < len(fingerprints):
            await asyncio.sleep(0.2)
            status = delivery.status()
            if status.queue["pager"] == 0 and status.sent["pager"]:
                told = len(await delivery.told(fingerprints))
    return told


async def _steady(count: Callable[[], int]) -> int:
    for _ in range(300):
        if count() >= ALERTS:
            break
        await asyncio.sleep(0.2)
    return count()


@asynccontextmanager
async def _running(settings: Alerts, folder: Path) -> AsyncIterator[tuple[Delivery, Pauses]]:
    path = folder / "alerts.sqlite"
    delivery = Delivery(settings, credentials={}, path=path, clock=time.time, zone=ZoneInfo("UTC"))
    pauses, stop = Pauses(), asyncio.Event()

    async def tick() -> None:
        while not stop.is_set():
            begin, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(TICK_SECONDS)
            pauses.cpu_seconds.append(time.process_time() - cpu)
            pauses.seconds.append(max(time.perf_counter() - begin - TICK_SECONDS, 0.0))

    tasks = [asyncio.ensure_future(delivery.run(stop)), asyncio.ensure_future(tick())]
    try:
        yield delivery, pauses
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await delivery.close()


def _storm() -> list[Notice]:
    """Twenty alerts on each of five hundred servers, twenty to a rack."""
    now = time.time()
    return [_notice(number, now) for number in range(ALERTS)]


def _notice(number: int, now: float) -> Notice:
    node = number % NODES
    name = f"Alert{number // NODES:02}"
    return Notice(
        labels={
            "alertname": name, "severity": ("critical", "warning")[number // NODES % 2], "component": "gpu",
            "category": "components", "node": f"gpu-{node:03}", "gpu": "3", "rack": f"r{node // RACK:02}",
        },
        annotations={
            "summary": "A GPU reported an error that it does not recover from by itself",
            "description": f"GPU 3 of gpu-{node:03} reported XID 79, fallen off the bus. Drain it first: `scontrol update`.",
            "runbook_url": f"http://localhost:8050/runbooks/{name}",
        },
        starts_at=now,
    )  # fmt: skip
