"""Storage, switches, cables and metered racks beside the made-up hall, and a history of them; a few things wrong on purpose.

`python -m fixture_datapath [PORT]` in this folder serves the dashboard on it, to look at a page while working on it.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fixture_hall import FakeLive, inventory, job_samples

from wattstat.api.live import CollectorState, LiveSample, LiveSnapshot
from wattstat.catalogue import Samples, facility, network, storage
from wattstat.inventory import Inventory
from wattstat.inventory.devices import Link
from wattstat.store.embedded import EmbeddedStore

SLOW_SECONDS = 1500
"""For how long `scratch` has been slow."""
SPEED = 400e9
CLUSTERS = {
    # name: kind, model, nodes, size, fullness, protocols
    "scratch": ("powerscale", "F600", 4, 240e12, 0.62, ("nfs3", "smb2")),
    "projects": ("powerscale", "F900", 4, 1.6e15, 0.91, ("nfs3", "nfs4")),
    "objects": ("ecs", "EXF900", 5, 3.2e15, 0.44, ("s3",)),
}
LEAVES = {
    "ib-leaf-1": ("infiniband", "QM9700"), "ib-leaf-2": ("infiniband", "QM9700"),
    "eth-leaf-1": ("ethernet", "PowerSwitch Z9432F-ON"), "eth-leaf-2": ("ethernet", "PowerSwitch Z9432F-ON"),
}  # fmt: skip


def datapath_inventory(nodes: int = 16) -> Inventory:
    """The made-up hall with three storage clusters, four leaves and a cable for each rail."""
    plain = inventory(nodes).model_dump(mode="json")
    racks = [rack["name"] for rack in plain["racks"]]
    plain["storage"] = [
        {"name": name, "kind": kind, "model": model, "url": f"https://{name}:8080", "design_read_bytes_per_second": 40e9,
         "design_write_bytes_per_second": 8e9, "readers": ["gpu-*"] if name == "scratch" else [],
         "nodes": [{"name": f"{name}-{n + 1}", "rack": racks[n % len(racks)], "max_watts": 900} for n in range(count)]}
        for name, (kind, model, count, *_) in CLUSTERS.items()
    ]  # fmt: skip
    plain["switches"] = [
        {"name": name, "model": model, "fabric": fabric, "rack": racks[n % len(racks)], "max_watts": 1600}
        for n, (name, (fabric, model)) in enumerate(LEAVES.items())
    ]
    plain["links"] = [
        dict(zip(("node", "device", "rail", "switch", "port"), link, strict=True)) for link in links(plain["nodes"])
    ]
    return Inventory.model_validate(plain)


def links(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, str, int | None, str, str]]:
    """Rails 1 to 4 on the first InfiniBand leaf, 5 to 8 on the second; every server's eth0 on an Ethernet leaf."""
    for number, node in enumerate(nodes):
        rails = 8 if "XE9680" in node["model"] else 4 if "XE8640" in node["model"] else 0
        for rail in range(1, rails + 1):
            yield node["name"], f"mlx5_{rail - 1}", rail, f"ib-leaf-{1 + (rail > 4)}", f"{number + 1}/{(rail - 1) % 4 + 1}"
        yield node["name"], "eth0", None, f"eth-leaf-{1 + number % 2}", f"ethernet1/1/{number + 1}"


def trouble(at: float, now: float) -> float:
    """How slow `scratch` is: 1 as usual, 8 since a while ago."""
    return 8.0 if at > now - SLOW_SECONDS else 1.0


def samples(at: float, now: float, hall: Inventory) -> Samples:
    """Everything at a moment; counters count from a day before `now`."""
    found = Samples()
    for name in CLUSTERS:
        if name != "objects":  # it does not answer
            add_cluster(found, name, at, now)
    for switch in LEAVES:
        add_switch(found, switch)
    for link in hall.links:
        add_link(found, link, at - now + 86_400)
    for number, rack in enumerate(hall.racks):
        found.add(facility.RACK_POWER_WATTS, 11_200.0, rack.name, "sum")
        found.add(facility.RACK_POWER_COVERAGE_RATIO, 0.8 if number == 1 else 1.0, rack.name, "sum")
        if number < 2:
            found.add(facility.RACK_POWER_WATTS, 11_400.0 if number else 12_900.0, rack.name, "pdu")
            found.add(facility.RACK_POWER_COVERAGE_RATIO, 1.0, rack.name, "pdu")
        elif number == 2:
            found.add(facility.RACK_POWER_COVERAGE_RATIO, 0.5, rack.name, "pdu")
    return found


def add_cluster(found: Samples, name: str, at: float, now: float) -> None:
    kind, model, count, size, fullness, protocols = CLUSTERS[name]
    slow = trouble(at, now) if name == "scratch" else 1.0
    used = size * (fullness - (now - at) * (2e-8 if name == "projects" else 0))
    wave = 1 + 0.2 * math.sin(at / 700)
    found.add(storage.STORAGE_UP, 1, name)
    found.add(storage.STORAGE_INFO, 1, name, kind, model, "9.7.1.0", f"SN-{name}")
    found.add(storage.STORAGE_HEALTH, 0.5 if name == "projects" else 1, name)
    found.add(storage.STORAGE_SIZE_BYTES, size, name)
    found.add(storage.STORAGE_CAPACITY_BYTES, used, name, "used")
    found.add(storage.STORAGE_CAPACITY_BYTES, size - used, name, "free")
    for pool, share in (("hot", 0.7), ("cold", 0.3)):
        found.add(storage.STORAGE_POOL_SIZE_BYTES, size * share, name, pool)
        found.add(storage.STORAGE_POOL_CAPACITY_BYTES, used * share * 0.98, name, pool, "used")
    found.add(storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, 12e9 * wave / math.sqrt(slow), name, "read")
    found.add(storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, 6.9e9 if name == "projects" else 2e9 * wave, name, "write")
    for direction, design in (("read", 40e9), ("write", 8e9)):
        found.add(storage.STORAGE_DESIGN_BYTES_PER_SECOND, design, name, direction)
    found.add(storage.STORAGE_DRIVES, 24 * count - (name == "projects"), name, "HEALTHY")
    found.add(storage.STORAGE_DRIVES, 1 if name == "projects" else None, name, "FAILED")
    for number, protocol in enumerate(protocols):
        found.add(storage.STORAGE_OPERATIONS_PER_SECOND, 48_000 * wave / slow / (1 + number), name, protocol)
        found.add(storage.STORAGE_LATENCY_SECONDS, 0.0012 * wave * (slow if not number else 1), name, protocol)
        for state, clients in (("connected", 128.0), ("active", 64.0)):
            found.add(storage.STORAGE_CLIENTS, clients, name, protocol, state)
    if name == "projects":
        for severity, events in (("critical", 1), ("warning", 3)):
            found.add(storage.STORAGE_EVENTS_OPEN, events, name, severity)
    for kind_of_operation, share in (("namespace_read", 3.0), ("read", 1.0)):
        found.add(
            storage.STORAGE_CLASS_LATENCY_SECONDS,
            0.001 * wave * (share * slow if share > 1 else 1),
            name,
            protocols[0],
            kind_of_operation,
        )
    for number in range(count):
        add_member(found, name, number)


def add_member(found: Samples, cluster: str, number: int) -> None:
    name, is_ill = f"{cluster}-{number + 1}", cluster == "projects" and number == 1
    node = (cluster, name)
    found.add(storage.STORAGE_NODE_INFO, 1, *node, "", CLUSTERS[cluster][1], f"S{number}", "9.7.1.0")
    found.add(storage.STORAGE_NODE_UP, 1, *node)
    found.add(storage.STORAGE_NODE_HEALTH, 0.5 if is_ill else 1, *node)
    found.add(storage.STORAGE_NODE_CPU_RATIO, 0.31, *node)
    found.add(storage.STORAGE_NODE_DISK_BUSY_RATIO, 0.22, *node)
    for direction, flow in (("receive", 0.6e9), ("transmit", 3.1e9)):
        found.add(storage.STORAGE_NODE_NETWORK_BYTES_PER_SECOND, flow, *node, direction)
    for sensor, celsius in (("Inlet", 23.0), ("CPU1", 61.0)):
        found.add(storage.STORAGE_NODE_TEMPERATURE_CELSIUS, celsius, *node, sensor)
    for fan in range(1, 5):
        found.add(storage.STORAGE_NODE_FAN_SPEED_RPM, 9000 + 40 * fan, *node, f"Fan{fan}")
    for psu in ("PS1", "PS2"):
        found.add(storage.STORAGE_NODE_PSU_OK, not (is_ill and psu == "PS2"), *node, psu)
    found.add(storage.STORAGE_NODE_DRIVES, 23 if is_ill else 24, *node, "HEALTHY")
    found.add(storage.STORAGE_NODE_DRIVES, 1 if is_ill else None, *node, "FAILED")
    if cluster == "scratch":
        found.add(storage.STORAGE_NODE_POWER_WATTS, 420.0 + number, *node, "sensor")
        found.add(facility.DEVICE_POWER_WATTS, 420.0 + number, name, "storage", "sensor")


def add_switch(found: Samples, name: str) -> None:
    fabric, model = LEAVES[name]
    is_ill = name == "eth-leaf-2"
    found.add(network.SWITCH_UP, 1, name)
    found.add(network.SWITCH_INFO, 1, name, "R01", model, "os10" if fabric == "ethernet" else "mlnx-os", "10.6", f"SN-{name}")
    found.add(network.SWITCH_UPTIME_SECONDS, 4e6, name)
    found.add(network.SWITCH_CPU_RATIO, 0.12, name)
    for sensor, celsius in (("ASIC", 58.0), ("Inlet", 24.0)):
        found.add(network.SWITCH_TEMPERATURE_CELSIUS, celsius, name, sensor)
    for number in range(1, 7):
        found.add(network.SWITCH_FAN_OK, 1, name, f"Fan {number}")
    for psu in ("1", "2"):
        is_bad = is_ill and psu == "2"
        found.add(network.SWITCH_PSU_ON, 1, name, psu)
        found.add(network.SWITCH_PSU_OK, not is_bad, name, psu)
    if fabric == "ethernet":
        found.add(network.SWITCH_POWER_WATTS, 740.0, name, "psu_unknown")
        found.add(facility.DEVICE_POWER_WATTS, 740.0, name, "switch", "psu_unknown")


def add_link(found: Samples, link: Link, seconds: float) -> None:
    """A cable: gpu-03's rail 2 flaps, gpu-05's rail 6 is slow, gpu-02's rail 8 is down, gpu-04's rail 1 has bit errors."""
    node, device, rail, switch, port = link.node, link.device, link.rail, link.switch, link.port
    ill = {("gpu-03", 2): "flaps", ("gpu-05", 6): "slow", ("gpu-02", 8): "down", ("gpu-04", 1): "errors"}.get((node, rail or 0))
    speed = SPEED / 2 if ill == "slow" else SPEED if rail else 100e9
    up = ill != "down"
    found.add(network.FABRIC_LINK_INFO, 1, node, device, str(rail or ""), switch, port, "inventory")
    if rail:
        found.add(network.FABRIC_LINK_INFO, 1, node, device, str(rail), switch, port, "ufm")
    where = (switch, port)
    found.add(network.SWITCH_PORT_UP, up, *where)
    found.add(network.SWITCH_PORT_ON, 1, *where)
    found.add(network.SWITCH_PORT_SPEED_BITS_PER_SECOND, speed if up else None, *where)
    for number, direction in enumerate(("receive", "transmit"), start=1):
        flow = 11e9 * number if up else 0
        found.add(network.SWITCH_PORT_BYTES_TOTAL, flow * seconds, *where, direction)
        found.add(network.SWITCH_PORT_ERRORS_TOTAL, 0.02 * seconds if ill == "errors" else 0, *where, direction)
    if not rail:
        found.add(
            network.SWITCH_PORT_PFC_FRAMES_TOTAL, 40 * seconds if node in {"gpu-01", "gpu-07"} else 0, *where, "receive", "3"
        )
        found.add(network.SWITCH_PORT_ECN_PACKETS_TOTAL, 9 * seconds if node == "gpu-07" else 0, *where)
        return
    found.add(network.SWITCH_PORT_SYMBOL_ERRORS_TOTAL, (2.5 if ill in {"errors", "flaps"} else 0) * seconds, *where)
    found.add(network.SWITCH_PORT_LINK_FAULTS_TOTAL, seconds // 1800 if ill == "flaps" else 1, *where, "down")
    found.add(network.SWITCH_PORT_BIT_ERROR_RATIO, 3e-11 if ill == "errors" else 1e-16, *where, "effective")
    found.add(network.SWITCH_TRANSCEIVER_POWER_DBM, -31 if ill == "down" else -1.2, *where, "1", "receive")
    of_server = (node, device, "1")
    found.add(network.INFINIBAND_PORT_ACTIVE, up, *of_server)
    found.add(network.INFINIBAND_PORT_RATE_BITS_PER_SECOND, speed if up else None, *of_server)
    found.add(network.INFINIBAND_PORT_ERRORS_TOTAL, 1.5 * seconds if ill == "errors" else 0, *of_server, "symbol")
    found.add(network.INFINIBAND_PORT_ERRORS_TOTAL, seconds // 1800 if ill == "flaps" else 1, *of_server, "link_down")
    for number, direction in enumerate(("receive", "transmit"), start=1):
        found.add(network.INFINIBAND_PORT_BYTES_TOTAL, (11e9 * number if up else 0) * seconds, *of_server, direction)


@dataclass
class DatapathLive(FakeLive):
    """The made-up hall with its data path; `objects` does not answer."""

    async def hall(self, metrics: Any = (), node: str | None = None) -> LiveSnapshot:
        plain = await super().hall(metrics, node)
        if node is not None:
            return plain
        names, found = {metric.name for metric in metrics}, dict(plain.metrics)
        for sample in samples(self.clock(), self.clock(), self.hall_inventory):
            if not names or sample.metric.name in names:
                labels = dict(zip(sample.metric.labels, sample.labels, strict=True))
                found[sample.metric.name] = (*found.get(sample.metric.name, ()), LiveSample(labels, sample.value, 4.0))
        return LiveSnapshot(taken_at=plain.taken_at, metrics=found)

    async def collectors(self) -> list[CollectorState]:
        listed = await super().collectors()
        for collector, names in (("onefs", ("scratch", "projects")), ("ecs", ("objects",)), ("switches", LEAVES)):
            listed += [self._collector(collector, name, failing=name == "objects") for name in names]
        return listed


def scrape(live: FakeLive, at: float, now: float) -> list[str]:
    """The exposition at a moment, with the readers' GPUs starving while `scratch` is slow."""
    hall = live.hall_inventory
    found = [*samples(at, now, hall), *job_samples(at)]
    lines = [sample.metric.series_prefix(sample.labels) + repr(sample.value) for sample in found]
    for node in hall.nodes:
        for index in range(node.gpus):
            busy = (0.9 if trouble(at, now) == 1 else 0.35) + 0.05 * math.sin(at / 90 + index)
            lines.append(
                f'wattstat_gpu_utilization_ratio{{node="{node.name}",gpu="{index}",uuid="{node.name}-{index}"}} {busy!r}'
            )
    return lines


async def filled(path: Path, live: FakeLive, now: float, *, hours: float = 1.5, every: int = 60) -> EmbeddedStore:
    """A store with the last hours."""
    store = EmbeddedStore(path, clock=lambda: now)
    start = int(now - hours * 3600) // every * every
    for at in range(start, int(now) + 1, every):
        await store.ingest("\n".join(scrape(live, at, now)) + "\n", at * 1000, 0.01)
    return store


if __name__ == "__main__":
    import uvicorn
    from fastapi import FastAPI
    from fixture_ledger import FakeReports

    from dashboard.app import create

    with TemporaryDirectory() as folder:
        began = time.time()
        fake = DatapathLive(hall_inventory=datapath_inventory(), clock=lambda: began)
        history = asyncio.run(filled(Path(folder) / "history.duckdb", fake, began, hours=6))
        web = FastAPI()
        create(web, history, fake, reports=FakeReports(at=began), clock=lambda: began)  # type: ignore[arg-type]
        uvicorn.run(web, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8051, log_level="warning")
