"""A small hall's samples, with everything that makes PromQL hard: gaps, resets, jitter, late starts, NaN and infinities."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

T0 = 1_700_006_400
"""When the data begins, in Unix seconds: a multiple of two hours."""
HOURS = 3
END = T0 + HOURS * 3600
STALE_BEGIN, STALE_END = END + 7200, END + 7200 + 2400
"""The span of the series that end with staleness markers."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A series: labels without order, and its samples as (Unix milliseconds, value)."""

    labels: dict[str, str]
    samples: list[tuple[int, float]]


def _series(name: str, samples: Iterator[tuple[int, float]], **labels: str) -> Recorded:
    return Recorded({"__name__": name, **labels}, list(samples))


def recorded(seed: int = 1) -> list[Recorded]:
    """All series that go into a block."""
    rng = random.Random(seed)
    found: list[Recorded] = []
    for node in ("n1", "n2", "n3"):
        rack = "r1" if node != "n3" else "r2"
        found.append(
            _series("node_info", _steady(60, lambda _: 1), node=node, rack=rack, model="XE9680" if rack == "r1" else "R760xa")
        )
        found.append(_series("node_power_watts", _steady(30, lambda _: 2000 + rng.gauss(0, 200)), node=node, source="psu"))
        for gpu in range(4):
            where = {"node": node, "gpu": str(gpu)}
            found.append(_series("power_watts", _power(rng, node, gpu), **where, uuid=f"GPU-{node}-{gpu}"))
            found.append(_series("energy_joules_total", _counter(rng, gpu), **where))
            found.append(_series("utilization_ratio", _steady(15, lambda _: rng.choice([0, 0.25, 0.5, 0.5, 1])), **where))
            found.append(
                _series("temperature_celsius", _steady(30, lambda t: 60 + 10 * math.sin(t / 900)), **where, sensor="core")
            )
            if gpu < 2:
                found.append(_series("temperature_celsius", _steady(30, lambda t: 70 + t / 3600), **where, sensor="memory"))
    found += [
        _series("latency_seconds_bucket", _bucket(index), le=bound) for index, bound in enumerate(("0.1", "0.5", "1", "+Inf"))
    ]
    found.append(
        _series("odd", _steady(60, lambda t: rng.choice([math.nan, math.inf, -math.inf, -0.0, -3, 1e-9, t])), kind="mixed")
    )
    found.append(_series("odd", _steady(60, lambda _: math.nan), kind="nan"))
    found.append(_series("odd", _steady(60, lambda t: 1e120 * (1 + t)), kind="huge"))
    found.append(_series("odd", _steady(60, lambda t: t % 7 - 3.5), kind="signed"))
    found.append(
        _series("late", ((T0 + 9000 + 15 * i) * 1000 and ((T0 + 9000 + 15 * i) * 1000, float(i)) for i in range(60)), kind="x")
    )
    found.append(_series("timestamps", _steady(300, lambda t: 1_582_934_400 + t * 5000), kind="date"))
    found.append(_series("sparse", _steady(280, lambda t: t % 11), kind="slow"))
    return found


def _steady(every: int, value) -> Iterator[tuple[int, float]]:
    return (((T0 + t) * 1000, float(value(t))) for t in range(0, HOURS * 3600, every))


def _power(rng: random.Random, node: str, gpu: int) -> Iterator[tuple[int, float]]:
    """Every 15 s; node n2 with jitter, n3 with gaps, one GPU that starts late."""
    for t in range(0, HOURS * 3600, 15):
        if (
            (node == "n3" and 3000 + gpu * 100 < t < 4200)
            or (node == "n1" and gpu == 3 and t < 2000)
            or (node == "n3" and rng.random() < 0.1)
        ):
            continue
        jitter = rng.randrange(0, 900) if node == "n2" else 0
        yield (T0 + t) * 1000 + jitter, round(300 + 100 * gpu + rng.gauss(0, 50), 3)


def _counter(rng: random.Random, gpu: int) -> Iterator[tuple[int, float]]:
    """Climbs, starts near zero for GPU 0, resets now and then for GPUs 2 and 3."""
    value = 0.0 if gpu == 0 else 1e6 * gpu
    for t in range(0, HOURS * 3600, 15):
        value += rng.choice([0, 100, 4500, 10_500.5])
        if gpu >= 2 and rng.random() < 0.02:
            value = rng.choice([0.0, 50.0])
        yield (T0 + t) * 1000, value


def _bucket(index: int) -> Iterator[tuple[int, float]]:
    return _steady(30, lambda t: (t // 30) * (index + 1))


def ended() -> list[Recorded]:
    """Series that end with staleness markers, and come back; they cannot be written in a text, so they are sent."""
    marker = math.nan  # replaced by the marker's bits where it is written
    found: list[Recorded] = []
    for index in range(4):
        samples: list[tuple[int, float]] = []
        for t in range(0, STALE_END - STALE_BEGIN, 15):
            moment = (STALE_BEGIN + t) * 1000
            gone = 600 + 60 * index <= t < 1200 + 200 * index
            if t == 600 + 60 * index:
                samples.append((moment, marker))
            elif not gone:
                samples.append((moment, float(t * (index + 1))))
        found.append(Recorded({"__name__": "process_memory_bytes", "pid": str(index), "node": "n1"}, samples))
    return found


def open_metrics(series: list[Recorded]) -> str:
    """As OpenMetrics text with timestamps, for promtool."""

    def text(labels: dict[str, str]) -> str:
        return ",".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")

    lines = [
        (each.labels["__name__"], f"{each.labels['__name__']}{{{text(each.labels)}}} {value!r} {time / 1000:.3f}")
        for each in series
        for time, value in each.samples
    ]
    return "\n".join(line for _, line in sorted(lines, key=lambda pair: pair[0])) + "\n# EOF\n"
