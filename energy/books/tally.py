"""Sums of a commit's postings, by everything that the tables keep sums by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import add, attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

from energy.books.tables import ACTIVITIES, AMOUNTS, NO_RUN
from energy.model import HOUR, Account, GpuUse, Posting
from wattstat.jobs import RunKey

DAY = 86_400
_amounts: Callable[[Posting], tuple[float, ...]] = attrgetter(*AMOUNTS)
Key = TypeVar("Key", bound=tuple[Any, ...])


class Owner(NamedTuple):
    """Whose a joule is, as usage is summed."""

    user_name: str
    account: str
    partition: str


NOBODY = Owner("", "", "")


class Sums(Generic[Key]):
    """Amounts and methods added up by key."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._found: dict[Key, tuple[tuple[float, ...], int]] = {}

    def add(self, key: Key, amounts: tuple[float, ...], methods: int) -> None:
        """Add a line."""
        held = self._found.get(key)
        self._found[key] = (amounts, methods) if held is None else (tuple(map(add, held[0], amounts)), held[1] | methods)

    def rows(self) -> list[dict[str, Any]]:
        """One row a key, in order of the keys: neighbours in the table are written together."""
        names = (*self._names, *AMOUNTS)
        return [
            {**dict(zip(names, (*key, *amounts), strict=True)), "methods": methods}
            for key, (amounts, methods) in sorted(self._found.items())
        ]


@dataclass(slots=True)
class RunSum:
    """What a commit adds to one run."""

    amounts: tuple[float, ...]
    methods: int
    first_hour: int
    last_hour: int


@dataclass(frozen=True, slots=True)
class Tally:
    """All sums of some postings."""

    lines: Sums[tuple[int, str, str, int]] = field(default_factory=lambda: Sums("hour", "node", "posted_to", "run_id"))
    node_days: Sums[tuple[int, str, str]] = field(default_factory=lambda: Sums("day", "node", "posted_to"))
    site_hours: Sums[tuple[int, str]] = field(default_factory=lambda: Sums("hour", "posted_to"))
    usage_hours: Sums[tuple[int, str, str, str, str]] = field(default_factory=lambda: Sums("hour", "posted_to", *Owner._fields))
    usage_days: Sums[tuple[int, str, str, str, str]] = field(default_factory=lambda: Sums("day", "posted_to", *Owner._fields))
    run_days: Sums[tuple[int, int]] = field(default_factory=lambda: Sums("run_id", "day"))
    runs: dict[int, RunSum] = field(default_factory=dict)


def tally(postings: Iterable[Posting], ids: Mapping[RunKey, int], owners: Mapping[int, Owner]) -> Tally:
    """The sums of postings, given the numbers and the owners of their runs."""
    sums = Tally()
    for posting in postings:
        run = NO_RUN if posting.run is None else ids[posting.run]
        owner = owners[run] if posting.account is Account.JOB else NOBODY
        hour, to = posting.hour, str(posting.account)
        amounts, methods = _amounts(posting), int(posting.methods)
        day = hour - hour % DAY
        sums.lines.add((hour, posting.node, to, run), amounts, methods)
        sums.node_days.add((day, posting.node, to), amounts, methods)
        sums.site_hours.add((hour, to), amounts, methods)
        sums.usage_hours.add((hour, to, *owner), amounts, methods)
        sums.usage_days.add((day, to, *owner), amounts, methods)
        if run != NO_RUN:
            sums.run_days.add((run, day), amounts, methods)
            _add_to_run(sums.runs, run, hour, amounts, methods)
    return sums


def _add_to_run(runs: dict[int, RunSum], run: int, hour: int, amounts: tuple[float, ...], methods: int) -> None:
    held = runs.get(run)
    if held is None:
        runs[run] = RunSum(amounts, methods, hour, hour)
        return
    held.amounts = tuple(map(add, held.amounts, amounts))
    held.methods |= methods
    held.first_hour = min(held.first_hour, hour)
    held.last_hour = max(held.last_hour, hour)


def checked(posting: Posting) -> Posting:
    """The posting, if it is one. Raises `ValueError`."""
    if posting.hour % HOUR:
        raise ValueError(f"a posting of {posting.node} begins at {posting.hour}, which is no full hour")
    if (posting.account is Account.JOB) != (posting.run is not None):
        raise ValueError(f"a posting of {posting.node} to {posting.account} names the run {posting.run}")
    return posting


def use_row(use: GpuUse, run: int) -> dict[str, Any]:
    """A row of `gpu_uses`."""
    row: dict[str, Any] = {
        "run_id": run,
        "node": use.node,
        "uuid": use.uuid,
        "instance": use.instance,
        "gpu": use.index,
        "model": use.model,
        "fraction": use.fraction,
        "joules": use.joules,
        "idle_joules": use.idle_joules,
        "seconds": use.seconds,
        "idle_seconds": use.idle_seconds,
        "memory_peak_bytes": use.memory_peak_bytes,
        "memory_total_bytes": use.memory_total_bytes,
        "limit_watts": use.limit_watts,
    }
    for name in ACTIVITIES:
        row[name] = value = getattr(use, name)
        row[f"{name}_known"] = 0.0 if value is None else use.seconds
    return row
