"""Any other scheduler, by a command that prints its jobs as JSON; docs/schedulers.md describes the format for who writes one.

An answer is taken as a whole or not at all: a run that was left out because one of its members is wrong would look as if it had
ended.
"""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from collectors.frame.errors import BadPayload, CollectError
from collectors.frame.program import printed
from collectors.frame.source import Collected, Fetched, Source, Tier
from collectors.node_names import Names
from wattstat.catalogue.job import SCHEDULER_JOBS
from wattstat.catalogue.metric import Samples
from wattstat.config import Config
from wattstat.config.schedulers import CommandScheduler
from wattstat.document import Strict
from wattstat.inventory import Inventory
from wattstat.jobs import ALIVE, GpuHold, Hold, JobSink, Observed, Placement, Run, RunKey, State

MOST_BYTES = 64 * 1024**2
_MOST_PROBLEMS = 5


def _seconds(value: Any) -> Any:
    """Unix seconds of an RFC 3339 time; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("expected Unix seconds, or an RFC 3339 time with its zone such as 2026-01-31T12:00:00Z")
    return found.timestamp()


Moment = Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)]


class GpuEntry(Strict):
    """A hold on a GPU, known by one of `uuid`, `index` (in order of PCI addresses) and `minor` (/dev/nvidia<minor>)."""

    uuid: str | None = None
    index: Annotated[int, Field(ge=0)] | None = None
    minor: Annotated[int, Field(ge=0)] | None = None
    hold: Hold = Hold.WHOLE
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    instance: str = ""

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = sum(each is not None for each in (self.uuid, self.index, self.minor))
        if known > 1 or (known == 0 and not self.instance):
            raise ValueError("expected one of uuid, index and minor")
        return self


class PlacementEntry(Strict):
    """What a run holds on one node."""

    node: Annotated[str, Field(min_length=1)]
    gpus: tuple[GpuEntry, ...] = ()
    cpus: Annotated[int, Field(ge=0)] | None = None
    memory_bytes: Annotated[int, Field(ge=0)] | None = None


class RunEntry(Strict):
    """A run of a job."""

    job_id: Annotated[str, Field(min_length=1)]
    instance: str = "0"
    name: str = ""
    user: str = ""
    account: str = ""
    partition: str = ""
    qos: str = ""
    state: State = State.RUNNING
    submitted: Moment | None = None
    started: Moment
    ended: Moment | None = None
    placements: tuple[PlacementEntry, ...] = ()
    suspended: tuple[tuple[Moment, Moment], ...] = ()
    suspended_since: Moment | None = None
    exit_code: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.state in ALIVE and self.ended is not None:
            raise ValueError(f"is {self.state} and has an end; expected `ended` to be null, or a state such as completed")
        if self.state not in ALIVE and self.ended is None:
            raise ValueError(f"is {self.state} and has no end; expected a time in `ended`")
        if self.ended is not None and self.ended < self.started:
            raise ValueError("ended before it started; expected `ended` not to be before `started`")
        return self


class Answer(Strict):
    """What the command prints."""

    runs: tuple[RunEntry, ...]
    nodes: tuple[str, ...] = ()
    pending: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Runs and nodes by the inventory's names, what else was told, and the nodes that the inventory does not have."""

    runs: tuple[Run, ...]
    nodes: frozenset[str]
    pending: int | None
    strangers: tuple[str, ...] = ()


@dataclass(kw_only=True)
class CommandSource(Source[Reading]):
    """One scheduler behind a command."""

    collector: ClassVar[str] = "command_scheduler"

    target: str
    settings: CommandScheduler
    names: Names
    tiers: tuple[Tier, ...]
    sink: JobSink
    clock: Callable[[], float] = time.time

    def renew(self, successor: Source[Any]) -> None:
        if isinstance(successor, CommandSource):  # else its settings cannot be used any more; it has read them, and goes on
            self.names = successor.names

    async def fetch(self, tier: str) -> Fetched:
        """What the command prints."""
        seconds = self.settings.timeout_seconds
        return Fetched(
            documents={"answer": await printed(self.settings.command, timeout_seconds=seconds, most_bytes=MOST_BYTES)}
        )

    async def collect(self, tier: str) -> Collected:
        """As every source; the runs go to the ledger."""
        at = self.clock()
        fetched = await self.fetch(tier)
        reading = self.parse(tier, fetched.documents)
        self.sink(Observed(scheduler=self.target, taken_at=at, runs=reading.runs, nodes=reading.nodes))
        errors: dict[str, CollectError] = {}
        if reading.strangers:
            errors["nodes"] = BadPayload(
                f"not in the inventory: {', '.join(reading.strangers)}; add them, or name them in `nodes` of {self.target!r}"
            )
        return Collected(samples=self.samples(reading), errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Runs of the answer. Raises `BadPayload` with what is wrong and where."""
        return reading(parse(documents["answer"], self.settings.command[0]), self.target, self.names)

    def samples(self, reading: Reading) -> Samples:
        """How many jobs there are, by state."""
        out = Samples()
        states = Counter(run.state for run in reading.runs)
        for state in sorted(ALIVE):
            out.add(SCHEDULER_JOBS, states[state], self.target, str(state))
        out.add(SCHEDULER_JOBS, reading.pending, self.target, "pending")
        return out


def sources(config: Config, inventory: Inventory, *, sink: JobSink) -> list[Source[Any]]:
    """One source for each entry of `schedulers.commands`."""
    inventory_names = frozenset(node.name for node in inventory.nodes)
    return [
        CommandSource(
            target=settings.name,
            settings=settings,
            names=Names(given=settings.nodes, inventory=inventory_names),
            tiers=(Tier("fast", settings.every_seconds, settings.timeout_seconds + 2),),
            sink=sink,
        )
        for settings in config.schedulers.commands
    ]


def parse(printed_text: bytes, program: str) -> Answer:
    """The answer that a command printed. Raises `BadPayload` that says which run, which member and what was expected."""
    try:
        document = json.loads(printed_text)
    except ValueError as error:
        raise BadPayload(f"{program}: prints no JSON ({error}): {printed_text[:80]!r}") from error
    try:
        answer = Answer.model_validate(document)
    except ValidationError as error:
        problems = [_problem(document, detail) for detail in error.errors(include_url=False)]
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise BadPayload(f"{program}: {'; '.join(problems[:_MOST_PROBLEMS])}{more}") from error
    twice = [key for key, count in Counter((run.job_id, run.instance) for run in answer.runs).items() if count > 1]
    if twice:
        raise BadPayload(
            f"{program}: job {twice[0][0]} instance {twice[0][1]} stands more than once; "
            "expected another `instance` for each run of a job"
        )
    return answer


def reading(answer: Answer, scheduler: str, names: Names) -> Reading:
    """The answer with the inventory's names. Nodes that it does not have are left out, and told."""
    said = dict.fromkeys((*answer.nodes, *(each.node for run in answer.runs for each in run.placements)))
    known = {name: ours for name in said if (ours := names.of(name)) is not None}
    return Reading(
        runs=tuple(_run(entry, scheduler, known) for entry in answer.runs),
        nodes=frozenset(known.values()),
        pending=answer.pending,
        strangers=tuple(name for name in said if name not in known),
    )


def _run(entry: RunEntry, scheduler: str, known: Mapping[str, str]) -> Run:
    placements = (
        Placement(
            node=known[each.node],
            gpus=tuple(GpuHold(**gpu.model_dump()) for gpu in each.gpus),
            cpus=each.cpus,
            memory_bytes=each.memory_bytes,
        )
        for each in entry.placements
        if each.node in known
    )
    plain = entry.model_dump(exclude={"job_id", "instance", "placements", "labels"})
    return Run(
        key=RunKey(scheduler, entry.job_id, entry.instance),
        placements=tuple(placements),
        labels=MappingProxyType(entry.labels),
        **plain,
    )


def _problem(document: Any, detail: Mapping[str, Any]) -> str:
    """`runs[3] (job 1234).started: is "noon", expected …`."""
    where = "".join(_step(document, detail["loc"][: length + 1]) for length in range(len(detail["loc"]))).lstrip(".")
    sort, message = str(detail["type"]), str(detail["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    if sort == "missing":
        told = "is missing"
    elif sort == "extra_forbidden":
        told = "is no member of the format"
    elif sort == "value_error":
        told = message
    else:
        told = f"is {json.dumps(detail['input'], default=str)[:60]}, expected {message}"
    return f"{where}: {told}" if where else told


def _step(document: Any, loc: tuple[str | int, ...]) -> str:
    last = loc[-1]
    if isinstance(last, str):
        return f".{last}"
    inner = functools.reduce(_inside, loc, document)
    job = inner.get("job_id") if isinstance(inner, Mapping) else None
    return f"[{last}]" + (f" (job {job})" if isinstance(job, str) and len(loc) == 2 else "")


def _inside(document: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return document[part] if isinstance(document, list) and part < len(document) else None
    return document.get(part) if isinstance(document, Mapping) else None
