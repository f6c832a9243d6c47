"""Faults of caps that happen with time: caps that revert, caps that do not hold, somebody who resets the GPUs' limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulator.bmc.controller import Controller
from simulator.bmc.writes import DEFAULT_SET_POINT, SETTING
from simulator.faults import Fault, Faults
from simulator.world import World

NO_PERMISSION = 4
_SETTERS = ("nvmlDeviceSetPowerManagementLimit", "nvmlDeviceSetGpuLockedClocks", "nvmlDeviceResetGpuLockedClocks")
LOG_SECONDS = 60.0
SLIP_SECONDS = 60.0


class CapFaults:
    """What is done to caps by nobody who was asked. `states` are the NVML state files by node."""

    def __init__(self, world: World, faults: Faults, controllers: Mapping[str, Controller], states: Mapping[str, Any]) -> None:
        self._world, self._faults, self._controllers, self._states = world, faults, controllers, states
        self._done: dict[int, float] = {}

    def move(self) -> None:
        """Do what is due."""
        for fault in self._faults:
            if fault.kind == "cap_reverts":
                self._revert(fault)
            elif fault.kind == "gpu_cap_rogue":
                self._reset(fault)
            elif fault.kind == "gpu_cap_slips":
                self._slip(fault)
            elif fault.kind == "cap_not_holding":
                self._log(fault)

    async def not_holding(self, fault: Fault, on: bool) -> None:
        """The server's own cap is felt no more, or again."""
        self._controllers[fault.target].apply_cap()

    async def denied(self, fault: Fault, on: bool) -> None:
        """NVML refuses to set anything, or stops to."""
        if (state := self._states.get(fault.target)) is not None:
            for gpu in range(len(state)):
                for call in _SETTERS:
                    state.fail(gpu, call, NO_PERMISSION if on else 0)

    async def ignored(self, fault: Fault, on: bool) -> None:
        """NVML takes limits for nothing, or stops to."""
        if (state := self._states.get(fault.target)) is not None:
            state.columns["limit_ignored"][:] = int(on)

    def _revert(self, fault: Fault) -> None:
        bmc, physics = self._controllers[fault.target], self._world.physics
        rows = slice(bmc.server.first_gpu, bmc.server.first_gpu + bmc.model.gpus)
        is_set = bmc.cap_enabled or (physics.setpoint_watts[rows] < physics.limit_max_watts[rows]).any()
        if not is_set or self._world.now - max(bmc.capped_at, fault.since) < fault.number("seconds"):
            return
        bmc.attributes[SETTING] = "Disabled"
        bmc.apply_cap()
        physics.setpoint_watts[rows] = DEFAULT_SET_POINT
        bmc.note("OK", "PWR2269", "The power cap settings are changed.")

    def _reset(self, fault: Fault) -> None:
        if self._is_due(fault, fault.number("seconds")) and (state := self._states.get(fault.target)) is not None:
            state.columns["limit_requested_mw"][:] = state.columns["limit_default_mw"]

    def _slip(self, fault: Fault) -> None:
        """Limits below the default move towards it; NVML shows whole watts of what its firmware has."""
        if self._is_due(fault, SLIP_SECONDS) and (state := self._states.get(fault.target)) is not None:
            columns, step = state.columns, round(fault.number("watts") * 1000 * SLIP_SECONDS / 3600)
            risen = np.minimum(columns["limit_requested_mw"] + step, columns["limit_default_mw"])
            columns["limit_requested_mw"][:] = np.maximum(columns["limit_requested_mw"], risen)

    def _log(self, fault: Fault) -> None:
        bmc = self._controllers[fault.target]
        if bmc.cap_exceeded and self._is_due(fault, LOG_SECONDS):
            bmc.note("Warning", "PWR2400", "Power management firmware unable to maintain power limit.")

    def _is_due(self, fault: Fault, every_seconds: float) -> bool:
        if self._world.now - self._done.get(fault.id, float("-inf")) < every_seconds:
            return False
        self._done[fault.id] = self._world.now
        return True
