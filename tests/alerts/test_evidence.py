"""Evidence: what a rule measures and compares, narrowed to one alert, on every rule that ships and the cases that fire it."""

from pathlib import Path

import pytest
import yaml

from alerts.evidence import evidence
from alerts.narrowed import narrowed, span
from tests.support.promtool_cases import firing, nameless
from wattstat.promql import instant_query
from wattstat.promql.syntax import PromqlError, parse

ALERTS = Path(__file__).parents[2] / "alerts"
RULES = {
    rule["alert"]: rule["expr"]
    for path in sorted((ALERTS / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
STEP_MS, STEPS_BACK = 120_000, 60
FILES = sorted((ALERTS / "tests").glob("*.yml"))


def the_line(expression: str, **labels: str):
    (line,) = evidence(expression, labels)
    return line.expression, line.limit_expression, line.unit


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_written_out_again_as_it_was(name):
    tree = parse(RULES[name])

    assert str(parse(narrowed(tree, {}))) == str(tree)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_evidence_that_can_be_asked(name):
    lines = evidence(RULES[name], {"node": "n1", "gpu": "3"})

    assert lines or RULES[name] == "vector(1)"
    for line in lines:
        assert "fires" in line.text
        parse(line.expression)
        if line.limit_expression:
            parse(line.limit_expression)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_alert_that_holds_is_still_found_by_its_narrowed_expression_and_has_something_to_draw(path):
    of_file = yaml.safe_load((ALERTS / "rules" / path.name).read_text())["groups"]
    names = [rule["alert"] for group in of_file for rule in group["rules"]]
    held = set()
    for told, at_ms, fires in firing(path):
        for name in [fires] if fires else names:
            for moment_ms, point in points_of(told, RULES[name], at_ms, back=bool(fires)):
                held.add(name)
                check(told, moment_ms, name, nameless(point.labels), float(point.values[0]))
    assert held == set(names)


def points_of(told, expression, at_ms, *, back):
    """What holds at a moment; what fires on by `keep_firing_for` held a while before."""
    for moment_ms in range(at_ms, max(-1, at_ms - STEPS_BACK * STEP_MS) if back else at_ms - 1, -STEP_MS):
        if found := instant_query(told, expression, moment_ms).points:
            return [(moment_ms, point) for point in found]
    return []


def check(told, at_ms, name, labels, value):
    again = instant_query(told, narrowed(parse(RULES[name]), labels), at_ms).points
    assert [float(each.values[0]) for each in again if nameless(each.labels) == labels] == [pytest.approx(value)], name
    lines = evidence(RULES[name], labels)
    drawn = [line for line in lines if instant_query(told, line.expression, at_ms).points]
    assert drawn or not lines, (name, labels, lines)


def test_the_device_is_passed_into_both_sides():
    assert the_line("wattstat_budget_power_watts > wattstat_budget_limit_watts", kind="rack", budget="R1") == (
        'wattstat_budget_power_watts{budget="R1",kind="rack"}', 'wattstat_budget_limit_watts{budget="R1",kind="rack"}', "watts",
    )  # fmt: skip


def test_a_label_of_the_rule_is_not_taken_for_one_of_the_metric():
    line = the_line("wattstat_storage_events_open > 3", storage="s", severity="warning")

    assert line[0] == 'wattstat_storage_events_open{storage="s"}'


def test_a_label_that_a_metric_does_not_have_is_not_asked_for():
    assert the_line("wattstat_gpu_lost == 1", node="n1", rack="R1")[0] == 'wattstat_gpu_lost{node="n1"}'


def test_who_told_it_matters_only_where_no_device_is_named():
    targets = {"job": "wattstat", "instance": "127.0.0.1:9838"}

    assert the_line("wattstat_gpu_lost == 1", node="n1", **targets)[0] == 'wattstat_gpu_lost{node="n1"}'
    assert the_line("wattstat_controller_view_ratio < 0.9", **targets)[0] == (
        'wattstat_controller_view_ratio{instance="127.0.0.1:9838",job="wattstat"}'
    )


def test_abbreviations_stay_what_they_are():
    assert evidence("wattstat_psu_health == 2", {})[0].text.startswith("PSU health (0 OK, 1 Warning, 2 Critical)")


def test_a_metric_that_the_catalogue_does_not_know_takes_all_labels():
    assert the_line("DCGM_FI_DEV_GPU_TEMP > 90", hostname="n1")[0] == 'DCGM_FI_DEV_GPU_TEMP{hostname="n1"}'


def test_a_label_goes_no_deeper_than_by_lets_it():
    expression, _, _ = the_line("sum by (rack) (max by (node) (up)) > 5", rack="R1", node="n1")

    assert expression == "sum by (rack) (max by (node) (up))"


def test_topk_is_not_asked_about_one_element_alone():
    assert the_line("topk(3, up) > 1", node="n1")[0] == "topk(3, up)"


def test_a_label_that_group_left_brings_is_that_of_the_one_side():
    joined = "a * on (node) group_left (rack) b"

    assert narrowed(parse(joined), {"rack": "R1", "node": "n1"}) == (
        'a{node="n1"} * on (node) group_left (rack) b{node="n1",rack="R1"}'
    )


def test_a_label_that_was_copied_whole_is_followed_to_its_source():
    copied = 'label_replace(a, "rack", "$1", "budget", "(.+)")'

    assert narrowed(parse(copied), {"rack": "R1"}) == 'label_replace(a{budget="R1"}, "rack", "$1", "budget", "(.+)")'


def test_a_label_that_was_made_up_is_not_followed():
    made = 'label_replace(a, "rack", "r-$1", "node", "(.)-.*")'

    assert narrowed(parse(made), {"rack": "r-1"}) == made


def test_or_and_unless_pass_on_only_what_they_match_by():
    assert narrowed(parse("a unless on (node) b"), {"node": "n1", "gpu": "2"}) == (
        'a{gpu="2",node="n1"} unless on (node) b{node="n1"}'
    )
    assert narrowed(parse("a or on (node) b"), {"node": "n1", "gpu": "2"}) == 'a{node="n1"} or on (node) b{node="n1"}'


def test_ignoring_keeps_what_it_does_not_name():
    assert narrowed(parse("a / ignoring (gpu) b"), {"node": "n1", "gpu": "2"}) == 'a{node="n1"} / ignoring (gpu) b{node="n1"}'


def test_absent_is_asked_as_it_is():
    line = the_line('absent(up{job="wattstat"})', job="wattstat", node="n1")

    assert line == ('absent(up{job="wattstat"})', "", "")


def test_a_value_cannot_leave_its_quotes():
    expression, _, _ = the_line("wattstat_gpu_lost == 1", node='a"} or vector(1) #\\')

    assert expression == 'wattstat_gpu_lost{node="a\\"} or vector(1) #\\\\"}'
    parse(expression)


def test_a_number_on_the_left_is_the_limit_all_the_same():
    (line,) = evidence("0.5 > up", {})

    assert (line.expression, line.limit_expression) == ("up", "0.5")
    assert line.text.endswith("fires while below 0.5")


def test_what_is_compared_with_a_moment_is_an_age():
    line = the_line("wattstat_collector_last_success_timestamp_seconds < time() - 120", target="t")

    assert line == ('time() - (wattstat_collector_last_success_timestamp_seconds{target="t"})', "120", "seconds")


def test_an_expression_that_both_sides_of_and_hold_has_both():
    lines = evidence("predict_linear(a[6h], 3600) > b and a / b > 0.7", {"storage": "s"})

    assert [line.expression for line in lines] == [
        'predict_linear(a{storage="s"}[6h], 3600)', 'a{storage="s"} / b{storage="s"}',
    ]  # fmt: skip


def test_what_must_be_missing_is_said():
    first, second = evidence("up == 1 unless on (node) wattstat_gpu_power_watts", {"node": "n1"})

    assert first.text == "Up: fires while at 1"
    assert second.text == "Power drawn: fires while it is missing"


def test_a_share_of_what_holds_says_what_holds():
    (line,) = evidence("avg by (rack) (wattstat_switch_psu_ok == bool 0) > 0.5", {})

    assert line.text == "Share with switch PSU ok (1 when the power supply is good) at 0: fires while above 0.5"
    assert evidence("avg(wattstat_gpu_power_watts > bool 5) > 0.5", {})[0].unit == ""


def test_what_is_left_of_one_is_the_share_of_those_that_are_not():
    joined = "wattstat_psu_redundancy_ok * on (node) group_left (rack) max by (node, rack) (wattstat_node_info)"

    assert evidence(f"1 - avg by (rack) ({joined}) > 0.5", {})[0].text == (
        "Share with PSU redundancy ok (1 when the supplies are redundant) at 0: fires while above 0.5"
    )
    assert evidence("100 - wattstat_gpu_power_watts > 5", {})[0].text == "100 less power drawn: fires while above 5 W"


def test_what_is_counted_is_said_with_its_comparison_also_below_a_join():
    rise = 'wattstat_node_temperature_celsius{role="inlet"} - wattstat_node_temperature_celsius{role="inlet"} offset 10m'
    (line,) = evidence(f"count by (rack) (({rise} > 5) * on (node) group_left (rack) wattstat_node_info) > 2", {})

    assert line.text == "How many above 5 °C: temperature (inlet), change in 10m: fires while above 2"


def test_what_was_so_earlier_says_when():
    now, then = evidence("wattstat_switch_uptime_seconds < 600 and wattstat_switch_uptime_seconds offset 15m > 600", {})

    assert now.text == "Time since it started: fires while below 10 min"
    assert then.text == "Time since it started 15m ago: fires while above 10 min"


def test_two_comparisons_of_one_thing_are_two_lines():
    assert [line.limit_expression for line in evidence("up > 0 < 5", {})] == ["0", "5"]


def test_a_comparison_within_an_aggregation_is_found():
    assert the_line("max by (node) (wattstat_gpu_temperature_margin_celsius < 3)", node="n1") == (
        'wattstat_gpu_temperature_margin_celsius{node="n1"}', "3", "celsius",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ("wattstat_gpu_power_watts > 5", "watts"),
        ("avg_over_time(wattstat_gpu_power_watts[5m]) > 5", "watts"),
        ("rate(wattstat_node_energy_joules_total[5m]) > 5", "watts"),
        ("rate(wattstat_gpu_throttle_seconds_total[5m]) > 0.1", "ratio"),
        ("increase(wattstat_gpu_xid_errors_total[10m]) > 0", ""),
        ("wattstat_budget_power_watts / wattstat_budget_limit_watts > 0.9", "ratio"),
        ("wattstat_bmc_certificate_expiry_timestamp_seconds - time() < 60", "seconds"),
        ("count(wattstat_gpu_power_watts > 5) > 3", ""),
        ("wattstat_storage_throughput_bytes_per_second > 5", ""),
        ("wattstat_gpu_power_watts * on (node) group_left (rack) wattstat_node_info > 5", "watts"),
    ],
)
def test_the_unit_is_that_of_what_is_measured(expression, unit):
    assert evidence(expression, {})[0].unit == unit


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("wattstat_ledger_residual_ratio > 0.01", "above 1 %"),
        ("wattstat_switch_port_bit_error_ratio > 1e-12", "above 1e-12"),
        ("time() - wattstat_ledger_settled_timestamp_seconds > 1800", "above 30 min"),
        ("wattstat_bmc_certificate_expiry_timestamp_seconds - time() < 14 * 86400", "below 14 days"),
        ("wattstat_storage_latency_seconds > 0.05", "above 50 ms"),
        ("wattstat_gpu_power_watts > 0.9 * wattstat_budget_limit_watts",
         "above 90 % of what may be drawn by rating, inventory and policies"),
        ("wattstat_gpu_temperature_celsius > wattstat_gpu_temperature_limit_celsius - 5",
         "above the device's own limits - 5 °C"),
    ],
)  # fmt: skip
def test_the_limit_is_said_as_one_says_it(expression, told):
    assert evidence(expression, {})[0].text.endswith(f"fires while {told}")


def test_no_words_are_made_of_what_is_no_expression():
    with pytest.raises(PromqlError, match="parse error"):
        evidence("up >", {})


@pytest.mark.parametrize(("milliseconds", "text"), [(90_000, "90s"), (3_600_000, "1h"), (1500, "1500ms"), (86_400_000, "1d")])
def test_durations_are_written_whole(milliseconds, text):
    assert span(milliseconds) == text
