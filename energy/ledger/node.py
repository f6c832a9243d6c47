"""What the ledger keeps of one node: readings that are not settled yet, and where the settled ones ended."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from energy.ledger.activity import Frames
from energy.ledger.bases import Advanced, Base, based, mean_watts, merged, with_base
from energy.ledger.claims import Claim, claims
from energy.ledger.meter import MeterBase, NodeMeter
from energy.ledger.roster import Roster
from energy.ledger.rules import static_watts
from energy.ledger.series import Reading, track
from energy.ledger.slices import GpuMeter, Meter, Span
from energy.model import Checkpoint
from wattstat.journal import Boundary, Entry, Gpu, NodeJournal

# The journal has an entry a second at most: two that are closer are one entry, read twice.
SAME_ENTRY_SECONDS = 0.4
# RAPL domains that do not contain each other. psys is the whole board, core and uncore are parts of the package.
CPU_DOMAINS = ("package-", "dram-")
# A power limit holds on average over a second or so; for moments boards draw more.
OVERSHOOT = 1.1
# Less than this between two datings of one reading is how long answers take, and no clock that was set.
SAME_CLOCK_SECONDS = 2.0
# Entries this close to a boundary tell what was drawn just before and after it.
NEAR_SECONDS = 1.5


@dataclass(slots=True, kw_only=True)
class NodeState:
    """One node. All times are steady."""

    name: str
    settled: float | None = None
    token: float | None = None
    entries: list[Entry] = field(default_factory=list)
    boots: list[str] = field(default_factory=list)
    edges: dict[str, list[Reading]] = field(default_factory=dict)
    gpus: tuple[Gpu, ...] = ()
    gpu_bases: dict[str, Base] = field(default_factory=dict)
    cpu_bases: dict[str, Base] = field(default_factory=dict)
    meter: NodeMeter = field(default_factory=NodeMeter)
    is_managed: bool = False
    deficit: float = 0.0
    idle_watts: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    node_gpus: int = 0
    is_restored: bool = False
    _claims: tuple[int, tuple[Gpu, ...], dict[str, list[Claim]]] | None = None

    @property
    def newest(self) -> float | None:
        """When the journal's newest entry was written."""
        return self.entries[-1].at if self.entries else None

    def take(self, journal: NodeJournal, shift: float) -> float:
        """Add what is new of a journal's reading, in order of time.

        Returns by how many seconds the checkpoint turned out to be dated too early.
        """
        off = 0.0
        if journal.gpus != self.gpus:
            self.gpus = journal.gpus
        if self.is_restored and journal.entries:
            off = self._misdated(journal, shift)
            self.move(off)
            self.is_restored = False
        for entry in journal.entries:
            self._take(Entry(at=entry.at - shift, gpus=entry.gpus, cpus=entry.cpus, shares=entry.shares), journal.boot)
        return off

    def inherit(self, other: NodeState) -> None:
        """Take over what another state of the node has read and the books do not hold yet."""
        self.gpus, self.limits, self.node_gpus = other.gpus or self.gpus, self.limits | other.limits, other.node_gpus
        self.is_restored = False
        for entry, boot in zip(other.entries, other.boots, strict=True):
            self._take(entry, boot)
        for knot, watts in zip(other.meter.knots, other.meter.watts, strict=True):
            self.meter.read(watts, knot.at)
        since = self.settled or 0.0
        for uuid, edges in other.edges.items():
            self.edges[uuid] = [*self.edges.get(uuid, ()), *(each for each in edges if each.at > since)]

    def move(self, seconds: float) -> None:
        """Call everything that was settled later by this, for our clock went otherwise when that was written."""
        if self.settled is not None:
            self.settled += seconds
        self.gpu_bases = {uuid: base.moved(seconds) for uuid, base in self.gpu_bases.items()}
        self.cpu_bases = {domain: base.moved(seconds) for domain, base in self.cpu_bases.items()}
        self.meter.move(seconds)

    def _misdated(self, journal: NodeJournal, shift: float) -> float:
        """By how much a checkpoint's time is off. The agent's own seconds tell when it was, as long as the agent lives."""
        for uuid, base in self.gpu_bases.items():
            seconds = base.reading.seconds
            entries = [entry for entry in journal.entries if uuid in entry.gpus and entry.gpus[uuid].power_seconds is not None]
            if seconds is None or base.reading.boot != journal.boot or not entries:
                continue
            since, near = min(
                (((entry.gpus[uuid].power_seconds or 0.0) - seconds, entry) for entry in entries), key=lambda pair: abs(pair[0])
            )
            off = near.at - shift - since - base.reading.at
            return off if abs(off) > SAME_CLOCK_SECONDS else 0.0
        return 0.0

    def _take(self, entry: Entry, boot: str) -> None:
        at = entry.at
        if self.settled is not None and at <= self.settled:
            # Only the newest of these serves: activity since then is known by its difference.
            if self.entries and self.entries[0].at <= self.settled:
                if at <= self.entries[0].at:
                    return
                del self.entries[0], self.boots[0]
            self.entries.insert(0, entry)
            self.boots.insert(0, boot)
            return
        place = len(self.entries)
        if self.entries and at < self.entries[-1].at + SAME_ENTRY_SECONDS:
            place = bisect_left(self.entries, at, key=lambda each: each.at)
            near = self.entries[max(0, place - 1) : place + 1]
            if any(abs(each.at - at) < SAME_ENTRY_SECONDS for each in near):
                return
        self.entries.insert(place, entry)
        self.boots.insert(place, boot)

    def thin(self, most: int) -> None:
        """Keep at most about so many entries: counters lose shape by that but no joule. Those next to boundaries stay."""
        if len(self.entries) <= most:
            return
        edges = sorted(reading.at for readings in self.edges.values() for reading in readings)
        last = len(self.entries) - 1
        kept = [
            place for place, entry in enumerate(self.entries) if place % 2 == 0 or place == last or _is_near(edges, entry.at)
        ]
        self.entries = [self.entries[place] for place in kept]
        self.boots = [self.boots[place] for place in kept]

    def edge(self, boundary: Boundary, shift: float) -> None:
        """The GPUs' counters as a boundary has them."""
        at = boundary.at - shift
        if self.settled is not None and at <= self.settled:
            return
        for uuid, joules in boundary.joules.items():
            self.edges.setdefault(uuid, []).append(Reading(at, joules, boundary.resets.get(uuid, 0)))

    def first(self) -> float | None:
        """Where a node that was never settled begins: as soon as all of its meters were read."""
        starts = [self.entries[0].at] if self.entries else []
        starts += [self.meter.knots[0].at] if self.meter.knots else []
        return max(starts, default=None)

    def floor(self, until: float) -> float:
        """The newest entry that is not newer: settled there, meters are read, not interpolated."""
        place = bisect_right(self.entries, until, key=lambda each: each.at) - 1
        is_silent = not self.entries or self.entries[-1].at < until
        return until if is_silent or place < 0 else self.entries[place].at

    def span(self, since: float, until: float, *, shift: float, roster: Roster, is_overhead: bool, idle_ratio: float) -> Span:
        """All that is to be known to settle."""
        by_uuid = {gpu.uuid: gpu for gpu in self.gpus}
        claimed = self._claimed(roster)
        stays = [stay for stay in roster.stays.get(self.name, {}).values() if stay.start.at <= until and stay.end.at >= since]
        gpus = [
            GpuMeter(
                gpu=by_uuid[uuid],
                knots=track(readings, self._most(uuid), base.watts),
                posted=base.posted,
                most_watts=self._most(uuid),
                static_watts=static_watts(self.idle_watts.get(uuid), self.limits.get(uuid)),
                limit_watts=self.limits.get(uuid),
                claims=[claim for claim in claimed.get(uuid, ()) if claim.start.at <= until and claim.end.at >= since],
            )
            for uuid, base, readings in self._gpu_readings()
            if uuid in by_uuid
        ]
        cpus = [
            Meter(knots=track(readings, None, base.watts), posted=base.posted) for _, base, readings in self._cpu_readings()
        ]
        meter = None
        if self.meter.knots:
            is_new = since < self.meter.knots[0].at
            meter = Meter(
                knots=self.meter.over(since, until),
                posted=None if is_new else self.meter.posted,
                hole_seconds=self.meter.hole_seconds,
            )
        return Span(
            node=self.name,
            since=since,
            until=until,
            shift=shift,
            gpus=gpus,
            cpus=cpus,
            meter=meter,
            source="devices" if meter is None else "counter" if self.meter.anchor else "integrated",
            stays=stays,
            frames=Frames(entries=self.entries, boots=self.boots),
            node_gpus=max(len(self.gpus), self.node_gpus),
            is_overhead=is_overhead,
            deficit=self.deficit,
            idle_ratio=idle_ratio,
        )

    def advanced(self, span: Span, deficit: float) -> Advanced:
        """Where everything stands at the end of a settled span."""
        knots = {meter.gpu.uuid: meter.knots for meter in span.gpus}
        gpu_bases = {
            uuid: base if uuid in knots or span.meter is None else base.unseen() for uuid, base in self.gpu_bases.items()
        }
        idle = dict(self.idle_watts)
        for uuid, _, readings in self._gpu_readings():
            if uuid in knots:
                gpu_bases[uuid] = based(readings, knots[uuid], span)
                watts = mean_watts(knots[uuid], span)
                if watts is not None and span.frames.is_at_rest(uuid, span.since, span.until, span.idle_ratio):
                    idle[uuid] = min(watts, idle.get(uuid, watts))
        cpu_bases = dict(self.cpu_bases)
        for (domain, _, readings), meter in zip(self._cpu_readings(), span.cpus, strict=True):
            cpu_bases[domain] = based(readings, meter.knots, span)
        return Advanced(
            until=span.until,
            gpu_bases=gpu_bases,
            cpu_bases=cpu_bases,
            meter=self.meter.advanced(span.until),
            deficit=deficit,
            idle_watts=idle,
            is_managed=self.is_managed,
        )

    def apply(self, advanced: Advanced, token: float) -> None:
        """The books hold it: drop what is settled."""
        until = advanced.until
        self.settled, self.token = until, token
        self.gpu_bases, self.cpu_bases = advanced.gpu_bases, advanced.cpu_bases
        self.deficit, self.idle_watts = advanced.deficit, advanced.idle_watts
        self.meter.forget(advanced.meter)
        first = max(0, bisect_right(self.entries, until, key=lambda each: each.at) - 1)
        del self.entries[:first], self.boots[:first]
        self.edges = {
            uuid: later
            for uuid, readings in self.edges.items()
            if (later := [reading for reading in readings if reading.at > until])
        }

    def _gpu_readings(self) -> Iterator[tuple[str, Base, list[Reading]]]:
        uuids = dict.fromkeys((*self.gpu_bases, *(uuid for entry in self.entries for uuid in entry.gpus), *self.edges))
        for uuid in uuids:
            found = [
                Reading(entry.at, counts.joules, counts.resets, counts.power_joules, counts.power_seconds, boot)
                for entry, boot in zip(self.entries, self.boots, strict=True)
                if (counts := entry.gpus.get(uuid)) is not None
            ]
            if uuid in self.edges:
                found = merged(found, self.edges[uuid])
            yield uuid, *with_base(self.gpu_bases.get(uuid), found)

    def _cpu_readings(self) -> Iterator[tuple[str, Base, list[Reading]]]:
        domains = dict.fromkeys((*self.cpu_bases, *(name for entry in self.entries for name in entry.cpus)))
        for domain in domains:
            if domain.startswith(CPU_DOMAINS):
                found = [
                    Reading(entry.at, entry.cpus[domain], 0, None, None, boot)
                    for entry, boot in zip(self.entries, self.boots, strict=True)
                    if domain in entry.cpus
                ]
                yield domain, *with_base(self.cpu_bases.get(domain), found)

    def _most(self, uuid: str) -> float | None:
        limit = self.limits.get(uuid)
        return None if limit is None else limit * OVERSHOOT

    def _claimed(self, roster: Roster) -> dict[str, list[Claim]]:
        version = roster.versions.get(self.name, 0)
        if self._claims is None or self._claims[0] != version or self._claims[1] is not self.gpus:
            self._claims = version, self.gpus, claims(roster.stays.get(self.name, {}).values(), self.gpus)
        return self._claims[2]


def restored(checkpoint: Checkpoint, shift: float, now: float) -> NodeState:
    """A node as its checkpoint tells. A settled time that is still to come (the clock was set back) counts as now."""
    state: dict[str, Any] = json.loads(checkpoint.state)
    node = NodeState(
        name=checkpoint.node,
        settled=checkpoint.settled_until - shift,
        token=checkpoint.settled_until,
        gpu_bases={uuid: Base.of(record, shift) for uuid, record in state["gpus"].items()},
        cpu_bases={domain: Base.of(record, shift) for domain, record in state["cpus"].items()},
        is_managed=state["managed"],
        deficit=state["deficit"],
        idle_watts=state["idle_watts"],
        is_restored=True,
    )
    if state["meter"] is not None:
        node.meter.restore(MeterBase.of(state["meter"], shift))
    node.move(min(0.0, now - (checkpoint.settled_until - shift)))
    return node


def _is_near(edges: Sequence[float], at: float) -> bool:
    place = bisect_left(edges, at)
    return any(abs(edge - at) <= NEAR_SECONDS for edge in edges[max(0, place - 1) : place + 1])
