"""Expressions for the comparison with Prometheus."""

from __future__ import annotations

import random

_ALL = "power_watts", "energy_joules_total", "odd", "late", "sparse", "process_memory_bytes", "utilization_ratio"

_SELECTORS = [
    *_ALL,
    'power_watts{node="n1"}',
    'power_watts{node!="n1"}',
    'power_watts{node=~"n[12]",gpu!~"0|3"}',
    'power_watts{gpu=~""}',
    'temperature_celsius{sensor=""}',
    'temperature_celsius{rack=""}',
    'temperature_celsius{sensor=~".+"}',
    'node_info{model=~"(?i)xe.*"}',
    '{__name__=~"node_.*"}',
    '{__name__!~"power_watts|energy.*|odd|temp.*|util.*",node=~".*"}',
    "nothing_of_the_kind",
    "power_watts offset 10m",
    "power_watts offset -10m",
    "power_watts @ 1700010000",
    "power_watts @ -5",
    "power_watts @ 1e15",
    "power_watts @ start()",
    "power_watts @ end() offset 7m30s",
    "sum(power_watts @ 1700010000.5) - sum(power_watts)",
]
_OVER_TIME = [
    f"{function}_over_time({name}[{window}])"
    for function in ("avg", "sum", "min", "max", "count", "last", "present", "stddev", "stdvar", "absent")
    for name, window in (("power_watts", "5m"), ("odd", "4m"), ("process_memory_bytes", "90s"), ("sparse", "10m"))
]
_COUNTERS = [
    f"{function}({name}[{window}]{suffix})"
    for function in ("rate", "increase", "irate", "delta", "idelta", "deriv", "changes", "resets")
    for name, window, suffix in (
        ("energy_joules_total", "1m", ""),
        ("energy_joules_total", "20m", ""),
        ("energy_joules_total", "3m", " offset 4m"),
        ("power_watts", "90s", ""),
        ("odd", "5m", ""),
        ("process_memory_bytes", "2m", ""),
        ("late", "5m", ""),
        ("energy_joules_total", "5m", " @ 1700010000"),
    )
]
_MORE_WINDOWS = [
    *(
        f"quantile_over_time({ratio}, {name}[5m])"
        for ratio in ("0", "0.5", "0.95", "1", "-1", "2", "NaN")
        for name in ("power_watts", "odd")
    ),
    "predict_linear(temperature_celsius[10m], 3600)",
    "predict_linear(power_watts[5m] offset 2m, -60)",
    "predict_linear(sparse[20m], scalar(late))",
    'quantile_over_time(scalar(utilization_ratio{node="n1",gpu="0"}), power_watts[5m])',
    'absent_over_time(nothing{a="b",c=~"d"}[5m])',
    "absent_over_time(late[5m])",
    "sum_over_time(power_watts[1s])",
    "rate(energy_joules_total[15s])",
    "rate(energy_joules_total[2h])",
]
_AGGREGATIONS = [
    f"{operator} {grouping} ({name})"
    for operator in ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
    for grouping, name in (
        ("", "power_watts"),
        ("by (node)", "power_watts"),
        ("without (gpu, uuid)", "power_watts"),
        ("by (kind)", "odd"),
        ("by (nothing)", "process_memory_bytes"),
    )
]
_MORE_AGGREGATIONS = [
    "topk(3, power_watts)",
    "bottomk(2, power_watts)",
    "topk by (node) (1, power_watts)",
    "topk(0, power_watts)",
    'topk(2.9, temperature_celsius{sensor="memory"})',
    "topk(scalar(late), power_watts)",
    "topk(100, power_watts)",
    "bottomk without (node) (1, power_watts)",
    "topk(2, odd)",
    "bottomk(2, odd)",
    "quantile(0.9, power_watts)",
    "quantile by (node) (0.25, power_watts)",
    "quantile(2, power_watts)",
    "quantile(NaN, power_watts)",
    "quantile(0.5, odd)",
    'count_values("value", utilization_ratio)',
    'count_values by (node) ("value", utilization_ratio)',
    'count_values("kind", odd)',
    'count_values("value", round(power_watts / 1e3, 0.1) * 1e22)',
    'sum by (__name__) ({__name__=~"node_.*"})',
    "sum(rate(energy_joules_total[2m])) by (node) / 1000",
    "avg(odd)",
    "max(odd) by (kind)",
    "sum(odd)",
    "sum(nothing_of_the_kind)",
    "count(node_info) by (rack, model)",
]
_BINARY = [
    "power_watts + 1",
    "1 - power_watts",
    "power_watts * 2 ^ 2 ^ 0.5",
    "-power_watts",
    "-odd % 3",
    "odd / 0",
    "odd ^ 0.5",
    "odd ^ odd",
    "7 % -3",
    "-7 % 3",
    "1 / 0",
    "odd atan2 2",
    "1 + 2 * 3 ^ 2 - 4 / 5",
    "1 < bool 2",
    "power_watts > 350",
    "power_watts > bool 350",
    "350 < power_watts",
    "350 >= bool power_watts",
    "odd == odd",
    "odd != bool odd",
    "odd == 0",
    "odd > scalar(late)",
    "power_watts == on(node, gpu) power_watts",
    "power_watts + ignoring(uuid) utilization_ratio",
    "power_watts / on(node, gpu) utilization_ratio",
    'power_watts > on(node, gpu) temperature_celsius{sensor="core"} * 5',
    'power_watts > bool on(node, gpu) temperature_celsius{sensor="core"} * 5',
    "power_watts * on(node) group_left(rack, model) node_info",
    "power_watts * on(node) group_left node_info",
    "node_info * on(node) group_right(model) power_watts",
    "node_info - on(node) group_right() power_watts",
    "node_info < on(node) group_right() power_watts",
    "power_watts >= on(node) group_left(rack) node_info",
    "temperature_celsius / ignoring(sensor) group_left utilization_ratio",
    "power_watts * on(node) node_info",
    "node_info * on(node) power_watts",
    "power_watts * on(node) group_left(gpu) node_info",
    "power_watts + temperature_celsius",
    "sum(power_watts) / on() sum(node_power_watts)",
    "sum by (node) (power_watts) / ignoring(source) node_power_watts",
    'power_watts and on(node) node_info{rack="r1"}',
    'power_watts unless on(node, gpu) temperature_celsius{sensor="memory"}',
    "power_watts or on(node) node_power_watts",
    "late or power_watts",
    "power_watts > 400 or power_watts < 300",
    "power_watts and power_watts > 420",
    "power_watts unless power_watts > 420",
    "process_memory_bytes or on(node) node_info",
    "process_memory_bytes and ignoring(pid, node) late",
    "vector(1) or late",
    "late + on(kind) group_left sparse",
    '{__name__=~"power_watts|utilization_ratio"} * 2',
    '{__name__=~"node_power_watts|node_info"} + 1',
    'rate({__name__=~"power_watts|temperature_celsius"}[5m])',
]
_FUNCTIONS = [
    *(
        f"{name}(odd)"
        for name in ("abs", "ceil", "floor", "exp", "ln", "log2", "log10", "sqrt", "sgn", "deg", "rad", "sin", "atan", "tanh")
    ),
    *(
        f"{name}(timestamps)"
        for name in ("minute", "hour", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "month", "year")
    ),
    *(
        f"{name}()"
        for name in (
            "minute",
            "hour",
            "day_of_month",
            "day_of_week",
            "day_of_year",
            "days_in_month",
            "month",
            "year",
            "time",
            "pi",
        )
    ),
    "clamp(power_watts, 300, 400)",
    "clamp(power_watts, 400, 300)",
    "clamp_min(odd, 0)",
    "clamp_max(odd, 0)",
    "clamp(odd, -1, scalar(late))",
    "round(power_watts)",
    "round(power_watts, 0.1)",
    "round(odd, 5)",
    "round(-power_watts, 100)",
    "scalar(power_watts)",
    "scalar(late)",
    "scalar(late) + power_watts",
    "vector(time())",
    "vector(1)",
    "timestamp(power_watts)",
    "timestamp((power_watts))",
    "timestamp(power_watts + 0)",
    "timestamp(process_memory_bytes offset 1m)",
    "time() - timestamp(sparse)",
    "absent(nothing_of_the_kind)",
    'absent(nothing{a="b",c=~"d",e="f",e="g"})',
    "absent(late)",
    "absent(sum(late))",
    'absent(power_watts{node="n9"})',
    "histogram_quantile(0.9, latency_seconds_bucket)",
    "histogram_quantile(0.5, rate(latency_seconds_bucket[5m]))",
    "histogram_quantile(0.01, latency_seconds_bucket)",
    "histogram_quantile(1.5, latency_seconds_bucket)",
    'label_replace(power_watts, "short", "$1", "uuid", "GPU-(.*)-.*")',
    'label_replace(power_watts, "gpu", "", "node", "n1")',
    'label_replace(power_watts, "node", "$2-${first}$$", "uuid", "(?P<first>G.U)-(n[23]).*")',
    'label_replace(power_watts, "node", "x", "missing", "")',
    'label_replace(power_watts, "gpu", "same", "gpu", ".*")',
    'label_replace(power_watts, "bad-name", "x", "gpu", ".*")',
    'label_replace(power_watts, "x", "$7", "gpu", "(.*)")',
    'label_join(power_watts, "place", "/", "node", "gpu", "missing")',
    'label_join(power_watts, "node", ",")',
    "sort(power_watts)",
    "sort_desc(power_watts)",
]
_SUBQUERIES = [
    "max_over_time(rate(energy_joules_total[2m])[10m:1m])",
    "avg_over_time(sum(power_watts)[10m:])",
    "max_over_time((power_watts > 400)[5m:30s])",
    "rate(sum by (node) (energy_joules_total)[5m:20s])",
    "quantile_over_time(0.9, (power_watts - 100)[7m:17s] offset 3m)",
    "sum_over_time(late[20m:1m] @ end())",
    "count_over_time(process_memory_bytes[10m:11s])",
    "deriv(avg(temperature_celsius)[20m:2m] offset -1m)",
    "max_over_time(avg_over_time(power_watts[2m])[10m:1m])",
    "last_over_time(power_watts[10m:3m])",
    "changes((odd > 0)[10m:30s])",
    "absent_over_time(late[10m:1m])",
    "stddev_over_time(max_over_time(deriv(power_watts[2m])[5m:1m])[10m:2m])",
    "sum_over_time(vector(time())[5m:1m])",
    "increase(energy_joules_total[1h:5m] @ 1700010000)",
]
RANGE = [
    *_SELECTORS,
    *_OVER_TIME,
    *_COUNTERS,
    *_MORE_WINDOWS,
    *_AGGREGATIONS,
    *_MORE_AGGREGATIONS,
    *_BINARY,
    *_FUNCTIONS,
    *_SUBQUERIES,
]
INSTANT = [
    "power_watts[2m]",
    "odd[5m] offset 1m",
    "process_memory_bytes[10m]",
    "(power_watts[1m])",
    "sum(power_watts)[5m:1m]",
    "late[10m:30s] @ 1700017000",
    '"a string"',
    "42",
    "sum(",
    "rate(power_watts)",
    "sum(power_watts[5m])",
    'power_watts{node=~"("}',
]
ORDERED = [
    "sort(power_watts)",
    "sort_desc(power_watts)",
    "sort_desc(sum by (node) (power_watts))",
    "topk(3, power_watts)",
    "bottomk(4, power_watts)",
    "sort(odd)",
    "sort_desc(odd)",
]


class _Random:
    """Grows expressions that are vectors."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self._selector()
        grow = self._rng.choice(
            [
                self._aggregated,
                self._with_number,
                self._with_vector,
                self._compared,
                self._elementwise,
                self._subquery,
                self._quantile,
                self._ranked,
                self._windowed,
            ]
        )
        return grow(depth - 1)

    def _aggregated(self, depth: int) -> str:
        operator = self._rng.choice(["sum", "avg", "min", "max", "count", "stddev", "group"])
        return f"{operator}{self._grouping()}({self.vector(depth)})"

    def _with_number(self, depth: int) -> str:
        return f"({self.vector(depth)} {self._rng.choice(['+', '-', '*', '/', '%'])} {self._number()})"

    def _with_vector(self, depth: int) -> str:
        operator = self._rng.choice(["+", "-", "*", "/", ">", "<", ">= bool", "== bool", "and", "or", "unless"])
        return f"({self.vector(depth)} {operator}{self._matching(operator)} {self.vector(depth)})"

    def _compared(self, depth: int) -> str:
        return f"({self.vector(depth)} {self._rng.choice(['>', '<', '>=', '!= bool', '> bool'])} {self._number()})"

    def _elementwise(self, depth: int) -> str:
        name = self._rng.choice(["abs", "ceil", "floor", "sqrt", "sgn", "exp", "timestamp", "hour"])
        return f"{name}({self.vector(depth)})"

    def _subquery(self, depth: int) -> str:
        pick = self._rng.choice
        window = f"[{pick(['3m', '7m', '11m'])}:{pick(['30s', '47s', '2m', ''])}]"
        return f"{self._over()}({self.vector(depth)}{window}{self._offset()})"

    def _quantile(self, depth: int) -> str:
        return f"quantile{self._grouping()}({self._rng.random():.3f}, {self.vector(depth)})"

    def _ranked(self, _: int) -> str:
        """Of values that all differ, because Prometheus does not say which of two equal ones it takes."""
        name = self._rng.choice(["power_watts", "node_power_watts"])
        operator = self._rng.choice(["topk", "bottomk"])
        return f"{operator}{self._grouping()}({self._rng.randrange(1, 5)}, {name}{self._offset()})"

    def _windowed(self, _: int) -> str:
        return f"{self._over()}({self._selector(plain=True)}[{self._rng.choice(['1m', '3m', '5m', '10m'])}]{self._offset()})"

    def _over(self) -> str:
        names = ["avg", "sum", "min", "max", "count", "last", "stddev", "present"]
        return self._rng.choice(
            [*(f"{name}_over_time" for name in names), "rate", "increase", "delta", "irate", "changes", "resets", "deriv"]
        )

    def _selector(self, *, plain: bool = False) -> str:
        name = self._rng.choice(
            [
                "power_watts",
                "energy_joules_total",
                "utilization_ratio",
                "temperature_celsius",
                "node_power_watts",
                "sparse",
                "node_info",
            ]
        )
        matcher = self._rng.choice(["", "", '{node="n1"}', '{node=~"n1|n3"}', '{gpu!="2"}', '{gpu=~"[01]"}'])
        return f"{name}{matcher}{'' if plain else self._offset()}"

    def _offset(self) -> str:
        return self._rng.choice(["", "", "", " offset 3m", " offset 47s", " offset -2m", " @ 1700010000", " @ end()"])

    def _grouping(self) -> str:
        return self._rng.choice(
            ["", " by (node) ", " by (gpu) ", " without (uuid) ", " by (node, gpu) ", " without (gpu, sensor) "]
        )

    def _matching(self, operator: str) -> str:
        plain = ["", " on (node, gpu)", " on (node)", " ignoring (uuid, sensor)"]
        many = (
            []
            if operator in {"and", "or", "unless"}
            else [" on (node) group_left", " on (node) group_right (rack)", " ignoring (sensor) group_left (uuid)"]
        )
        return self._rng.choice(plain + many)

    def _number(self) -> str:
        return self._rng.choice(["0", "2", "0.5", "350", "1e6", "-1", "3"])


def random_expression(seed: int) -> str:
    """An expression that is the same for the same seed."""
    return _Random(seed).vector(1 + seed % 3)
