"""The ledger in core's process: what comes in is settled and written; books that fail cost nothing but time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from energy.ledger.ledger import Ledger
from energy.model import BooksError
from energy.service import LedgerService
from tests.energy.hall import START, Clocks, FlatPrices, entry, journal
from tests.energy.memory_books import MemoryBooks
from wattstat.catalogue import job as catalogue
from wattstat.config.energy import Energy
from wattstat.hall import Hall
from wattstat.inventory import Inventory, Node
from wattstat.jobs import GpuHold, Observed, Placement, Run, RunKey, State
from wattstat.journal import Boundary, Edge, GpuCounts, NodeJournal

JOB = RunKey("slurm", "7")


class Failing(MemoryBooks):
    """Books that cannot be written until they are repaired."""

    is_broken = True

    def commit(self, batches, runs):
        if self.is_broken:
            raise BooksError("the disk is full")
        return super().commit(batches, runs)


class Bench:
    """A service whose clocks stand still until a test moves them."""

    def __init__(self, books: MemoryBooks, *, open_books: Callable[[], MemoryBooks] | None = None) -> None:
        self.clocks = Clocks()
        self.books = books
        self.hall = Hall(clock=self.clocks.wall)
        self.stop = asyncio.Event()
        self.service = LedgerService(
            open_books=open_books or (lambda: books),
            open_ledger=self.open_ledger,
            hall=self.hall,
            settle_seconds=0,
            clock=self.clocks.wall,
            monotonic=self.clocks.monotonic,
            beat_seconds=0.01,
        )

    def open_ledger(self, books: MemoryBooks) -> Ledger:
        return Ledger(Energy(settle_seconds=1), books, FlatPrices(), clock=self.clocks.wall, monotonic=self.clocks.monotonic)

    def feed(self) -> None:
        """A minute of one GPU at 100 W that one job holds."""
        self.service.inventory(Inventory(nodes=(Node(name="n1", gpus=1),)))
        self.service.journal(journal(entry(START, {"GPU-0": GpuCounts(joules=0)}), gpu_count=1))
        self.clocks.steady += 60
        counts = {"GPU-0": GpuCounts(joules=6000, busy_seconds=60)}
        self.service.journal(journal(entry(START + 60, counts), gpu_count=1))
        held = Placement(node="n1", gpus=(GpuHold(index=0),))
        run = Run(key=JOB, started=START - 10, placements=(held,))
        self.clocks.steady += 10
        self.service.observe(Observed(scheduler="slurm", taken_at=self.clocks.wall(), runs=(run,), nodes=frozenset({"n1"})))

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.01)


@pytest.fixture
async def bench():
    made: list[tuple[Bench, asyncio.Task]] = []

    def start(books: MemoryBooks, **options) -> Bench:
        each = Bench(books, **options)
        made.append((each, asyncio.create_task(each.service.run(each.stop))))
        return each

    yield start
    for each, running in made:
        each.stop.set()
        await running


async def test_what_comes_in_is_settled_written_and_shown(bench):
    it = bench(MemoryBooks())
    it.feed()

    await it.until(lambda: it.books.joules(JOB) == pytest.approx(6000))
    await it.until(lambda: it.hall.snapshot().value(catalogue.JOB_INFO, job_id="7") == 1)


async def test_books_that_cannot_be_written_lose_nothing_and_say_why(bench):
    books = Failing()
    it = bench(books)
    it.feed()
    await it.until(lambda: it.service.trouble == "the disk is full")
    assert books.batches == []

    books.is_broken = False

    await it.until(lambda: books.joules(JOB) == pytest.approx(6000))
    await it.until(lambda: it.service.trouble == "")


async def test_core_goes_on_while_the_books_cannot_be_opened_and_takes_in_what_came_meanwhile(bench):
    books = MemoryBooks()
    reasons = [BooksError("the database does not answer")] * 3

    def open_books() -> MemoryBooks:
        if reasons:
            raise reasons.pop()
        return books

    it = bench(books, open_books=open_books)
    it.feed()

    await it.until(lambda: books.joules(JOB) == pytest.approx(6000))
    assert reasons == []


async def test_what_is_due_is_settled_a_last_time_when_core_ends(bench):
    it = bench(MemoryBooks())
    it.service.beat_seconds = 3600
    await it.until(lambda: it.service._ledger is not None)
    it.feed()
    it.stop.set()

    await it.until(lambda: it.books.joules(JOB) == pytest.approx(6000))


async def test_readings_of_a_night_without_books_are_held_in_little_memory_and_lose_no_joule(bench):
    books = MemoryBooks()
    broken = [True]

    def open_books() -> MemoryBooks:
        if broken:
            raise BooksError("the database does not answer")
        return books

    it = bench(books, open_books=open_books)
    it.service.inbox.most = 500
    held = Placement(node="n1", gpus=(GpuHold(index=0),))
    run = Run(key=JOB, started=START + 10, placements=(held,))
    short = Run(key=RunKey("slurm", "8"), started=START + 100.5, ended=START + 110.5, state=State.COMPLETED, placements=())
    it.service.inventory(Inventory(nodes=(Node(name="n1", gpus=1),)))
    most = 0
    for second in range(0, 36_001, 10):
        it.clocks.steady = START + second
        edges = (boundary(second),) if second == 20 else ()
        counts = {"GPU-0": GpuCounts(joules=100.0 * second, busy_seconds=float(second))}
        it.service.journal(journal(entry(START + second, counts), gpu_count=1, boundaries=edges))
        runs = (run, short) if 110 < second < 400 else (run,)
        it.service.observe(Observed(scheduler="slurm", taken_at=START + second, runs=runs, nodes=frozenset({"n1"})))
        most = max(most, len(it.service.inbox._told))
    assert most <= 500
    told = [each for each in it.service.inbox._told if isinstance(each, NodeJournal) and each.boundaries]
    assert [each.boundaries for each in told] == [(boundary(20),)]

    broken.clear()

    await it.until(lambda: books.joules(JOB) >= 100 * 35_900)
    assert books.joules(JOB) == pytest.approx(100 * (books.newest["n1"].settled_until - START - 20))
    assert books.runs[short.key].ended == START + 110.5


class Shaky(MemoryBooks):
    """Books that cannot be read a number of times."""

    fails = 0
    refusals = 0

    def checkpoints(self):
        if self.fails:
            self.fails -= 1
            raise BooksError("the server went away")
        return super().checkpoints()

    def commit(self, batches, runs):
        refused = super().commit(batches, runs)
        self.refusals += bool(refused)
        return refused


async def test_a_node_that_was_refused_is_taken_up_as_soon_as_the_books_can_be_read_and_keeps_what_it_read(bench):
    books = Shaky()
    it = bench(books)
    it.feed()
    await it.until(lambda: books.joules(JOB) == pytest.approx(6000))
    # Another core settled the node too: the same, a second later, when the counter stood at 6,100 J.
    held = books.newest["n1"]
    books.newest["n1"] = replace(held, settled_until=held.settled_until + 1)
    books.fails = 3
    run = books.runs[JOB]

    it.clocks.steady = START + 130
    for second in (80, 100, 120):
        counts = {"GPU-0": GpuCounts(joules=100.0 * second, busy_seconds=float(second))}
        it.service.journal(journal(entry(START + second, counts), gpu_count=1))
    it.service.observe(Observed(scheduler="slurm", taken_at=it.clocks.wall(), runs=(run,), nodes=frozenset({"n1"})))

    await it.until(lambda: books.newest["n1"].settled_until == START + 120)
    assert (books.refusals, books.fails) == (1, 0)
    assert it.service.trouble == ""


def boundary(second: int) -> Boundary:
    return Boundary(id="b", edge=Edge.START, at=START + second, scheduler="slurm", job_id="7", instance="0", gpus=("GPU-0",))
