"""Overview calls critical what wakes somebody: its levels are the severities of the alert rules."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboard import alertwords, plantproblems, powerproblems, problems
from dashboard.problem import Level
from dashboard.state import hall_state
from tests.support.processes import ROOT
from wattstat.api.live import CollectorState, LiveSample, LiveSnapshot
from wattstat.catalogue import gpu, network, node, storage
from wattstat.inventory import Inventory

NOW = 1_700_000_000.0
GPU = {"node": "n1", "gpu": "0", "uuid": "GPU-1"}


def severity_of(name: str) -> Level:
    """The level of a rule."""
    text = "".join(path.read_text() for path in sorted(Path(ROOT, "alerts/rules").glob("*.yml")))
    found = re.search(rf"- alert: {name}\n.*?severity: (\w+)", text, re.DOTALL)
    assert found is not None, f"there is no rule {name}"
    return max(alertwords.level(found.group(1)), Level.WARNING)  # what is listed is at least that


def snapshot(*samples) -> LiveSnapshot:
    families: dict[str, list[LiveSample]] = {}
    for metric, value, labels in samples:
        families.setdefault(metric.name, []).append(LiveSample(labels, value, 2.0))
    return LiveSnapshot(taken_at=NOW, metrics={name: tuple(found) for name, found in families.items()})


def hall(*samples, collectors=(), **entry):
    inventory = {
        "racks": [{"name": "r1"}],
        "nodes": [{"name": "n1", "rack": "r1", **entry}],
        "switches": [{"name": "leaf1", "rack": "r1"}],
    }
    return hall_state(snapshot(*samples), Inventory.model_validate(inventory), collectors)


@pytest.mark.parametrize(
    ("sample", "kind", "rule"),
    [
        ((node.NODE_HEALTH, 2, {"node": "n1", "component": "psu"}), "health", "ServerHealthCritical"),
        ((node.NODE_HEALTH, 1, {"node": "n1", "component": "fan"}), "health", "ServerHealthWarning"),
        ((node.NODE_POWER_ON, 0, {"node": "n1"}), "power_off", "ServerPoweredOff"),
        ((node.NODE_GPU_HEALTH, 2, {"node": "n1", "device": "GPU.1"}), "gpu_health", "GpuUnhealthyByBmc"),
        ((gpu.GPU_LOST, 1, GPU), "lost", "GpuLost"),
        ((gpu.GPU_RECOVERY_ACTION, 1, GPU), "recovery", "GpuRecoveryActionNeeded"),
        ((gpu.GPU_THROTTLE_ACTIVE, 1, {**GPU, "reason": "hw_thermal"}), "throttle", "GpuHwThermalSlowdown"),
        ((gpu.GPU_THROTTLE_ACTIVE, 1, {**GPU, "reason": "hw_power_brake"}), "throttle", "GpuPowerBrake"),
        ((gpu.GPU_THROTTLE_ACTIVE, 1, {**GPU, "reason": "sw_thermal"}), "throttle", "GpuSwThermalSlowdown"),
    ],
)
def test_what_is_wrong_with_a_server_is_as_bad_as_its_alert(sample, kind, rule):
    found = {each.kind: each.level for each in problems.problems(hall(sample))}
    assert found[kind] == severity_of(rule)


@pytest.mark.parametrize(
    ("collector", "target", "rule"),
    [
        ("redfish", "n1", "BmcUnreachable"),
        ("agent", "n1", "WattstatTargetFails"),
        ("slurm", "slurm", "SchedulerSilent"),
        ("switches", "leaf1", "SwitchSilent"),
    ],
)
def test_who_does_not_answer_is_as_bad_as_its_alert(collector, target, rule):
    failing = CollectorState(
        collector=collector, target=target, tier="fast", every_seconds=10, success=False, supported=True, samples=0,
        duration_seconds=1.0, last_success=None, failing_since=NOW - 600, error="timed out", resource_errors={},
        circuit_open_until=None,
    )  # fmt: skip
    assert [each.level for each in problems.problems(hall(collectors=[failing]))] == [severity_of(rule)]


@pytest.mark.parametrize(
    ("sample", "rule"),
    [
        ((network.SWITCH_PSU_OK, 0, {"switch": "leaf1", "psu": "1"}), "SwitchPsuFailed"),
        ((network.SWITCH_FAN_OK, 0, {"switch": "leaf1", "fan": "1"}), "SwitchFanFailed"),
        ((network.SWITCH_PORT_BIT_ERROR_RATIO, 1e-9, {"switch": "leaf1", "port": "1", "kind": "symbol"}), "LinkErrorsHigh"),
        ((storage.STORAGE_NODE_UP, 0, {"storage": "a", "storage_node": "a-1"}), "StorageNodeDown"),
        (
            (storage.STORAGE_NODE_PSU_OK, 0, {"storage": "a", "storage_node": "a-1", "psu": "1"}),
            "StoragePsuFailed",
        ),
    ],
)
def test_what_is_wrong_beside_the_servers_is_as_bad_as_its_alert(sample, rule):
    found = plantproblems.problems(snapshot(sample), Inventory())
    assert [each.level for each in found] == [severity_of(rule)]


def test_an_emergency_and_a_controller_without_leader_are_as_bad_as_their_alerts():
    status = {
        "emergencies": [{"reason": "smoke", "owner": "ada", "scope": "site", "since": "2026-11-23T10:00:00Z"}],
        "budgets": [], "troubles": [], "findings": [], "devices": [], "mode": "enforce",
        "leader": {"leads": False, "holder": ""},
    }  # fmt: skip
    found = {each.kind: each.level for each in powerproblems.problems(status)}
    assert found == {"emergency": severity_of("PowerEmergency"), "power_control": severity_of("NobodyControlsPower")}


@pytest.mark.parametrize(("until", "level"), [(NOW + 60, Level.OK), (NOW - 60, Level.CRITICAL)])
def test_a_server_in_planned_work_is_not_wrong_until_its_work_should_be_over(until, level):
    work = {"reason": "riser exchanged.", "until": datetime.fromtimestamp(until, UTC)}
    found = problems.problems(hall((gpu.GPU_LOST, 1, GPU), maintenance=work))

    assert [each.level for each in found] == [level]
    assert found[0].what.startswith("In planned work: riser exchanged; meanwhile: GPU lost") == (level is Level.OK)


def test_what_a_bmc_says_is_joined_without_its_full_stops():
    said = [
        (node.NODE_FAULT_INFO, 1, {"node": "n1", "severity": "Critical", "message": message})
        for message in ("The power input for power supply 1 is lost.", "Power supply redundancy is lost.")
    ]
    (found,) = problems.problems(hall((node.NODE_HEALTH, 2, {"node": "n1", "component": "ps"}), *said))

    assert found.what == "The power input for power supply 1 is lost; Power supply redundancy is lost"


def test_a_cap_finding_does_not_end_in_a_colon():
    finding = {"why": "unreachable", "node": "n1", "uuid": "", "detail": "http://n1:9837/cap:", "since": "2026-11-23T10:00:00Z"}
    status = {
        "emergencies": [], "budgets": [], "troubles": [], "findings": [finding], "devices": [], "mode": "off",
        "leader": {"leads": True, "holder": "a"},
    }  # fmt: skip

    assert [each.what for each in powerproblems.problems(status)] == ["Cannot be reached for capping: http://n1:9837/cap"]
