"""deploy/prometheus as it is shipped, in the servers that read it: what they find, evaluate and pass on."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.support.monitored_hall import configuration, victoria_metrics
from tests.support.processes import http_get, wait_for

pytestmark = [pytest.mark.debian, pytest.mark.timeout(1200)]


@pytest.fixture
def targets(servers):
    """Prometheus' targets by job, those that answer."""

    def found() -> dict[str, list[dict]]:
        body = http_get(f"{servers['prometheus'].url}/api/v1/targets?state=active")
        every = json.loads(body)["data"]["activeTargets"]
        return {
            job: [each for each in every if each["labels"]["job"] == job] for job in {each["labels"]["job"] for each in every}
        }

    return found


def test_core_and_every_agent_of_the_inventory_are_found_and_answer(hall, targets):
    nodes = {
        node["name"] for node in yaml.safe_load((hall.directory / "inventory.yaml").read_text())["nodes"] if "agent" in node
    }
    answering = wait_for(
        "all agents", lambda: (each := targets()["wattstat-agent"]) and all(one["health"] == "up" for one in each) and each
    )

    assert {each["labels"]["node"] for each in answering} == nodes
    assert [each["health"] for each in targets()["wattstat"]] == ["up"]


def test_prometheus_evaluates_the_shipped_rules_without_an_error(servers):
    groups = json.loads(http_get(f"{servers['prometheus'].url}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert rules
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")] == []


def test_the_watchdog_reaches_what_is_written_elsewhere(servers):
    watchdog = 'ALERTS{alertname="Watchdog", alertstate="firing"}'

    assert wait_for("the watchdog", lambda: servers["prometheus"].query(watchdog), seconds=90)
    assert wait_for("the watchdog in VictoriaMetrics", lambda: servers["victoria-metrics"].query(watchdog))


def test_what_fires_reaches_the_deployed_alertmanager(watched):
    def names() -> set[str]:
        found = json.loads(http_get(f"{watched.alertmanager}/api/v2/alerts") or "[]")
        return {each["labels"]["alertname"] for each in found}

    assert wait_for("the alerts", lambda: {"Watchdog", "GpuXidFatal"} <= names(), seconds=90)


def test_victoria_metrics_scrapes_with_the_same_file(hall, tmp_path):
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration(hall, rules=tmp_path)))
    options = (f"-promscrape.config={path}", "-promscrape.config.strictParse=false")
    with victoria_metrics(tmp_path / "vm", *options) as server:
        assert wait_for("power of the servers", lambda: server.query('wattstat_node_power_watts{source="system"}'))
        assert wait_for("the agents", lambda: len(server.query('up{job="wattstat-agent"} == 1')) > 1)
