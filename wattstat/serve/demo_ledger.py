"""The demo's ledger of the day before: what the simulated hall's journals, prologs and Slurm would have told, posted for real.

The simulator writes what happened (`simulator/ledger_history.py`); here the real parser of Slurm's records, the real ledger and
the real books take it in, on a clock that runs through the day within seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.slurm import document
from collectors.slurm.history import Cluster, History
from collectors.slurm.job import Job
from energy.database import open_books
from energy.ledger.ledger import Ledger
from energy.ledger.lines import Prices
from wattstat.catalogue.metric import Sample
from wattstat.catalogue.node import NODE_ENERGY_JOULES_TOTAL, NODE_POWER_WATTS
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.inventory import Inventory
from wattstat.jobs import Observed
from wattstat.journal import Boundary, Edge, Entry, Gpu, GpuCounts, NodeJournal

Floats = NDArray[np.float64]
STEP_SECONDS = 150.0
SCHEDULER = "slurm"
BOOT = "history"
# Steps between two settlements: each is a transaction.
SETTLE_STEPS = 24
FIRST_STEPS = 4
_COUNTS = (
    "joules",
    "power_joules",
    "sm_active_seconds",
    "busy_seconds",
    "tensor_active_seconds",
    "capped_seconds",
    "memory_bytes",
)


def post_history(config: Config, inventory: Inventory, prices: Prices, directory: Path) -> int:
    """Post the day before into new books. Returns the number of runs."""
    past = Past(directory)
    books = open_books(config)
    clock = _Clock(past.start)
    ledger = Ledger(config.energy, books, prices, clock=clock, monotonic=clock)
    ledger.inventory(inventory)
    runs = set()

    def settle() -> None:
        settled = ledger.settle(clock.now)
        ledger.committed(books.commit(settled.batches, settled.runs))

    try:
        for number, step in enumerate(past.steps(), 1):
            for snapshot in step.snapshots:
                clock.now = snapshot.taken_at
                ledger.see(snapshot)
            clock.now = step.until
            ledger.observe(step.observed)
            for journal in step.journals:
                ledger.journal(journal)
            runs |= {run.key for run in step.observed.runs}
            # At first often: what shared GPUs draw idle is seen before their first jobs.
            if number <= FIRST_STEPS or number % SETTLE_STEPS == 0:
                settle()
        settle()
    finally:
        books.close()
    return len(runs)


@dataclass(slots=True)
class _Clock:
    """The wall clock and the monotonic clock of the day before."""

    now: float

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What was told in a step."""

    until: float
    observed: Observed
    snapshots: list[Snapshot]
    journals: list[NodeJournal]


class Past:
    """The day before, as the simulator wrote it."""

    def __init__(self, directory: Path) -> None:
        with np.load(directory / "ledger.npz") as file:
            self._columns = {name: file[name] for name in file.files}
        self._about: dict[str, Any] = json.loads((directory / "ledger.json").read_text(encoding="utf-8"))
        self._times: Floats = self._columns["times"]
        self.start = float(self._about["start"])
        # Where a GPU's counter fell, its driver was loaded anew.
        fell = np.diff(self._columns["joules"], axis=0, prepend=self._columns["joules"][:1]) < 0
        self._resets = np.cumsum(fell, axis=0)

    def steps(self, seconds: float = STEP_SECONDS) -> Iterator[Step]:
        """Step after step: what Slurm told at its end, and all readings within."""
        history, last = History(), len(self._times) - 1
        first = 0
        while first <= last:
            end = min(last, int(np.searchsorted(self._times, self._times[first] + seconds, side="left")) - 1)
            until = float(self._times[end])
            rows = range(first, end + 1)
            yield Step(
                until=until,
                observed=self._observed(history, until),
                snapshots=[self._snapshot(row) for row in rows],
                journals=self._journals(rows, until),
            )
            first = end + 1

    def _observed(self, history: History, at: float) -> Observed:
        told = (job for since, until, job in self._records if since <= at and (until is None or at < until))
        runs = history.merge(told, self._cluster, at)
        return Observed(scheduler=SCHEDULER, taken_at=at, runs=runs, nodes=self._managed)

    def _snapshot(self, row: int) -> Snapshot:
        at, names = float(self._times[row]), [node["name"] for node in self._about["nodes"]]
        power, counters = self._columns["node_watts"][row], self._columns["node_joules"][row]
        samples = (
            *(Sample(NODE_POWER_WATTS, (name, "system"), float(watts)) for name, watts in zip(names, power, strict=True)),
            *(
                Sample(NODE_ENERGY_JOULES_TOTAL, (name, "counter"), float(joules))
                for name, joules in zip(names, counters, strict=True)
            ),
        )
        key = BlockKey("simulator", "hall", "power")
        return Snapshot(taken_at=at, blocks=(Block(key=key, samples=samples, taken_at=at, interval_seconds=STEP_SECONDS),))

    def _journals(self, rows: range, until: float) -> list[NodeJournal]:
        since = float(self._times[rows.start - 1]) if rows.start else self.start
        told: dict[str, list[Boundary]] = {}
        for number, each in enumerate(self._about["boundaries"]):
            if since < each["at"] <= until:
                told.setdefault(each["node"], []).append(self._boundary(number, each))
        return [
            NodeJournal(
                node=node["name"],
                boot=BOOT,
                gpus=self._gpus[node["name"]],
                entries=tuple(self._entry(index, node, row) for row in node["rows"] if row in rows),
                boundaries=tuple(told.get(node["name"], ())),
            )
            for index, node in enumerate(self._about["nodes"])
        ]

    def _entry(self, index: int, node: dict[str, Any], row: int) -> Entry:
        columns, first = self._columns, node["first_gpu"]
        seconds = float(self._times[row]) - self.start
        gpus = {}
        for gpu in self._gpus[node["name"]]:
            counts: dict[str, Any] = {name: _known(columns[name][row, first + gpu.index]) for name in _COUNTS}
            gpus[gpu.uuid] = GpuCounts(power_seconds=seconds, resets=int(self._resets[row, first + gpu.index]), **counts)
        nodes = len(self._about["nodes"])
        cpus = columns["cpus"][row].reshape(-1, nodes)[:, index]
        return Entry(
            at=float(self._times[row]),
            gpus=gpus,
            cpus={name: float(value) for name, value in zip(self._about["cpu_domains"], cpus, strict=True)},
            shares=self._shares(node["name"], row),
        )

    def _shares(self, node: str, row: int) -> dict[tuple[str, str], float]:
        found = {}
        for column, each in self._shared.get(node, ()):
            number = int(self._columns["holders"][row, column])
            holder = each["mig"] or (f"job:{self._about['jobs'][str(number)]}" if number >= 0 else "")
            if holder:
                found[each["uuid"], holder] = float(self._columns["shares"][row, column])
        return found

    def _boundary(self, number: int, each: dict[str, Any]) -> Boundary:
        row = int(np.searchsorted(self._times, each["at"], side="right")) - 1
        first = next(node["first_gpu"] for node in self._about["nodes"] if node["name"] == each["node"])
        words = {name: each[name] for name in ("scheduler", "job_id", "instance", "user", "account", "partition", "name")}
        return Boundary(
            id=f"{BOOT}-{number}",
            edge=Edge(each["edge"]),
            at=each["at"],
            gpus=tuple(each["gpus"]),
            joules=each["joules"],
            resets={
                gpu.uuid: int(self._resets[row, first + gpu.index])
                for gpu in self._gpus[each["node"]]
                if gpu.uuid in each["joules"]
            },
            **words,
        )

    @cached_property
    def _records(self) -> list[tuple[float, float | None, Job]]:
        """Slurm's records, since when and until when it told them."""
        records = self._about["records"]
        jobs, _ = document.jobs({"jobs": [record["job"] for record in records]})
        return [(record["from"], record["until"], job) for record, job in zip(records, jobs, strict=True)]

    @cached_property
    def _shared(self) -> dict[str, list[tuple[int, dict[str, Any]]]]:
        found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for column, each in enumerate(self._about["shares"]):
            found.setdefault(each["node"], []).append((column, each))
        return found

    @cached_property
    def _gpus(self) -> dict[str, tuple[Gpu, ...]]:
        return {node["name"]: tuple(Gpu(**gpu) for gpu in node["gpus"]) for node in self._about["nodes"]}

    @cached_property
    def _managed(self) -> frozenset[str]:
        return frozenset(self._about["managed"])

    @cached_property
    def _cluster(self) -> Cluster:
        return Cluster(scheduler=SCHEDULER, order="minor", names={})


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
