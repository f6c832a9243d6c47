"""The table of XIDs, the rules on them, their runbooks and the agent's counters say the same."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from collectors.nvml.events import WATCHED_XIDS

ALERTS = Path(__file__).parents[2] / "alerts"
TABLE = list(csv.DictReader((ALERTS / "xid.csv").read_text().splitlines()))
NAMED = [row for row in TABLE if row["alert"] not in {"GpuXidOther", "GpuRecoveryActionNeeded"}]


def rules():
    (group,) = yaml.safe_load((ALERTS / "rules" / "gpu.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row["xid"])
def test_an_xid_raises_the_alert_that_the_table_names(row):
    matchers = re.findall(r'xid=~?"([^"]+)"', rules()[row["alert"]])

    assert row["xid"] in "|".join(matchers).split("|")


def test_the_alert_on_other_xids_leaves_out_exactly_those_that_have_one():
    spoken_for = {row["xid"] for row in TABLE if row["alert"] != "GpuXidOther"}

    for matcher in re.findall(r'xid!~"([^"]+)"', rules()["GpuXidOther"]):
        assert set(matcher.split("|")) == spoken_for


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row["xid"])
def test_the_first_event_of_an_xid_with_an_alert_is_seen(row):
    assert int(row["xid"]) in WATCHED_XIDS


@pytest.mark.parametrize("row", [row for row in TABLE if row["alert"] != "GpuRecoveryActionNeeded"], ids=lambda row: row["xid"])
def test_the_runbook_says_what_the_table_says(row):
    runbook = (ALERTS / "runbooks" / f"{row['alert']}.md").read_text()

    assert f"| {row['xid']} | {row['meaning']} | {row['action']} |" in runbook
