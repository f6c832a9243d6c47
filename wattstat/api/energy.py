"""What people ask the ledger: jobs, reports, balances. The shapes of the HTTP API, the command line and the dashboard.

Energies are joules, money is in `currency`, carbon in grams, times Unix seconds (RFC 3339 over HTTP). None is "not known".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

By = Literal["job", "user", "account", "partition", "node", "day"]
BYS: tuple[By, ...] = ("job", "user", "account", "partition", "node", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Energy by what drew it: GPUs at work, processors and memory, the rest of the server, GPUs held but idle. They add up."""

    gpu: float = 0.0
    cpu: float = 0.0
    rest: float = 0.0
    allocated_idle: float = 0.0

    @property
    def total(self) -> float:
        """All together."""
        return self.gpu + self.cpu + self.rest + self.allocated_idle


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One run of a job, as lists show it. `error_joules` bounds the attribution; the meters' own accuracy comes on top.

    Ratios are 0 to 1 over the time in which the run held GPUs. `cost` covers `priced_ratio` of the energy.
    """

    scheduler: str
    job_id: str
    instance: str
    name: str
    user: str
    account: str
    partition: str
    qos: str
    state: str
    submitted: float | None
    start: float
    end: float | None
    nodes: tuple[str, ...]
    gpus: int
    energy_joules: float
    energy: Parts
    error_joules: float
    estimated_joules: float
    methods: tuple[str, ...]
    settled_until: float | None
    currency: str
    cost: float | None
    priced_ratio: float
    carbon_grams: float | None
    carbon_market_grams: float | None
    gpu_seconds: float
    average_gpu_watts: float | None
    sm_active_ratio: float | None
    busy_ratio: float | None
    idle_ratio: float | None
    capped_ratio: float | None
    memory_peak_ratio: float | None
    findings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuOfJob:
    """What one GPU did for a run. `fraction` is the share of the GPU that the run held."""

    node: str
    uuid: str
    index: int
    instance: str
    model: str
    fraction: float
    energy_joules: float
    idle_joules: float
    seconds: float
    average_watts: float | None
    limit_watts: float | None
    sm_active_ratio: float | None
    busy_ratio: float | None
    tensor_active_ratio: float | None
    idle_ratio: float | None
    capped_ratio: float | None
    memory_peak_bytes: float | None
    memory_total_bytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinding:
    """What somebody should know about a run's efficiency: a sentence, and the numbers that prove it.

    `kind`: idle_gpus, low_activity, far_under_cap, at_cap, straggler, memory. `wasted_joules` where the waste has a number.
    """

    kind: str
    severity: Literal["info", "warning"]
    text: str
    evidence: Mapping[str, float | str]
    wasted_joules: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHour:
    """A run's energy in one hour."""

    start: float
    energy: Parts
    error_joules: float
    cost: float | None
    carbon_grams: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What a run served for its joules, by model; models of one run share its energy by their tokens (else requests).

    The whole energy of the run is in it, loading of the model and waiting for requests included. `live_` is over the last
    quarter of an hour of a run that is alive.
    """

    model: str
    requests: float | None
    tokens: float | None
    energy_joules: float
    joules_per_request: float | None
    joules_per_1000_tokens: float | None
    live_joules_per_request: float | None = None
    live_joules_per_1000_tokens: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """What a model of an inference service answered in a span, over all jobs that ran it, and the joules of those jobs.

    Energy is None where the service's job is not known.
    """

    service: str
    model: str
    jobs: int
    requests: float | None
    tokens: float | None
    seconds_per_request: float | None
    energy_joules: float | None
    joules_per_request: float | None
    joules_per_1000_tokens: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """All inference services in a span."""

    start: float
    end: float
    items: tuple[ServiceRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail:
    """Everything about one run."""

    job: JobRow
    gpus: tuple[GpuOfJob, ...]
    hours: tuple[JobHour, ...]
    findings: tuple[JobFinding, ...]
    other_runs: tuple[JobRow, ...] = ()
    inference: tuple[Inference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which runs, in which order. A run belongs to a span when it was alive in it.

    `sort`: start, end, energy, cost, carbon, gpus, duration, sm_active, idle, name, user, account; `-` in front descends.
    """

    start: float | None = None
    end: float | None = None
    user: str = ""
    account: str = ""
    partition: str = ""
    scheduler: str = ""
    node: str = ""
    state: str = ""
    search: str = ""
    sort: str = "-start"
    limit: int = 50
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of runs; `next` is the cursor of the one after it. Where `total_is_exact` is False there are more than `total`."""

    items: tuple[JobRow, ...]
    total: int
    next: str | None
    total_is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One line of a report. `key` is what it is grouped by; `idle` and `overhead` are lines too, so that all add up."""

    key: str
    account: str
    jobs: int | None
    gpu_hours: float
    energy_joules: float
    energy: Parts
    error_joules: float
    estimated_joules: float
    cost: float | None
    carbon_grams: float | None
    carbon_market_grams: float | None
    facility_joules: float | None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report over a span. `settled_until`: what came later is not in it yet; before `books_begin` nobody counted."""

    by: By
    start: float
    end: float
    currency: str
    pue: float | None
    settled_until: float | None
    items: tuple[ReportRow, ...]
    total: ReportRow
    next: str | None = None
    books_begin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """What a node's meter counted, beside what was posted."""

    key: str
    measured_joules: float
    jobs_joules: float
    idle_joules: float
    overhead_joules: float
    residual_joules: float
    residual_ratio: float | None
    error_joules: float
    hole_seconds: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The books beside the meters, all nodes together and one by one (or day by day)."""

    start: float
    end: float
    settled_until: float | None
    total: BalanceRow
    items: tuple[BalanceRow, ...]
    books_begin: float | None = None


class NoSuchNode(ValueError):
    """The books have never heard of the node that was named."""


class LedgerUnavailable(Exception):
    """The ledger cannot be asked now; the message says why and what to do."""


class EnergyReports(Protocol):
    """Whoever answers these. Blocking: call it in a thread.

    Raises `ValueError` for a question that has no sense (`NoSuchNode` for an unknown node), `LedgerUnavailable` while the
    database does not answer.
    """

    def jobs(self, query: JobQuery) -> JobPage:
        """Runs that match."""

    def job(self, job_id: str, instance: str | None = None, scheduler: str = "") -> JobDetail | None:
        """The newest run of a job (or the one of that instance); None where there is none.

        Several schedulers may know one id: without `scheduler` that is a `ValueError` that names them.
        """

    def report(self, by: By, start: float, end: float, *, limit: int | None = None, cursor: str = "") -> Report:
        """Who used how much."""

    def balance(self, start: float, end: float, *, node: str = "", by: Literal["node", "day"] = "node") -> Balance:
        """Whether the books agree with the meters."""
