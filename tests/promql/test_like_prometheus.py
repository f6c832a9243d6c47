"""Every expression must give what Debian's Prometheus gives on the same samples."""

from __future__ import annotations

import json
import math

import expressions
import hall_data
import pytest
import site_data

from wattstat.api import prometheus_json
from wattstat.store.protocol import QueryError

pytestmark = pytest.mark.debian

T0, END = hall_data.T0, hall_data.END
SPANS = {
    "all": (T0 - 300, END + 600, 97),
    "fine": (T0 + 3000, T0 + 5000, 7),
    "ended": (hall_data.STALE_BEGIN - 60, hall_data.STALE_END + 600, 13),
}
MOMENTS = (T0 + 3600, T0 + 4321.567, hall_data.STALE_BEGIN + 1234)


def ours(run, asked) -> dict:
    """Our answer, as the HTTP API writes it."""
    try:
        return json.loads(prometheus_json.query_answer(run(asked)))
    except QueryError as err:
        return json.loads(prometheus_json.failure(err.kind, str(err)))


def numbers(result: dict) -> dict[str, list[tuple[float, float]]]:
    """A result as series and their points."""
    if not isinstance(result["result"][0] if result["result"] else {}, dict):
        return {"": [(result["result"][0], float(result["result"][1]))]}
    found: dict[str, list[tuple[float, float]]] = {}
    for each in result["result"]:
        points = each.get("values") or [each["value"]]
        key = json.dumps(each["metric"], sort_keys=True)
        assert key not in found, f"{key} stands twice"
        found[key] = [(time, float(value)) for time, value in points]
    return found


def close(one: float, other: float) -> bool:
    """Equal but for the rounding of sums in another order."""
    return one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def difference(mine: dict, theirs: dict) -> str | None:
    """The first thing that differs."""
    kinds = [(each["status"], each.get("errorType"), each.get("data", {}).get("resultType")) for each in (mine, theirs)]
    if kinds[0] != kinds[1]:
        return f"ours {str(mine)[:300]}, Prometheus {str(theirs)[:300]}"
    if mine["status"] == "error":
        return None
    if mine["data"]["resultType"] == "string":
        return None if mine == theirs else f"ours {mine}, Prometheus {theirs}"
    got, wanted = numbers(mine["data"]), numbers(theirs["data"])
    if got.keys() != wanted.keys():
        return f"only ours {sorted(got.keys() - wanted.keys())[:4]}, only Prometheus' {sorted(wanted.keys() - got.keys())[:4]}"
    return next(filter(None, (_points_differ(key, points, wanted[key]) for key, points in got.items())), None)


def _points_differ(key: str, points: list[tuple[float, float]], others: list[tuple[float, float]]) -> str | None:
    times, other_times = [time for time, _ in points], [time for time, _ in others]
    if times != other_times:
        only_ours, only_theirs = sorted({*times} - {*other_times}), sorted({*other_times} - {*times})
        return f"{key}: at times only ours {only_ours[:4]}, only Prometheus' {only_theirs[:4]}"
    for (time, value), (_, other) in zip(points, others, strict=True):
        if not close(value, other):
            return f"{key} at {time}: ours {value!r}, Prometheus' {other!r}"
    return None


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("expression", expressions.RANGE)
def test_a_range_query_gives_what_prometheus_gives(run, store, prometheus, expression, span):
    start, end, step = SPANS[span]
    mine = ours(run, store.query_range(expression, start, end, step))
    theirs = prometheus.get("/api/v1/query_range", query=expression, start=str(start), end=str(end), step=str(step))
    assert difference(mine, theirs) is None


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("expression", [*expressions.RANGE, *expressions.INSTANT])
def test_an_instant_query_gives_what_prometheus_gives(run, store, prometheus, expression, moment):
    mine = ours(run, store.query(expression, moment))
    theirs = prometheus.get("/api/v1/query", query=expression, time=str(moment))
    assert difference(mine, theirs) is None


@pytest.mark.parametrize("name", site_data.expressions())
def test_every_query_of_the_dashboard_gives_what_prometheus_gives(run, store, prometheus, name):
    expression = site_data.expressions()[name]
    start, end, step = T0 + 60, T0 + site_data.HOURS * 3600, 60
    mine = ours(run, store.query_range(expression, start, end, step))
    theirs = prometheus.get("/api/v1/query_range", query=expression, start=str(start), end=str(end), step=str(step))
    assert theirs["data"]["result"], f"the samples show nothing of {expression}"
    assert difference(mine, theirs) is None


@pytest.mark.parametrize("expression", expressions.ORDERED)
def test_an_ordered_answer_has_prometheus_order(run, store, prometheus, expression):
    mine = ours(run, store.query(expression, T0 + 3600))
    theirs = prometheus.get("/api/v1/query", query=expression, time=str(T0 + 3600))
    assert [each["metric"] for each in mine["data"]["result"]] == [each["metric"] for each in theirs["data"]["result"]]


@pytest.mark.parametrize("seed", range(300))
def test_a_random_expression_gives_what_prometheus_gives(run, store, prometheus, seed):
    expression = expressions.random_expression(seed)
    start, end, step = T0 + 600, T0 + 9600, 113
    mine = ours(run, store.query_range(expression, start, end, step))
    theirs = prometheus.get("/api/v1/query_range", query=expression, start=str(start), end=str(end), step=str(step))
    assert difference(mine, theirs) is None, expression


# What a user may well mistype; promql-parser and numpy must not bring more than an error of ours.
@pytest.mark.parametrize(
    "expression",
    [
        "power_watts offset 100000000y",
        "power_watts @ 1e30",
        "sum_over_time(power_watts[100y])",
        'count_values("bad-label", power_watts)',
        'label_replace(power_watts, "x", "$1", "gpu", "(")',
        "topk(NaN, power_watts)",
        "topk(1e30, power_watts)",
        "min_over_time(power_watts[5m:1ms])",
        "hour(vector(-1e18))",
        'power_watts == "a"',
        "vector(power_watts)",
    ],
)
def test_a_strange_query_is_answered_or_refused_and_nothing_else(run, store, expression):
    assert ours(run, store.query(expression, T0 + 3600))["status"] in {"success", "error"}
    assert ours(run, store.query_range(expression, T0 + 3600, T0 + 4000, 50))["status"] in {"success", "error"}
