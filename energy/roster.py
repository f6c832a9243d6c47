"""Who held what, when: the words of all schedulers and the true starts and ends told by nodes, merged.

Inside the ledger times are steady: Unix seconds that do not jump when somebody sets the clock. `shift` is how
far the wall clock is ahead of it at this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from wattstat.jobs import GpuHold, Observed, Placement, Run, RunKey, State
from wattstat.journal import Boundary, Edge

# Schedulers state whole seconds, cut off: the true time lies in the second that begins there.
WHOLE_SECOND = 0.5
# A start or end that the node itself tells replaces the scheduler's when they are this close: a prolog may wait for a driver,
# an epilog for processes that do not die. Further apart, they speak of different runs of the job.
SAME_EDGE_SECONDS = 300.0
# A run that a scheduler first mentions cannot have begun long before its last word without it; this is how late it may be.
LATE_WORD_SECONDS = 60.0


class Moment(NamedTuple):
    """A time, and by how many seconds it may be off."""

    at: float
    slack: float = 0.0


NEVER = Moment(inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A run's time on one node, and what it held there. `suspended`: when it stood still meanwhile."""

    run: RunKey
    start: Moment
    end: Moment = NEVER
    gpus: tuple[GpuHold, ...] = ()
    cpus: int | None = None
    suspended: tuple[tuple[float, float], ...] = ()


@dataclass(slots=True)
class _Known:
    """A run, when it was last mentioned, and since when it lasts by what was known when it was first mentioned."""

    run: Run
    start: Moment
    end: Moment
    shift: float
    seen: float
    told: Run | None = None


@dataclass(kw_only=True)
class Roster:
    """All runs that matter for what is not settled yet."""

    stays: dict[str, dict[RunKey, Stay]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, frozenset[str]] = field(default_factory=dict)
    changed: dict[RunKey, Run] = field(default_factory=dict)
    _known: dict[RunKey, _Known] = field(default_factory=dict)
    _ends: dict[RunKey, dict[tuple[str, Edge], Boundary]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)

    def run(self, key: RunKey) -> Run | None:
        """The run as it is known now."""
        known = self._known.get(key)
        return known.run if known else None

    def alive(self) -> Iterable[Run]:
        """Runs that have not ended."""
        return [known.run for known in self._known.values() if known.run.ended is None]

    def manages(self, node: str) -> bool:
        """Whether some scheduler gives this node to jobs."""
        return node in self.stays or any(node in nodes for nodes in self.nodes.values())

    def word(self, node: str) -> float | None:
        """Until when every scheduler that may use this node has spoken; None where none has."""
        words = [word for name, word in self.words.items() if not self.nodes[name] or node in self.nodes[name]]
        return min(words, default=None)

    def restore(self, run: Run, seen: float, shift: float) -> None:
        """A run as the books had it, last heard of at `seen`."""
        self._known[run.key] = _Known(run, _whole_second(run.started, shift), _end(run, shift, NEVER), shift, seen)
        self._lay_out(run.key)

    def observe(self, observed: Observed, shift: float) -> None:
        """Take in what a scheduler said; words that come late or twice are harmless."""
        taken_at = observed.taken_at - shift
        before = self.words.get(observed.scheduler)
        if before is not None and taken_at <= before:
            return
        self.words[observed.scheduler] = taken_at
        self.nodes[observed.scheduler] = observed.nodes
        mentioned = set()
        for run in observed.runs:
            mentioned.add(run.key)
            self._told(run, taken_at, before, shift)
        for key, known in list(self._known.items()):
            if key.scheduler == observed.scheduler and key not in mentioned and known.run.ended is None:
                self._vanished(key, known, taken_at)

    def boundary(self, node: str, boundary: Boundary, shift: float) -> bool:
        """Take in a true start or end; the same one may come often. Whether it was new."""
        if boundary.id in self._ids:
            return False
        self._ids.add(boundary.id)
        key = self._key_of(boundary)
        self._ends.setdefault(key, {})[node, boundary.edge] = boundary
        known = self._known.get(key)
        if known is None:
            run = _run_of(key, node, boundary)
            at = Moment(boundary.at - shift)
            known = self._known[key] = _Known(run, at, NEVER, shift, at.at)
            self.changed[key] = run
        elif known.told is None:
            known.run = self.changed[key] = _joined(known.run, node, boundary)
        if boundary.edge is Edge.END and known.told is None and known.end is NEVER:
            known.end = Moment(boundary.at - shift)
            known.run = self.changed[key] = replace(known.run, ended=boundary.at, state=State.GONE)
        self._lay_out(key)
        return True

    def forget(self, settled: Callable[[str], float]) -> None:
        """Drop runs that ended before all that is still to be settled on their nodes, once no scheduler mentions them."""
        for key, known in list(self._known.items()):
            over = known.end.at + SAME_EDGE_SECONDS
            if over < min((settled(node) for node in known.run.nodes), default=inf) and known.seen < self.words.get(
                key.scheduler, inf
            ):
                for node in known.run.nodes:
                    self.stays.get(node, {}).pop(key, None)
                for boundary in self._ends.pop(key, {}).values():
                    self._ids.discard(boundary.id)
                del self._known[key]

    def _told(self, run: Run, taken_at: float, before: float | None, shift: float) -> None:
        known = self._known.get(run.key)
        if known is not None and known.told == run:
            known.seen = taken_at
            return
        if known is None:
            start = _whole_second(run.started, shift)
            if before is not None and start.at < before - LATE_WORD_SECONDS:
                start = Moment((before + taken_at) / 2, (taken_at - before) / 2)
            known = self._known[run.key] = _Known(run, _capped(start, taken_at), NEVER, shift, taken_at)
        elif known.run.started != run.started and known.told is not None:
            known.start = _capped(_whole_second(run.started, shift), taken_at)
        known.seen, known.told, known.run = taken_at, run, _remembered(run, known.run)
        known.end = _capped(_end(run, shift, known.end), taken_at)
        known.shift = shift
        self._lay_out(run.key)
        self.changed[run.key] = known.run

    def _vanished(self, key: RunKey, known: _Known, taken_at: float) -> None:
        """A run that is mentioned no more ended between the two words: at its end's boundary, or in the middle."""
        if known.told is None and known.seen > taken_at - LATE_WORD_SECONDS:
            return  # only a node told of it so far, and the scheduler may be late
        known.end = Moment((known.seen + taken_at) / 2, (taken_at - known.seen) / 2)
        ends = [boundary.at for (_, edge), boundary in self._ends.get(key, {}).items() if edge is Edge.END]
        ended = max(ends, default=known.end.at + known.shift)
        known.run = replace(known.run, ended=max(ended, known.run.started), state=State.GONE)
        self.changed[key] = known.run
        self._lay_out(key)

    def _key_of(self, boundary: Boundary) -> RunKey:
        """The run that a boundary speaks of: a prolog may not know the cluster's name, nor how often the job was started."""
        runs = [
            known
            for key, known in self._known.items()
            if key.job_id == boundary.job_id
            and key.scheduler.partition(":")[0] == boundary.scheduler.partition(":")[0]
            and boundary.instance in ("", key.instance)
        ]
        if not runs:
            return RunKey(boundary.scheduler, boundary.job_id, boundary.instance or "0")
        return min(runs, key=lambda known: abs(known.run.started - boundary.at)).run.key

    def _lay_out(self, key: RunKey) -> None:
        """Where the run stays, node by node."""
        known = self._known[key]
        ends = self._ends.get(key, {})
        suspended = tuple((since - known.shift, until - known.shift) for since, until in known.run.suspended)
        if known.run.suspended_since is not None:
            suspended += ((known.run.suspended_since - known.shift, inf),)
        for placement in known.run.placements:
            node = placement.node
            start = _truer(known.start, ends.get((node, Edge.START)), known.shift)
            end = _truer(known.end, ends.get((node, Edge.END)), known.shift)
            self.stays.setdefault(node, {})[key] = Stay(
                run=key,
                start=start,
                end=max(end, start),
                gpus=placement.gpus,
                cpus=placement.cpus,
                suspended=suspended,
            )
            self.versions[node] = self.versions.get(node, 0) + 1


def _whole_second(at: float, shift: float = 0.0) -> Moment:
    return Moment(at - shift + WHOLE_SECOND, WHOLE_SECOND) if at == int(at) else Moment(at - shift)


def _remembered(run: Run, before: Run) -> Run:
    """A run that ended holds what it held before, where its scheduler (Kubernetes after core's restart) has forgotten that."""
    return replace(run, placements=before.placements) if run.ended is not None and not run.gpus and before.gpus else run


def _end(run: Run, shift: float, before: Moment) -> Moment:
    if run.ended is None:
        return NEVER
    return before if before is not NEVER else _whole_second(run.ended, shift)


def _capped(moment: Moment, now: float) -> Moment:
    """What is told of has happened."""
    return moment if moment.at <= now or moment is NEVER else Moment(now, moment.slack)


def _truer(said: Moment, boundary: Boundary | None, shift: float) -> Moment:
    """The node's own time of a start or an end, unless it is that of another run of the job."""
    if boundary is None:
        return said
    at = boundary.at - shift
    return Moment(at) if said is NEVER or abs(at - said.at) <= max(SAME_EDGE_SECONDS, 2 * said.slack) else said


def _run_of(key: RunKey, node: str, boundary: Boundary) -> Run:
    """A run as far as a boundary tells."""
    return Run(
        key=key,
        name=boundary.name,
        user=boundary.user,
        account=boundary.account,
        partition=boundary.partition,
        started=boundary.at,
        placements=(_placement(node, boundary),),
    )


def _joined(run: Run, node: str, boundary: Boundary) -> Run:
    """The run with one more node."""
    if node in run.nodes:
        return run
    return replace(run, placements=(*run.placements, _placement(node, boundary)))


def _placement(node: str, boundary: Boundary) -> Placement:
    return Placement(node=node, gpus=tuple(GpuHold(uuid=uuid) for uuid in boundary.gpus))
