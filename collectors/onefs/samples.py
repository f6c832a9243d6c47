"""Readings of a cluster as samples of the catalogue."""

from __future__ import annotations

from collectors.onefs.nodes import NodeHealth
from collectors.onefs.reading import Fast, Medium, Rare, Reading, Slow
from collectors.onefs.statistics import NodeStatistics, Statistics
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.inventory import Storage


def samples(cluster: Storage, reading: Reading) -> Samples:
    """Samples of a tier."""
    match reading:
        case Fast():
            return _fast(cluster, reading)
        case Medium():
            return _medium(cluster, reading)
        case Slow():
            return _slow(cluster, reading)
        case Rare():
            return _rare(cluster, reading)


def _fast(cluster: Storage, reading: Fast) -> Samples:
    out, name = Samples(), cluster.name
    told, identity = reading.statistics, reading.identity
    out.add(catalogue.STORAGE_UP, 1, name)
    if identity.version or identity.serial:
        out.add(catalogue.STORAGE_INFO, 1, name, "powerscale", cluster.model, identity.version, identity.serial)
    out.add(catalogue.STORAGE_DESIGN_BYTES_PER_SECOND, cluster.design_read_bytes_per_second, name, "read")
    out.add(catalogue.STORAGE_DESIGN_BYTES_PER_SECOND, cluster.design_write_bytes_per_second, name, "write")
    out.add(catalogue.STORAGE_HEALTH, told.health, name)
    out.add(catalogue.STORAGE_SIZE_BYTES, told.size_bytes, name)
    for kind, value in told.capacity_bytes.items():
        out.add(catalogue.STORAGE_CAPACITY_BYTES, value, name, kind)
    out.add(catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND, told.read_bytes, name, "read")
    out.add(catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND, told.write_bytes, name, "write")
    _clients(out, name, reading)
    _inside(out, name, told)
    for node, up in reading.up.items():
        out.add(catalogue.STORAGE_NODE_UP, up, name, node)
    for node, figures in reading.nodes.items():
        _node_statistics(out, name, node, figures)
    return out


def _clients(out: Samples, cluster: str, reading: Fast) -> None:
    for protocol, each in reading.statistics.protocols.items():
        out.add(catalogue.STORAGE_OPERATIONS_PER_SECOND, each.operations, cluster, protocol)
        out.add(catalogue.STORAGE_LATENCY_SECONDS, each.latency_seconds, cluster, protocol)
    for (protocol, word), operations in reading.classes.items():
        out.add(catalogue.STORAGE_CLASS_OPERATIONS_PER_SECOND, operations.rate, cluster, protocol, word)
        out.add(catalogue.STORAGE_CLASS_LATENCY_SECONDS, operations.latency_seconds, cluster, protocol, word)
    for (protocol, state), value in reading.statistics.clients.items():
        out.add(catalogue.STORAGE_CLIENTS, value, cluster, protocol, state)


def _inside(out: Samples, cluster: str, told: Statistics) -> None:
    for mode, value in told.cpu_ratios.items():
        out.add(catalogue.STORAGE_CPU_RATIO, value, cluster, mode)
    for direction, value in told.disk_bytes.items():
        out.add(catalogue.STORAGE_DISK_THROUGHPUT_BYTES_PER_SECOND, value, cluster, direction)
    for direction, value in told.disk_operations.items():
        out.add(catalogue.STORAGE_DISK_OPERATIONS_PER_SECOND, value, cluster, direction)


def _node_statistics(out: Samples, cluster: str, node: str, told: NodeStatistics) -> None:
    out.add(catalogue.STORAGE_NODE_HEALTH, told.health, cluster, node)
    out.add(catalogue.STORAGE_NODE_CPU_RATIO, told.cpu_ratio, cluster, node)
    out.add(catalogue.STORAGE_NODE_DISK_BUSY_RATIO, told.disk_busy_ratio, cluster, node)
    out.add(catalogue.STORAGE_NODE_MEMORY_RATIO, told.memory_ratio, cluster, node)
    for direction, value in told.network_bytes.items():
        out.add(catalogue.STORAGE_NODE_NETWORK_BYTES_PER_SECOND, value, cluster, node, direction)
    for direction, value in told.network_errors.items():
        out.add(catalogue.STORAGE_NODE_NETWORK_ERRORS_PER_SECOND, value, cluster, node, direction)


def _medium(cluster: Storage, reading: Medium) -> Samples:
    out = Samples()
    for node, health in reading.nodes.items():
        _node_health(out, cluster.name, node, health)
    return out


def _node_health(out: Samples, cluster: str, node: str, health: NodeHealth) -> None:
    for sensor, value in health.sensors.celsius.items():
        out.add(catalogue.STORAGE_NODE_TEMPERATURE_CELSIUS, value, cluster, node, sensor)
    for fan, value in health.sensors.rpm.items():
        out.add(catalogue.STORAGE_NODE_FAN_SPEED_RPM, value, cluster, node, fan)
    for sensor, value in health.sensors.volts.items():
        out.add(catalogue.STORAGE_NODE_VOLTAGE_VOLTS, value, cluster, node, sensor)
    out.add(catalogue.STORAGE_NODE_POWER_WATTS, health.sensors.watts, cluster, node, "sensor")
    for psu, good in health.supplies.items():
        out.add(catalogue.STORAGE_NODE_PSU_OK, good, cluster, node, psu)
    for state, value in health.states.items():
        out.add(catalogue.STORAGE_NODE_STATE, value, cluster, node, state)


def _slow(cluster: Storage, reading: Slow) -> Samples:
    out, name = Samples(), cluster.name
    for pool, each in reading.pools.items():
        out.add(catalogue.STORAGE_POOL_SIZE_BYTES, each.size_bytes, name, pool)
        out.add(catalogue.STORAGE_POOL_CAPACITY_BYTES, each.used_bytes, name, pool, "used")
        out.add(catalogue.STORAGE_POOL_CAPACITY_BYTES, each.free_bytes, name, pool, "free")
    for node, drives in reading.drives.items():
        for state, value in drives.items():
            out.add(catalogue.STORAGE_NODE_DRIVES, value, name, node, state)
    if reading.drives_are_all:  # a part of a sum is a wrong sum
        for state in sorted({state for drives in reading.drives.values() for state in drives}):
            total = sum(drives.get(state, 0.0) for drives in reading.drives.values())
            out.add(catalogue.STORAGE_DRIVES, total, name, state)
    for severity, value in (reading.events or {}).items():
        out.add(catalogue.STORAGE_EVENTS_OPEN, value, name, severity)
    return out


def _rare(cluster: Storage, reading: Rare) -> Samples:
    out, name = Samples(), cluster.name
    for kind, value in reading.quota_kinds.items():
        out.add(catalogue.STORAGE_QUOTAS, value, name, kind)
    for quota in reading.quotas:
        out.add(catalogue.STORAGE_QUOTA_USED_BYTES, quota.used_bytes, name, quota.path)
        for kind, value in quota.limits.items():
            out.add(catalogue.STORAGE_QUOTA_LIMIT_BYTES, value, name, quota.path, kind)
    out.add(catalogue.STORAGE_SNAPSHOTS, reading.snapshots.count, name)
    out.add(catalogue.STORAGE_SNAPSHOT_BYTES, reading.snapshots.size_bytes, name)
    racks = {node.name: node.rack for node in cluster.nodes}
    for node, identity in reading.nodes.items():
        rack = racks.get(node, "")
        out.add(catalogue.STORAGE_NODE_INFO, 1, name, node, rack, identity.model, identity.serial, reading.version)
    return out
