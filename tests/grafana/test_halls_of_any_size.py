"""A dashboard must read the same with sixteen servers and with a thousand: no chart has a line for each of them."""

from __future__ import annotations

import promql_parser as pp
import pytest

from tests.support.grafana_boards import asked
from wattstat.catalogue import ALL

# What a larger hall has more of. GPUs of one server, kinds, states and directions are few everywhere.
GROWS = {
    "account",
    "budget",
    "device",
    "drive",
    "dimm",
    "instance",
    "job_id",
    "model",
    "namespace",
    "node",
    "outlet",
    "path",
    "pdu",
    "port",
    "rack",
    "service",
    "storage_node",
    "switch",
    "target",
    "user",
    "uuid",
}
CHARTS = [each for each in asked() if each.kind not in {"table", "annotation"}]
NUMBERLESS = pp.NumberLiteral | pp.StringLiteral


@pytest.mark.parametrize("query", CHARTS, ids=[f"{each.board}-{each.panel}-{number}" for number, each in enumerate(CHARTS)])
def test_no_chart_has_a_line_for_each_of_many(query):
    assert not growing(pp.parse(chosen(query))), "aggregate it, or take the worst of them: kept(…), topk(…)"


def chosen(query):
    """With a word in place of each variable that has one value, so that it can be told from those with several."""
    return query.filled().replace('=".*"', '="chosen"')


def growing(expr):
    """Labels of the answer that have more values in a larger hall; None for what is no vector."""
    if isinstance(expr, pp.VectorSelector | pp.MatrixSelector):
        selector = expr.vector_selector if isinstance(expr, pp.MatrixSelector) else expr
        fixed = {
            each.name for each in selector.matchers.matchers if str(each.op) == "MatchOp.Equal" and each.name != "__name__"
        }
        labels = ALL[selector.name].labels if selector.name in ALL else ("node",)
        # Once the device is chosen, what belongs to it is as much as one device has.
        return set() if fixed & {"node", "switch", "storage", "rack"} else GROWS.intersection(labels) - fixed
    if isinstance(expr, pp.AggregateExpr):
        inner = growing(expr.expr) or set()
        if str(expr.op) in {"topk", "bottomk"}:
            return set()
        return inner.intersection(expr.modifier.labels if expr.modifier else ())
    if isinstance(expr, pp.BinaryExpr):
        return of_both(expr, growing(expr.lhs), growing(expr.rhs))
    if isinstance(expr, pp.Call):
        found = [each for each in map(growing, expr.args) if each is not None]
        return set().union(*found) if found else None
    return None if isinstance(expr, NUMBERLESS) else growing(expr.expr)


def of_both(expr, left, right):
    if left is None or right is None:
        return right if left is None else left
    operator, matching = str(expr.op), str(expr.modifier.card) if expr.modifier else ""
    if operator == "or":
        return left | right
    if operator == "unless":
        return left
    added = GROWS.intersection((expr.modifier and expr.modifier.group_labels) or ())
    if operator == "and" or "ManyToOne" in matching:
        return left | added if right else set()
    if "OneToMany" in matching:
        return right | added if left else set()
    return left & right


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("wattstat_node_power_watts", {"node"}),
        ('wattstat_node_power_watts{node="chosen"}', set()),
        ("sum by (node) (wattstat_gpu_power_watts)", {"node"}),
        ("sum(wattstat_gpu_power_watts)", set()),
        ("topk(5, wattstat_node_power_on)", set()),
        ("wattstat_node_power_on and on (node) topk(5, wattstat_node_power_watts @ end())", set()),
        ("wattstat_node_power_on and on (node) wattstat_node_health", {"node"}),
        ("sum by (rack) (wattstat_node_power_on * on (node) group_left (rack) wattstat_node_info)", {"rack"}),
        ("time() - wattstat_ledger_settled_timestamp_seconds", {"node"}),
        ("wattstat_pdu_up or wattstat_switch_up", {"pdu", "switch"}),
    ],
)
def test_what_grows_is_known(expression, labels):
    assert growing(pp.parse(expression)) == labels
