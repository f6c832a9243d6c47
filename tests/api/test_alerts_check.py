"""`wattstat alerts check`: what cannot be evaluated, and what can and yet never fires or reaches nobody."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.evaluation.loader import shipped_rules
from alerts.evaluation.templates.functions import FUNCTIONS
from alerts.evaluation.templates.parser import _REFUSED
from wattstat.cli import app

ALERTING = Path(__file__).parents[2] / "docs" / "alerting.md"


@pytest.fixture
def check(tmp_path):
    """Checks a file with these rules."""

    def checked(*rules):
        path = tmp_path / "own.yml"
        path.write_text("groups:\n- name: own\n  rules:\n" + "".join(f"  - {rule}\n" for rule in rules))
        return CliRunner().invoke(app, ["alerts", "check", str(path)])

    return checked


def test_a_single_good_rule_is_counted_as_one(check):
    done = check("{alert: Hot, expr: wattstat_gpu_power_watts > 1, labels: {severity: warning}}")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "1 rule in 1 group can be evaluated.\n", "")


def test_a_metric_that_nobody_records_is_a_warning(check):
    done = check(
        "{record: own:watts, expr: sum(wattstat_gpu_power_watts)}",
        "{alert: Misspelt, expr: wattstat_gpu_power_wats > own:watts}",
        "{alert: Elsewhere, expr: node_load1 > 9 unless on () (up or ALERTS)}",
    )

    assert done.exit_code == 0
    misspelt, elsewhere = done.stderr.splitlines()
    assert "own: Misspelt: Wattstat has no metric wattstat_gpu_power_wats; did you mean wattstat_gpu_power_watts?" in misspelt
    assert "own: Elsewhere: node_load1 is no metric of Wattstat" in elsewhere


def test_a_severity_that_no_route_knows_is_a_warning(check):
    done = check("{alert: Hot, expr: up == 0, labels: {severity: crit}}")

    assert done.exit_code == 0
    assert "severity 'crit' is none that routes know; expected critical, warning or info" in done.stderr


def test_the_shipped_rules_give_no_warning():
    done = CliRunner().invoke(app, ["alerts", "check", *map(str, shipped_rules())])

    assert (done.exit_code, done.stderr) == (0, "")


def test_a_file_that_is_not_there_is_wrong_use_and_nothing_to_write_samples_for(tmp_path):
    done = CliRunner().invoke(app, ["alerts", "check", str(tmp_path / "none.yml")])

    assert done.exit_code == 2
    assert "no such file; check the path" in done.stderr


def test_the_page_lists_all_that_templates_may_use_and_what_they_may_not():
    text = ALERTING.read_text(encoding="utf-8")

    assert [name for name in (*FUNCTIONS, *_REFUSED) if f"`{name}`" not in text] == []
