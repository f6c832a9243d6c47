"""A hall that is watched by everything at once; what many tests ask is made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.monitored_hall import (
    Hall,
    Server,
    configuration,
    prometheus,
    victoria_metrics,
    watched_hall,
)
from tests.support.processes import ROOT, wait_for

# Enough scrapes for every rate, and a second of whatever core counts or decides anew.
FIRST_SCRAPES, SCRAPES = 2, 8
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
    ("xe9680-03", "bmc_refuse", {}),
    ("xe8640-01", "psu_failed", {"psu": 2}),
    ("scratch", "drive_failed", {}),
    ("ib-leaf-1", "link_degraded", {"port": "IB1/1/1"}),
    ("xe9680-02", "gpu_cap_denied", {}),
)
# Rules without a `for`: one that always fires, and what the first fault must raise.
FIRED = ("Watchdog", "GpuXidFatal")
FIRING = 'ALERTS{alertname="%s", alertstate="firing"}'


@pytest.fixture(scope="session")
def hall(tmp_path_factory) -> Iterator[Hall]:
    """Eight servers with jobs and faults, a policy in force, DCGM's names beside ours."""
    directory = tmp_path_factory.mktemp("monitored") / "hall"
    policies = directory.parent / "policies.yaml"
    policies.write_text(POLICY)
    power = {"mode": "enforce", "policies": str(policies)}
    with watched_hall(directory, exporter={"dcgm_names": True}, power=power) as made:
        yield made


@pytest.fixture(scope="session")
def servers(hall: Hall, tmp_path_factory) -> Iterator[dict[str, Server]]:
    """Prometheus, VictoriaMetrics and the embedded store, each with some scrapes of the hall."""
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("servers")
        victoria = stack.enter_context(victoria_metrics(directory))
        config = configuration(hall, rules=_rules(directory))
        queue = {"batch_send_deadline": "1s"}
        config["remote_write"] = [{"url": f"{victoria.url}/api/v1/write", "queue_config": queue}]
        real = stack.enter_context(prometheus(directory, config))
        embedded = Server(name="the embedded store", url=hall.web)
        made = {"prometheus": real, "victoria-metrics": victoria, "embedded": embedded}
        for server in made.values():
            wait_for(f"scrapes in {server.name}", lambda server=server: _scrapes(server) >= FIRST_SCRAPES, seconds=120)
        # An event is seen by those who saw the counter before it.
        for target, kind, options in FAULTS:
            hall.fault(target, kind, **options)
        hall.ask("POST", "/api/power/emergency", scope="rack/rack-02", confirm="rack-02", reason="A rehearsal", minutes=30)
        for server in made.values():
            wait_for(f"alerts, a policy and an emergency in {server.name}", lambda server=server: _ready(server), seconds=120)
        yield made


def _rules(directory: Path) -> Path:
    """The shipped rules, where the deployed configuration looks for them."""
    folder = directory / "rules"
    folder.mkdir()
    for path in (ROOT / "alerts/rules").glob("*.yml"):
        (folder / path.name).symlink_to(path)
    return folder


def _scrapes(server: Server) -> float:
    counted = server.query('count_over_time(up{job="wattstat"}[5m])')
    return float(counted[0]["value"][1]) if counted else 0.0


def _ready(server: Server) -> bool:
    expected = (
        "wattstat_policy_binding_devices > 0",
        "wattstat_controller_emergency == 1",
        "wattstat_cap_broken == 1",
        "wattstat_infiniband_port_rate_bits_per_second < 4e11",
        *(FIRING % name for name in FIRED),
    )
    return _scrapes(server) >= SCRAPES and all(map(server.query, expected))
