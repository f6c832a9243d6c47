"""Every query of every dashboard, and of NVIDIA's own, answered by Prometheus, VictoriaMetrics and the embedded store."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml

from tests.support.dashboard_queries import asked, choices, filled, load
from tests.support.monitored_hall import Refused, Server
from tests.support.processes import ROOT

pytestmark = [pytest.mark.debian, pytest.mark.timeout(600)]

DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
RULES = sorted((ROOT / "alerts").glob("r*/*.yml"))
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
# Panels that are empty on a hall like this one, each with its reason.
QUIET: Mapping[tuple[str, str], str] = {}


@pytest.fixture
def server(servers, request) -> Server:
    return servers[request.param]


def everywhere(test):
    """Once for each server."""
    return pytest.mark.parametrize("server", WHERE, indirect=True)(test)


def unanswered(dashboard: dict, server: Server, values: Mapping[str, str]) -> list[str]:
    """What has no data, with its reason where the server gives one."""
    silent = []
    for each in asked(dashboard):
        expression = filled(each.expression, values)
        try:
            found = server.query(expression)
        except Refused as refused:
            silent.append(f"{each.where}: {expression}: {refused}")
            continue
        if not found and (dashboard["uid"], each.where) not in QUIET:
            silent.append(f"{each.where}: {expression}")
    return silent


@everywhere
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_the_dashboard_has_data(server, path):
    dashboard = load(path)
    # Not every choice shows everything: a server without GPUs has no power of GPUs. One must.
    tried = [unanswered(dashboard, server, values) for values in choices(dashboard, server)]
    assert tried, "a variable offers nothing"
    assert min(tried, key=len) == []


@everywhere
def test_nvidias_dashboard_has_data(server):
    every = {}
    for name, label in (("Hostname", "Hostname"), ("gpu", "gpu"), ("instance", "instance")):
        every[name] = "|".join(server.label_values(label, "DCGM_FI_DEV_FB_FREE"))
        assert every[name]
    assert [query for query in NVIDIA if not server.query(filled(query, every))] == []


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
    titles = {(dashboard["uid"], each.where) for dashboard in map(load, DASHBOARDS) for each in asked(dashboard)}
    assert set(QUIET) - titles == set()


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
