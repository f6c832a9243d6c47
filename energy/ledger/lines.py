"""Adding up while a node is settled: cells of one slice of time, lines of postings by hour, and what GPUs did for runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

from energy.model import HOUR, Account, GpuUse, Method, NodeHour, Posting
from wattstat.jobs import RunKey


class Priced(Protocol):
    """What energy costs and stands for; None where nobody knows."""

    @property
    def cost(self) -> float | None:
        """In the tariff's currency."""

    @property
    def location_grams(self) -> float | None:
        """Carbon dioxide by the grid's average."""

    @property
    def market_grams(self) -> float | None:
        """Carbon dioxide by the site's contracts."""


class Prices(Protocol):
    """Who knows what energy costs."""

    def price(self, joules: float, at: float) -> Priced:
        """What these joules cost at that time (Unix seconds)."""


@dataclass(slots=True)
class Cell:
    """What one line gets in one slice of time."""

    gpu: float = 0.0
    cpu: float = 0.0
    rest: float = 0.0
    idle: float = 0.0
    error: float = 0.0
    estimated: float = 0.0
    methods: int = 0
    gpu_seconds: float = 0.0

    @property
    def joules(self) -> float:
        """All four parts."""
        return self.gpu + self.cpu + self.rest + self.idle


@dataclass(slots=True)
class Line(Cell):
    """A cell of a whole hour, with its price."""

    cost: float = 0.0
    priced: float = 0.0
    location: float = 0.0
    location_joules: float = 0.0
    market: float = 0.0
    market_joules: float = 0.0

    def add(self, cell: Cell, unit: Priced) -> None:
        """Add a slice; `unit` is the price of one joule then."""
        joules = cell.gpu + cell.cpu + cell.rest + cell.idle
        self.gpu += cell.gpu
        self.cpu += cell.cpu
        self.rest += cell.rest
        self.idle += cell.idle
        self.error += cell.error
        self.estimated += cell.estimated
        self.methods |= cell.methods
        self.gpu_seconds += cell.gpu_seconds
        if unit.cost is not None:
            self.cost += joules * unit.cost
            self.priced += joules
        if unit.location_grams is not None:
            self.location += joules * unit.location_grams
            self.location_joules += joules
        if unit.market_grams is not None:
            self.market += joules * unit.market_grams
            self.market_joules += joules

    def posting(self, hour: int, node: str, account: Account, run: RunKey | None) -> Posting:
        """The line as the books take it."""
        return Posting(
            hour=hour,
            node=node,
            account=account,
            run=run,
            gpu_joules=self.gpu,
            cpu_joules=self.cpu,
            rest_joules=self.rest,
            idle_joules=self.idle,
            error_joules=min(self.error, self.joules) if run is None else self.error,
            estimated_joules=min(self.estimated, self.joules),
            methods=Method(self.methods),
            gpu_seconds=self.gpu_seconds,
            cost=self.cost,
            priced_joules=self.priced,
            location_grams=self.location,
            location_joules=self.location_joules,
            market_grams=self.market,
            market_joules=self.market_joules,
        )


@dataclass(slots=True)
class Activity:
    """Shares per second of a GPU (or of a part of it) between two entries; None where the board does not tell."""

    sm: float | None = None
    busy: float | None = None
    tensor: float | None = None
    capped: float | None = None
    memory: float | None = None

    @property
    def used(self) -> float | None:
        """The best word for whether it worked: SM activity, else "a kernel ran"."""
        return self.sm if self.sm is not None else self.busy


@dataclass(slots=True)
class Use:
    """What one GPU did for one run in a span."""

    joules: float = 0.0
    idle_joules: float = 0.0
    seconds: float = 0.0
    idle_seconds: float = 0.0
    sm: float | None = None
    busy: float | None = None
    tensor: float | None = None
    capped: float | None = None
    memory: float | None = None

    def add(self, joules: float, seconds: float, activity: Activity | None, *, is_idle: bool) -> None:
        """Add a slice."""
        self.seconds += seconds
        if is_idle:
            self.idle_joules += joules
            self.idle_seconds += seconds
        else:
            self.joules += joules
        if activity is None:
            return
        if activity.sm is not None:
            self.sm = (self.sm or 0.0) + activity.sm * seconds
        if activity.busy is not None:
            self.busy = (self.busy or 0.0) + activity.busy * seconds
        if activity.tensor is not None:
            self.tensor = (self.tensor or 0.0) + activity.tensor * seconds
        if activity.capped is not None:
            self.capped = (self.capped or 0.0) + activity.capped * seconds
        if activity.memory is not None:
            self.memory = max(self.memory or 0.0, activity.memory)


@dataclass(slots=True)
class Balance:
    """What a node's meter counted in an hour, beside what was posted."""

    measured: float = 0.0
    jobs: float = 0.0
    idle: float = 0.0
    overhead: float = 0.0
    error: float = 0.0
    hole_seconds: float = 0.0


@dataclass(kw_only=True)
class Ledgered:
    """All that settling one node over one span brought."""

    node: str
    is_overhead: bool
    source: str
    lines: dict[tuple[int, RunKey | None], Line] = field(default_factory=dict)
    hours: dict[int, Balance] = field(default_factory=dict)
    uses: dict[tuple[RunKey, str, str], GpuUse] = field(default_factory=dict)
    deficit: float = 0.0

    def account(self, run: RunKey | None) -> Account:
        """Where the joules of a run, or of nobody, go on this node."""
        if run is not None:
            return Account.JOB
        return Account.OVERHEAD if self.is_overhead else Account.IDLE

    def post(self, at: float, cells: dict[RunKey | None, Cell], unit: Priced, measured: float, hole_seconds: float) -> None:
        """Post one slice, whose middle is at the wall clock's `at`."""
        hour = int(at // HOUR) * HOUR
        balance = self.hours.get(hour)
        if balance is None:
            balance = self.hours[hour] = Balance()
        balance.measured += measured
        balance.hole_seconds += hole_seconds
        for run, cell in cells.items():
            line = self.lines.get((hour, run))
            if line is None:
                line = self.lines[hour, run] = Line()
            line.add(cell, unit)
            joules = cell.gpu + cell.cpu + cell.rest + cell.idle
            balance.error += cell.error
            if run is not None:
                balance.jobs += joules
            elif self.is_overhead:
                balance.overhead += joules
            else:
                balance.idle += joules

    def check(self) -> None:
        """Raises `ValueError` for joules that are no number: no database takes them, and with them no other node's."""
        for (_, run), line in self.lines.items():
            if not isfinite(line.joules + line.error + line.cost + line.location + line.market):
                whose = "nobody" if run is None else f"job {run.job_id}"
                raise ValueError(
                    f"{line.joules} J for {whose}, off by {line.error} J: one of its meters counted what cannot be"
                )

    def postings(self) -> tuple[Posting, ...]:
        """The lines, in order of time."""
        return tuple(line.posting(hour, self.node, self.account(run), run) for (hour, run), line in self.lines.items())

    def node_hours(self) -> tuple[NodeHour, ...]:
        """The balances, in order of time."""
        return tuple(
            NodeHour(
                hour=hour,
                node=self.node,
                measured_joules=balance.measured,
                jobs_joules=balance.jobs,
                idle_joules=balance.idle,
                overhead_joules=balance.overhead,
                error_joules=balance.error,
                hole_seconds=balance.hole_seconds,
                source=self.source,
            )
            for hour, balance in self.hours.items()
        )
