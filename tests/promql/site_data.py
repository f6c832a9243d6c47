"""Samples of the metrics that the dashboard asks for, made from the catalogue and from what its queries select."""

from __future__ import annotations

import inspect
import itertools
import random
from collections.abc import Iterator

import promql_parser as pp
from hall_data import T0, Recorded

from dashboard import queries
from wattstat.catalogue import ALL, Metric

HOURS = 2
EXTRA = {
    "role": ["inlet", "exhaust"], "reason": ["hw_slowdown", "sw_power_cap"], "node": ["n1", "n2"], "gpu": ["0", "1"],
    "switch": ["s1", "s2"], "port": ["1", "2"], "device": ["mlx5_0", "mlx5_1"], "storage": ["scratch", "projects"],
}  # fmt: skip
_ARGUMENTS = {
    "node": "n1", "seconds": 3600, "window": 120, "nodes": ("n1", "n2"), "scheduler": "slurm", "job_id": "42", "kind": "rack",
    "name": "r1", "storage": "scratch", "switch": "s1", "switches": ("s1", "s2"), "ports": ("1", "2"), "direction": "receive",
    "dark": ("s2",),
}  # fmt: skip


def expressions() -> dict[str, str]:
    """Every query of the dashboard by name."""
    constants = {
        name: value for name, value in vars(queries).items() if name.isupper() and name[0] != "_" and isinstance(value, str)
    }
    made = {
        name: function(*(_ARGUMENTS[argument] for argument in inspect.signature(function).parameters))
        for name, function in inspect.getmembers(queries, inspect.isfunction)
        if name[0] != "_"
    }
    return {**constants, **{f"since {kind}": text for kind, text in queries.SINCE.items()}, **made}


def selectors(text: str) -> list[pp.VectorSelector]:
    """The series selectors of an expression."""
    found: list[pp.VectorSelector] = []

    def visit(node: pp.Expr) -> bool:
        if isinstance(node, pp.VectorSelector):
            found.append(node)
        if isinstance(node, pp.MatrixSelector):
            found.append(node.vector_selector)
        return True

    pp.walk(pp.parse(text), visit)
    return found


def recorded() -> list[Recorded]:
    """Two servers' samples of every metric that is asked for; the second has only the last of several sources."""
    rng = random.Random(7)
    asked: dict[str, list[pp.VectorSelector]] = {}
    for selector in itertools.chain.from_iterable(map(selectors, expressions().values())):
        asked.setdefault(str(selector.name), []).append(selector)
    return [
        Recorded({"__name__": name, **labels}, list(_samples(rng, ALL[name], index)))
        for name, found in sorted(asked.items())
        for index, labels in enumerate(_label_sets(ALL[name], found))
    ]


def _label_sets(metric: Metric, found: list[pp.VectorSelector]) -> Iterator[dict[str, str]]:
    options: dict[str, list[str]] = {}
    for label in metric.labels:
        equal = [m.value for each in found for m in each.matchers.matchers if m.name == label and str(m.op) == "MatchOp.Equal"]
        options[label] = EXTRA.get(label) or [*dict.fromkeys(equal), "other"]
    for values in itertools.product(*options.values()):
        labels = dict(zip(options, values, strict=True))
        lacking = labels.get("node") == "n2" and any(
            value == options[name][0] for name, value in labels.items() if name == "source"
        )
        if not lacking:
            yield labels


def _samples(rng: random.Random, metric: Metric, index: int) -> Iterator[tuple[int, float]]:
    value = 0.0
    for t in range(0, HOURS * 3600, 15):
        value = (
            value + rng.choice([0, 500, 9000])
            if metric.name.endswith("_total")
            else float(rng.choice([0, 1, 1, 4.5, 300 + index]))
        )
        yield (T0 + t) * 1000, value
