"""The alert rules keep the room's conventions: names, labels, annotations, thresholds with a reason, tests and runbooks."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.support.alert_cases import cases_of
from tests.support.programs import required_program
from wattstat.api.alerts import CATEGORIES, SEVERITIES
from wattstat.catalogue import ALL
from wattstat.catalogue.storage import GOOD_DRIVES
from wattstat.promql import Raw, instant_query

ALERTS = Path(__file__).parents[2] / "alerts"
FILES = sorted((ALERTS / "rules").glob("*.yml"))
GROUPS = [(path, group) for path in FILES for group in yaml.safe_load(path.read_text())["groups"]]
RULES = [(path, rule) for path, group in GROUPS for rule in group["rules"]]

COMPONENTS = {"gpu", "server", "power", "thermal", "fabric", "storage", "scheduler", "energy", "collectors", "security"}
SITE = "http://localhost:8050"
SECTIONS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation", "## Safe to automate?", "## Threshold"]


def the_alert(value):
    return value["alert"] if isinstance(value, dict) and "alert" in value else value.stem if isinstance(value, Path) else None


@pytest.mark.debian
@pytest.mark.parametrize("path", sorted((ALERTS / "tests").glob("*.yml")), ids=lambda path: path.name)
def test_promtool_fires_each_alert_and_spares_the_innocent(path):
    promtool = required_program("promtool", package="prometheus")

    done = subprocess.run([promtool, "test", "rules", path.name], cwd=path.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_every_metric_of_a_rule_is_in_the_catalogue(path, rule):
    queries = re.findall(r"wattstat_\w+", f"{rule['expr']} {rule['annotations']['description']}")

    assert set(queries) <= set(ALL)


def test_no_two_alerts_have_one_name():
    names = [rule["alert"] for _, rule in RULES]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(("path", "group"), GROUPS, ids=the_alert)
def test_a_file_is_one_group_of_its_name(path, group):
    assert group["name"] == f"wattstat-{path.stem}"
    assert "interval" in group
    assert (ALERTS / "tests" / path.name).exists()


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_labels_say_how_bad_and_what_kind(path, rule):
    labels = rule["labels"]

    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", rule["alert"])
    assert labels["severity"] in SEVERITIES
    assert labels["component"] in COMPONENTS
    assert labels["severity"] == "none" or labels["category"] in CATEGORIES
    # A value in a label makes a new alert of every value: it would never have held long enough to fire.
    assert "$value" not in str(labels)
    assert ".Value" not in str(labels)


LONG = {"30m", "50m", "1h", "2h", "4h", "1d"}


@pytest.mark.parametrize(("path", "rule"), [each for each in RULES if each[1].get("for") in LONG], ids=the_alert)
def test_what_waits_long_outlasts_a_restart_of_core(path, rule):
    """All series end for the seconds of a restart: what waited for an hour would be told to be over, and wait anew."""
    looks_back = re.search(r"increase\(|rate\(", rule["expr"])

    assert looks_back or rule["labels"]["severity"] == "info" or "keep_firing_for" in rule


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_annotations_name_the_device_and_lead_somewhere(path, rule):
    annotations = rule["annotations"]

    assert annotations["runbook_url"] == f"{SITE}/runbooks/{rule['alert']}"
    assert annotations.get("dashboard_url", SITE).startswith(SITE)
    assert annotations.keys() <= {"summary", "description", "runbook_url", "dashboard_url"}
    assert "{{" in annotations["description"] or rule["labels"]["severity"] == "none"
    assert "{{" not in annotations["summary"]
    assert len(annotations["summary"]) < 80


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_a_comment_above_a_rule_says_why_this_threshold(path, rule):
    before = path.read_text().split(f"- alert: {rule['alert']}\n")[0].rstrip().splitlines()[-1]

    assert before.strip().startswith("#")


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_the_test_file_has_the_alert_firing_the_innocent_and_the_missing(path, rule):
    found = {kind for name, kind in cases_of(ALERTS / "tests" / path.name) if name == rule["alert"]}

    # What fires always has no innocent neighbour, and needs no data.
    wanted = {"fires"} if rule["expr"] == "vector(1)" else {"fires", "innocent", "missing"}
    assert found == wanted


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_each_alert_has_a_runbook_with_commands(path, rule):
    text = (ALERTS / "runbooks" / f"{rule['alert']}.md").read_text()

    assert text.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## .*$", text, re.MULTILINE) == SECTIONS
    assert "```" in text.partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:])


@pytest.mark.parametrize(("path", "rule"), RULES, ids=the_alert)
def test_the_evaluation_in_process_knows_the_language_of_a_rule_and_nothing_raises_nothing(path, rule):
    answer = instant_query(Nothing(), rule["expr"], at_ms=10**12)

    assert len(answer.points) == (rule["expr"] == "vector(1)")


class Nothing:
    """A history in which there is nothing."""

    def select(self, *_):
        empty = np.zeros(0, np.int64)
        return Raw(labels=[], offsets=np.zeros(1, np.int64), times=empty, values=empty.astype(np.float64))


def test_every_runbook_belongs_to_an_alert_or_a_finding():
    findings = "".join(path.read_text() for path in (ALERTS / "findings").rglob("*.py"))
    names = {rule["alert"] for _, rule in RULES}
    lost = [path.stem for path in (ALERTS / "runbooks").glob("*.md") if path.stem not in names and path.stem not in findings]

    assert lost == []


def test_the_rule_on_drives_spares_what_everybody_else_spares():
    (rule,) = [rule for _, rule in RULES if rule["alert"] == "StorageDriveFailed"]

    assert f'state!~"(?i:{"|".join(GOOD_DRIVES)})"' in rule["expr"]
