"""What clients do: throughput, operations, latency. Pure.

Until ECS 3.5 the zone's dashboard tells it; since 3.6 the cluster's time series do. A protocol is a head of ECS (`s3`, `nfs`);
`object` where the cluster does not tell them apart. Latency is told apart by direction: a read until its first byte, a write
until its last one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from collectors.ecs import counted, flux
from collectors.ecs.counted import Tracks
from collectors.ecs.flux import Row, by_field
from collectors.ecs.nodes import OPERATIONS, OUTCOMES, Answers
from collectors.ecs.points import count, horizon, latest
from wattstat.catalogue import storage as catalogue
from wattstat.catalogue.metric import Samples
from wattstat.members import as_body, member, objects, text

ANY = "object"
LATENCIES = {"ttfb_read": "read", "ttlb_write": "write"}
_MILLISECOND = 1e-3
_MEGABYTE = 1e6
_SIDES = (("Read", "read"), ("Write", "write"))


def tells_traffic(document: Any) -> bool:
    """Whether a zone's document tells what clients do."""
    zone = as_body(document)
    return any(latest(zone, f"transaction{side}TransactionsPerSec") is not None for side, _ in _SIDES)


def zone_traffic(storage: str, document: Any) -> Samples:
    """Samples of the zone's dashboard, which counts megabytes and milliseconds."""
    zone = as_body(document)
    now = horizon(zone)
    out = Samples()
    for side, word in _SIDES:
        moved = latest(zone, f"transaction{side}Bandwidth", now)
        took = latest(zone, f"transaction{side}Latency", now)
        protocol = f"{ANY}_{word}"
        out.add(
            catalogue.STORAGE_OPERATIONS_PER_SECOND,
            latest(zone, f"transaction{side}TransactionsPerSec", now),
            storage,
            protocol,
        )
        out.add(catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND, _times(moved, _MEGABYTE), storage, word)
        out.add(catalogue.STORAGE_LATENCY_SECONDS, _times(took, _MILLISECOND), storage, protocol)
    out.extend(_counted_errors(storage, member(zone, "transactionErrors")))
    return out


def flux_traffic(storage: str, answers: Answers) -> Samples:
    """Samples of the time series of the whole cluster, which are rates already."""
    out = Samples()
    operations = answers.get(flux.OPERATIONS_BY_HEAD.name) or answers.get(flux.OPERATIONS.name, [])
    for protocol, rate in _added(operations, OUTCOMES).items():
        out.add(catalogue.STORAGE_OPERATIONS_PER_SECOND, rate, storage, protocol)
    for field, word in OPERATIONS.items():
        row = next(by_field(answers.get(flux.THROUGHPUT.name, ()), field), None)
        out.add(catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND, row.value if row else None, storage, word)
    latencies = answers.get(flux.LATENCY_BY_HEAD.name) or answers.get(flux.LATENCY.name, [])
    for field, metric in (("p50", catalogue.STORAGE_LATENCY_SECONDS), ("p99", catalogue.STORAGE_LATENCY_P99_SECONDS)):
        found = {_protocol(row, LATENCIES[row.id]): row.value for row in by_field(latencies, field) if row.id in LATENCIES}
        for protocol, value in found.items():
            out.add(metric, value * _MILLISECOND, storage, protocol)
    for field, category in (("user_errors", "user"), ("system_errors", "system")):
        row = next(by_field(answers.get(flux.ERRORS.name, ()), field), None)
        out.add(catalogue.STORAGE_ERRORS_PER_SECOND, row.value if row else None, storage, category)
    return out


def derived_traffic(storage: str, tracks: Tracks, answers: Answers) -> Samples:
    """The same of the nodes' counters, where the cluster has no time series of the whole; nothing where it has."""
    out = Samples()
    if not answers.get(flux.THROUGHPUT.name):
        moved: dict[str, float] = defaultdict(float)
        for key, rate in counted.rates(tracks, flux.NODE_THROUGHPUT.name).items():
            moved[OPERATIONS.get(key.field, "")] += rate
        for word in OPERATIONS.values():
            out.add(catalogue.STORAGE_THROUGHPUT_BYTES_PER_SECOND, moved.get(word), storage, word)
    if not answers.get(flux.OPERATIONS_BY_HEAD.name) and not answers.get(flux.OPERATIONS.name):
        asked = [rate for key, rate in counted.rates(tracks, flux.NODE_REQUESTS.name).items() if key.field in OUTCOMES]
        out.add(catalogue.STORAGE_OPERATIONS_PER_SECOND, sum(asked) if asked else None, storage, ANY)
    if not answers.get(flux.LATENCY_BY_HEAD.name) and not answers.get(flux.LATENCY.name):
        histograms = counted.histograms(counted.rates(tracks, flux.NODE_LATENCY.name))
        for name, buckets in histograms.items():
            if name in LATENCIES:
                protocol = f"{ANY}_{LATENCIES[name]}"
                middle, most = (_times(counted.quantile(share, buckets), _MILLISECOND) for share in (0.5, 0.99))
                out.add(catalogue.STORAGE_LATENCY_SECONDS, middle, storage, protocol)
                out.add(catalogue.STORAGE_LATENCY_P99_SECONDS, most, storage, protocol)
    return out


def _counted_errors(storage: str, errors: Any) -> Samples:
    """What the dashboard counted: all transactions by outcome, errors by code and protocol ("404 (S3)")."""
    out = Samples()
    totals = next(objects(as_body(errors).get("errorSuccessTotals")), {})
    out.add(catalogue.STORAGE_REQUESTS_TOTAL, count(totals.get("successTotal")), storage, "success")
    out.add(catalogue.STORAGE_REQUESTS_TOTAL, count(totals.get("errorTotal")), storage, "error")
    found: dict[tuple[str, str, str], float] = {}
    for each in objects(as_body(errors).get("types")):
        code, _, protocol = text(each.get("errorType")).partition(" ")
        times = count(each.get("errorCount"))
        if code and times is not None:
            found.setdefault((code, protocol.strip("() ").lower(), text(each.get("category")).lower()), times)
    for labels, times in found.items():
        out.add(catalogue.STORAGE_REQUEST_ERRORS_TOTAL, times, storage, *labels)
    return out


def _added(found: Iterable[Row], words: Mapping[str, str]) -> dict[str, float]:
    """Rates by protocol, what succeeded and what failed together."""
    out: dict[str, float] = defaultdict(float)
    for row in found:
        if row.field in words:
            out[_protocol(row)] += row.value
    return out


def _protocol(row: Row, side: str = "") -> str:
    name = row.head.lower() or ANY
    return f"{name}_{side}" if side else name


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
