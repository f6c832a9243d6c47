"""A small hall for the ledger's tests: clocks that can be set, prices, journals and snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from energy.ledger.ledger import Ledger
from tests.energy.memory_books import MemoryBooks
from wattstat.catalogue.gpu import GPU_POWER_LIMIT_WATTS
from wattstat.catalogue.metric import Sample
from wattstat.catalogue.node import NODE_POWER_WATTS
from wattstat.config.energy import Energy
from wattstat.hall import Block, BlockKey, Snapshot
from wattstat.inventory import Inventory
from wattstat.jobs import Observed, Run
from wattstat.journal import Boundary, Entry, Gpu, GpuCounts, NodeJournal

START = 1_700_000_000.0


@dataclass(frozen=True)
class Flat:
    """A price that never changes."""

    cost: float | None = 1e-7
    location_grams: float | None = 1e-4
    market_grams: float | None = None


@dataclass
class FlatPrices:
    def price(self, joules: float, at: float) -> Flat:
        return Flat(cost=1e-7 * joules, location_grams=1e-4 * joules)


@dataclass
class Clocks:
    """A wall clock that may jump, and a monotonic one that does not."""

    steady: float = START
    wrong_by: float = 0.0

    def wall(self) -> float:
        return self.steady + self.wrong_by

    def monotonic(self) -> float:
        return self.steady - START + 77.0


@dataclass
class Bench:
    """A ledger on its books, driven by hand."""

    settings: Energy = field(default_factory=lambda: Energy(settle_seconds=1))
    clocks: Clocks = field(default_factory=Clocks)
    books: MemoryBooks = field(default_factory=MemoryBooks)
    inventory: Inventory = field(default_factory=Inventory)
    expected_schedulers: int = 0
    begun: float | None = None
    """From when on the node n1 is settled, by the clock that does not jump."""

    def __post_init__(self) -> None:
        self.ledger = self.fresh()

    def fresh(self) -> Ledger:
        """Another process on the same books."""
        self.ledger = Ledger(
            self.settings,
            self.books,
            FlatPrices(),
            clock=self.clocks.wall,
            monotonic=self.clocks.monotonic,
            expected_schedulers=self.expected_schedulers,
        )
        self.ledger.restore()
        self.ledger.inventory(self.inventory)
        return self.ledger

    def settle(self) -> None:
        node = self.ledger._nodes.get("n1")
        if not self.books.batches and node is not None:
            first = node.first()
            self.begun = None if first is None else first + self.clocks.steady - self.ledger._now
        settled = self.ledger.settle(self.clocks.wall())
        self.ledger.committed(self.books.commit(settled.batches, settled.runs))

    def observe(self, *runs: Run, nodes: tuple[str, ...] = ("n1",), scheduler: str = "slurm") -> None:
        self.ledger.observe(Observed(scheduler=scheduler, taken_at=self.clocks.wall(), runs=runs, nodes=frozenset(nodes)))

    def power(self, watts: float, node: str = "n1", *, limit: float | None = None, gpus: tuple[Gpu, ...] = ()) -> None:
        now = self.clocks.wall()
        samples = [Sample(NODE_POWER_WATTS, (node, "system"), watts)]
        if limit is not None:
            samples += [Sample(GPU_POWER_LIMIT_WATTS, (node, str(gpu.index), gpu.uuid, "enforced"), limit) for gpu in gpus]
        block = Block(key=BlockKey("redfish", node, "fast"), samples=tuple(samples), taken_at=now, interval_seconds=10)
        self.ledger.see(Snapshot(taken_at=now, blocks=(block,)))

    def settled_steady(self, node: str = "n1") -> float:
        """Until when a node is settled, by the clock that does not jump."""
        settled = self.ledger._nodes[node].settled
        return START if settled is None else settled + self.clocks.steady - self.ledger._now


def gpus(count: int) -> tuple[Gpu, ...]:
    return tuple(Gpu(uuid=f"GPU-{index}", index=index, minor=index, model="H100") for index in range(count))


def entry(at: float, counts: Mapping[str, GpuCounts], cpus: Mapping[str, float] | None = None) -> Entry:
    return Entry(at=at, gpus=counts, cpus=cpus or {})


def journal(
    *entries: Entry, node: str = "n1", boot: str = "a", gpu_count: int = 2, boundaries: tuple[Boundary, ...] = ()
) -> NodeJournal:
    return NodeJournal(node=node, boot=boot, gpus=gpus(gpu_count), entries=entries, boundaries=boundaries)
