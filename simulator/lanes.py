"""What jobs can hold: whole GPUs, shards and MIG instances of GPUs, blocks of cores. Each is a lane; a job holds lanes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulator.models import GIB
from simulator.site import Layout, Server, Sharing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NO_GPU = -1
SHARDS = 2
CORE_BLOCKS = 4
# How an H100's seven compute slices are cut: (GPU instance, profile, compute slices, memory slices of eight, SMs).
MIG_CUT = ((1, "3g.40gb", 3, 4, 60), (5, "2g.20gb", 2, 2, 32), (13, "1g.10gb", 1, 1, 16), (14, "1g.10gb", 1, 1, 16))
MIG_SLICES = 7
MIG_MEMORY_SLICES = 8


class LaneKind(StrEnum):
    """What a lane is."""

    WHOLE = "whole"
    SHARD = "shard"
    MIG = "mig"
    CORES = "cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mig:
    """A MIG device: a GPU instance with one compute instance."""

    uuid: str
    gpu_instance: int
    profile: str
    slices: int
    memory_bytes: int
    sm_count: int

    @property
    def holder(self) -> str:
        """What Wattstat's journal calls it."""
        return f"mig:{self.gpu_instance}:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One thing to hold. `gpu` is its number on the server, `weight` the share of the GPU's compute that it stands for.

    `place` counts the lanes of the server; for MIG it is the index of the GRES, in order of GPUs and instances.
    """

    server: Server
    kind: LaneKind
    place: int
    cpus: int
    gpu: int | None = None
    weight: float = 1.0
    mig: Mig | None = None


class Lanes:
    """All lanes of a hall. The first lane of each GPU has the GPU's row, further ones and those without a GPU come after."""

    def __init__(self, hall: Layout) -> None:
        """Cut the servers into lanes."""
        first: dict[int, Lane] = {}
        further: list[Lane] = []
        for server in hall.servers:
            for lane in _of_server(server):
                row = None if lane.gpu is None else server.first_gpu + lane.gpu
                if row is None or row in first:
                    further.append(lane)
                else:
                    first[row] = lane
        self._all = (*(first[row] for row in sorted(first)), *further)
        self.gpus = len(first)
        self.gpu: Ints = np.array([_row(lane) for lane in self._all], np.int64)
        self.node: Ints = np.array([lane.server.index for lane in self._all], np.int64)
        self.weight = np.array([lane.weight for lane in self._all])
        self.cpus = np.array([float(lane.cpus) for lane in self._all])
        self._with_gpu = np.nonzero(self.gpu != NO_GPU)[0]

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, index: int) -> Lane:
        return self._all[index]

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._all)

    @cached_property
    def by_server(self) -> dict[str, Ints]:
        """The lanes of each server."""
        return {
            self._all[int(np.nonzero(self.node == node)[0][0])].server.name: np.nonzero(self.node == node)[0]
            for node in np.unique(self.node)
        }

    @cached_property
    def is_split(self) -> bool:
        """Whether any GPU has several lanes."""
        return len(self._with_gpu) > self.gpus

    def to_gpus(self, values: Floats) -> Floats:
        """The weighted sum of the lanes' values, by GPU."""
        if not self.is_split:
            return values[: self.gpus]
        chosen = self._with_gpu
        weights = (self.weight * values)[chosen]
        return np.bincount(self.gpu[chosen], weights=weights, minlength=self.gpus).astype(np.float64)

    def from_gpus(self, values: Floats, otherwise: float) -> Floats:
        """The value of each lane's GPU; of lanes without one, `otherwise`."""
        spread: Floats = np.append(values, otherwise)[self.gpu]
        return spread


def _row(lane: Lane) -> int:
    return NO_GPU if lane.gpu is None else lane.server.first_gpu + lane.gpu


def _of_server(server: Server) -> Iterator[Lane]:
    model = server.model
    cores = 2 * model.cores
    if model.gpu is None:
        for place in range(CORE_BLOCKS):
            yield Lane(server=server, kind=LaneKind.CORES, place=place, cpus=cores // CORE_BLOCKS)
        return
    each = cores // model.gpus
    for gpu in range(model.gpus):
        if server.sharing is Sharing.SHARDS:
            for part in range(SHARDS):
                place = gpu * SHARDS + part
                yield Lane(server=server, kind=LaneKind.SHARD, place=place, cpus=each // SHARDS, gpu=gpu, weight=1 / SHARDS)
        elif server.sharing is Sharing.MIG:
            for part, (instance, profile, slices, memory, sms) in enumerate(MIG_CUT):
                mig = Mig(
                    uuid=f"MIG-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{server.gpu_uuid(gpu)}/{instance}')}",
                    gpu_instance=instance,
                    profile=profile,
                    slices=slices,
                    memory_bytes=model.gpu.memory_bytes // MIG_MEMORY_SLICES * memory - GIB // 4,
                    sm_count=sms,
                )
                yield Lane(
                    server=server,
                    kind=LaneKind.MIG,
                    place=gpu * len(MIG_CUT) + part,
                    cpus=max(1, each * slices // MIG_SLICES),
                    gpu=gpu,
                    weight=slices / MIG_SLICES,
                    mig=mig,
                )
        else:
            yield Lane(server=server, kind=LaneKind.WHOLE, place=gpu, cpus=each, gpu=gpu)
