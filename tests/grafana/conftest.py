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
SCRAPES = 8
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
)


@pytest.fixture(scope="session")
def hall(tmp_path_factory) -> Iterator[Hall]:
    """Eight servers with jobs and faults, a policy in force, DCGM's names beside ours."""
    directory = tmp_path_factory.mktemp("monitored") / "hall"
    policies = directory.parent / "policies.yaml"
    policies.write_text(POLICY)
    power = {"mode": "enforce", "policies": str(policies)}
    with watched_hall(directory, exporter={"dcgm_names": True}, power=power) as made:
        for target, kind, options in FAULTS:
            made.fault(target, kind, **options)
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
            wait_for(f"scrapes in {server.name}", lambda server=server: _ready(server), seconds=120)
        yield made


def _rules(directory: Path) -> Path:
    """The shipped rules, where the deployed configuration looks for them."""
    folder = directory / "rules"
    folder.mkdir()
    for path in (ROOT / "alerts/rules").glob("*.yml"):
        (folder / path.name).symlink_to(path)
    return folder


def _ready(server: Server) -> bool:
    counted = server.query('count_over_time(up{job="wattstat"}[5m])')
    decided = server.query("wattstat_policy_binding_devices > 0 and on () wattstat_controller_view_ratio")
    return bool(counted and float(counted[0]["value"][1]) >= SCRAPES and decided)
