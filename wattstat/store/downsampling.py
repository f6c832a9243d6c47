"""Long ranges from five-minute steps instead of from every sample.

When samples are sorted, each series' samples of five minutes also become one row of `coarse`: the last value with its time, the
least, the greatest, the sum and the number. What PromQL asks for decides which of them it sees: `max_over_time` the greatest,
`avg_over_time` the mean, counters and plain selectors the last, which is a true sample. NaN counts only as last value.
"""

from __future__ import annotations

from wattstat.promql import Want

STEP_MS = 300_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS coarse
    (id BIGINT, time_ms BIGINT, last DOUBLE, lowest DOUBLE, highest DOUBLE, total DOUBLE, samples BIGINT);
"""

_COLUMNS = {
    "avg_over_time": "total / samples",
    "sum_over_time": "total",
    "count_over_time": "samples::DOUBLE",
    "min_over_time": "lowest",
    "max_over_time": "highest",
}


def insert(samples: str) -> str:
    """The statement that fills `coarse` from a query for (id, time_ms, value)."""
    number = "FILTER (NOT isnan(value))"
    return (
        "INSERT INTO coarse SELECT id, max(time_ms) AS time_ms, arg_max(value, time_ms),"  # noqa: S608 - our own queries
        f" min(value) {number}, max(value) {number}, sum(value) {number}, count(*) {number}"
        f" FROM ({samples}) GROUP BY id, time_ms // {STEP_MS} ORDER BY id, time_ms"
    )


def select(want: Want) -> tuple[str, str]:
    """What stands for a sample's value in `coarse`, and the condition under which there is one."""
    column = _COLUMNS.get(want.function)
    return ("last", "true") if column is None else (column, "samples > 0")


def select_fine(want: Want, *, beside_steps: bool) -> tuple[str, str]:
    """The same for a sample itself; beside steps that are counts it counts as one."""
    counted = beside_steps and want.function == "count_over_time"
    return ("1.0::DOUBLE", "NOT isnan(value)") if counted else ("value", "true")


def suffices(want: Want, span_ms: int) -> bool:
    """Whether five-minute steps answer the question nearly as well as the samples do, and much faster."""
    hour, day = 3_600_000, 86_400_000
    if want.range_ms >= 2 * day:
        return True
    long = span_ms > 2 * day and want.step_ms >= 2 * STEP_MS
    return long and (want.range_ms == 0 or want.range_ms >= hour // 2)
