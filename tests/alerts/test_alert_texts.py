"""What alerts say is read by somebody who was woken: no doubled spaces, no codes for states, no "1 errors"."""

import re

import pytest
import yaml

from tests.support.processes import ROOT

CASES = sorted((ROOT / "alerts" / "tests").glob("*.yml"))
NOT_SO = {
    "a doubled space": r"  ",
    "a space before a full stop or a comma": r"\s[.,;](\s|$)",
    "an empty place": r"\(\s*\)|``",
    "no value": r"<no value>|%!|\bNaN\b|\[\]",
    "a long float": r"\d\.\d{5,}",
    "one of several": r"(?<![\d.,-])1 (?:uncorrected |critical |current |replication )?"
    r"(?:errors|drives|links|entries|servers|GPUs|caps"
    r"|times|samples|banks|fans|faults|events|alarms)\b",
    "a code for a state": r"where 0 is|0 is good|1 is good|0 is wanted",
}


def said(path):
    """Every rendered text of a file of tests, with its alert."""
    for test in yaml.safe_load(path.read_text())["tests"]:
        for case in test.get("alert_rule_test") or []:
            for alert in case.get("exp_alerts") or []:
                yield case["alertname"], alert["exp_annotations"]["description"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_text_reads_well(path):
    wrong = [
        f"{name}: {what}: {found.group()!r} in {text}"
        for name, text in said(path)
        for what, pattern in NOT_SO.items()
        if (found := re.search(pattern, text))
    ]
    assert not wrong, "\n".join(wrong)
