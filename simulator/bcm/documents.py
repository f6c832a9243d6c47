"""What CMDaemon answers: lists of devices as a BCM 11 writes them, rows of monitoring below `data`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from simulator.bcm.machines import Machine, Shown

Document = dict[str, Any]

# The manager samples this often; what it tells is up to this old.
SAMPLE_SECONDS = 120.0


def devices(cluster: Shown) -> list[Document]:
    """`/rest/v1/device`."""
    found = [
        {
            "category": each.category,
            "cluster": "BCM 11.0 Cluster",
            "hostname": each.name,
            "ip": each.address or "0.0.0.0",  # noqa: S104 - what the manager writes, not an address to bind
            "mac": "00:00:00:00:00:00",
            "network": "internalnet",
            "roles": ["slurmclient"] if each.gpu_count else ["slurmsubmit"],
            "type": "PhysicalNode",
            "uuid": _uuid(each.name),
        }
        for each in cluster.machines
    ]
    found += [
        {"cluster": "BCM 11.0 Cluster", "hostname": name, "type": kind, "uuid": _uuid(name)} for name, kind in cluster.others
    ]
    return found


def racks(cluster: Shown) -> list[Document]:
    """`/rest/v1/rack`."""
    names = dict.fromkeys(each.rack for each in cluster.machines if each.rack)
    return [
        {
            "name": rack,
            "height": 42,
            "devices": [{"hostname": each.name, "position": each.unit} for each in cluster.machines if each.rack == rack],
        }
        for rack in names
    ]


def status(cluster: Shown) -> list[Document]:
    """`/rest/v1/status`."""
    found = [
        {
            "hostname": each.name,
            "status": "UP" if each.up else "DOWN",
            "info": "" if each.healthy else "health check failed",
            "health_check_failed": not each.healthy,
            "closed": False,
            "restart_required": False,
        }
        for each in cluster.machines
    ]
    found += [{"hostname": name, "status": "UP", "info": ""} for name, _ in cluster.others]
    return found


def latest(cluster: Shown, entity: str, measurable: str) -> Document:
    """`/rest/v1/monitoring/latest`, narrowed to an entity, to measurables, or to both."""
    name, _, parameter = measurable.partition(":")
    rows = [
        row
        for row in _rows(cluster)
        if (not entity or row["entity"] in entity.split(","))
        and (not name or row["measurable"].partition(":")[0] == name)
        and (not parameter or row["measurable"].partition(":")[2] == parameter)
    ]
    return {"data": rows}


def _rows(cluster: Shown) -> Iterator[Document]:
    gpus = [gpu for each in cluster.machines for gpu in each.gpus]
    total = sum(each.gpu_count for each in cluster.machines)
    busy = sum(utilization for utilization, _ in gpus) / len(gpus) if gpus else None
    yield _row(cluster, "base", "GPUsTotal", total, str(total))
    yield _row(cluster, "base", "GPUsUp", len(gpus), str(len(gpus)))
    yield _row(cluster, "base", "TotalGPUUtilization", busy, _percent(busy))
    yield _row(cluster, "base", "TotalGPUMemoryUtilization", None if busy is None else busy * 0.7, _percent(busy))
    yield _row(
        cluster, "base", "TotalGPUPowerUsage", sum(watts for _, watts in gpus), f"{sum(watts for _, watts in gpus):.0f} W"
    )
    yield _row(cluster, "defq", "RunningJobs", cluster.running, str(cluster.running))
    yield _row(cluster, "defq", "QueuedJobs", cluster.queued, str(cluster.queued))
    for each in cluster.machines:
        yield _row(cluster, each.name, "DeviceIsUp", 0 if each.up else 2, "PASS" if each.up else "FAIL")
        yield from _of_gpus(cluster, each)


def _of_gpus(cluster: Shown, machine: Machine) -> Iterator[Document]:
    for number in range(machine.gpu_count):
        reached = number < len(machine.gpus)
        utilization = machine.gpus[number][0] if reached else None
        yield _row(cluster, machine.name, f"gpu_utilization:gpu{number}", utilization, _percent(utilization))
        passed = "PASS" if reached and machine.healthy else "FAIL"
        yield _row(cluster, machine.name, f"gpu_health_overall:gpu{number}", 0 if passed == "PASS" else 2, passed)


def _row(cluster: Shown, entity: str, measurable: str, raw: float | None, value: str) -> Document:
    age = cluster.now % SAMPLE_SECONDS
    return {
        "age": round(age, 3),
        "entity": entity,
        "measurable": measurable,
        "raw": raw,
        "time": int((cluster.now - age) * 1000),
        "value": value,
    }


def _percent(value: float | None) -> str:
    return "no data" if value is None else f"{100 * value:.1f}%"


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.bcm.wattstat"))
