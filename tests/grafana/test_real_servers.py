"""deploy/prometheus and every query of every dashboard in the servers that read them: what they find, answer and pass on.

One file, because all of it looks at one hall: a second one, or one that outlives its tests, would take a core from the others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from string import Template

import pytest
import yaml

from tests.support.dashboard_queries import choices
from tests.support.grafana_boards import BOARDS, Asked, asked
from tests.support.monitored_hall import Refused, Server, configuration, victoria_metrics
from tests.support.processes import ROOT, http_get, wait_for

pytestmark = [pytest.mark.debian, pytest.mark.timeout(1200)]

RULES = sorted((ROOT / "alerts").glob("r*/*.yml"))
ASKED = {board: [*queries] for board, queries in groupby(sorted(asked(), key=attrgetter("board")), key=attrgetter("board"))}
WHERE = ("prometheus", "victoria-metrics", "embedded")
# NVIDIA's dashboard 12239, as it stands beside dcgm-exporter and, in its second half, as grafana.com has it. All chosen.
NVIDIA = (
    'max(DCGM_FI_DEV_GPU_TEMP{Hostname=~"$Hostname", gpu=~"$gpu"}) by (Hostname, gpu, uuid)',
    'avg(DCGM_FI_DEV_GPU_TEMP{Hostname=~"$Hostname", gpu=~"$gpu"})',
    'max(DCGM_FI_DEV_POWER_USAGE{Hostname=~"$Hostname", gpu=~"$gpu"}) by (Hostname, gpu, uuid)',
    'sum(max(DCGM_FI_DEV_POWER_USAGE{Hostname=~"$Hostname", gpu=~"$gpu"}) by (gpu))',
    'max(DCGM_FI_DEV_SM_CLOCK{Hostname=~"$Hostname", gpu=~"$gpu"} * 1000000) by (Hostname, UUID, gpu)',
    'max(DCGM_FI_PROF_GR_ENGINE_ACTIVE{Hostname=~"$Hostname", gpu=~"$gpu"}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)',
    'max(DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{Hostname=~"$Hostname", gpu=~"$gpu"}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)',
    'max(DCGM_FI_DEV_FB_USED{Hostname=~"$Hostname", gpu=~"$gpu"}) by (Hostname, gpu, GPU_I_ID, GPU_I_PROFILE)',
    'DCGM_FI_DEV_GPU_TEMP{instance=~"$instance", gpu=~"$gpu"}',
    'avg(DCGM_FI_DEV_GPU_TEMP{instance=~"$instance", gpu=~"$gpu"})',
    'DCGM_FI_DEV_POWER_USAGE{instance=~"$instance", gpu=~"$gpu"}',
    'sum(DCGM_FI_DEV_POWER_USAGE{instance=~"$instance", gpu=~"$gpu"})',
    'DCGM_FI_DEV_SM_CLOCK{instance=~"$instance", gpu=~"$gpu"} * 1000000',
    'DCGM_FI_DEV_GPU_UTIL{instance=~"$instance", gpu=~"$gpu"}',
    'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{instance=~"$instance", gpu=~"$gpu"}',
    'DCGM_FI_DEV_FB_USED{instance=~"$instance", gpu=~"$gpu"}',
)
_NOT_YET = "what must hold for minutes does not fire within this test; the overview has the same annotation"
# Panels that are empty on a hall like this one, each with its reason.
QUIET: Mapping[tuple[str, str], str] = {
    ("wattstat-node", "Faults that the BMC reports"): "no fault that is switched on stands in a BMC's list",
    ("wattstat-gpu", "Errors"): "one XID; the counters of the other kinds stand still",
    ("wattstat-gpu", "Time lost"): "nothing is too hot",
    ("wattstat-gpu", "GPUs of the hall that need somebody"): "none is lost or waits for a reset",
    ("wattstat-jobs", "GPUs held and doing nothing"): "every job works",
    ("wattstat-jobs", "Meters apart"): "it takes ten minutes of readings",
    ("wattstat-self", "Resources that fail"): "a device that fails here fails as a whole",
    ("wattstat-storage", "Critical alerts"): _NOT_YET,
    ("wattstat-fabric", "Critical alerts"): _NOT_YET,
    ("wattstat-power", "Critical alerts"): _NOT_YET,
}


@pytest.fixture
def server(servers, request) -> Server:
    return servers[request.param]


def everywhere(test):
    """Once for each server."""
    return pytest.mark.parametrize("server", WHERE, indirect=True)(test)


def answer(server: Server, at: float, each: Asked, values: Mapping[str, str]) -> list:
    """What a panel or an annotation would get for the last minutes."""
    expression = each.filled(**values)
    return server.query(expression, at) if each.instant else server.range(expression, at, seconds=300, step=10)


def silent(board: str, server: Server, at: float, values: Mapping[str, str]) -> list[str]:
    """What has no data, with its reason where the server gives one."""
    found = []
    for each in ASKED[board]:
        try:
            if not answer(server, at, each, values) and (board, each.panel) not in QUIET:
                found.append(f"{each.panel}: {each.filled(**values)}")
        except Refused as refused:
            found.append(f"{each.panel}: {each.filled(**values)}: {refused}")
    return found


@everywhere
@pytest.mark.parametrize("board", BOARDS)
def test_every_query_of_the_dashboard_has_data(server, watched, board):
    # Not every choice shows everything: a server without GPUs has no power of GPUs. One must.
    tried = [silent(board, server, watched.at, values) for values in choices(BOARDS[board], server)]
    assert tried, "a variable offers nothing"
    least = min(tried, key=len)
    assert not least, "\n".join(least)


@pytest.mark.parametrize("board", BOARDS)
def test_no_chart_has_more_lines_than_can_be_told_apart(watched, board):
    prometheus = watched.by_name["prometheus"]
    values = next(iter(choices(BOARDS[board], prometheus)))
    lines = Counter[str]()
    for each in ASKED[board]:
        if each.kind not in {"table", "annotation"}:
            lines[each.panel] += len(answer(prometheus, watched.at, each, values))

    assert {panel: count for panel, count in lines.items() if count > 30} == {}


@everywhere
def test_nvidias_dashboard_has_data(server, watched):
    every = {name: "|".join(server.label_values(name, "DCGM_FI_DEV_FB_FREE")) for name in ("Hostname", "gpu", "instance")}
    assert all(every.values())
    assert [query for query in NVIDIA if not server.query(Template(query).substitute(every), watched.at)] == []


@everywhere
@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_rule_can_be_evaluated(server, path):
    refused = []
    for group in yaml.safe_load(path.read_text())["groups"]:
        for rule in group["rules"]:
            try:
                server.query(rule["expr"])
            except Refused as err:
                refused.append(f"{rule.get('alert') or rule['record']}: {err}")
    assert refused == []


def test_every_quiet_panel_exists():
    assert set(QUIET) - {(each.board, each.panel) for each in asked()} == set()


def test_agents_show_nothing_of_a_device_that_core_shows_too(servers):
    """In one Prometheus each would count twice in every sum over the hall."""
    prometheus = servers["prometheus"]
    both = prometheus.query(
        'count by (__name__) ({__name__=~"wattstat_.+", job="wattstat-agent"}) and on (__name__) '
        'count by (__name__) ({__name__=~"wattstat_.+", job="wattstat"})'
    )
    of_itself = ("wattstat_collector_", "wattstat_build_info", "wattstat_hall_series", "wattstat_duplicate_samples_total")
    assert prometheus.query('up{job="wattstat-agent"} == 1')
    assert [name for each in both if not (name := each["metric"]["__name__"]).startswith(of_itself)] == []


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
