"""What `statistics/current` and `statistics/summary/protocol` tell. Pure and total.

Traps: processor time is in permil; latency in microseconds; values are numbers, lists of objects, or their text; rows of the
cluster have the device id 0 and are never added to rows of nodes; a mean time where nothing was done is 0 and says nothing.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from collectors.onefs import keys
from collectors.onefs.keys import Names
from wattstat.members import Body, Json, between, count, member, number, objects, text

CLUSTER = 0
# Codes of a row that stand for "this cluster has no such thing" (papi: not present, not implemented, not configured).
_NOT_HERE = frozenset({1, 2, 9})
# The value was made without some nodes. They do not answer, and serve nobody.
_DEGRADED = 3
_HEALTH: Mapping[float, float] = {0: 1.0, 1: 0.5, 2: 0.0}
_LONGEST_TEXT = 100_000
_NO_UNITS: Mapping[str, str] = MappingProxyType({})


class Row(NamedTuple):
    """A value of a key: of a node by its device id, or of the cluster. `code` is 0 for a good one."""

    device: int
    value: Json
    code: int
    said: str


Rows = Mapping[str, list[Row]]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What clients do by a protocol, a second; None where it was not told."""

    operations: float | None = None
    read_bytes: float | None = None
    write_bytes: float | None = None
    latency_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatistics:
    """A node's own figures."""

    health: float | None = None
    cpu_ratio: float | None = None
    disk_busy_ratio: float | None = None
    memory_ratio: float | None = None
    network_bytes: Mapping[str, float]
    network_errors: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """All of it. `nodes` is by device id; `failures` tells why keys could not be read."""

    size_bytes: float | None = None
    capacity_bytes: Mapping[str, float]
    health: float | None = None
    cpu_ratios: Mapping[str, float]
    disk_bytes: Mapping[str, float]
    disk_operations: Mapping[str, float]
    protocols: Mapping[str, Protocol]
    read_bytes: float | None = None
    write_bytes: float | None = None
    clients: Mapping[tuple[str, str], float]
    nodes: Mapping[int, NodeStatistics]
    failures: Mapping[str, str]


def rows(document: Json) -> Rows:
    """Rows by key. A row without device id or key is none."""
    found: dict[str, list[Row]] = defaultdict(list)
    for each in objects(member(document, "stats")):
        key, device = text(each.get("key")), count(each.get("devid"))
        if not key or device is None:
            continue
        said = text(each.get("error"))
        code = int(count(each.get("error_code")) or 0) or (-1 if said else 0)
        found[key].append(Row(int(device), each.get("value"), code, said))
    return found


def failures(found: Rows) -> dict[str, str]:
    """Why keys could not be read, by key; what the cluster does not have at all is no failure."""
    return {
        key: "; ".join(_failure(row) for row in several if row.code and row.code not in _NOT_HERE)
        for key, several in found.items()
        if any(row.code and row.code not in _NOT_HERE for row in several)
    }


def _failure(row: Row) -> str:
    where = "the cluster" if row.device == CLUSTER else f"the node with device id {row.device}"
    return f"{where}: {row.said or 'no reason given'} (code {row.code})"


def parse(document: Json, up: Collection[int] | None = None, units: Mapping[str, str] = _NO_UNITS) -> Statistics:
    """What was told. `up` are the device ids of the nodes that must have told theirs; None where that is not known.

    `units` are those of the keys, as far as the cluster lists them.
    """
    found = rows(document)
    total, used, free = (_cluster(found, keys.CAPACITY[kind], 1e19) for kind in ("total", "used", "avail"))
    protocols = {name: told for name, names in keys.PROTOCOLS.items() if (told := _protocol(found, names)) is not None}
    complete = not any(_failed(found, names) for names in keys.PROTOCOLS.values())
    return Statistics(
        size_bytes=total,
        capacity_bytes=_capacity(total, used, free),
        health=_health(_cluster(found, keys.HEALTH, 10)),
        cpu_ratios=_present({mode: _cluster_ratio(found, names, units) for mode, names in keys.CPU.items()}),
        disk_bytes=_present({way: _cluster(found, names, 1e15) for way, names in keys.DISK_BYTES.items()}),
        disk_operations=_present({way: _cluster(found, names, 1e12) for way, names in keys.DISK_OPERATIONS.items()}),
        protocols=protocols,
        read_bytes=_sum(each.read_bytes for each in protocols.values()) if complete else None,
        write_bytes=_sum(each.write_bytes for each in protocols.values()) if complete else None,
        clients=_present({key: _over_nodes(found, names, up) for key, names in keys.CLIENTS.items()}),
        nodes=_nodes(found, units),
        failures=failures(found),
    )


def _capacity(total: float | None, used: float | None, free: float | None) -> dict[str, float]:
    """Used, free and reserved (hot spare and the like), which add up to the size."""
    if total is None or used is None or free is None or used + free > total:
        return _present({"used": used, "free": free})
    return {"used": used, "free": free, "reserved": total - used - free}


def _nodes(found: Rows, units: Mapping[str, str]) -> dict[int, NodeStatistics]:
    names: tuple[Names, ...] = (keys.NODE_HEALTH, keys.NODE_IDLE, keys.NODE_DISK_BUSY)
    names += (*keys.NODE_MEMORY.values(), *keys.NODE_NETWORK.values(), *keys.NODE_NETWORK_ERRORS.values())
    read = {each: _by_node(found, each) for each in names}
    devices = sorted({device for values in read.values() for device in values})
    return {device: _node({each: values.get(device) for each, values in read.items()}, units) for device in devices}


def _node(values: Mapping[Names, Json], units: Mapping[str, str]) -> NodeStatistics:
    idle = _ratio(values[keys.NODE_IDLE], keys.NODE_IDLE, units)
    return NodeStatistics(
        health=_health(number(values[keys.NODE_HEALTH])),
        cpu_ratio=None if idle is None else 1 - idle,
        disk_busy_ratio=_ratio(values[keys.NODE_DISK_BUSY], keys.NODE_DISK_BUSY, units),
        memory_ratio=_share(*(between(0, values[keys.NODE_MEMORY[kind]], 1e15) for kind in ("used", "free"))),
        network_bytes=_present({way: between(0, values[names], 1e13) for way, names in keys.NODE_NETWORK.items()}),
        network_errors=_present({way: between(0, values[names], 1e12) for way, names in keys.NODE_NETWORK_ERRORS.items()}),
    )


def _protocol(found: Rows, names: Names) -> Protocol | None:
    """The totals of a protocol; several rows (by operation) are added up, their times weighed by how often they happened."""
    told = [each for row in _good(found, names) if row.device == CLUSTER for each in opstats(row.value)]
    if not told:
        return None
    operations = [between(0, each.get("op_rate"), 1e12) for each in told]
    timed = [
        (rate, micros)
        for rate, each in zip(operations, told, strict=True)
        if rate and (micros := between(0, each.get("time_avg"), 3.6e9))
    ]
    weight = sum(rate for rate, _ in timed)
    return Protocol(
        operations=_sum(operations),
        read_bytes=_sum(between(0, each.get("out_rate"), 1e13) for each in told),
        write_bytes=_sum(between(0, each.get("in_rate"), 1e13) for each in told),
        latency_seconds=sum(rate * micros for rate, micros in timed) / weight / 1e6 if timed else None,
    )


def opstats(value: Json) -> list[Body]:
    """The objects of a value: an array of them, one alone, or either of them as text."""
    if isinstance(value, str):
        value = _decoded(value)
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return []
    parts = [_decoded(each) if isinstance(each, str) else each for each in value]
    return [each for each in parts if isinstance(each, dict)]


def _decoded(value: str) -> Json:
    """What a text says, in JSON or as Python writes objects; None for anything else."""
    if len(value) > _LONGEST_TEXT or not value.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _over_nodes(found: Rows, names: Names, up: Collection[int] | None) -> float | None:
    """The sum over the nodes that are up; None unless each of them told its part: a part of a sum is a wrong sum."""
    values = {device: count(value) for device, value in _by_node(found, names).items()}
    expected = values.keys() if up is None else up
    if not values or any(values.get(device) is None for device in expected):
        return None
    return sum(values[device] or 0.0 for device in expected) if expected else None


def _by_node(found: Rows, names: Names) -> dict[int, Json]:
    return {row.device: row.value for row in _good(found, names) if row.device != CLUSTER}


def _cluster(found: Rows, names: Names, most: float) -> float | None:
    return next((between(0, row.value, most) for row in _good(found, names) if row.device == CLUSTER), None)


def _good(found: Rows, names: Names) -> Iterator[Row]:
    """The rows of the first name that has good ones."""
    for name in names:
        good = [row for row in found.get(name, ()) if row.code in {0, _DEGRADED}]
        if good:
            yield from good
            return


def _failed(found: Rows, names: Names) -> bool:
    """Whether a thing that the cluster has was not told."""
    several = [row for name in names for row in found.get(name, ())]
    return any(row.code and row.code != _DEGRADED and row.code not in _NOT_HERE for row in several)


def _sum(values: Iterator[float | None] | list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _share(part: float | None, rest: float | None) -> float | None:
    return part / (part + rest) if part is not None and rest is not None and part + rest > 0 else None


def _health(value: float | None) -> float | None:
    return None if value is None else _HEALTH.get(value)


def _cluster_ratio(found: Rows, names: Names, units: Mapping[str, str]) -> float | None:
    return _ratio(_cluster(found, names, 1e9), names, units)


def _ratio(value: Json, names: Names, units: Mapping[str, str]) -> float | None:
    """A share of 0 to 1; processors and drives tell theirs in permil, unless the list of keys says otherwise."""
    whole = 100.0 if units.get(names[0]) == "percent" else 1000.0
    share = between(0, value, whole)
    return None if share is None else share / whole


def _present(values: Mapping[Key, float | None]) -> dict[Key, float]:
    return {key: value for key, value in values.items() if value is not None}
