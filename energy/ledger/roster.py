"""Who held what, when: the words of all schedulers and the true starts and ends told by nodes, merged.

Inside the ledger times are steady: Unix seconds that do not jump when somebody sets the clock. `shift` is how
far the wall clock is ahead of it at this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from energy.ledger.matching import filled, is_of, joined, names, run_of, run_told_by
from energy.ledger.moments import LATE_WORD_SECONDS, NEVER, WHOLE_SECOND, Moment, fits, whole_second, within
from wattstat.jobs import GpuHold, Observed, Run, RunKey, State
from wattstat.journal import Boundary, Edge

# A start or end that the node itself tells replaces the scheduler's when they are this close: a prolog may wait for a driver,
# an epilog for processes that do not die. Further apart, they speak of different runs of the job.
SAME_EDGE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A run's time on one node, and what it held there. `suspended`: when it stood still meanwhile."""

    run: RunKey
    start: Moment
    end: Moment = NEVER
    gpus: tuple[GpuHold, ...] = ()
    cpus: int | None = None
    suspended: tuple[tuple[float, float], ...] = ()

    def stands_still(self, since: float, until: float) -> bool:
        """Whether the run was suspended then."""
        return any(start < until and end > since for start, end in self.suspended)


class _Told(NamedTuple):
    """A boundary, and its steady time."""

    boundary: Boundary
    at: float


@dataclass(slots=True)
class _Known:
    """A run, when it was last mentioned, and since when it lasts by what was known when it was first mentioned."""

    run: Run
    start: Moment
    end: Moment
    shift: float
    seen: float
    told: Run | None = None
    is_restored: bool = False


@dataclass(kw_only=True)
class Roster:
    """All runs that matter for what is not settled yet."""

    stays: dict[str, dict[RunKey, Stay]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)
    nodes: dict[str, frozenset[str]] = field(default_factory=dict)
    changed: dict[RunKey, Run] = field(default_factory=dict)
    _known: dict[RunKey, _Known] = field(default_factory=dict)
    _ends: dict[RunKey, dict[tuple[str, Edge], _Told]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)
    _shifts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    _named: dict[str, set[RunKey]] = field(default_factory=dict)
    _waiting: list[tuple[str, Boundary, float]] = field(default_factory=list)

    def run(self, key: RunKey) -> Run | None:
        """The run as it is known now."""
        known = self._known.get(key)
        return known.run if known else None

    def run_of(self, boundary: Boundary) -> Run | None:
        """The run that a boundary speaks of, as far as it is known."""
        return run_of(boundary, [self._known[key].run for key in self._named.get(boundary.job_id, ()) if key in self._known])

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
        self._known[run.key] = _Known(
            run,
            whole_second(run.started, shift),
            NEVER if run.ended is None else whole_second(run.ended, shift),
            shift,
            seen,
            is_restored=True,
        )
        self._lay_out(run.key)

    def abandon(self) -> None:
        """End runs from the books whose scheduler is not asked any more, say for its cluster was renamed.

        To be called once all that are asked have spoken: nobody would ever say that these ended, and they would pay for ever.
        """
        word = min(self.words.values())
        for key, known in list(self._known.items()):
            if known.is_restored and known.run.ended is None and key.scheduler not in self.words and known.seen < word:
                self._vanished(key, known, word)

    def move(self, seconds: float) -> None:
        """Call the runs that came from the books later by this, for our clock went otherwise when they were written."""
        for key, known in self._known.items():
            if known.is_restored:
                known.start = Moment(known.start.at + seconds, known.start.slack)
                known.end = NEVER if known.end is NEVER else Moment(known.end.at + seconds, known.end.slack)
                known.seen += seconds
                known.shift -= seconds
                self._lay_out(key)

    def observe(self, observed: Observed, shift: float) -> None:
        """Take in what a scheduler said; words that come late or twice are harmless."""
        taken_at = observed.taken_at - shift
        before = self.words.get(observed.scheduler)
        if before is not None and taken_at <= before:
            return
        shift = self._clock_of(observed, taken_at, before, shift)
        self.words[observed.scheduler] = taken_at
        self.nodes[observed.scheduler] = observed.nodes
        mentioned = set()
        for run in observed.runs:
            mentioned.add(run.key)
            self._told(run, taken_at, before, shift)
        for key, known in list(self._known.items()):
            if key.scheduler == observed.scheduler and key not in mentioned and known.run.ended is None:
                self._vanished(key, known, taken_at)
        self.place(taken_at)

    def boundary(self, node: str, boundary: Boundary, shift: float) -> bool:
        """Take in a true start or end; the same one may come often. Whether it was new."""
        if boundary.id in self._ids:
            return False
        self._ids.add(boundary.id)
        self._waiting.append((node, boundary, shift))
        self.place(boundary.at - shift)
        return True

    def place(self, now: float) -> None:
        """Lay boundaries at their runs. Those of runs that a scheduler has yet to tell of wait for its word, but not for long.

        A node is often quicker than its scheduler's collector, and may know less: a job's number without its array, no cluster.
        """
        waiting, self._waiting = self._waiting, []
        for node, boundary, shift in waiting:
            known = self.run_of(boundary)
            at = boundary.at - shift
            words = [word for name, word in self.words.items() if is_of(boundary, name)]
            if known is None and any(word > at - LATE_WORD_SECONDS for word in words) and now < at + LATE_WORD_SECONDS:
                self._waiting.append((node, boundary, shift))
            else:
                key = RunKey(boundary.scheduler, boundary.job_id, boundary.instance or "0") if known is None else known.key
                self._place(key, node, boundary, shift)

    def _place(self, key: RunKey, node: str, boundary: Boundary, shift: float) -> None:
        self._ends.setdefault(key, {})[node, boundary.edge] = _Told(boundary, boundary.at - shift)
        known = self._known.get(key)
        if known is None:
            run = run_told_by(key, node, boundary)
            at = Moment(boundary.at - shift)
            known = self._known[key] = _Known(run, at, NEVER, shift, at.at)
            self.changed[key] = run
        elif known.told is None:
            known.run = self.changed[key] = joined(known.run, node, boundary)
        elif boundary.gpus and not any(each.gpus for each in known.run.placements if each.node == node):
            known.run = self.changed[key] = filled(known.run, node, boundary)
        if boundary.edge is Edge.END and known.told is None and known.end is NEVER:
            known.end = Moment(boundary.at - shift)
            known.run = self.changed[key] = replace(known.run, ended=boundary.at, state=State.GONE)
        self._lay_out(key)

    def forget(self, settled: Callable[[str], float]) -> None:
        """Drop runs that ended before all that is still to be settled on their nodes, once no scheduler mentions them."""
        for key, known in list(self._known.items()):
            over = known.end.at + SAME_EDGE_SECONDS
            if over < min((settled(node) for node in known.run.nodes), default=inf) and known.seen < self.words.get(
                key.scheduler, inf
            ):
                for node in known.run.nodes:
                    self.stays.get(node, {}).pop(key, None)
                for boundary, _ in self._ends.pop(key, {}).values():
                    self._ids.discard(boundary.id)
                for name in names(known.run):
                    self._named.get(name, set()).discard(key)
                    if not self._named.get(name):
                        self._named.pop(name, None)
                del self._known[key]

    def _clock_of(self, observed: Observed, taken_at: float, before: float | None, shift: float) -> float:
        """How far the scheduler's clock is ahead of the steady one.

        As far as ours is, until ours jumps: then the scheduler's jumped too if it is the same machine's (or ours was wrong
        before and is right now), and else stayed. What it tells of new starts and ends fits only one of both.
        """
        shifts = [each for each in self._shifts.get(observed.scheduler, ()) if abs(each - shift) > WHOLE_SECOND]
        shifts.insert(0, shift)
        if len(shifts) > 1 and before is not None:
            misfits = [self._misfits(observed.runs, taken_at, before, each) for each in shifts]
            shifts = [each for each, number in zip(shifts, misfits, strict=True) if number == min(misfits)]
        self._shifts[observed.scheduler] = tuple(shifts)
        return shifts[0]

    def _misfits(self, runs: Iterable[Run], taken_at: float, before: float, shift: float) -> int:
        """How many new starts and ends would not lie between the last two words."""
        times = []
        for run in runs:
            known = self._known.get(run.key)
            if known is None:
                times.append(run.started)
            if run.ended is not None and (known is None or known.run.ended is None):
                times.append(run.ended)
        return sum(not fits(whole_second(at, shift), before, taken_at) for at in times)

    def _told(self, run: Run, taken_at: float, before: float | None, shift: float) -> None:
        known = self._known.get(run.key)
        has_vanished = known is not None and known.end is not NEVER and run.ended is None
        if known is not None and known.told == run and not has_vanished:
            known.seen = taken_at
            return
        if known is None:
            start = within(whole_second(run.started, shift), before, taken_at)
            known = self._known[run.key] = _Known(run, start, NEVER, shift, taken_at)
        elif not (known.told or known.is_restored) or (known.told or known.run).started != run.started:
            known.start = within(whole_second(run.started, shift), None, taken_at)
        if run.ended is None:
            known.end = NEVER
        elif known.end is NEVER:
            known.end = within(whole_second(run.ended, shift), before, taken_at)
        known.seen, known.told, known.run = taken_at, run, _remembered(run, known.run)
        known.shift = shift
        self._lay_out(run.key)
        self.changed[run.key] = known.run

    def _vanished(self, key: RunKey, known: _Known, taken_at: float) -> None:
        """A run that is mentioned no more ended between the two words: at its end's boundary, or in the middle."""
        if known.told is None and known.seen > taken_at - LATE_WORD_SECONDS:
            return  # only a node told of it so far, and the scheduler may be late
        known.end = Moment((known.seen + taken_at) / 2, (taken_at - known.seen) / 2)
        ends = [told.boundary.at for (_, edge), told in self._ends.get(key, {}).items() if edge is Edge.END]
        ended = max(ends, default=known.end.at + known.shift)
        known.run = replace(known.run, ended=max(ended, known.run.started), state=State.GONE)
        self.changed[key] = known.run
        self._lay_out(key)

    def _lay_out(self, key: RunKey) -> None:
        """Where the run stays, node by node."""
        known = self._known[key]
        for name in names(known.run):
            self._named.setdefault(name, set()).add(key)
        ends = self._ends.get(key, {})
        suspended = tuple((since - known.shift, until - known.shift) for since, until in known.run.suspended)
        if known.run.suspended_since is not None:
            suspended += ((known.run.suspended_since - known.shift, inf),)
        for placement in known.run.placements:
            node = placement.node
            start = _truer(known.start, ends.get((node, Edge.START)))
            end = _truer(known.end, ends.get((node, Edge.END)))
            self.stays.setdefault(node, {})[key] = Stay(
                run=key,
                start=start,
                end=max(end, start),
                gpus=placement.gpus,
                cpus=placement.cpus,
                suspended=suspended,
            )
            self.versions[node] = self.versions.get(node, 0) + 1


def _remembered(run: Run, before: Run) -> Run:
    """A run that ended holds what it held before, where its scheduler (Kubernetes after core's restart) has forgotten that."""
    return replace(run, placements=before.placements) if run.ended is not None and not run.gpus and before.gpus else run


def _truer(said: Moment, told: _Told | None) -> Moment:
    """The node's own time of a start or an end, unless it may be that of another run of the job."""
    if told is None:
        return said
    is_sure = told.boundary.instance != "" or said is NEVER
    return Moment(told.at) if is_sure or abs(told.at - said.at) <= max(SAME_EDGE_SECONDS, 2 * said.slack) else said
