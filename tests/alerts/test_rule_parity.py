"""All shipped rules on made-up data: the real Prometheus must have the same alerts as we, at each moment and in each state.

The data are those of the promtool tests in alerts/tests: what fires, what is innocent, what is missing. We evaluate; what we
find (labels, annotations, state, since when) is written down as a promtool test, and promtool must agree.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules
from alerts.evaluation.rules import AlertRule, Group, RecordingRule
from alerts.memory import Memory
from alerts.model import Alert
from tests.support.programs import required_program
from tests.support.promtool_series import labels_of, samples_of, seconds
from tests.support.series_store import SeriesStore

ALERTS = Path(__file__).parents[2] / "alerts"
TESTS = sorted([*(ALERTS / "tests").glob("*.yml"), *(ALERTS / "recording" / "tests").glob("*.yml")])
MOST_MOMENTS = 30
"""So many moments of a case are compared; all are evaluated."""


async def evaluated(case: dict[str, Any], every: float, groups: Sequence[Group]) -> dict[float, list[Alert]]:
    """Our alerts after each evaluation of a case."""
    store = SeriesStore()
    given = [(labels_of(each["series"]), str(each["values"])) for each in case.get("input_series", ())]
    for labels, values in given:
        store.add(labels, samples_of(values, seconds(case["interval"])))
    recorded = {rule.name for group in groups for rule in group.rules if isinstance(rule, RecordingRule)}
    concerned = [concerning(group, recorded | {labels["__name__"] for labels, _ in given}) for group in groups]
    memory = Memory(Path(":memory:"))
    engine = Engine(store=store, memory=memory, groups=concerned, record=store.record, clock=lambda: 0.0)
    asked = [*case.get("alert_rule_test", ()), *case.get("promql_expr_test", ())]
    end = max((seconds(each["eval_time"]) for each in asked), default=0.0)
    found = {}
    for number in range(int(end // every) + 1):
        for state in engine.groups:
            await engine.evaluate(state.group, number * every)
        assert engine.failing() == {}
        found[number * every] = list(engine.active())
    memory.close()
    return found


def concerning(group: Group, names: set[str]) -> Group:
    """Without the rules that ask only for what a case does not have; Prometheus has them all, and would show a mistake here."""
    rules = [rule for rule in group.rules if not rule.reads or rule.reads & names or "absent" in rule.expression]
    return replace(group, rules=tuple(rules))


def moments(found: dict[float, list[Alert]]) -> list[float]:
    """Those at which something changed, and the ones before and after; others in between as far as there is room."""
    at = sorted(found)
    states = [sorted((alert.fingerprint, alert.state, alert.active_at) for alert in found[moment]) for moment in at]
    changed = [place for place in range(1, len(at)) if states[place] != states[place - 1]]
    wanted = {0, len(at) - 1, *(place + way for place in changed for way in (-1, 0, 1) if place + way < len(at))}
    spread = range(0, len(at), max(len(at) // MOST_MOMENTS, 1))
    return [at[place] for place in sorted([*wanted, *spread][:MOST_MOMENTS] if len(wanted) < MOST_MOMENTS else wanted)]


def expectations(found: dict[float, list[Alert]], rules: dict[str, AlertRule]) -> dict[str, Any]:
    """What we found, as promtool tests have it. Texts are compared where something fires, and for all rules at the end."""
    at = moments(found)
    alerts = [
        {"eval_time": _time(moment), "alertname": name, "exp_alerts": [*_firing(found[moment], name)]}
        for moment in at
        for name in rules
        if moment == at[-1] or any(alert.name == name for alert in found[moment])
    ]
    series = [
        {"expr": query, "eval_time": _time(moment), "exp_samples": [*_samples(found[moment], query, rules)]}
        for moment in at
        for query in ("ALERTS", "ALERTS_FOR_STATE")
    ]
    return {"alert_rule_test": alerts, "promql_expr_test": series}


def _time(seconds_since_start: float) -> str:
    return f"{round(seconds_since_start * 1000)}ms" if seconds_since_start else "0s"


def _firing(alerts: list[Alert], name: str) -> Iterator[dict[str, Any]]:
    for each in alerts:
        if each.name == name and each.state == "firing":
            labels = {label: value for label, value in each.labels.items() if label != "alertname"}
            yield {"exp_labels": labels, "exp_annotations": dict(each.annotations)}


def _samples(alerts: list[Alert], query: str, rules: dict[str, AlertRule]) -> Iterator[dict[str, Any]]:
    for each in alerts:
        state = {"alertstate": each.state} if query == "ALERTS" else {}
        # A label whose template gives nothing is no label of the alert; Prometheus 2.42 puts the template into the series.
        written = {name: template.source for name, template in rules[each.name].labels.items()}
        shown = ",".join(f"{name}={_quoted(value)}" for name, value in {**written, **each.labels, **state}.items())
        yield {"labels": f"{query}{{{shown}}}", "value": 1 if query == "ALERTS" else int(each.active_at)}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@pytest.mark.debian
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_real_prometheus_has_the_same_alerts(path, tmp_path):
    document = yaml.safe_load(path.read_text())
    every = seconds(document["evaluation_interval"])
    files = [(path.parent / name).resolve() for name in document["rule_files"]]
    groups = load_rules(files)
    rules = {rule.name: rule for group in groups for rule in group.rules if isinstance(rule, AlertRule)}
    cases = []
    for case in document["tests"]:
        found = asyncio.run(evaluated(case, every, groups))
        kept = {name: case[name] for name in ("interval", "input_series") if name in case}
        cases.append({**kept, **expectations(found, rules)})
    assert any(test["exp_alerts"] for case in cases for test in case["alert_rule_test"]), "nothing fires in any case"
    ours = {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": _time(every),
        "group_eval_order": [group.name for group in groups],
        "tests": cases,
    }
    (tmp_path / "ours.yml").write_text(json.dumps(ours))
    command = [required_program("promtool", package="prometheus"), "test", "rules", "ours.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]
