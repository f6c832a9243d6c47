"""The ledger of a thousand nodes: 8,000 GPUs with an entry every ten seconds, settled and written to SQLite every thirty."""

from __future__ import annotations

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row
from energy.database import open_books
from energy.ledger.ledger import Ledger
from energy.model import Books
from wattstat.catalogue.metric import Sample
from wattstat.catalogue.node import NODE_ENERGY_JOULES_TOTAL, NODE_POWER_WATTS
from wattstat.config import Config
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.jobs import GpuHold, Observed, Placement, Run, RunKey, State
from wattstat.journal import Entry, Gpu, GpuCounts, NodeJournal

NODES, GPUS = 1000, 8
STEP_SECONDS, SETTLE_SECONDS = 10.0, 30.0
MINUTES = 5
# Servers by job: most have one, some two or four; one in eight servers is free.
SIZES = (1, 1, 1, 2, 4)
JOB_SECONDS = 240.0
START = 1_760_000_000.0
GPU_WATTS, CPU_WATTS, NODE_WATTS = 560.0, 180.0, 6900.0


@dataclass(frozen=True)
class _Free:
    cost: float = 5e-8
    location_grams: float = 1e-4
    market_grams: None = None


class _Prices:
    def price(self, joules: float, at: float) -> _Free:
        return _Free(joules * 5e-8, joules * 1e-4)


def run() -> list[Row]:
    """Five minutes of the site, as quick as it goes."""
    with tempfile.TemporaryDirectory() as folder:
        books = open_books(Config(data_dir=Path(folder)))
        try:
            taken, settled, written, memory = _live(books)
        finally:
            books.close()
    seconds = MINUTES * 60
    total = taken + settled + written
    return [
        Row(
            what="ledger: CPU with 1,000 nodes and 8,000 GPUs",
            measured=f"{total / seconds:.1%} of a core",
            peer="-",
            reach="50 % of a core",
            note=(
                f"entries every {STEP_SECONDS:.0f} s; taking them in {taken / seconds:.1%}, settling {settled / seconds:.1%}, "
                f"writing to SQLite {written / seconds:.1%}; without parsing the agents' JSON"
            ),
        ),
        Row(
            what="ledger: memory with 1,000 nodes and 8,000 GPUs",
            measured=f"{memory:.0f} MiB more than at the start",
            peer="-",
            reach="-",
            note="peak of the process, readings of a minute included",
        ),
    ]


def _live(books: Books) -> tuple[float, float, float, float]:
    """CPU seconds of taking in, settling and writing; and how many MiB it took."""
    clock = [START]
    ledger = Ledger(Config().energy, books, _Prices(), clock=lambda: clock[0], monotonic=lambda: clock[0])
    gpus = {node: _gpus(node) for node in range(NODES)}
    taken = settled = written = 0.0
    before = _resident_mib()
    due = START + 2 * SETTLE_SECONDS
    for step in range(int((MINUTES * 60 + 2 * SETTLE_SECONDS) / STEP_SECONDS)):
        clock[0] = at = START + step * STEP_SECONDS
        observed, snapshot = _observed(at), _snapshot(at)
        journals = [_journal(node, gpus[node], at) for node in range(NODES)]
        is_counted = at >= START + 2 * SETTLE_SECONDS
        began = time.process_time()
        ledger.observe(observed)
        ledger.see(snapshot)
        for journal in journals:
            ledger.journal(journal)
        taken += (time.process_time() - began) * is_counted
        if at < due:
            continue
        due = at + SETTLE_SECONDS
        began = time.process_time()
        batch = ledger.settle(at)
        middle = time.process_time()
        refused = books.commit(batch.batches, batch.runs)
        done = time.process_time()
        ledger.committed(refused)
        settled += middle - began + time.process_time() - done
        written += done - middle
    return taken, settled, written, _resident_mib() - before


def _gpus(node: int) -> tuple[Gpu, ...]:
    return tuple(
        Gpu(uuid=f"GPU-{node:04d}-{index}", index=index, minor=index, model="NVIDIA H100 80GB HBM3", memory_bytes=8e10)
        for index in range(GPUS)
    )


def _journal(node: int, gpus: tuple[Gpu, ...], at: float) -> NodeJournal:
    seconds = at - START
    counts = {
        gpu.uuid: GpuCounts(
            joules=1e9 + GPU_WATTS * seconds + gpu.index,
            power_joules=GPU_WATTS * seconds,
            power_seconds=seconds,
            sm_active_seconds=0.8 * seconds,
            busy_seconds=0.97 * seconds,
            tensor_active_seconds=0.5 * seconds,
            capped_seconds=0.1 * seconds,
            memory_bytes=6e10,
        )
        for gpu in gpus
    }
    cpus = {f"{domain}-{socket}": CPU_WATTS * seconds for domain in ("package", "dram") for socket in (0, 1)}
    entry = Entry(at=at, gpus=counts, cpus=cpus)
    return NodeJournal(node=_name(node), boot="bench", gpus=gpus, entries=(entry,))


def _observed(at: float) -> Observed:
    """Jobs that begin and end all the time, each with a number of its own."""
    runs, node, size = [], 0, 0
    while node < NODES * 7 // 8:
        servers = SIZES[size % len(SIZES)]
        offset = node * 7 % JOB_SECONDS
        generation = int((at - START + offset) // JOB_SECONDS)
        started = START - offset + generation * JOB_SECONDS
        placements = tuple(
            Placement(node=_name(number), gpus=tuple(GpuHold(minor=index) for index in range(GPUS)), cpus=112)
            for number in range(node, node + servers)
        )
        key = RunKey("slurm", str(100_000 * generation + node + 1))
        runs.append(Run(key=key, user=f"user{node % 60}", account=f"group{node % 12}", started=started, placements=placements))
        if generation:
            before = RunKey("slurm", str(100_000 * (generation - 1) + node + 1))
            ended = {"started": started - JOB_SECONDS, "ended": started, "state": State.COMPLETED}
            runs.append(Run(key=before, user=f"user{node % 60}", account=f"group{node % 12}", placements=placements, **ended))
        node, size = node + servers, size + 1
    return Observed(scheduler="slurm", taken_at=at, runs=tuple(runs), nodes=frozenset(map(_name, range(NODES))))


def _snapshot(at: float) -> Snapshot:
    joules = 1e10 + (NODE_WATTS * (at - START)) // 3600 * 3600
    samples = tuple(
        sample
        for node in range(NODES)
        for sample in (
            Sample(NODE_POWER_WATTS, (_name(node), "system"), NODE_WATTS),
            Sample(NODE_ENERGY_JOULES_TOTAL, (_name(node), "counter"), joules),
        )
    )
    block = Block(key=BlockKey("redfish", "all", "fast"), samples=samples, taken_at=at, interval_seconds=STEP_SECONDS)
    return Snapshot(taken_at=at, blocks=(block,))


def _name(node: int) -> str:
    return f"gpu{node:04d}"


def _resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
