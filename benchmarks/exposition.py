"""Writing 80,000 samples as text, beside `prometheus_client.generate_latest` on the same data.

Three of our own cases, because blocks that did not change keep their text:
first    the first scrape of a process: nothing is known yet
changed  every reading is new since the scrape before: what a scrape at the collectors' interval costs
same     nothing changed since the scrape before: a second Prometheus, or a dashboard's refresh
The peer gets its families built beforehand, which a real custom collector has to do within each scrape; that cost is told too.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.table import Row
from wattstat.catalogue import ALL, Kind, gpu
from wattstat.catalogue.metric import Metric, Samples
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall, Snapshot

NODES, GPUS, SAMPLES = 100, 8, 80_000
ROUNDS = 9
_IDENTITY = ("node", "gpu", "uuid")

Meaning = dict[tuple[str, frozenset[tuple[str, str]]], float]


class _Peer:
    """A custom collector with the snapshot's samples."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.families: list[Family] | None = None

    def collect(self) -> Iterator[Family]:
        yield from self.families if self.families is not None else self.build()

    def build(self) -> list[Family]:
        """The families, as a collector makes them of its readings."""
        found: list[Family] = []
        for metric, blocks in self._snapshot.metrics().items():
            kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for block in blocks:
                for sample in block.by_metric[metric]:
                    family.add_metric(sample.labels, sample.value)
            found.append(family)
        return found


def run() -> list[Row]:
    """Measure, after making sure that both say the same."""
    shape = _shape()
    hall = Hall(clock=lambda: 1.0)
    _post(hall, shape, seed=1)
    snapshot = hall.snapshot()
    peer = _Peer(snapshot)
    peer.families = peer.build()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(peer)
    _require_same(Exposition().render(snapshot), generate_latest(registry))

    times: dict[str, list[float]] = {name: [] for name in ("first", "changed", "same", "peer", "peer building")}
    for number in range(ROUNDS):
        # Taken in turns, so that a neighbour's noise meets all alike.
        exposition = Exposition()
        _post(hall, shape, seed=2 * number)
        times["first"].append(_seconds(exposition.render, hall.snapshot()))
        _post(hall, shape, seed=2 * number + 1)
        times["changed"].append(_seconds(exposition.render, hall.snapshot()))
        times["same"].append(_seconds(exposition.render, hall.snapshot()))
        times["peer"].append(_seconds(generate_latest, registry))
        families, peer.families = peer.families, None
        times["peer building"].append(_seconds(generate_latest, registry))
        peer.families = families
    return _rows({name: statistics.median(values) * 1000 for name, values in times.items()}, len(snapshot))


def _rows(ms: dict[str, float], count: int) -> list[Row]:
    beside = f"prometheus_client {ms['peer']:.0f} ms ({ms['peer building']:.0f} ms with its families built in the scrape)"
    how = f"median of {ROUNDS}, in turns; both parsed and compared, sample by sample"
    return [
        Row(
            what=f"exposition of {count:,} samples, {name}",
            measured=f"{ms[case]:.1f} ms: {ms['peer'] / ms[case]:.1f} times faster",
            peer=beside,
            reach="4 times faster" if case == "changed" else "",
            note=note,
        )
        for case, name, note in (
            ("changed", "every reading new", how),
            ("first", "first scrape of a process", "every label set is seen for the first time"),
            ("same", "nothing new since the scrape before", "blocks keep their text"),
        )
    ]


def _shape() -> list[list[tuple[Metric, tuple[str, ...]]]]:
    """Which series each node's block has: every GPU metric of the catalogue, further labels filled up to the wanted count."""
    per_gpu = SAMPLES // (NODES * GPUS)
    metrics = [metric for name, metric in sorted(ALL.items()) if metric.labels[:3] == _IDENTITY and metric is not gpu.GPU_INFO]
    series: list[tuple[Metric, tuple[str, ...]]] = []
    for variant in range(per_gpu):
        series += [
            (metric, tuple(f"{label}_{variant}" for label in metric.labels[3:]))
            for metric in metrics
            if variant == 0 or len(metric.labels) > 3
        ]
    return [
        [
            (metric, (f"gpu{node:04d}", str(index), f"GPU-{node:08x}-{index:04x}-4e0a-9d3c-0123456789ab", *rest))
            for index in range(GPUS)
            for metric, rest in series[:per_gpu]
        ]
        for node in range(NODES)
    ]


def _post(hall: Hall, shape: list[list[tuple[Metric, tuple[str, ...]]]], *, seed: int) -> None:
    """New readings of all nodes: half of them fractions, half whole numbers, as power and bytes are."""
    random = Random(seed)
    for node, series in enumerate(shape):
        samples = Samples()
        for position, (metric, labels) in enumerate(series):
            value = random.randrange(10**9) if position % 2 else round(random.uniform(0, 700), 3)
            samples.add(metric, value, *labels)
        block = Block(
            key=BlockKey("agent", f"gpu{node:04d}", "fast"), samples=tuple(samples), taken_at=1.0, interval_seconds=10
        )
        hall.post(block)


def _seconds(call: Callable[[Any], bytes], argument: object) -> float:
    gc.collect()
    begin = time.perf_counter()
    call(argument)
    return time.perf_counter() - begin


def _require_same(ours: bytes, theirs: bytes) -> None:
    """Stop when the two expositions do not mean the same: a faster wrong answer is worth nothing."""
    (mine, my_families), (other, other_families) = _meaning(ours), _meaning(theirs)
    if mine != other or my_families != other_families or len(mine) != SAMPLES:
        differing = dict(list(mine.items() ^ other.items())[:3])
        raise SystemExit(f"the expositions differ: {len(mine)} and {len(other)} samples, such as {differing}")


def _meaning(text: bytes) -> tuple[Meaning, dict[str, tuple[str, str]]]:
    samples: Meaning = {}
    families: dict[str, tuple[str, str]] = {}
    for family in text_string_to_metric_families(text.decode()):
        families[family.name] = (family.type, family.documentation)
        samples.update({(sample.name, frozenset(sample.labels.items())): sample.value for sample in family.samples})
    return samples, families
