"""Signals from the hall. Blocks that did not change are not looked at again: a large hall has 100,000 samples a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

import numpy as np

from power.model import Fleet, Floats
from power.policies.signals import JobFacts, JobTable, Signals
from wattstat.catalogue.gpu import GPU_UTILIZATION_RATIO
from wattstat.catalogue.job import JOB_GPU_INFO, JOB_INFO, JOB_START_TIMESTAMP_SECONDS
from wattstat.catalogue.metric import Metric
from wattstat.catalogue.node import (
    NODE_ENERGY_JOULES_TOTAL,
    NODE_POWER_WATTS,
    NODE_TEMPERATURE_CELSIUS,
    PSU_HEALTH,
    PSU_INPUT_VOLTS,
    PSU_INPUT_WATTS,
)
from wattstat.hall import Block, BlockKey, Snapshot

NO_INPUT_VOLTS = 50.0
"""Below this a supply has no input: the lowest mains is 100 V, direct current in racks 48 V to 54 V has no such sensor."""
SLOW_SECONDS = 10.0
_JOBS = (JOB_INFO, JOB_GPU_INFO, JOB_START_TIMESTAMP_SECONDS)
# The BMC's own meter counts; the sum of its supplies where it has none.
_POWER_SOURCES = ("psu_sum", "system")
# A counter of the BMC counts on while nobody looks; what was integrated here has the gaps of the looking.
_ENERGY_SOURCES = ("integrated", "counter")

Numbers = Callable[[float], Mapping[str, float]]
Announced = Callable[[float], Mapping[tuple[str, str], float]]


def no_numbers(_at: float) -> Mapping[str, float]:
    """Where nobody tells any."""
    return {}


def nothing_announced(_at: float) -> Mapping[tuple[str, str], float]:
    """Where no job tells of its checkpoints."""
    return {}


Key = tuple[str, str]
"""A column, and the node or UUID whose row it is."""


class _Value(NamedTuple):
    """What a block says for a row. Of several blocks the higher rank counts, of one rank the higher value."""

    rank: int
    value: float


class _Read(NamedTuple):
    """A block and what it says; a newer one from before `again_at` is not looked at."""

    block: Block
    values: Mapping[Key, _Value]
    again_at: float
    has_jobs: bool


@dataclass(kw_only=True)
class HallSignals:
    """Reads signals out of snapshots. `numbers` tells prices and whatever else at a moment, `announced` checkpoints."""

    numbers: Numbers = no_numbers
    announced: Announced = nothing_announced
    _fleet: Fleet | None = None
    _rows: dict[str, dict[str, int]] = field(default_factory=dict)
    _read: dict[BlockKey, _Read] = field(default_factory=dict)
    _told: dict[Key, dict[BlockKey, _Value]] = field(default_factory=dict)
    _columns: dict[str, Floats] = field(default_factory=dict)
    _jobs: JobTable = field(default_factory=JobTable)

    def __call__(self, snapshot: Snapshot, fleet: Fleet, at: float) -> Signals:
        """The signals of a snapshot in columns of a fleet."""
        if fleet is not self._fleet:
            self._begin(fleet)
        self._take(snapshot)
        columns = {name: column.copy() for name, column in self._columns.items()}
        return Signals(
            inlet_celsius=columns["inlet"],
            exhaust_celsius=columns["exhaust"],
            lost_ratio=columns["lost"],
            node_watts=columns["power"],
            energy_joules=columns["energy"],
            utilisation=columns["utilisation"],
            jobs=self._jobs,
            numbers=self.numbers(at),
            checkpoints=self.announced(at),
        )

    def _begin(self, fleet: Fleet) -> None:
        nodes = {name: row for row, name in enumerate(fleet.nodes)}
        gpus = {device.uuid: row for row, device in enumerate(fleet.gpus)}
        of_nodes = ("inlet", "exhaust", "lost", "power", "energy")
        self._rows = {**dict.fromkeys(of_nodes, nodes), "utilisation": gpus}
        self._columns = {name: np.full(len(rows), np.nan) for name, rows in self._rows.items()}
        self._fleet = fleet
        self._renew(self._told)
        self._jobs = self._read_jobs()

    def _take(self, snapshot: Snapshot) -> None:
        read, changed = self._read, set[Key]()
        is_new = jobs_changed = False
        for block in snapshot.blocks:
            known = read.get(block.key)
            if known is not None and (known.block is block or known.block.taken_at <= block.taken_at < known.again_at):
                continue
            read[block.key] = after = _read_block(block)
            changed.update(self._tell(block.key, known, after))
            is_new = is_new or known is None
            jobs_changed = jobs_changed or after.has_jobs or (known is not None and known.has_jobs)
        if is_new or len(read) != len(snapshot.blocks):
            here = {block.key for block in snapshot.blocks}
            for key in [key for key in read if key not in here]:
                gone = read.pop(key)
                changed.update(self._tell(key, gone, None))
                jobs_changed = jobs_changed or gone.has_jobs
        self._renew(changed)
        if jobs_changed:
            self._jobs = _same_or(self._jobs, self._read_jobs())

    def _read_jobs(self) -> JobTable:
        blocks = tuple(known.block for known in self._read.values() if known.has_jobs)
        return jobs_of(blocks, self._rows["utilisation"])

    def _tell(self, source: BlockKey, before: _Read | None, after: _Read | None) -> set[Key]:
        """Put what a block says in the place of what it said. Returns the rows for which that may be something else."""
        old = {} if before is None else before.values
        new = {} if after is None else after.values
        for key in old.keys() - new.keys():
            self._told[key].pop(source, None)
        for key, value in new.items():
            self._told.setdefault(key, {})[source] = value
        return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}

    def _renew(self, changed: Iterable[Key]) -> None:
        for name, row in changed:
            position = self._rows[name].get(row)
            if position is not None:
                told = self._told[name, row]
                self._columns[name][position] = max(told.values()).value if told else np.nan


def _read_block(block: Block) -> _Read:
    metrics = block.by_metric
    # Utilisation comes each second from every server and is wanted slowly; not from all of them in the same second.
    spread = 0.5 + 0.5 * crc32(block.key.target.encode()) / 2**32
    wait = SLOW_SECONDS * spread if GPU_UTILIZATION_RATIO in metrics else 0.0
    return _Read(
        block=block,
        values=dict(_values(block)),
        again_at=block.taken_at + wait,
        has_jobs=any(metric in metrics for metric in _JOBS),
    )


def _same_or(before: JobTable, after: JobTable) -> JobTable:
    """The table of before where the new one says the same: all that was worked out of it stays good."""
    same = before.jobs == after.jobs and np.array_equal(before.holder, after.holder) and np.array_equal(before.gpu, after.gpu)
    return before if same else after


def jobs_of(blocks: tuple[Block, ...], gpu_rows: Mapping[str, int]) -> JobTable:
    """Who holds which GPU, of the blocks that tell it. A job of several parts of one GPU holds it once."""
    facts: dict[tuple[str, str], JobFacts] = {}
    starts: dict[tuple[str, str], float] = {}
    for labels, value in _each(blocks, JOB_START_TIMESTAMP_SECONDS):
        starts[labels[0], labels[1]] = value
    for labels, _ in _each(blocks, JOB_INFO):
        scheduler, job_id, _name, user, account, partition, qos, _state = labels
        facts[scheduler, job_id] = JobFacts(
            scheduler=scheduler,
            job_id=job_id,
            user=user,
            account=account,
            partition=partition,
            qos=qos,
            started=starts.get((scheduler, job_id)),
        )
    held: dict[tuple[tuple[str, str], int], None] = {}
    for labels, _ in _each(blocks, JOB_GPU_INFO):
        scheduler, job_id, user, account, partition, _node, _index, uuid, _part = labels
        row = gpu_rows.get(uuid)
        if row is None:
            continue
        key = (scheduler, job_id)
        if key not in facts:
            facts[key] = JobFacts(scheduler=scheduler, job_id=job_id, user=user, account=account, partition=partition)
        held[key, row] = None
    numbers = {key: number for number, key in enumerate(sorted(facts))}
    pairs = sorted((numbers[key], row) for key, row in held)
    return JobTable(
        jobs=tuple(facts[key] for key in sorted(facts)),
        holder=np.array([number for number, _ in pairs], np.int64),
        gpu=np.array([row for _, row in pairs], np.int64),
    )


def _values(block: Block) -> Iterator[tuple[Key, _Value]]:
    found = block.by_metric
    hottest: dict[Key, float] = {}
    for sample in found.get(NODE_TEMPERATURE_CELSIUS, ()):
        node, _sensor, role = sample.labels
        if role in {"inlet", "exhaust"}:
            hottest[role, node] = max(sample.value, hottest.get((role, node), -np.inf))
    yield from ((key, _Value(0, value)) for key, value in hottest.items())
    for metric, column, sources in (
        (NODE_POWER_WATTS, "power", _POWER_SOURCES),
        (NODE_ENERGY_JOULES_TOTAL, "energy", _ENERGY_SOURCES),
    ):
        told = [(sample.labels, sample.value) for sample in found.get(metric, ()) if sample.labels[1] in sources]
        for (node, source), value in sorted(told, key=lambda each: sources.index(each[0][1])):
            yield (column, node), _Value(sources.index(source), value)
    for sample in found.get(GPU_UTILIZATION_RATIO, ()):
        yield ("utilisation", sample.labels[2]), _Value(0, sample.value)
    yield from _lost(block)


def _lost(block: Block) -> Iterator[tuple[Key, _Value]]:
    """The share of each server's supplies that have no input.

    By the input's voltage; where none is told, no watts of a supply that is not in good health: sound ones rest at 0 W too.
    """
    if PSU_INPUT_VOLTS not in block.by_metric and PSU_INPUT_WATTS not in block.by_metric:
        return
    volts, watts, health = (
        {sample.labels: sample.value for sample in block.by_metric.get(metric, ())}
        for metric in (PSU_INPUT_VOLTS, PSU_INPUT_WATTS, PSU_HEALTH)
    )
    lost: dict[str, list[bool]] = {}
    for supply in sorted({*volts, *watts}):
        by_watts = watts.get(supply, np.inf) <= 0 and health.get(supply, 0) > 0
        lost.setdefault(supply[0], []).append(volts[supply] < NO_INPUT_VOLTS if supply in volts else by_watts)
    for node, flags in lost.items():
        yield ("lost", node), _Value(0, sum(flags) / len(flags))


def _each(blocks: tuple[Block, ...], metric: Metric) -> Iterator[tuple[tuple[str, ...], float]]:
    for block in blocks:
        for sample in block.by_metric.get(metric, ()):
            yield sample.labels, sample.value
