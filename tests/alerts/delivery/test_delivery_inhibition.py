"""What is kept quiet because its cause fires, by the shipped rules: racks, servers, BMCs, switches, collectors."""

import re
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


def test_every_name_in_the_rules_of_inhibition_is_that_of_an_alert():
    matchers = [m for rule in ROUTING.inhibit_rules for m in (*rule.source, *rule.target) if m.name == "alertname"]

    for matcher in matchers:
        for name in re.split(r"\|(?![^(]*\))", matcher.value):
            assert any(re.fullmatch(name, each) for each in {*RULES, *FINDINGS}), name
