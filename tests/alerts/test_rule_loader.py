"""Rule files are read as Prometheus reads them; what is wrong is told with its line."""

from __future__ import annotations

import subprocess

import pytest

from alerts.evaluation.loader import load_rules, rule_files, shipped_rules
from alerts.evaluation.rules import AlertRule, RecordingRule
from tests.support.programs import required_program
from wattstat.document import InvalidDocument


@pytest.fixture
def write(tmp_path):
    def to_file(text: str, name: str = "rules.yml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to_file


def one_rule(text: str) -> str:
    return f"groups:\n  - name: g\n    rules:\n      - {text}\n"


def test_a_group_is_read_whole(write):
    path = write("""
groups:
  - name: g
    interval: 1m30s
    limit: 7
    rules:
      - {record: "a:b", expr: sum(x), labels: {level: 1}}
      - alert: A
        expr: x > 1
        for: 5m
        keep_firing_for: 1h
        labels: {severity: critical}
        annotations: {summary: "{{ $value }}", runbook_url: http://localhost:8050/runbooks/A}
      - {alert: A, expr: '{job="x"} > 2'}
""")
    [group] = load_rules([path], "https://watt.example/")
    recording, first, second = group.rules
    assert (group.name, group.interval_seconds, group.limit, group.key) == ("g", 90, 7, f"{path};g")
    assert isinstance(recording, RecordingRule)
    assert (recording.name, recording.labels, recording.reads) == ("a:b", {"level": "1"}, {"x"})
    assert isinstance(first, AlertRule)
    assert (first.conditions.for_seconds, first.conditions.keep_firing_seconds) == (300, 3600)
    assert first.annotations["runbook_url"].source == "https://watt.example/runbooks/A"
    assert (first.key, second.key) == ("rules.yml/g/A", "rules.yml/g/A#2")
    assert isinstance(second, AlertRule)
    assert second.reads is None


def test_all_shipped_files_can_be_evaluated_here():
    groups = load_rules(shipped_rules())
    assert len(groups) == len(shipped_rules())
    assert all(group.rules for group in groups)


WRONG = {
    "{alert: A, expr: 'sum('}": (4, "is no PromQL"),
    "{alert: A, expr: x, for: soon}": (4, "a duration such as 30s"),
    "{alert: A, expr: x, fro: 5m}": (4, "expected alert, annotations, expr, for, keep"),
    "{alert: A, record: b, expr: x}": (4, "is both"),
    "{expr: x}": (4, "is neither an alert nor a recording rule"),
    "{alert: A}": (4, "expr: is missing"),
    "{record: 'a b', expr: x}": (4, "is no name of a metric"),
    "{record: a, expr: x, for: 5m}": (4, "a recording rule has no such thing"),
    "{record: a, expr: x, annotations: {b: c}}": (4, "a recording rule has no such thing"),
    "{alert: A, expr: x, labels: {a-b: c}}": (4, "a label cannot be called 'a-b'"),
    "{alert: A, expr: x, labels: {__name__: c}}": (4, "a label cannot be called '__name__'"),
    "{alert: A, expr: x, annotations: {a-b: c}}": (4, "an annotation cannot be called 'a-b'"),
    "{alert: A, expr: x, annotations: {a: '{{ humanise $value }}'}}": (4, "did you mean humanize?"),
    "{alert: A, expr: x, labels: {a: '{{ if }}'}}": (4, "missing value"),
}


@pytest.mark.parametrize("rule", WRONG)
def test_what_is_wrong_is_told_with_its_line(write, rule):
    line, what = WRONG[rule]
    with pytest.raises(InvalidDocument) as caught:
        load_rules([write(one_rule(rule))])
    assert f"rules.yml:{line}:" in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.debian
# Prometheus 2.42 takes a label __name__ and drops it later.
@pytest.mark.parametrize("rule", [rule for rule in WRONG if "__name__" not in rule])
def test_prometheus_refuses_the_same(write, rule):
    command = [required_program("promtool", package="prometheus"), "check", "rules", write(one_rule(rule))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0, done.stdout


def test_everything_wrong_is_told_at_once(write):
    text = "groups:\n  - name: g\n    rules: [{alert: A, expr: 'sum('}, {alert: B, expr: 'x >'}]\n  - name: g\n"
    with pytest.raises(InvalidDocument) as caught:
        load_rules([write(text)])
    assert len(caught.value.problems) == 4
    assert str(caught.value).count("stands twice") == 2


def test_a_pattern_that_names_no_file_is_told(tmp_path, write):
    path = write(one_rule("{alert: A, expr: x}"))
    assert rule_files(["*.yml", "rules.yml"], tmp_path) == (path,)
    with pytest.raises(InvalidDocument, match="no file fits"):
        rule_files(["more/*.yml"], tmp_path)
