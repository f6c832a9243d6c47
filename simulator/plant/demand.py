"""What running jobs ask of storage and rails: bytes a second of each lane at full work, renewed when jobs come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.lanes import NO_GPU, Lanes
from simulator.plant.equipment import rails_of
from simulator.workload import SHAPES, Job, Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SCRATCH, PROJECTS, OBJECTS = 0, 1, 2
# An H100 in training; others by what they draw.
REFERENCE_WATTS = 735.0
# What a rail carries while gradients are exchanged, and what a storage cable does where a server has no rails.
RAIL_RATE, CABLE_RATE = 36e9, 3e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Appetite:
    """Bytes a second of an H100 at full work. `patience` is how slow an operation may be before its GPU waits for it."""

    store: int
    read: float
    write: float
    save: float
    patience: float


APPETITES = {
    Kind.TRAINING: Appetite(store=SCRATCH, read=260e6, write=1.5e6, save=130e6, patience=0.008),
    Kind.FINETUNE: Appetite(store=SCRATCH, read=90e6, write=1e6, save=60e6, patience=0.02),
    # Weights are in memory; nobody waits for a file.
    Kind.INFERENCE: Appetite(store=SCRATCH, read=2e6, write=0.2e6, save=0.0, patience=np.inf),
    Kind.INTERACTIVE: Appetite(store=OBJECTS, read=160e6, write=8e6, save=0.0, patience=0.1),
    Kind.CPU: Appetite(store=OBJECTS, read=400e6, write=60e6, save=0.0, patience=np.inf),
}


class Demand:
    """Arrays by lane, for the jobs that run."""

    def __init__(self, lanes: Lanes) -> None:
        """Nobody runs."""
        self.lanes = lanes
        count = len(lanes)
        self.read, self.write, self.save = np.zeros(count), np.zeros(count), np.zeros(count)
        self.store = np.zeros(count, np.int64)
        self.patience = np.full(count, np.inf)
        # Jobs without GPUs are at work by their processors.
        self.by_processor = lanes.gpu == NO_GPU
        peaks = [lane.server.model.gpu.peak_watts if lane.server.model.gpu else REFERENCE_WATTS for lane in lanes]
        self._scale = lanes.weight * np.array(peaks) / REFERENCE_WATTS
        # Lanes whose job exchanges gradients over a rail or, without rails, over the storage cable.
        self.rail_lanes: Ints = np.empty(0, np.int64)
        self.cable_lanes: Ints = np.empty(0, np.int64)

    def follow(self, running: Iterable[Job]) -> None:
        """Take what runs now."""
        for values in (self.read, self.write, self.save):
            values[:] = 0.0
        self.patience[:] = np.inf
        talking: list[int] = []
        jobs = list(running)
        # Of somebody else's job each server's part is a job of its own, by the same id.
        parts = Counter(job.id for job in jobs if job.node)
        for job in jobs:
            appetite, rows = APPETITES[job.kind], job.rows
            self.read[rows] = appetite.read * self._scale[rows]
            self.write[rows] = appetite.write * self._scale[rows]
            self.save[rows] = appetite.save * self._scale[rows]
            self.store[rows], self.patience[rows] = appetite.store, appetite.patience
            is_spread = parts[job.id] > 1 or len(np.unique(self.lanes.node[rows])) > 1
            if SHAPES[job.kind].together and is_spread:
                talking += [int(row) for row in rows]
        railed = [row for row in talking if rails_of(self.lanes[row].server)]
        self.rail_lanes = np.array(railed, np.int64)
        self.cable_lanes = np.array([row for row in talking if not rails_of(self.lanes[row].server)], np.int64)
