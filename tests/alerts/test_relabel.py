"""Racks for alerts that a Prometheus evaluates: every alert of a device gets the rack that we would give it ourselves."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from alerts.relabel import rules
from alerts.subject import subject
from tests.support.premises import small_hall
from tests.support.programs import required_program
from wattstat import inventory

RULES = rules(small_hall())


def relabelled(labels, configs=RULES):
    """As Prometheus does it: an absent label is empty, expressions are anchored, and rules follow one another."""
    labels = dict(labels)
    for rule in configs:
        joined = ";".join(labels.get(name, "") for name in rule["source_labels"])
        if found := re.fullmatch(rule["regex"], joined):
            labels[rule["target_label"]] = found.expand(rule["replacement"].replace("$$", "$"))
    return labels


@pytest.mark.parametrize(
    ("labels", "rack"),
    [
        ({"node": "gpu1"}, "r1"),
        ({"node": "gpu3", "gpu": "3"}, "r2"),
        # A server's cable: it is told of the server, wherever its switch stands.
        ({"node": "gpu1", "switch": "leaf2", "port": "1/1"}, "r1"),
        ({"switch": "leaf2", "port": "1/1"}, "r2"),
        ({"pdu": "p2", "phase": "L1"}, "r1"),
        ({"collector": "pdu", "target": "p1", "tier": "identity"}, "r1"),
        ({"collector": "switches", "target": "leaf2"}, "r2"),
        ({"collector": "redfish", "target": "gpu3"}, "r2"),
        ({"collector": "onefs", "target": "scratch"}, None),
        ({"rack": "r9", "node": "gpu1"}, "r9"),
        ({"node": "gpu11"}, None),
        ({"storage": "scratch"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_an_alert_gets_the_rack_of_its_device(labels, rack):
    assert relabelled(labels).get("rack") == rack
    hall = small_hall()
    ours = {("node", each.name): each.rack for each in hall.nodes}
    ours |= {("switch", each.name): each.rack for each in hall.switches} | {("pdu", each.name): each.rack for each in hall.pdus}
    about = subject(labels)
    assert relabelled(labels).get("rack") == labels.get("rack", ours.get((about.kind, about.name)))


def test_names_are_no_patterns_and_a_rack_may_be_called_anything():
    hall = inventory.loads("racks: [{name: $1}]\nnodes: [{name: n.1, rack: $1}]")

    assert relabelled({"node": "n.1"}, rules(hall))["rack"] == "$1"
    assert "rack" not in relabelled({"node": "nx1"}, rules(hall))


def test_a_hall_without_racks_needs_no_rules():
    assert rules(inventory.loads("nodes: [{name: n1}]")) == []


@pytest.mark.debian
def test_promtool_accepts_them_in_the_shipped_configuration(tmp_path):
    promtool = required_program("promtool", package="prometheus")
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({"alerting": {"alert_relabel_configs": [dict(rule) for rule in RULES]}}))

    done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
