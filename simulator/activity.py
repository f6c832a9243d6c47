"""What agents integrate: activity of GPUs and of their parts over time, for whoever asks the world to keep it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.lanes import LaneKind, Lanes
from simulator.physics import Physics
from simulator.site import Sharing

Floats = NDArray[np.float64]
# Throttle reasons that are the power cap: by software, and by the hardware's brake.
CAPPED = (1, 2)


class Integrals:
    """Seconds of activity since the beginning: by GPU, and by lane of shared GPUs. NaN is what a board does not tell."""

    def __init__(self, physics: Physics, lanes: Lanes) -> None:
        """Begin at 0."""
        self._physics, self._lanes = physics, lanes
        servers = physics.hall.servers
        of_gpu = [servers[int(node)] for node in physics.node_of]
        has_gpm = np.array([bool(server.model.gpu and server.model.gpu.has_gpm) for server in of_gpu], bool)
        is_cut = np.array([server.sharing is Sharing.MIG for server in of_gpu], bool)
        self.sm_active = np.where(has_gpm, 0.0, np.nan)
        self.tensor_active = np.where(has_gpm, 0.0, np.nan)
        self.busy = np.where(is_cut, np.nan, 0.0)
        self.capped = np.zeros(len(of_gpu))
        self.lane = np.zeros(len(lanes))
        # A MIG instance's activity is told within the instance, a process' as a share of the whole GPU.
        self._scale = np.array([0.92 if lane.kind is LaneKind.MIG else lane.weight for lane in lanes])

    def add(self, seconds: float) -> None:
        """Add the step that the physics has just made."""
        physics = self._physics
        self.sm_active = self.sm_active + physics.sm_active * seconds
        self.tensor_active = self.tensor_active + physics.tensor_active * seconds
        self.busy = self.busy + physics.utilization * seconds
        self.capped = physics.throttle_seconds[list(CAPPED)].sum(axis=0)
        self.lane = self.lane + physics.lane_activity.level * self._scale * seconds
