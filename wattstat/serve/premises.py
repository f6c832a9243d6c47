"""What core tells about racks, storage and the fabric at this moment, as documents for the public API."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from wattstat import fabric, planned, rackpower
from wattstat.catalogue import facility, network, storage
from wattstat.catalogue.metric import Metric, Samples
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory


def samples(snapshot: Snapshot, inventory: Inventory) -> Samples:
    """What follows from all readings together, and from the inventory: power of racks, cables, planned work."""
    out = rackpower.samples(snapshot, inventory)
    out.extend(rackpower.limits(inventory))
    out.extend(fabric.samples(inventory))
    out.extend(planned.samples(inventory, snapshot.taken_at))
    return out


def racks(snapshot: Snapshot, inventory: Inventory) -> dict[str, Any]:
    """Every rack with its power by source, coverage beside it."""
    devices = rackpower.device_power(snapshot, inventory)
    by_rack: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in rackpower.rack_power(snapshot, inventory, devices):
        told = {"source": each.source, "watts": each.watts, "coverage_ratio": each.coverage_ratio}
        by_rack[each.rack].append({**told, "measured": each.measured, "expected": each.expected, "unread": list(each.unread)})
    items = [
        {"rack": rack.name, "row": rack.row, "budget_watts": rack.budget_watts, "power": by_rack.get(rack.name, [])}
        for rack in inventory.racks
    ]
    loads = [
        {"device": name, "watts": told.watts, "source": told.source, "age_seconds": round(told.age_seconds, 1)}
        for name, told in sorted(devices.items())
    ]
    return {"items": items, "total": len(items), "next": None, "uncapped": loads}


def fabric_now(snapshot: Snapshot, inventory: Inventory) -> dict[str, Any]:
    """Every switch: whether it answers, what it draws, who hangs on it and which running jobs its failure would touch."""
    hung = fabric.cables(snapshot, inventory)
    devices = rackpower.device_power(snapshot, inventory)
    touched = {each.switch: each for each in fabric.touched(snapshot, hung)}
    ports = _counted(snapshot, network.SWITCH_PORT_UP)
    ups = _ups(snapshot, network.SWITCH_UP)
    items = []
    for switch in inventory.switches:
        power = devices.get(switch.name)
        jobs = touched.get(switch.name)
        items.append(
            {
                "switch": switch.name,
                "model": switch.model,
                "fabric": switch.fabric,
                "role": switch.role,
                "rack": switch.rack,
                "up": ups.get((switch.name,)),
                "ports_up": ports[switch.name][1] if switch.name in ports else None,
                "ports": ports[switch.name][0] if switch.name in ports else None,
                "watts": power.watts if power else None,
                "source": power.source if power else None,
                "nodes": list(jobs.nodes) if jobs else [],
                "jobs": list(jobs.jobs) if jobs else [],
            }
        )
    return {
        "items": items,
        "total": len(items),
        "next": None,
        "cables": [cable._asdict() for cable in hung],
        "misplaced": [
            {"found": each.found._asdict(), "written": each.written._asdict()} for each in fabric.misplaced(snapshot, inventory)
        ],
    }


def storage_now(snapshot: Snapshot, inventory: Inventory) -> dict[str, Any]:
    """Every storage cluster: capacity, throughput beside what it was bought for, latency, drives, open events, watts."""
    devices = rackpower.device_power(snapshot, inventory)
    ups = _ups(snapshot, storage.STORAGE_UP) | _ups(snapshot, storage.STORAGE_NODE_UP)
    items = []
    for cluster in inventory.storage:

        def by(metric: Metric, label: str, name: str = cluster.name) -> dict[str, float]:
            at = metric.labels.index(label)
            return {found.sample.labels[at]: found.sample.value for found in snapshot.find(metric, storage=name)}

        items.append(
            {
                "storage": cluster.name,
                "kind": cluster.kind,
                "model": cluster.model,
                "up": ups.get((cluster.name,)),
                "health": snapshot.value(storage.STORAGE_HEALTH, storage=cluster.name),
                "size_bytes": snapshot.value(storage.STORAGE_SIZE_BYTES, storage=cluster.name),
                "capacity_bytes": by(storage.STORAGE_CAPACITY_BYTES, "kind"),
                "throughput_bytes_per_second": by(storage.STORAGE_THROUGHPUT_BYTES_PER_SECOND, "direction"),
                "design_bytes_per_second": {
                    direction: value
                    for direction, value in (
                        ("read", cluster.design_read_bytes_per_second),
                        ("write", cluster.design_write_bytes_per_second),
                    )
                    if value is not None
                },
                "operations_per_second": by(storage.STORAGE_OPERATIONS_PER_SECOND, "protocol"),
                "latency_seconds": by(storage.STORAGE_LATENCY_SECONDS, "protocol"),
                "drives": by(storage.STORAGE_DRIVES, "state"),
                "events_open": by(storage.STORAGE_EVENTS_OPEN, "severity"),
                "nodes": [
                    {
                        "node": member.name,
                        "rack": member.rack,
                        "up": ups.get((cluster.name, member.name)),
                        "watts": devices[member.name].watts if member.name in devices else None,
                        "source": devices[member.name].source if member.name in devices else None,
                    }
                    for member in cluster.nodes
                ],
            }
        )
    return {"items": items, "total": len(items), "next": None}


def pdus_now(snapshot: Snapshot, inventory: Inventory) -> dict[str, Any]:
    """Every PDU: what it carries, and its phases."""
    items = []
    for pdu in inventory.pdus:
        phases: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for metric, name in (
            (facility.PDU_PHASE_POWER_WATTS, "watts"),
            (facility.PDU_PHASE_CURRENT_AMPERES, "amperes"),
            (facility.PDU_PHASE_VOLTAGE_VOLTS, "volts"),
        ):
            for found in snapshot.find(metric, pdu=pdu.name):
                phases[found.sample.labels[1]][name] = found.sample.value
        items.append(
            {
                "pdu": pdu.name,
                "rack": pdu.rack,
                "feed": pdu.feed,
                "watts": snapshot.value(facility.PDU_POWER_WATTS, pdu=pdu.name),
                "phases": [{"phase": phase, **told} for phase, told in sorted(phases.items())],
            }
        )
    return {"items": items, "total": len(items), "next": None}


def _ups(snapshot: Snapshot, metric: Metric) -> dict[tuple[str, ...], bool]:
    """Who is up by labels: one walk through the hall, not one for each of a thousand switches."""
    return {found.sample.labels: bool(found.sample.value) for found in snapshot.find(metric)}


def _counted(snapshot: Snapshot, metric: Metric) -> dict[str, tuple[int, int]]:
    """How many ports each switch has, and how many of them are up."""
    counted: dict[str, tuple[int, int]] = {}
    for found in snapshot.find(metric):
        every, up = counted.get(found.sample.labels[0], (0, 0))
        counted[found.sample.labels[0]] = every + 1, up + bool(found.sample.value)
    return counted
