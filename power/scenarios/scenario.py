"""A rehearsal as a document: the hall, its work, its budget, what goes wrong, and what counts as passed.

Times are seconds from the start. A pair of numbers is a range from which each seed draws.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from power.policies.model import Policy
from wattstat import explain
from wattstat.document import Document, InvalidDocument, Strict, parse, read
from wattstat.values import Seconds, Watts

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Range = tuple[NonNegativeFloat, NonNegativeFloat]

FaultKind = Literal[
    "loss", "rack_dark", "frozen", "half", "spike", "late", "reordered",
    "refuse", "lie", "revert", "timeout", "unlicensed", "rogue", "sentinel",
    "kill", "pause", "twin", "partition", "disk_full", "corrupt_state",
    "feed_loss", "wall_jump",
]  # fmt: skip


class Hall(Strict):
    """What stands there: rows of racks of servers, under switchboards and two main ones."""

    rows: Count = 25
    racks_per_row: Count = 10
    nodes_per_rack: Count = 4
    gpus_per_node: Count = 8
    feeds: Literal[1, 2] = 1
    """2: every rack hangs on A and B, and each carries half until the other is lost."""
    row_rating_ratio: Annotated[float, Field(gt=0)] = 1.0
    """Rating of a row's breaker as a share of the row's budget; with two feeds of each breaker."""
    rack_rating_watts_per_node: Watts = 9500.0
    gpu_min_watts: Watts = 200.0
    gpu_max_watts: Watts = 700.0
    gpu_idle_watts: Watts = 75.0
    rest_watts: Watts = 2200.0
    nameplate_watts: Watts = 10200.0


class Load(Strict):
    """What the servers do. What is neither training nor inference is idle."""

    training: Share = 0.65
    inference: Share = 0.35
    nodes_per_job: Count = 52
    """Servers of one synchronous job: its slowest GPU sets the pace of all."""
    iteration_seconds: Range = (4.0, 9.0)
    duty: Share = 0.72
    """Share of an iteration in which the GPUs compute at full power."""
    wait_watts: Watts = 400.0
    """What a GPU draws in the rest of the iteration."""
    checkpoint_every_seconds: Range = (900.0, 1500.0)
    checkpoint_seconds: Range = (20.0, 40.0)
    checkpoint_together: bool = False
    """All jobs stop and go on in the same second."""
    job_seconds: Range = (3000.0, 9000.0)
    """How long a job runs before the next takes its place."""
    gap_seconds: Range = (60.0, 180.0)
    starts: tuple[NonNegativeFloat, ...] = ()
    """When the first jobs start, one after the other; jobs beyond the list run from the beginning."""
    inference_watts: Range = (290.0, 480.0)
    """What a GPU draws in the valley and at the peak of the day."""
    inference_noise: Share = 0.05
    inference_period_seconds: Seconds = 86400.0
    training_priority: Annotated[int, Field(ge=0, le=100)] = 40
    inference_priority: Annotated[int, Field(ge=0, le=100)] = 60
    pace: Literal["slowest", "own"] = "slowest"
    """own: every server gets on by itself, as in the calibration of peers that know no synchronous jobs."""
    curve: Literal["a40", "mean"] = "a40"
    """Which measured curve tells what a cap costs in throughput."""


class Budget(Strict):
    """What may be drawn."""

    watts_per_node: Watts = 6200.0
    basis: Literal["guaranteed", "measured"] = "guaranteed"
    """How the controller holds it: the worst case under confirmed caps, or measured power."""
    site_ratio: Annotated[float, Field(gt=0)] = 1.0
    """The site's budget as a share of its rows' budgets."""


class Fault(Strict):
    """Something that goes wrong, at some servers or in the controller."""

    kind: FaultKind
    at: Range = (0.0, 0.0)
    seconds: NonNegativeFloat = 0.0
    """How long it lasts; nought is for ever."""
    share: Share = 1.0
    """Of the servers (or GPUs); for `loss` of the samples."""
    amount: float = 0.0
    """What the kind needs: seconds of delay, of a jump, after which a cap reverts, between two fights."""
    times: Annotated[int, Field(ge=1)] = 1
    """How often, at moments drawn one by one."""


class Ask(Strict):
    """A reduction that somebody asks of the whole site."""

    at: NonNegativeFloat
    notice_seconds: NonNegativeFloat = 0.0
    baseline_seconds: Seconds = 300.0
    """Over how long before it the baseline is measured."""
    seconds: Seconds
    ratio: Share
    """Share of the power at that moment that has to go."""
    within_seconds: NonNegativeFloat
    emergency: bool = False


class Pass(Strict):
    """What has to hold. What is not given is not asked."""

    trips: int | None = 0
    over_ratio: float | None = None
    """Share of row-seconds over budget."""
    worst_episode_seconds: float | None = None
    back_p99_seconds: float | None = None
    """From breach to under budget."""
    throughput: float | None = None
    points_over_static: float | None = None
    """Points of throughput above equal static caps."""
    inference_slowdown_p99: float | None = None
    changes_per_device_hour: float | None = None
    peak_ratio: float | None = None
    """Highest load of any breaker as a share of its rating."""
    raise_ratio: float | None = None
    """Highest raise of a row's caps within 10 s, as a share of their range."""
    recovered_seconds: float | None = None
    """From the fault to every breaker under its rating."""
    throughput_of_faultless: float | None = None
    """Share of the same run's throughput without faults."""
    classified_seconds: float | None = None
    """Until every unfaithful device is charged its ceiling."""
    found_seconds: float | None = None
    """Until somebody else's first change of a cap was found."""
    frozen_found_seconds: float | None = None
    """Until a sensor that stands still was found."""
    takeover_seconds: float | None = None
    stale_accepted: int | None = None
    swing_ratio: float | None = None
    """Peak to peak of the site's power with steady load, as a share of the budget: no limit cycle."""
    reached_seconds: float | None = None
    """From an emergency's announcement to its target."""
    early_seconds: float | None = None
    """From the start of what was announced to its target: negative is before."""
    held_error: float | None = None
    """Mean of the power while it was asked for, above the target, as a share of it."""
    held_excursion: float | None = None
    """The most above the target, as a mean of ten seconds."""
    edges_seconds: float | None = None
    """From the correct instant of a schedule's edge to the caps' change."""
    jump_writes: int | None = None
    """Writes in the cycle of a clock's jump that changes no schedule."""
    disagreements: int | None = None
    """Random cases in which brute force says otherwise."""
    optimum_error: float | None = None
    """Distance of any cap from brute force's, as a share of its range."""
    over_limit_watts: float | None = None
    deficit_error_watts: float | None = None
    order_changes: int | None = None
    """Cases in which another order of the same input gives other caps."""


class Quick(Strict):
    """The same, small: for tests and a first look."""

    rows: Count = 2
    racks_per_row: Count = 2
    nodes_per_rack: Count = 4
    nodes_per_job: Count = 8
    duration_seconds: Seconds = 420.0
    cases: Count = 200
    asks: tuple[Ask, ...] = ()


class Scenario(Strict):
    """One rehearsal."""

    name: str
    title: str
    about: str = ""
    number: int = 0
    """Of the ten; nought for others."""
    kind: Literal["hall", "schedule", "tree"] = "hall"
    """hall: in virtual time; schedule and tree: random cases against brute force."""
    hall: Hall = Hall()
    load: Load = Load()
    budget: Budget = Budget()
    bmc: bool = False
    """Caps go through BMCs (2 to 5 s) instead of agents (1 s)."""
    faults: tuple[Fault, ...] = ()
    asks: tuple[Ask, ...] = ()
    policies: tuple[Policy, ...] = ()
    """More policies that hold, in mode enforce."""
    standby: bool = False
    """A second controller waits for the lease."""
    duration_seconds: Seconds = 7200.0
    warm_up_seconds: NonNegativeFloat = 60.0
    """What happens in it is not counted: nobody starts with a full hall under no control. Breakers are."""
    cases: Count = 1000
    seeds: Count = 20
    baselines: bool = True
    passes: Pass = Pass()
    quick: Quick = Quick()

    def small(self) -> Scenario:
        """The quick form: fewer rows, and faults at the same share of the time."""
        ratio = self.quick.duration_seconds / self.duration_seconds
        hall = self.hall.model_copy(
            update={name: getattr(self.quick, name) for name in ("rows", "racks_per_row", "nodes_per_rack")}
        )
        return self.model_copy(
            update={
                "hall": hall,
                "load": self.load.model_copy(update={"nodes_per_job": self.quick.nodes_per_job}),
                "duration_seconds": self.quick.duration_seconds,
                "cases": self.quick.cases,
                "faults": tuple(
                    each.model_copy(update={"at": (each.at[0] * ratio, each.at[1] * ratio)}) for each in self.faults
                ),
                "asks": self.quick.asks,
            }
        )


def library() -> dict[str, Path]:
    """The scenarios that come with Wattstat, by name."""
    folder = Path(str(resources.files("power.scenarios") / "library"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name: str) -> Scenario:
    """A scenario by name, or from a file. Raises `InvalidDocument`."""
    known = library()
    return _checked(read(known.get(name, Path(name))))


def from_text(text: str) -> Scenario:
    """A scenario from YAML. Raises `InvalidDocument`."""
    return _checked(parse(text, source="scenario"))


def _checked(document: Document) -> Scenario:
    scenario, problems = explain.model_of(Scenario, document)
    if scenario is None:
        raise InvalidDocument(problems)
    return scenario
