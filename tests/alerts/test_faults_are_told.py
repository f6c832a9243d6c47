"""Faults of parts, from the device to the alert: over the device's own protocol, through the collectors and rules that ship."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.told_hall import TICK_SECONDS, rule_of, told_hall

NVML_SLOW, BMC_MEDIUM, BMC_SLOW = 60.0, 60.0, 900.0
"""How often the agent reads what is slow, and a BMC is asked for thermals and health, and for memory, drives and logs."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault, the alerts that tell of it, and how often what they look at is read."""

    kind: str
    alerts: dict[str, float]
    model: str = "xe9680"
    options: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    read: str = "redfish"


CASES = [
    Case(
        kind="fan_failed",
        alerts={"FanFailed": BMC_MEDIUM, "ServerFault": BMC_MEDIUM},
        options={"fan": 3},
        labels={"fan": "Fan.Embedded.2A"},
    ),
    Case(kind="fan_failed", model="r660", alerts={"FanFailed": BMC_MEDIUM}, options={"fan": 2}, labels={"fan": "Fan1_2"}),
    Case(kind="fan_failed", alerts={"FansFailed": BMC_MEDIUM}, options={"count": 2}),
    Case(kind="fan_failed", alerts={"FanRedundancyLost": BMC_MEDIUM}, options={"gone": 1}),
    Case(kind="fan_failed", model="r660", alerts={"FanRedundancyLost": BMC_MEDIUM}, options={"gone": 1}),
    Case(kind="dimm_errors", alerts={"MemoryModuleFault": BMC_SLOW}, options={"dimm": "B3"}, labels={"dimm": "DIMM.Socket.B3"}),
    Case(
        kind="dimm_errors",
        alerts={"ServerFault": BMC_MEDIUM, "MemoryErrorsUncorrected": BMC_SLOW, "ServerLogCritical": BMC_SLOW},
        options={"dimm": "A2", "uncorrected": 1},
    ),
    Case(
        kind="server_drive_failing",
        alerts={"DriveFailurePredicted": BMC_SLOW, "DriveWornOut": BMC_SLOW},
        options={"bay": 2},
        labels={"drive": "Disk.Bay.2:Enclosure.Internal.0-1"},
    ),
    Case(kind="server_drive_failing", model="r660", alerts={"DriveFailed": BMC_SLOW}, options={"failed": 1}),
    Case(kind="gpu_row_remap", alerts={"GpuRowRemapPending": NVML_SLOW}, options={"gpu": 3}, labels={"gpu": "3"}, read="nvml"),
    Case(
        kind="gpu_row_remap",
        alerts={"GpuRowRemapFailed": NVML_SLOW, "GpuSpareRowsGone": NVML_SLOW},
        options={"gpu": 1, "failed": 1},
        labels={"gpu": "1"},
        read="nvml",
    ),
    Case(kind="gpu_row_remap", alerts={"GpuUnhealthyByBmc": BMC_MEDIUM}, labels={"device": "GPU_SXM_1"}),
    Case(kind="gpu_ecc", alerts={"GpuEccUncorrected": NVML_SLOW}, options={"uncorrected": 1}, labels={"gpu": "0"}, read="nvml"),
    Case(kind="gpu_ecc", alerts={"GpuEccCorrectedRate": NVML_SLOW}, options={"count": 12_000}, read="nvml"),
    Case(kind="gpu_ecc", model="r760xa-l40", alerts={"GpuUnhealthyByBmc": BMC_MEDIUM}, options={"gpu": 1}),
    Case(kind="gpu_recovery", alerts={"GpuRecoveryActionNeeded": TICK_SECONDS}, options={"action": 2}, read="nvml"),
    Case(kind="nvlink_errors", alerts={"GpuNvlinkErrors": NVML_SLOW}, options={"gpu": 5}, labels={"gpu": "5"}, read="nvml"),
    Case(kind="nvlink_errors", alerts={"GpuNvlinkErrors": NVML_SLOW}, options={"replays": 0, "crc": 400}, read="nvml"),
    Case(kind="gpu_pcie", alerts={"GpuPcieNarrow": NVML_SLOW}, options={"gpu": 2}, labels={"gpu": "2"}, read="nvml"),
    Case(
        kind="gpu_pcie",
        alerts={"GpuPcieReplays": TICK_SECONDS},
        options={"lanes": 16, "replays": 200},
        labels={"gpu": "0"},
        read="nvml",
    ),
    Case(kind="gpu_fabric", alerts={"GpuFabricUnhealthy": NVML_SLOW}, options={"gpu": 6}, labels={"gpu": "6"}, read="nvml"),
    Case(kind="nvlink_down", alerts={"GpuNvlinkDown": NVML_SLOW}, options={"gpu": 7}, labels={"gpu": "7"}, read="nvml"),
]


def limit_seconds(name: str, every_seconds: float, tick_seconds: float = TICK_SECONDS) -> float:
    """Two intervals of what reads it and two of what evaluates, beside the time for which it must hold."""
    return rule_of(name).conditions.for_seconds + 2 * every_seconds + 2 * tick_seconds


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case.kind, case.model, *case.alerts]))
async def test_a_fault_of_a_part_is_told_within_two_intervals(case, tmp_path, monkeypatch):
    async with told_hall(tmp_path, monkeypatch, model=case.model, alerts=case.alerts, read=case.read) as hall:
        name = hall.world.hall.servers[0].name
        if any(rule_of(alert).conditions.for_seconds >= 1800 for alert in case.alerts):
            hall.tick_seconds = 2 * TICK_SECONDS
        await hall.pass_seconds(120)
        assert hall.engine.active() == [], "nothing is wrong yet"

        await hall.switch_on(name, case.kind, **case.options)

        began = hall.world.now
        for alert, every in sorted(case.alerts.items(), key=lambda each: limit_seconds(*each)):
            left = began + limit_seconds(alert, every, hall.tick_seconds) - hall.world.now
            told, _ = await hall.first_firing(alert, left)
            assert told.labels["node"] == name
            if case.labels.keys() <= told.labels.keys():
                assert case.labels.items() <= told.labels.items()


async def test_a_rack_that_loses_its_cooling_is_told_while_it_warms_and_at_each_threshold(tmp_path, monkeypatch):
    rules = (
        "InletTemperatureRising",
        "CoolingFailing",
        "RackCoolingFailing",
        "InletTemperatureHigh",
        "InletTemperatureCritical",
        "ServerFault",
    )
    async with told_hall(tmp_path, monkeypatch, model="r660", nodes=3, alerts=rules, read="redfish") as hall:
        physics = hall.world.physics
        await hall.pass_seconds(660)
        assert hall.engine.active() == [], "nothing is wrong yet"
        turned, began = physics.fan_ratio.copy(), hall.world.now

        await hall.switch_on("rack-01", "cooling_failed", celsius=24, minutes=20)

        over: dict[str, float] = {}
        while hall.world.now < began + 1800:
            await hall.tick()
            for name, limit in (("InletTemperatureHigh", 38), ("InletTemperatureCritical", 42)):
                if (physics.inlet_celsius.round() > limit).any():
                    over.setdefault(name, hall.world.now)
        assert over.keys() <= hall.fired.keys()
        for name, at in over.items():
            assert hall.fired[name] - at <= limit_seconds(name, BMC_MEDIUM)
        # Five degrees, of ten minutes' rise in whole degrees, were there after five minutes.
        for name in ("InletTemperatureRising", "CoolingFailing", "RackCoolingFailing"):
            assert hall.fired[name] - began - 360 <= limit_seconds(name, BMC_MEDIUM)
            assert hall.fired[name] < over["InletTemperatureHigh"]
        assert {alert.labels["message_id"] for alert in hall.firing() if alert.name == "ServerFault"} == {"TMP0121"}
        assert (physics.fan_ratio > turned).all()


async def test_a_server_that_breathes_hot_air_is_told_of_by_its_fans_its_sensors_and_its_gpus(tmp_path, monkeypatch):
    hot = ("GpuNearSlowdown", "GpuSwThermalSlowdown", "GpuHwThermalSlowdown", "GpuNearShutdown", "GpuMemoryHot")
    rules = ("FansAtMaximum", *hot, "ServerTemperatureHigh", "ServerTemperatureCritical")
    async with told_hall(tmp_path, monkeypatch, model="xe9680", alerts=rules) as hall:
        name = hall.world.hall.servers[0].name
        hall.train(name)
        await hall.pass_seconds(120)
        assert hall.engine.active() == [], "nothing is wrong yet"

        await hall.switch_on(name, "cooling_failed", celsius=40, minutes=5)

        await hall.pass_seconds(1800)
        assert hall.fired.keys() == set(rules)
