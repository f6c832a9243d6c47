"""The cluster's time series, asked in the little Flux that they understand."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from simulator.ecs import documents
from simulator.plant.model import Cluster, Member

ALLOWED = ("influxDBFrom", "filter", "range", "last", "drop", "keep")
EMPTY = {"Series": [{"Datatypes": None, "Columns": None, "Values": None}]}
# Upper bounds of the histogram of latencies in milliseconds, as a 4.3 has them.
BOUNDS = (
    "0.0", "1.0", "4.814963904455889", "23.18387740119628", "111.6295328521717", "537.4921713284467",
    "2588.005403962023", "12461.15260479408", "59999.999999999985", "+Inf",
)  # fmt: skip
# `public` carries the others.
INTERFACES = (("public", 1.0), ("public.data", 0.95), ("public.repl", 0.01), ("private.4", 0.004))
_QUERY = re.compile(r'from\(bucket:\s*"(\w+)"\)(.*)', re.DOTALL)
_CALL = re.compile(r"\|>\s*(\w+)\(")
_MEASUREMENT = re.compile(r'r\._measurement\s*==\s*"([\w]+)"')
_FIELD = re.compile(r'r\._field\s*==\s*"([^"]+)"')

Row = tuple[dict[str, str], str, float]


class Refusal(ValueError):
    """A query that is not understood; the message is the service's."""


class Counters:
    """What nodes counted since the start, moved to `now` with every question."""

    def __init__(self, cluster: Cluster, now: float) -> None:
        self.at = now
        count = len(cluster.members)
        self.moved = {each.name: [5e12 + each.number * 1e9, 1.3e13 + each.number * 1e9] for each in cluster.members}
        self.requests = {each.name: [1e8 / count, 3.6e4] for each in cluster.members}
        self.network = {each.name: [3.4e13, 4.9e13] for each in cluster.members}
        self.buckets = {
            each.name: {"ttfb_read": [0.0] * len(BOUNDS), "ttlb_write": [0.0] * len(BOUNDS)} for each in cluster.members
        }

    def advance(self, cluster: Cluster, now: float) -> None:
        """What happened since the last question happened at the rates of now."""
        seconds, self.at = max(now - self.at, 0.0), max(now, self.at)
        up = [each for each in cluster.members if each.up]
        for each in up:
            read, write = cluster.read / len(up), cluster.write / len(up)
            asked = sum(cluster.operations.values()) / len(up)
            self.moved[each.name][0] += read * seconds
            self.moved[each.name][1] += write * seconds
            self.requests[each.name][0] += asked * seconds * 0.999
            self.requests[each.name][1] += asked * seconds * 0.001
            self.network[each.name][0] += each.receive_bytes_per_second * seconds
            self.network[each.name][1] += each.transmit_bytes_per_second * seconds
            for kind, factor in (("ttfb_read", 1.0), ("ttlb_write", 1.5)):
                middle = 1000 * factor * max(cluster.latency.values(), default=0.0)
                for position, bound in enumerate(BOUNDS):
                    if bound == "+Inf" or float(bound) >= middle:
                        self.buckets[each.name][kind][position] += asked * seconds / 2


def answer(cluster: Cluster, counters: Counters, now: float, query: str, at: float | None = None) -> dict[str, Any]:
    """What a query gives, of points that were written `at` a time (now). Raises `Refusal` for one that is not allowed."""
    parsed = _QUERY.fullmatch(query.strip())
    if parsed is None:
        raise Refusal("failed to compile query: expected from(bucket:…)")
    for operation in _CALL.findall(parsed[2]):
        if operation not in ALLOWED:
            raise Refusal(f"operation '{operation}' is not allowed. Allowed operations: {', '.join(ALLOWED)}")
    measurement = next(iter(_MEASUREMENT.findall(parsed[2])), "")
    fields = set(_FIELD.findall(parsed[2]))
    counters.advance(cluster, now)
    rows = [row for row in _rows(cluster, counters, parsed[1], measurement) if not fields or row[1] in fields]
    return _table(measurement, rows, now, now if at is None else at) if rows else EMPTY


def asked(answered: dict[str, Any], now: float) -> dict[str, Any]:
    """An answer of before, as it is given now: only the end of the window has moved."""
    found = []
    for table in answered["Series"]:
        values = table["Values"]
        moved = None if values is None else [[*row[:2], _written(now), *row[3:]] for row in values]
        found.append({**table, "Values": moved})
    return {"Series": found}


def _rows(cluster: Cluster, counters: Counters, bucket: str, measurement: str) -> list[Row]:
    if bucket == "monitoring_vdc":
        return _of_cluster(cluster, measurement)
    return [
        ({"host": each.name, "node_id": documents.node_id(each), **tags, "tag": "system"}, field, value)
        for each in cluster.members
        if each.up
        for tags, field, value in _of_node(counters, each, bucket, measurement)
    ]


def _of_cluster(cluster: Cluster, measurement: str) -> list[Row]:
    match measurement:
        case "cq_performance_throughput":
            return [
                ({}, "total_read_requests_size", cluster.read),
                ({}, "total_write_requests_size", cluster.write),
            ]
        case "cq_performance_transaction_head":
            return [
                row
                for head, rate in cluster.operations.items()
                for row in (
                    ({"head": head.upper()}, "succeed_request_counter", rate * 0.999),
                    ({"head": head.upper()}, "failed_request_counter", rate * 0.001),
                )
            ]
        case "cq_performance_latency_head":
            return [
                ({"head": head.upper(), "id": kind}, field, 1000 * seconds * factor * times)
                for head, seconds in cluster.latency.items()
                for kind, factor in (("ttfb_read", 1.0), ("ttlb_write", 1.5))
                for field, times in (("p50", 1.0), ("p99", 4.0))
            ]
        case "cq_performance_error":
            failed = sum(cluster.operations.values()) * 0.001
            return [({}, "user_errors", failed * 0.9), ({}, "system_errors", failed * 0.1)]
    return []


def _of_node(counters: Counters, member: Member, bucket: str, measurement: str) -> list[Row]:
    name, process = member.name, {"process": "statDataHead"}
    cpu, total = member.cpu_ratio, {"cpu": "cpu-total"}
    found: dict[tuple[str, str], list[Row]] = {
        ("monitoring_op", "cpu"): [
            (total, "usage_idle", 100 * (1 - cpu)),
            (total, "usage_user", 80 * cpu),
            (total, "usage_system", 20 * cpu),
        ],
        ("monitoring_op", "mem"): [({}, "used_percent", 100 * member.memory_ratio)],
        ("monitoring_op", "net"): [
            ({"interface": interface}, field, counters.network[name][side] * share)
            for interface, share in INTERFACES
            for side, field in enumerate(("bytes_recv", "bytes_sent"))
        ],
        ("monitoring_main", "statDataHead_performance_internal_transactions"): [
            (process, field, counters.requests[name][side])
            for side, field in enumerate(("succeed_request_counter", "failed_request_counter"))
        ],
        ("monitoring_main", "statDataHead_performance_internal_throughput"): [
            (process, field, counters.moved[name][side])
            for side, field in enumerate(("total_read_requests_size", "total_write_requests_size"))
        ],
        ("monitoring_main", "statDataHead_performance_internal_latency"): [
            ({**process, "id": kind}, bound, value)
            for kind, values in counters.buckets[name].items()
            for bound, value in zip(BOUNDS, values, strict=True)
        ],
    }
    return found.get((bucket, measurement), [])


def _table(measurement: str, rows: list[Row], now: float, at: float) -> dict[str, Any]:
    tags = list(rows[0][0])
    columns = ["table", "_start", "_stop", "_time", "_value", "_field", "_measurement", *tags]
    start, stop, written = _written(now - 900), _written(now), _written(at)
    values = [
        [str(number), start, stop, written, repr(round(value, 6)), field, measurement, *labels.values()]
        for number, (labels, field, value) in enumerate(rows)
    ]
    types = ["long", "dateTime:RFC3339", "dateTime:RFC3339", "dateTime:RFC3339", "double", *["string"] * (len(columns) - 5)]
    return {"Series": [{"Datatypes": types, "Columns": columns, "Values": values}]}


def _written(at: float) -> str:
    """RFC 3339 with nine decimals, as the service writes it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"
