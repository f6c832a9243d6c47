"""The alert rules: promtool accepts them, each has a test that fires it, and every metric in them exists."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.programs import required_program
from wattstat.catalogue import ALL
from wattstat.catalogue.storage import GOOD_DRIVES

ALERTS = Path(__file__).parents[2] / "alerts"
RULES = [
    rule
    for path in sorted((ALERTS / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]


@pytest.mark.debian
@pytest.mark.parametrize("path", sorted((ALERTS / "tests").glob("*.yml")), ids=lambda path: path.name)
def test_promtool_fires_each_alert_and_spares_the_innocent(path):
    promtool = required_program("promtool", package="prometheus")

    done = subprocess.run([promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_is_tested_and_says_what_where_and_how_bad(rule):
    tests = "".join(path.read_text() for path in (ALERTS / "tests").glob("*.yml"))

    assert rule["alert"] in tests
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert "{{ $labels." in rule["annotations"]["description"]
    assert "{{" not in rule["annotations"]["summary"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_of_a_rule_is_in_the_catalogue(rule):
    assert set(re.findall(r"wattstat_\w+", rule["expr"])) <= set(ALL)


def test_the_rule_on_drives_spares_what_everybody_else_spares():
    (rule,) = [rule for rule in RULES if rule["alert"] == "StorageDriveFailed"]

    assert f'state!~"(?i:{"|".join(GOOD_DRIVES)})"' in rule["expr"]
