"""A hall that is watched by everything at once; what many tests ask is made once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.monitored_hall import (
    Hall,
    Server,
    alertmanager,
    configuration,
    prometheus,
    victoria_metrics,
    watched_hall,
)
from tests.support.processes import ROOT, python, wait_for

# Enough scrapes for every rate, and a second of whatever core counts or decides anew.
FIRST_SCRAPES, SCRAPES = 2, 4
POLICY = """
policies:
  - name: rehearsal
    owner: tests
    reason: Something must decide a cap
    mode: enforce
    ask: {gpu_cap: {percent: 60}}
"""

# So that what shows trouble has some to show.
FAULTS = (
    ("xe9680-02", "gpu_xid", {"gpu": 1}),
    ("r760xa-l4-01", "bmc_refuse", {}),
    ("xe8640-01", "psu_failed", {"psu": 2}),
    ("scratch", "drive_failed", {}),
    ("ib-leaf-1", "link_degraded", {"port": "IB1/1/1"}),
    ("xe9680-02", "gpu_cap_denied", {}),
)
# Rules without a `for`: one that always fires, and what the first fault must raise.
FIRED = ("Watchdog", "GpuXidFatal")
FIRING = 'ALERTS{alertname="%s", alertstate="firing"}'


@pytest.fixture(scope="module")
def hall(tmp_path_factory) -> Iterator[Hall]:
    """Five servers with jobs and faults, a policy in force, DCGM's names beside ours."""
    directory = tmp_path_factory.mktemp("monitored") / "hall"
    policies = directory.parent / "policies.yaml"
    policies.write_text(POLICY)
    power = {"mode": "enforce", "policies": str(policies)}
    with watched_hall(directory, exporter={"dcgm_names": True}, power=power) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Watched:
    """The servers that have seen the hall, a moment at which each had seen everything, and the Alertmanager that was told."""

    by_name: dict[str, Server]
    at: float
    alertmanager: str


@pytest.fixture(scope="module")
def watched(hall: Hall, tmp_path_factory) -> Iterator[Watched]:
    """Prometheus, VictoriaMetrics and the embedded store, each with some scrapes of the hall."""
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("servers")
        victoria = stack.enter_context(victoria_metrics(directory))
        told = stack.enter_context(alertmanager(directory))
        config = configuration(hall, rules=_rules(directory), alertmanager=told.removeprefix("http://"))
        queue = {"batch_send_deadline": "1s"}
        config["remote_write"] = [{"url": f"{victoria.url}/api/v1/write", "queue_config": queue}]
        real = stack.enter_context(prometheus(directory, config))
        embedded = Server(name="the embedded store", url=hall.web)
        made = {"prometheus": real, "victoria-metrics": victoria, "embedded": embedded}
        for server in made.values():
            wait_for(f"scrapes in {server.name}", lambda server=server: _scrapes(server) >= FIRST_SCRAPES, seconds=240, every=1)
        # An event is seen by those who saw the counter before it.
        for target, kind, options in FAULTS:
            hall.fault(target, kind, **options)
        hall.ask("POST", "/api/power/emergency", scope="rack/rack-02", confirm="rack-02", reason="A rehearsal", minutes=30)
        try:
            at = wait_for("a moment at which everything was seen", lambda: _moment(made.values()), seconds=400, every=2)
        except AssertionError:
            pytest.fail("not seen: " + "; ".join(_missing(made.values(), time.time() - 2)))
        yield Watched(by_name=made, at=at, alertmanager=told)


@pytest.fixture(scope="module")
def servers(watched: Watched) -> dict[str, Server]:
    return watched.by_name


def _rules(directory: Path) -> Path:
    """The shipped rules, written for a Prometheus as the document says."""
    folder = directory / "exported"
    subprocess.run(python("wattstat", "alerts", "export", str(folder)), cwd=ROOT, check=True, capture_output=True)
    return folder


def _scrapes(server: Server, at: float | None = None) -> float:
    counted = server.query('count_over_time(up{job="wattstat"}[5m])', at)
    return float(counted[0]["value"][1]) if counted else 0.0


# What must be there together. A machine under load misses a scrape or a collection now and then; the next one brings it.
SEEN = (
    "wattstat_policy_binding_devices > 0",
    "wattstat_controller_emergency == 1",
    "wattstat_cap_broken == 1",
    "wattstat_infiniband_port_rate_bits_per_second < 4e11",
    "count(wattstat_switch_up == 1) == 4",
    "count(wattstat_storage_up == 1) == 3",
    'count(wattstat_node_power_watts{source="system"}) == 4',
    'count(wattstat_gpu_power_watts{window="1s",scope="gpu"}) == 28',
    "count(count by (node) (wattstat_gpu_temperature_margin_celsius)) == 5",
    "wattstat_job_power_watts",
    "wattstat_job_energy_joules_total",
    "wattstat_alert_group_duration_seconds",
    "wattstat_health_score",
    *(FIRING % name for name in FIRED),
    # Long enough for a subquery's step to meet it.
    f"count_over_time(({FIRING % FIRED[1]})[2m:30s]) >= 1",
)


def _moment(servers: Collection[Server]) -> float | None:
    """Now, or nearly, if every server has everything; what is written elsewhere comes a little later."""
    at = time.time() - 2
    return None if any(_missing(servers, at)) else at


def _missing(servers: Collection[Server], at: float) -> Iterator[str]:
    """What a server has not seen."""
    for server in servers:
        if (count := _scrapes(server, at)) < SCRAPES:
            yield f"{server.name}: {count:.0f} scrapes"
        yield from (f"{server.name}: {each}" for each in SEEN if not server.query(each, at))
