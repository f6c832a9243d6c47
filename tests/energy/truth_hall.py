"""The simulated hall on a clock of our own: what it tells goes to the real ledger, its truth stands beside the books."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from energy.ledger.ledger import Ledger
from energy.model import Account
from simulator.ledger_history import LedgerHistory
from simulator.site import Layout, inventory, layout
from simulator.truth import truth
from simulator.world import World
from tests.energy.hall import FlatPrices
from tests.energy.memory_books import MemoryBooks
from wattstat.config.energy import Energy
from wattstat.jobs import Observed, RunKey
from wattstat.journal import NodeJournal
from wattstat.serve.demo_ledger import Past, Step

START = 1_760_000_400.0
STEP = 10.0
# Steps of ten seconds; in truth two hours.
AGENTS_REMEMBER = 60
# Jobs last minutes instead of hours, so that many begin and end.
TEMPO = 15.0


@dataclass
class Told:
    """A ledger that is told of a past, step by step, on clocks that may be wrong."""

    hall: Layout
    past: Past
    settings: Energy = field(default_factory=lambda: Energy(settle_seconds=30))
    wrong_by: Callable[[float], float] = lambda _: 0.0
    is_out: Callable[[float], bool] = lambda _: False
    books: MemoryBooks = field(default_factory=MemoryBooks)
    now: float = START

    def fresh(self) -> Ledger:
        """A process that begins on the books as they are."""
        ledger = Ledger(
            self.settings,
            self.books,
            FlatPrices(),
            clock=lambda: self.now + self.wrong_by(self.now),
            monotonic=lambda: self.now,
        )
        ledger.restore()
        ledger.inventory(inventory(self.hall, bmc_port=1, agent_port=2, ca_file="ca.pem"))
        return ledger

    def tell(self, *, restart_every: float = float("inf")) -> "Told":
        """All of the past; while core is out nothing is read, and afterwards the journals bring what they kept."""
        self.now = self.past.start
        ledger, kept, due, restart = self.fresh(), [], self.now, self.now + restart_every
        remembered: deque[Step] = deque(maxlen=AGENTS_REMEMBER)
        for step in self.past.steps(STEP):
            remembered.append(step)
            if self.is_out(step.until):
                kept.append(step)
                continue
            if self.now >= restart:  # a new process has no cursor: it is told all that agents remember
                self.now = step.until
                ledger, restart, kept = self.fresh(), step.until + restart_every, list(remembered)
            self._take(ledger, kept, step)
            kept = []
            if step.until >= due:
                self._settle(ledger)
                due = step.until + self.settings.settle_seconds
        self.now += 60
        self._settle(ledger)
        return self

    def _take(self, ledger: Ledger, kept: list[Step], step: Step) -> None:
        wrong = self.wrong_by(step.until)
        for snapshot in step.snapshots:
            self.now = snapshot.taken_at
            ledger.see(snapshot)
        self.now = step.until
        ledger.observe(Observed(**_members(step.observed) | {"taken_at": step.until + wrong}))
        for told in (*kept, step):
            for journal in told.journals:
                ledger.journal(_shifted(journal, wrong))

    def _settle(self, ledger: Ledger) -> None:
        settled = ledger.settle(self.now + self.wrong_by(self.now))
        ledger.committed(self.books.commit(settled.batches, settled.runs))


def _members(observed: Observed) -> dict:
    return {name: getattr(observed, name) for name in ("scheduler", "taken_at", "runs", "nodes")}


def _shifted(journal: NodeJournal, seconds: float) -> NodeJournal:
    """The journal as a reader sees it whose clock is wrong."""
    return replace(
        journal,
        entries=tuple(replace(entry, at=entry.at + seconds) for entry in journal.entries),
        boundaries=tuple(replace(boundary, at=boundary.at + seconds) for boundary in journal.boundaries),
    )


def lived(
    directory: Path, *, nodes: int = 16, seed: int = 4, hours: float = 3, at: dict[float, Callable[[World], None]] | None = None
) -> tuple[World, Past]:
    """A hall that lived for some hours; what happens `at` so many seconds is done to it then."""
    world = World(layout(nodes, seed), seed, START, tempo=TEMPO)
    events = sorted((at or {}).items())
    history = LedgerHistory(world, entry_seconds=STEP)
    steps = int(hours * 3600 / STEP)
    for number in range(1, steps + 1):
        while events and events[0][0] <= number * STEP:
            world.advance(START + events[0][0], STEP / 2)
            events.pop(0)[1](world)
        world.advance(START + number * STEP, STEP / 2)
        history.take()
    history.write(directory)
    return world, Past(directory)


@dataclass(frozen=True)
class Compared:
    """A run in the books beside the truth. `error` is how far off its GPUs' joules are, `whole` all its joules."""

    job: dict
    gpu: float
    total: float
    bound: float

    @property
    def seconds(self) -> float:
        return self.job["end_unix"] - self.job["start_unix"]

    @property
    def error(self) -> float:
        return abs(self.gpu / self.job["gpu_joules"] - 1) if self.job["gpu_joules"] else 0.0

    @property
    def whole(self) -> float:
        return abs(self.total / self.job["joules"] - 1)

    @property
    def nodes(self) -> set[str]:
        return {part["node"] for part in self.job["parts"]}

    @property
    def kind(self) -> str:
        return self.job["parts"][0]["kind"]

    def __str__(self) -> str:
        return (
            f"{self.job['job_id']}:{self.job['instance']} {self.kind} {sorted(self.nodes)} {self.seconds:.0f} s: "
            f"GPUs {self.error:.3%}, all {self.whole:.3%}, bound {self.bound / self.total:.3%}"
        )


def compared(world: World, books: MemoryBooks, *, since: float = START) -> list[Compared]:
    """Every run that began and ended meanwhile."""
    found = []
    for job in truth(world)["jobs"]:
        if job["start_unix"] < since or job["end_unix"] is None or job["end_unix"] - job["start_unix"] < 60:
            continue
        key = RunKey("slurm", job["job_id"], job["instance"])
        mine = [posting for posting in books.postings if posting.run == key]
        found.append(
            Compared(
                job=job,
                gpu=sum(posting.gpu_joules + posting.idle_joules for posting in mine),
                total=sum(posting.joules for posting in mine),
                bound=sum(posting.error_joules for posting in mine),
            )
        )
    return found


def residual(books: MemoryBooks) -> float:
    """What the meters counted and nobody was posted, over what they counted."""
    hours = [hour for batch in books.batches for hour in batch.hours]
    measured = sum(hour.measured_joules for hour in hours)
    posted = sum(posting.joules for posting in books.postings)
    return abs(measured - posted) / measured


def overhead(books: MemoryBooks) -> float:
    """What was posted as overhead."""
    return sum(posting.joules for posting in books.postings if posting.account is Account.OVERHEAD)
