"""Routes as amtool finds them, refusals with line numbers, and a shipped Alertmanager configuration with the same tree."""

import itertools
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from alerts.delivery.matchers import Matcher
from alerts.delivery.reader import BUILT_IN, parse_routing, read_routing, seconds
from tests.support.programs import required_program
from wattstat.document import InvalidDocument

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
UTC = ZoneInfo("UTC")

NESTED = """
route:
  receiver: default
  routes:
    - match: {team: storage}
      receiver: storage
      continue: true
    - match_re: {severity: crit.*|page}
      receiver: pager
      routes:
        - matchers: ['node=~"gpu-0.+"', "rack!=r13"]
          receiver: gpu
        - matchers: ['{node!~"gpu.*", severity!=""}']
          receiver: others
          continue: true
        - matchers: ['note="a \\"quoted\\", comma"']
          receiver: quoted
    - matchers: ['team=""', "severity=info"]
      receiver: nobody
receivers: [{name: default}, {name: storage}, {name: pager}, {name: gpu}, {name: others}, {name: quoted}, {name: nobody}]
"""
VALUES = {
    "team": ("", "storage"),
    "severity": ("", "critical", "page", "info"),
    "node": ("", "gpu-001", "web-1"),
    "rack": ("", "r13"),
    "note": ("", 'a "quoted", comma'),
}


def by_amtool(path, labels):
    amtool = required_program("amtool", package="prometheus-alertmanager")
    given = [str(Matcher(name, "=", value)) for name, value in labels.items()]
    done = subprocess.run(
        [amtool, "config", "routes", "test", f"--config.file={path}", *given], capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1].split(",")


def ours(routing, labels):
    return [route.receiver for route in routing.root.matching(labels)]


@pytest.mark.debian
def test_a_nested_tree_routes_as_amtool_says(tmp_path):
    path = tmp_path / "routing.yml"
    path.write_text(NESTED)
    routing = read_routing(path, UTC)

    for values in itertools.product(*VALUES.values()):
        labels = {name: value for name, value in zip(VALUES, values, strict=True) if value}
        assert ours(routing, labels) == by_amtool(path, labels), labels


@pytest.mark.debian
def test_every_shipped_alert_takes_the_route_that_amtool_says():
    routing = read_routing(SHIPPED, UTC)
    kinds = {
        (rule["alert"], rule["labels"]["severity"])
        for path in sorted((ROOT / "alerts" / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    }

    for severity in {severity for _, severity in kinds}:
        name = min(each for each, known in kinds if known == severity)
        labels = {"alertname": name, "severity": severity}
        assert ours(routing, labels) == by_amtool(SHIPPED, labels)
    assert ours(routing, {"alertname": "GpuLost", "severity": "critical"}) == ["pager"]
    lost = {"alertname": "FeedLost", "severity": "critical"}
    assert ours(routing, lost) == by_amtool(SHIPPED, lost) == ["pager"]
    assert ours(routing, {"alertname": "Watchdog", "severity": "none"}) == ["heartbeat"]


def test_racks_that_lose_a_feed_together_are_one_message_and_gpus_are_put_together_by_rack():
    def group(name, rack):
        labels = {"alertname": name, "severity": "critical", "cluster": "hall-1", "rack": rack}
        (route,) = read_routing(BUILT_IN, UTC).root.matching(labels)
        return route.receiver, route.group_wait_seconds, route.repeat_interval_seconds, route.grouped(labels)

    for name in ("FeedLost", "RackPowerLost"):
        assert group(name, "r1") == group(name, "r2")
        assert group(name, "r1")[:3] == group("GpuLost", "r1")[:3]
    assert group("GpuLost", "r1") != group("GpuLost", "r2")


@pytest.mark.debian
def test_amtool_accepts_the_shipped_configuration():
    amtool = required_program("amtool", package="prometheus-alertmanager")
    done = subprocess.run([amtool, "check-config", SHIPPED], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_configuration_and_the_built_in_one_differ_only_in_how_people_are_reached():
    shipped, built_in = (yaml.safe_load(path.read_text()) for path in (SHIPPED, BUILT_IN))
    watchdog = shipped["route"]["routes"].pop(0)
    built_in["route"]["routes"].pop(0)

    assert watchdog["receiver"] == "heartbeat"
    assert shipped["route"] == built_in["route"]
    assert shipped["inhibit_rules"] == built_in["inhibit_rules"]


def test_what_is_wrong_with_a_file_is_said_with_its_line_all_at_once():
    text = """
route:
  receiver: pager
  group_wait: 10
  groups_by: [node]
  routes:
    - matchers: ['severity==critical']
      mute_time_intervals: [nights]
receivers:
  - nam: pager
"""
    with pytest.raises(InvalidDocument) as refused:
        parse_routing(text, source="routing.yml", zone=UTC)

    said = str(refused.value)
    assert "routing.yml:4:3: route.group_wait: 10 is no duration; expected a number with a unit" in said
    assert "routing.yml:5:3: route.groups_by: is not known here" in said
    assert "routing.yml:8:" in said
    assert "'nights' is not among time_intervals" in said
    assert "routing.yml:10:" in said


@pytest.mark.parametrize("text", ["", "route: []", "receivers: [{name: a}]", "route: {receiver: a}"])
def test_a_file_without_a_usable_tree_is_refused(text):
    with pytest.raises(InvalidDocument):
        parse_routing(text, source="routing.yml", zone=UTC)


@pytest.mark.parametrize(("text", "length"), [("30s", 30), ("1h30m", 5400), ("2d", 172_800), ("100ms", 0.1), ("0s", 0)])
def test_durations_are_those_of_prometheus(text, length):
    assert seconds(text) == pytest.approx(length)


@pytest.mark.parametrize("text", ["", "30", 30, "1.5h", "s", None])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)
