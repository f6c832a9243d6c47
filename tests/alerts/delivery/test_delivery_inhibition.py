"""What is kept quiet because its cause fires, by the shipped rules: racks, servers, BMCs, switches, collectors."""

import re
from graphlib import TopologicalSorter
from zoneinfo import ZoneInfo

import pytest
import yaml

from alerts.delivery.inhibition import Inhibitions
from alerts.delivery.reader import BUILT_IN, read_routing
from alerts.evaluation.loader import shipped_rules

RULES = {
    rule["alert"]: rule["labels"]
    for path in shipped_rules()
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
}
FINDINGS = {path.stem for path in (BUILT_IN.parents[1] / "runbooks").glob("*.md")} - set(RULES)
ROUTING = read_routing(BUILT_IN, ZoneInfo("UTC"))


def alert(name, **labels):
    """An alert as its rule raises it."""
    own = {key: value for key, value in RULES[name].items() if "{{" not in value}
    return {"alertname": name, **own, **labels}


def is_quiet(target, *sources):
    inhibitions = Inhibitions(ROUTING.inhibit_rules)
    for number, source in enumerate((target, *sources)):
        inhibitions.add(str(number), source)
    return inhibitions.causes(target) != ()


R12 = {"rack": "r12"}
GPU_3 = {"node": "gpu-1", "gpu": "3"}
PORT_3 = {"switch": "leaf-1", "port": "3"}
CABLE = {**PORT_3, "node": "gpu-1", "device": "mlx5_2"}


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        (alert("RackPowerLost", **R12), alert("SwitchSilent", switch="leaf-1", **R12)),
        (alert("RackPowerLost", **R12), alert("WattstatTargetFails", node="gpu-1", target="gpu-1", **R12)),
        (alert("FeedLost", **R12), alert("PsuRedundancyLost", node="gpu-1", **R12)),
        (alert("ServerPoweredOffUnexpectedly", node="gpu-1"), alert("GpuMissing", node="gpu-1")),
        (alert("ServerPoweredOff", node="gpu-1"), alert("RailDown", node="gpu-1", switch="leaf-1")),
        (alert("ServerPoweredOff", node="gpu-1"), alert("BmcUnreachable", node="gpu-1")),
        (alert("BmcUnreachable", node="gpu-1"), alert("WattstatTargetFails", node="gpu-1", collector="redfish")),
        (alert("NodeInMaintenance", node="gpu-1", reason="riser"), alert("GpuLost", node="gpu-1", gpu="3")),
        (alert("NodeInMaintenance", node="gpu-1", reason="riser"), alert("BmcDefaultPassword", node="gpu-1")),
        (alert("NodeInMaintenance", node="gpu-1", reason="riser"), alert("ServerPoweredOff", node="gpu-1")),
        (alert("RackCoolingFailing", **R12), alert("InletTemperatureCritical", node="gpu-1", **R12)),
        (alert("CoolingFailing"), alert("RackCoolingFailing", **R12)),
        (alert("BmcUnreachable", node="gpu-1"), alert("ServerPowerUnreadable", node="gpu-1")),
        (alert("SwitchSilent", switch="leaf-1"), alert("RailDown", node="gpu-1", switch="leaf-1")),
        (alert("SwitchSilent", switch="leaf-1"), alert("LinkDown", node="gpu-1", switch="leaf-1", port="3")),
        (alert("StorageFull", storage="fs"), alert("StorageNearlyFull", storage="fs")),
        (alert("GpuLost", node="gpu-1", gpu="3"), alert("GpuXidFatal", node="gpu-1", gpu="3")),
        (alert("CollectorsMassFailure", collector="redfish"), alert("WattstatTargetFails", collector="redfish", node="gpu-1")),
        (alert("CollectorsMassFailure", collector="redfish"), alert("BmcUnreachable", node="gpu-1")),
        (alert("CoolingFailing"), alert("InletTemperatureCritical", node="gpu-1")),
        (alert("WattstatCoreDown"), alert("WattstatTargetFails", collector="redfish", node="gpu-1")),
        (alert("BudgetExceeded", budget="r12", kind="rack"), alert("BudgetNearlyExceeded", budget="r12", kind="rack")),
        # A feed is lost: strips, supplies, what BMCs list of them, brakes.
        (alert("FeedLost", **R12), alert("CollectorStale", collector="pdu", target="pdu-r12-a", **R12)),
        (alert("FeedLost", **R12), alert("WattstatTargetFails", collector="pdu", target="pdu-r12-a", **R12)),
        (alert("FeedLost", **R12), alert("PsuFailed", node="gpu-1", psu="PSU.Slot.2", **R12)),
        (alert("FeedLost", **R12), alert("ServerFault", node="gpu-1", message_id="PSU0003", **R12)),
        (alert("FeedLost", **R12), alert("ServerFault", node="gpu-1", message_id="IDRAC.2.8.RDU0012", **R12)),
        (alert("FeedLost", **R12), alert("GpuPowerBrake", **GPU_3, **R12)),
        (alert("FeedLost", **R12), alert("RackBlind", **R12)),
        (alert("PsuFailed", node="gpu-1", psu="PSU.Slot.2"), alert("ServerFault", node="gpu-1", message_id="PSU0001")),
        (alert("PsuFailed", node="gpu-1", psu="PSU.Slot.2"), alert("PsuRedundancyLost", node="gpu-1")),
        (alert("PsuCapacityShort", node="gpu-1"), alert("GpuPowerBrake", **GPU_3)),
        (alert("FanFailed", node="gpu-1", fan="Fan.Embedded.2A"), alert("ServerFault", node="gpu-1", message_id="FAN0001")),
        (
            alert("MemoryModuleFault", node="gpu-1", dimm="A1"),
            alert("ServerFault", node="gpu-1", message_id="IDRAC.2.8.MEM0001"),
        ),
        (alert("DriveFailed", node="gpu-1", drive="Disk.Bay.0"), alert("ServerFault", node="gpu-1", message_id="PDR1001")),
        (alert("InletTemperatureCritical", node="gpu-1"), alert("ServerFault", node="gpu-1", message_id="TMP0121")),
        # A GPU is lost, or has to be reset: what the BMC says of it, and what follows from it.
        (alert("GpuLost", **GPU_3), alert("GpuUnhealthyByBmc", device="GPU_SXM_7", **GPU_3)),
        (alert("GpuLost", **GPU_3), alert("GpuRecoveryActionNeeded", **GPU_3)),
        (alert("GpuLost", **GPU_3), alert("ServerFault", node="gpu-1", message_id="PCI1318")),
        (alert("GpuXidFatal", xid="95", **GPU_3), alert("GpuEccUncorrected", **GPU_3)),
        (alert("GpuXidFatal", xid="95", **GPU_3), alert("GpuRecoveryActionNeeded", **GPU_3)),
        (
            alert("GpuUnhealthyByBmc", node="gpu-1", device="Video.Slot.2-1"),
            alert("ServerFault", node="gpu-1", message_id="HWC9052"),
        ),
        # A cable is bad.
        (alert("LinkErrorsHigh", **CABLE), alert("SwitchPortErrors", direction="receive", **CABLE)),
        (alert("LinkErrorsHigh", **CABLE), alert("RailSlow", node="gpu-1", device="mlx5_2", port="1")),
        (alert("LinkErrorsHigh", **PORT_3), alert("LinkFlaps", kind="down", **PORT_3)),
        (alert("SwitchPortErrors", direction="receive", **CABLE), alert("RailSlow", node="gpu-1", device="mlx5_2", port="1")),
        (alert("RailDown", node="gpu-1", device="mlx5_2", switch="leaf-1"), alert("LinkErrorsHigh", **CABLE)),
        # The site is silent.
        (alert("SiteSilent"), alert("RackPowerLost", **R12)),
        (alert("SiteSilent"), alert("CollectorsMassFailure", collector="redfish")),
        (alert("SiteSilent"), alert("StorageSilent", storage="fs")),
        (alert("WattstatCoreDown"), alert("SiteSilent")),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_a_cause_keeps_its_effects_quiet(cause, effect):
    assert is_quiet(effect, cause)
    assert not is_quiet(effect)
    assert not is_quiet(cause, effect), "nobody is told of neither"


@pytest.mark.parametrize(
    ("other", "alert_of_its_own"),
    [
        (alert("RackPowerLost", rack="r13"), alert("SwitchSilent", switch="leaf-1", **R12)),
        (alert("RackPowerLost", **R12), alert("StorageSilent", storage="fs")),
        (alert("FeedLost", **R12), alert("GpuXidFatal", node="gpu-1", gpu="3", **R12)),
        (alert("ServerPoweredOff", node="gpu-2"), alert("GpuMissing", node="gpu-1")),
        (alert("NodeInMaintenance", node="gpu-2", reason="riser"), alert("GpuLost", node="gpu-1", gpu="3")),
        (alert("NodeInMaintenance", node="gpu-1", reason="riser"), alert("SwitchSilent", switch="leaf-1")),
        (alert("RackCoolingFailing", **R12), alert("GpuNearShutdown", **GPU_3, **R12)),
        (alert("RackCoolingFailing", rack="r13"), alert("InletTemperatureCritical", node="gpu-1", **R12)),
        (alert("ServerPoweredOff", node="gpu-1"), alert("BmcDefaultPassword", node="gpu-1")),
        (alert("ServerPoweredOff", node="gpu-1"), alert("SwitchSilent", switch="leaf-1")),
        (alert("BmcUnreachable", node="gpu-1"), alert("GpuXidFatal", node="gpu-1", gpu="3")),
        (alert("SwitchSilent", switch="leaf-2"), alert("RailDown", node="gpu-1", switch="leaf-1")),
        (alert("GpuLost", node="gpu-1", gpu="4"), alert("GpuXidFatal", node="gpu-1", gpu="3")),
        (alert("CoolingFailing"), alert("GpuNearShutdown", node="gpu-1", gpu="3")),
        (alert("CollectorsMassFailure", collector="pdu"), alert("WattstatTargetFails", collector="redfish", node="gpu-1")),
        (alert("WattstatCoreDown"), alert("Watchdog")),
        (alert("WattstatCoreDown"), alert("AlertMessagesFail", receiver="pager")),
        (alert("WattstatCoreDown"), alert("AlertQueueGrows", receiver="pager")),
        (alert("CoolingFailing"), alert("FansFailed", node="gpu-1")),
        (alert("FeedLost"), alert("StoragePsuFailed", storage="fs", storage_node="n1", psu="1")),
        (alert("FeedLost", **R12), alert("CollectorStale", collector="redfish", target="gpu-1", node="gpu-1", **R12)),
        (alert("FeedLost", **R12), alert("CollectorStale", collector="pdu", target="pdu-r13-a", rack="r13")),
        (alert("FeedLost", **R12), alert("ServerFault", node="gpu-1", message_id="PSU0001", **R12)),
        (alert("FeedLost", **R12), alert("ServerFault", node="gpu-1", message_id="MEM0001", **R12)),
        (alert("FeedLost", **R12), alert("PsuCapacityShort", node="gpu-1", **R12)),
        (alert("PsuFailed", node="gpu-1", psu="PSU.Slot.2"), alert("ServerFault", node="gpu-1", message_id="FAN0001")),
        (alert("FanFailed", node="gpu-1", fan="Fan.Embedded.2A"), alert("ServerFault", node="gpu-1", message_id="RDU0012")),
        (alert("FanFailed", node="gpu-2", fan="Fan.Embedded.2A"), alert("ServerFault", node="gpu-1", message_id="FAN0001")),
        (alert("PsuFailed", node="gpu-2", psu="PSU.Slot.2"), alert("PsuRedundancyLost", node="gpu-1")),
        (alert("GpuLost", **GPU_3), alert("GpuUnhealthyByBmc", node="gpu-1", device="GPU_SXM_7", gpu="4")),
        (alert("GpuLost", **GPU_3), alert("GpuUnhealthyByBmc", node="gpu-1", device="GPU_SXM_7")),
        (alert("GpuLost", **GPU_3), alert("ServerFault", node="gpu-1", message_id="MEM0001")),
        (alert("GpuLost", **GPU_3), alert("ServerFault", node="gpu-2", message_id="PCI1318")),
        (alert("GpuXidFatal", xid="95", **GPU_3), alert("GpuLost", **GPU_3)),
        (alert("LinkErrorsHigh", **CABLE), alert("RailSlow", node="gpu-1", device="mlx5_3", port="1")),
        (alert("LinkErrorsHigh", **PORT_3), alert("RailSlow", node="gpu-1", device="mlx5_2", port="1")),
        (alert("LinkErrorsHigh", **CABLE), alert("SwitchPortErrors", direction="receive", switch="leaf-1", port="4")),
        (alert("LinkErrorsHigh", **CABLE), alert("RailDown", node="gpu-1", device="mlx5_2", switch="leaf-1")),
        (alert("SiteSilent"), alert("BudgetExceeded", budget="r12", kind="rack")),
        (alert("SiteSilent"), alert("Watchdog")),
        (alert("RackPowerLost", **R12), alert("SiteSilent")),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_what_has_another_cause_is_told(other, alert_of_its_own):
    assert not is_quiet(alert_of_its_own, other)


def test_an_alert_speaks_again_when_its_cause_has_ended():
    inhibitions = Inhibitions(ROUTING.inhibit_rules)
    rail = alert("RailDown", node="gpu-1", switch="leaf-1")
    inhibitions.add("switch", alert("SwitchSilent", switch="leaf-1"))
    assert inhibitions.causes(rail) == ("switch",)

    inhibitions.remove("switch")
    assert inhibitions.causes(rail) == ()


def test_alerts_never_keep_each_other_quiet_in_a_circle():
    everywhere = {
        "node": "gpu-1", "gpu": "3", "device": "mlx5_2", "switch": "leaf-1", "port": "3", "rack": "r12", "collector": "pdu",
        "storage": "fs", "storage_node": "n1", "target": "gpu-1",
    }  # fmt: skip
    site, rack = ("SiteSilent", "CoolingFailing", "WattstatCoreDown"), ("RackPowerLost", "FeedLost", "RackBlind")
    less = {name: {} for name in site} | dict.fromkeys(rack, R12)
    less |= {"SwitchSilent": {"switch": "leaf-1"}, "StorageSilent": {"storage": "fs"}}
    less |= {"CollectorsMassFailure": {"collector": "pdu"}}
    listed = {name: alert(name, **less.get(name, everywhere)) for name in RULES}
    listed |= {f"ServerFault {each}": alert("ServerFault", message_id=each, **everywhere) for each in ("PSU0003", "PCI1318")}
    inhibitions = Inhibitions(ROUTING.inhibit_rules)
    for name, labels in listed.items():
        inhibitions.add(name, labels)
    causes = {name: inhibitions.causes(labels) for name, labels in listed.items()}

    order = list(TopologicalSorter(causes).static_order())  # raises CycleError

    assert order.index("FeedLost") < order.index("PsuFailed") < order.index("ServerFault PSU0003")


def test_every_name_in_the_rules_of_inhibition_is_that_of_an_alert():
    matchers = [m for rule in ROUTING.inhibit_rules for m in (*rule.source, *rule.target) if m.name == "alertname"]

    for matcher in matchers:
        for name in re.split(r"\|(?![^(]*\))", matcher.value):
            assert any(re.fullmatch(name, each) for each in {*RULES, *FINDINGS}), name
