"""A made-up hall for the dashboard's tests: core's live answers built from catalogue metrics, and a store of smooth curves.

Nothing here is a model of a machine; it only has the shape and the size of the real answers, and a few things wrong on purpose.
`python -m fixture_hall [NODES] [PORT]` in this folder serves the dashboard on it, to look at a page while working on it.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wattstat.api.live import CollectorState, CoreUnavailable, LiveSnapshot, parse_hall
from wattstat.catalogue import Metric, Samples, gpu, job, node
from wattstat.inventory import Inventory
from wattstat.store.protocol import Answer, QueryError, Series

NOW = 1_790_000_000.0
# model: GPUs, height, GPU model, watts a GPU, watts of the rest
MODELS = {
    "XE9680": (8, 6, "NVIDIA H100 80GB HBM3", 700.0, 2100.0),
    "XE8640": (4, 4, "NVIDIA H100 80GB HBM3", 700.0, 1300.0),
    "R760xa": (4, 2, "NVIDIA L40", 300.0, 620.0),
    "R660": (0, 1, "", 0.0, 380.0),
}
MIX = ("XE9680",) * 8 + ("XE8640",) * 2 + ("R760xa",) * 4 + ("R660",) * 2
ILLS = {("gpu-03", 5): "hot", ("gpu-01", 2): "lost", ("gpu-09", 0): "xid", ("gpu-04", 7): "capped"}


def inventory(nodes: int = 16, *, budget_watts: float | None = 90_000, mix: Sequence[str] = MIX) -> Inventory:
    """Racks of four servers; the mix of the reference design."""
    models = [mix[i % len(mix)] for i in range(nodes)]
    racks = math.ceil(nodes / 4)
    free: dict[int, int] = defaultdict(lambda: 3)
    entries: list[dict[str, Any]] = []
    for i, model in enumerate(models):
        gpus, height, gpu_model, _, _ = MODELS[model]
        rack = i % racks
        name = f"gpu-{i + 1:02d}" if gpus else f"mgmt-{i + 1:02d}"
        entries.append(
            {"name": name, "model": f"PowerEdge {model}", "rack": f"R{rack + 1:02d}", "unit": free[rack], "height": height,
             "gpus": gpus, "gpu_model": gpu_model}
        )  # fmt: skip
        free[rack] += height + 1
    rack_list = [{"name": f"R{i + 1:02d}", "row": "A", "units": 42, "budget_watts": 34_000} for i in range(racks)]
    site = {"name": "test", "timezone": "Europe/Berlin", "budget_watts": budget_watts}
    return Inventory.model_validate({"site": site, "racks": rack_list, "nodes": entries})


@dataclass
class FakeLive:
    """Answers like `wattstat.api.live.Live`. `down` makes core silent, `blind` are servers that nobody can read."""

    hall_inventory: Inventory = field(default_factory=inventory)
    clock: Any = lambda: NOW
    down: bool = False
    well: bool = False
    blind: tuple[str, ...] = ("gpu-06",)
    asked: int = 0

    async def hall(self, metrics: Sequence[Metric] = (), node: str | None = None) -> LiveSnapshot:
        self._answer()
        names = {metric.name for metric in metrics}
        families: dict[str, Any] = {}
        for entry in self.hall_inventory.nodes:
            if entry.name in self.unread or (node is not None and entry.name != node):
                continue
            for sample in self.samples(entry):
                if not names or sample.metric.name in names:
                    family = families.setdefault(sample.metric.name, {"labels": list(sample.metric.labels), "samples": []})
                    family["samples"].append([list(sample.labels), sample.value, 1.5 + len(sample.metric.name) % 7])
        for sample in job_samples(self.clock()):
            if (not names or sample.metric.name in names) and (node is None or node in sample.labels):
                family = families.setdefault(sample.metric.name, {"labels": list(sample.metric.labels), "samples": []})
                family["samples"].append([list(sample.labels), sample.value, 2.0])
        return parse_hall({"taken_at": self.clock(), "metrics": families})

    async def inventory(self) -> dict[str, Any]:
        self._answer()
        return self.hall_inventory.model_dump(mode="json")

    async def collectors(self) -> list[CollectorState]:
        self._answer()
        return [
            self._collector(name, entry.name, failing=entry.name in self.unread)
            for entry in self.hall_inventory.nodes
            for name in (("redfish", "agent") if entry.gpus else ("redfish",))
        ]

    @property
    def unread(self) -> tuple[str, ...]:
        return () if self.well else self.blind

    def _answer(self) -> None:
        self.asked += 1
        if self.down:
            raise CoreUnavailable("core at http://127.0.0.1:9838 does not answer (refused); is `wattstat serve` running?")

    def _collector(self, name: str, target: str, *, failing: bool) -> CollectorState:
        now = self.clock()
        return CollectorState(
            collector=name, target=target, tier="fast", every_seconds=10, success=not failing, supported=True,
            duration_seconds=0.12, last_success=now - (900 if failing else 3), failing_since=now - 880 if failing else None,
            error="connection refused" if failing else "", resource_errors={}, samples=0 if failing else 120,
            circuit_open_until=None,
        )  # fmt: skip

    def samples(self, entry: Any) -> Samples:
        at = self.clock()
        found = Samples()
        gpus, _, gpu_model, limit, rest = MODELS[entry.model.split()[1]]
        seed = sum(entry.name.encode())
        gpu_total = 0.0
        for index in range(gpus):
            busy = _busy(seed + index, at)
            watts = limit * (0.16 + 0.82 * busy)
            gpu_total += watts
            ill = "" if self.well else ILLS.get((entry.name, index), "")
            add_gpu(found, entry.name, index, model=gpu_model, watts=watts, limit=limit, busy=busy, ill=ill)
        ill_node = not self.well and entry.name == "gpu-02"
        add_node(found, entry, watts=rest + gpu_total * 1.06, rest=rest, is_ill=ill_node)
        return found


def _busy(seed: int, at: float) -> float:
    slow = 0.5 + 0.5 * math.sin(at / 7000 + seed % 5)
    return min(1.0, max(0.0, 0.25 + 0.7 * slow + 0.05 * math.sin(at / 5 + seed * 1.7)))


def add_gpu(found: Samples, name: str, index: int, *, model: str, watts: float, limit: float, busy: float, ill: str) -> None:
    labels = (name, str(index), f"GPU-{sum(name.encode()):08x}-{index:04x}")
    found.add(gpu.GPU_LOST, ill == "lost", *labels)
    if ill == "lost":
        return
    celsius = 34 + 38 * busy if ill != "hot" else 84.0
    identity = (model, f"165{index:03d}", f"0000:{index + 16:02x}:00.0", str(index), str(index), "hopper", "96.00", "570.86")
    found.add(gpu.GPU_INFO, 1, *labels, *identity)
    found.add(gpu.GPU_POWER_WATTS, watts, *labels, "1s", "gpu")
    found.add(gpu.GPU_POWER_LIMIT_WATTS, limit if ill != "capped" else limit * 0.8, *labels, "enforced")
    found.add(gpu.GPU_POWER_LIMIT_WATTS, limit, *labels, "default")
    found.add(gpu.GPU_UTILIZATION_RATIO, busy, *labels)
    found.add(gpu.GPU_SM_ACTIVE_RATIO, busy * 0.8, *labels)
    found.add(gpu.GPU_TENSOR_ACTIVE_RATIO, busy * 0.45, *labels)
    found.add(gpu.GPU_MEMORY_USED_BYTES, (4 + 70 * busy) * 2**30, *labels)
    found.add(gpu.GPU_MEMORY_TOTAL_BYTES, 80 * 2**30, *labels)
    found.add(gpu.GPU_TEMPERATURE_CELSIUS, celsius, *labels, "gpu")
    found.add(gpu.GPU_TEMPERATURE_CELSIUS, celsius + 9, *labels, "memory")
    found.add(gpu.GPU_TEMPERATURE_MARGIN_CELSIUS, 87 - celsius, *labels)
    found.add(gpu.GPU_CLOCK_HERTZ, (1980 - 400 * busy) * 1e6, *labels, "sm")
    found.add(gpu.GPU_CLOCK_MAX_HERTZ, 1980e6, *labels, "sm")
    found.add(gpu.GPU_THROTTLE_ACTIVE, busy > 0.9, *labels, "sw_power_cap")
    found.add(gpu.GPU_THROTTLE_ACTIVE, ill == "hot", *labels, "hw_thermal")
    found.add(gpu.GPU_RECOVERY_ACTION, 4 if ill == "xid" else 0, *labels)
    if ill == "xid":
        found.add(gpu.GPU_XID_ERRORS_TOTAL, 2, *labels, "94")


def add_node(found: Samples, entry: Any, *, watts: float, rest: float, is_ill: bool) -> None:
    name = entry.name
    found.add(node.NODE_INFO, 1, name, entry.rack, entry.model, "SN" + name, "TAG" + name[-2:], "iDRAC9", "7.10.50", "2.1.3")
    found.add(node.NODE_POWER_WATTS, watts, name, "system")
    found.add(node.NODE_POWER_WATTS, watts + 20, name, "psu_sum")
    found.add(node.NODE_POWER_ON, 1, name)
    found.add(node.NODE_POWER_CAP_WATTS, 8600, name)
    found.add(node.NODE_POWER_CAP_ACTIVE, name.endswith("3"), name)
    found.add(node.NODE_POWER_CAP_MIN_WATTS, rest, name)
    found.add(node.NODE_POWER_CAP_MAX_WATTS, 11_000, name)
    found.add(node.NODE_HEALTH, 2 if is_ill else 0, name, "system")
    found.add(node.NODE_HEALTH, 2 if is_ill else 0, name, "psu")
    found.add(node.PSU_REDUNDANCY_OK, not is_ill, name)
    if is_ill:
        fault = "The power input for power supply 2 is lost."
        found.add(node.NODE_FAULT_INFO, 1, name, "PSU0003", "Critical", "PSU0003", fault)
    supplies = 6 if entry.height >= 4 else 2
    for number in range(1, supplies + 1):
        psu, failed = f"PSU.Slot.{number}", is_ill and number == 2
        found.add(node.PSU_HEALTH, 2 if failed else 0, name, psu)
        found.add(node.PSU_INPUT_WATTS, None if failed else watts / supplies, name, psu)
        found.add(node.PSU_OUTPUT_WATTS, None if failed else watts / supplies * 0.94, name, psu)
        found.add(node.PSU_CAPACITY_WATTS, 2800, name, psu)
    for sensor, role, celsius, limit in (
        ("System Board Inlet Temp", "inlet", 23.0, 38.0), ("System Board Exhaust Temp", "exhaust", 41.0, 70.0),
        ("CPU1 Temp", "cpu", 61.0, 92.0), ("CPU2 Temp", "cpu", 64.0, 92.0), ("DIMM A1", "memory", 52.0, 85.0),
    ):  # fmt: skip
        found.add(node.NODE_TEMPERATURE_CELSIUS, celsius, name, sensor, role)
        found.add(node.NODE_TEMPERATURE_LIMIT_CELSIUS, limit, name, sensor, "caution")
        found.add(node.NODE_TEMPERATURE_LIMIT_CELSIUS, limit + 5, name, sensor, "critical")
    for number in range(1, 7):
        found.add(node.FAN_SPEED_RPM, 9400 + 120 * number, name, f"Fan {number}A")
        found.add(node.FAN_SPEED_RATIO, 0.52 + number / 100, name, f"Fan {number}A")
        found.add(node.FAN_HEALTH, 0, name, f"Fan {number}A")
    found.add(node.NODE_USAGE_RATIO, 0.31, name, "cpu")
    found.add(node.NODE_USAGE_RATIO, 0.44, name, "memory")


def job_samples(at: float) -> Samples:
    """Two jobs that are alive: one on all of gpu-03, one on two GPUs of gpu-04."""
    found = Samples()
    for number, (server, gpus) in enumerate((("gpu-03", 8), ("gpu-04", 2))):
        job_id = str(4201 + number)
        who = ("chen", "llm", "gpu")
        found.add(job.JOB_INFO, 1, "slurm", job_id, "pretrain-34b", *who, "normal", "running")
        found.add(job.JOB_POWER_WATTS, gpus * (420 + 60 * math.sin(at / 90)), "slurm", job_id, *who)
        for index in range(gpus):
            uuid = f"GPU-{sum(server.encode()):08x}-{index:04x}"
            found.add(job.JOB_GPU_INFO, 1, "slurm", job_id, *who, server, str(index), uuid, "")
    for state, count in (("running", 20), ("suspended", 1), ("pending", 7)):
        found.add(job.SCHEDULER_JOBS, count, "slurm", state)
    return found


@dataclass
class FakeStore:
    """Answers any expression with curves; `broken` with an error, `empty` with nothing."""

    broken: bool = False
    empty: bool = False
    asked: list[str] = field(default_factory=list)

    async def query(self, expression: str, at: float | None = None) -> Answer:
        self._answer(expression)
        series = () if self.empty else (Series(labels={}, times=[at or NOW], values=[1.1e9]),)
        return Answer(kind="vector", series=series)

    async def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        self._answer(expression)
        times = [start + i * step for i in range(int((end - start) / step) + 1)]
        return Answer(kind="matrix", series=() if self.empty else tuple(curves(expression, times)))

    def _answer(self, expression: str) -> None:
        self.asked.append(expression)
        if self.broken:
            raise QueryError("the store is closed", kind="unavailable")

    async def series(self, selectors: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        return []

    async def labels(self, selectors: Sequence[str], start: float | None = None, end: float | None = None) -> list[str]:
        return []

    async def label_values(
        self, name: str, selectors: Sequence[str], start: float | None = None, end: float | None = None
    ) -> list[str]:
        return []

    async def close(self) -> None:
        pass


def curves(expression: str, times: list[float]) -> list[Series]:
    """Some curve that suits the expression: the first entry whose text stands in it."""

    def curve(level: float, swing: float, **labels: str) -> Series:
        values = [level + swing * math.sin(at / 5000) + swing * 0.1 * math.sin(at / 97) for at in times]
        return Series(labels=labels, times=times, values=values)

    def last(value: float, count: int, **labels: str) -> Series:
        return Series(labels=labels, times=times[-count:], values=[value] * count)

    if "node=~" in expression:
        return curves_by_gpu(expression, times)
    scale = 0.08 if "node=" in expression else 1.0
    sources = (("system", 6200), ("psu_sum", 6240), ("hgx", 4700))
    table: tuple[tuple[str, list[Series]], ...] = (
        ("count(", [Series(labels={}, times=times, values=[16.0] * (len(times) - 16) + [15.0] * 16)]),
        ("gpu_lost", [last(1, 42, node="gpu-01", gpu="2")]),
        ("node_health", [last(2, len(times), node="gpu-02")]),
        ("<= 5", [last(3, 12, node="gpu-03", gpu="5")]),
        ("cap_active", [curve(8600, 0)]),
        ("sum(avg_over_time(wattstat_gpu_power", [curve(38e3 * scale, 9e3 * scale)]),
        ("sum(", [curve(52e3 * scale, 9e3 * scale)]),
        ("gpu_utilization", [curve(0.6 + i / 40, 0.2, gpu=str(i)) for i in range(8)]),
        ("gpu_temperature", [curve(55 + i, 8, gpu=str(i)) for i in range(8)]),
        ("gpu_power", [curve(480 + 9 * i, 120, gpu=str(i)) for i in range(8)]),
        ("node_temperature", [curve(23, 1, role="inlet"), curve(41, 4, role="exhaust")]),
        ("node_power_watts", [curve(level, 1100, source=source) for source, level in sources]),
    )
    return next((found for text, found in table if text in expression), [])


def curves_by_gpu(expression: str, times: list[float]) -> list[Series]:
    """Of each GPU of the named servers; GPU 1 of gpu-03 is slow, the limit of the others was lowered, one had an XID."""
    found = []
    for server in re.findall(r"gpu-\d\d", expression):
        for index in range(8):
            labels = {"node": server, "gpu": str(index), "uuid": f"GPU-{sum(server.encode()):08x}-{index:04x}"}
            pace = 0.4 if (server, index) == ("gpu-03", 1) else 1.0
            busy = [pace * (0.1 if int(at / 600) % 6 == 0 else 0.86 + 0.05 * math.sin(at / 97 + index)) for at in times]
            half = len(times) // 2
            if "xid" in expression:
                if (server, index) == ("gpu-01", 2):
                    found.append(Series(labels={**labels, "xid": "94"}, times=times[half : half + 2], values=[1.0, 1.0]))
            elif "throttle" in expression:
                found.append(
                    Series(labels={**labels, "reason": "sw_power_cap"}, times=times[::9], values=[0.4] * len(times[::9]))
                )
            elif "limit" in expression:
                lowered = [700.0 if number < half or pace < 1 else 560.0 for number in range(len(times))]
                found.append(Series(labels=labels, times=times, values=lowered))
            elif "lost" not in expression and "node_power_cap" not in expression:
                scale, idle = (580.0, 90.0) if "power" in expression else (1.0, 0.0)
                found.append(Series(labels=labels, times=times, values=[idle + scale * value for value in busy]))
    return found


if __name__ == "__main__":
    import uvicorn
    from fastapi import FastAPI
    from fixture_ledger import FakeReports

    from dashboard.app import create

    count, port = ([int(argument) for argument in sys.argv[1:]] + [16, 8050][len(sys.argv) - 1 :])[:2]
    web = FastAPI()
    live = FakeLive(hall_inventory=inventory(count, budget_watts=6_000 * count), clock=time.time)
    create(web, FakeStore(), live, reports=FakeReports(at=time.time()))  # type: ignore[arg-type]
    uvicorn.run(web, host="127.0.0.1", port=port, log_level="warning")
