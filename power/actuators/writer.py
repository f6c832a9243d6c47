"""Does one order to one server once: what may be written now, by which way, recorded before and after."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple, Protocol, runtime_checkable

from power.actuators.cap import NO_CAP
from power.actuators.devices import Devices
from power.actuators.findings import Finding, Why
from power.actuators.held import Held
from power.actuators.journal import Note
from power.actuators.lane import Receipts
from power.actuators.orders import caps_of, devices_of, intent, only, receipts_for, told
from power.actuators.rules import Rules
from power.actuators.scribe import Entry, Scribe
from power.audit.trail import AuditError
from power.model import Actuator, ActuatorError, ControlState, Device, Fence, NodeOrder, Outcome, Receipt, Way

FAILED = frozenset(Outcome) - {Outcome.CONFIRMED, Outcome.STALE, Outcome.OUT_OF_RANGE}
"""Outcomes after which another way may do it."""


Caps = Mapping[Device, float | None]


class Part(NamedTuple):
    """What of an order goes by one way."""

    actuator: Actuator
    order: NodeOrder


@runtime_checkable
class Releases(Protocol):
    """A way that keeps the operator's values itself."""

    async def release(self, uuids: Sequence[str], fence: Fence, why: str = "") -> Receipts: ...


@dataclass(kw_only=True, eq=False)
class Writer:
    """Writes orders and keeps the devices' states."""

    devices: Devices
    scribe: Scribe
    rules: Rules
    monotonic: Callable[[], float]
    clock: Callable[[], float]
    random: Random
    writes: defaultdict[str, Counter[tuple[Way, Outcome]]] = field(default_factory=lambda: defaultdict(Counter))
    """How many by server."""
    unaudited: Finding | None = None
    """That the audit trail cannot be written, while it cannot."""
    under_way: set[Device] = field(default_factory=set)
    """Devices with a write that was begun and is neither confirmed nor given up."""
    failed: set[Device] = field(default_factory=set)
    """Devices that have not done what they were told, with all tries."""

    async def attempt(self, order: NodeOrder, fence: Fence) -> tuple[Receipts, NodeOrder | None]:
        """All receipts, and what is to be tried again. Every device of the order has been read."""
        for device, watts in caps_of(order).items():
            self.devices[device].target_watts = watts
            self.devices.changed.add(device)
        waiting = [device for device in devices_of(order) if not order.urgent and self._rests(self.devices[device])]
        resting = self._left_alone(waiting)
        parts = self._parts(only(order, set(devices_of(order)) - set(waiting)))
        if not parts:
            return resting, None
        recorded = await self._recorded(self._intents(parts, fence), self._notes(parts), order)
        if not recorded and not _may_go_unrecorded(order):
            why = "the audit trail cannot be written; only urgent cuts are done"
            return self.same(order, Outcome.REFUSED, why), None
        done = await self._write(parts, fence)
        receipts, again = await self._otherwise(order, fence, done)
        return (*resting, *receipts), only(order, again) if again else None

    def given_up(self, receipts: Receipts) -> Receipts:
        """There is no right to write any more: what was tried is not under way, and whoever decides may order it anew."""
        for receipt in receipts:
            if receipt.device in self.under_way:
                held = self.devices[receipt.device]
                held.end(receipt, at=self.clock(), now=held.wrote_at, rules=self.rules)
                self.under_way.discard(receipt.device)
                self.devices.changed.add(receipt.device)
        return receipts

    def pause(self, tries: int) -> float:
        """Seconds before the next try, after so many."""
        return self.rules.pause_seconds * 2.0**tries * self.random.uniform(0.8, 1.2)

    def same(self, order: NodeOrder, outcome: Outcome, detail: str, way: Way | None = None) -> Receipts:
        """The same receipt for every device of an order."""
        actuators = self.devices.actuators.get(order.node, ())
        first = actuators[0].way if actuators else Way.STANDARD
        return receipts_for(order, outcome, detail, way=way or first, at=self.clock())

    def _rests(self, held: Held) -> bool:
        return self.monotonic() < held.not_before

    def _left_alone(self, waiting: Iterable[Device]) -> Receipts:
        """Answers for devices that have failed a short time ago, or that somebody else keeps changing."""
        receipts = []
        for device in waiting:
            held = self.devices[device]
            seconds = held.not_before - self.monotonic()
            why = f"left alone for another {seconds:.0f} s"
            newest = held.newest
            outcome = newest.outcome if newest is not None and newest.outcome in FAILED else Outcome.REFUSED
            way = self.devices.ways(held)[0]
            receipts.append(
                Receipt(
                    device=device,
                    way=way,
                    wanted_watts=held.target_watts,
                    read_back_watts=held.caps[way].limit_watts,
                    outcome=outcome,
                    detail=why,
                    at=self.clock(),
                )
            )
        return tuple(receipts)

    def _parts(self, order: NodeOrder) -> list[Part]:
        """The order by way: for each device its preferred one, and others that would hold it lower than it shall be."""
        parts = []
        wanted, caps = devices_of(order), caps_of(order)
        for actuator in self.devices.actuators.get(order.node, ()):
            mine = [device for device, watts in wanted.items() if self._goes_by(order, caps, device, actuator.way)]
            if mine:
                parts.append(Part(actuator, self._restoring(only(order, mine), actuator)))
        return parts

    def _goes_by(self, order: NodeOrder, caps: Caps, device: Device, way: Way) -> bool:
        held = self.devices[device]
        ways = self.devices.ways(held)
        if device.uuid in order.release:
            return way in ways and way in held.set_watts
        if ways[:1] == (way,):
            return True
        ours = held.set_watts.get(way)
        if way not in ways or device not in caps or ours is None:
            return False
        watts = caps[device]
        return watts is None or watts > ours

    def _restoring(self, order: NodeOrder, actuator: Actuator) -> NodeOrder:
        """What is given back by a way that does not keep the operator's value itself becomes an order for that value."""
        if not order.release or isinstance(actuator, Releases):
            return order
        before = {uuid: self.devices[Device(order.node, uuid)].before_watts.get(actuator.way) for uuid in order.release}
        values = {uuid: NO_CAP if watts is None else watts for uuid, watts in before.items()}
        return replace(
            order,
            gpu_watts={**order.gpu_watts, **{uuid: watts for uuid, watts in values.items() if uuid}},
            node_cap_watts=values.get("", order.node_cap_watts),
        )

    def _intents(self, parts: Iterable[Part], fence: Fence) -> list[Entry]:
        return [
            (
                "write",
                intent(part, fence, held.device, way=actuator.way, from_watts=limit, to_watts=watts, attempt=held.failures + 1),
            )
            for actuator, part in parts
            for device, watts in devices_of(part).items()
            for held, limit in [(self.devices[device], self._limit(device))]
        ]

    def _notes(self, parts: Iterable[Part]) -> list[Note]:
        return [
            Note(device=device, way=actuator.way, before_watts=self._before(device, actuator.way), to_watts=watts)
            for actuator, part in parts
            for device, watts in caps_of(part).items()
        ]

    def _before(self, device: Device, way: Way) -> float | None:
        return self.devices[device].operators(way)

    def _limit(self, device: Device) -> float | None:
        caps = self.devices.effective(self.devices[device])
        return caps.limit_watts if caps else None

    async def _write(self, parts: Iterable[Part], fence: Fence) -> Receipts:
        done = await asyncio.gather(*(self._write_part(part, fence) for part in parts))
        return tuple(receipt for receipts in done for receipt in receipts)

    async def _write_part(self, part: Part, fence: Fence) -> Receipts:
        actuator, order = part
        wanted, caps = devices_of(order), caps_of(order)
        for device, watts in wanted.items():
            if device in caps or device.uuid in order.release:
                self.devices[device].begin(actuator.way, watts, self.monotonic())
                self.devices.changed.add(device)
                self.under_way.add(device)
        try:
            async with asyncio.timeout(self.rules.write_seconds):
                receipts = await self._send(actuator, order, fence)
        except ActuatorError as error:
            receipts = self.same(order, Outcome.UNREACHABLE, str(error), actuator.way)
        except TimeoutError:
            why = f"no answer within {self.rules.write_seconds:.0f} s"
            receipts = self.same(order, Outcome.UNREACHABLE, why, actuator.way)
        silent = only(order, set(wanted) - {receipt.device for receipt in receipts})
        return (*receipts, *self.same(silent, Outcome.REFUSED, "this device is not offered any more", actuator.way))

    @staticmethod
    async def _send(actuator: Actuator, order: NodeOrder, fence: Fence) -> Receipts:
        if not order.release or not isinstance(actuator, Releases):
            return await actuator.write(order, fence)
        released = await actuator.release(sorted(order.release), fence, order.why)
        rest = replace(order, release=frozenset())
        return (*released, *(await actuator.write(rest, fence) if devices_of(rest) else ()))

    async def _otherwise(self, order: NodeOrder, fence: Fence, done: Receipts) -> tuple[Receipts, set[Device]]:
        """Take the receipts in; cuts that the preferred way has failed to do are done by the next one."""
        again = await self._take(order, fence, done)
        others: dict[Way, list[Device]] = {}
        caps = caps_of(order)
        for receipt in done:
            if (way := self._next_way(caps, receipt)) is not None:
                others.setdefault(way, []).append(receipt.device)
        parts = [Part(self.devices.actuator(order.node, way), only(order, mine)) for way, mine in others.items()]
        if not parts or (not await self._recorded(self._intents(parts, fence), self._notes(parts), order) and not order.urgent):
            return done, again
        more = await self._write(parts, fence)
        helped = {each.device for each in more if each.outcome is Outcome.CONFIRMED}
        await self._take(order, fence, more)
        return (*(each for each in done if each.device not in helped), *more), again - helped

    def _next_way(self, caps: Caps, receipt: Receipt) -> Way | None:
        """Another way to a device that could do what this one has not done, where that is a cut."""
        if receipt.outcome not in FAILED:
            return None
        held = self.devices[receipt.device]
        ways = self.devices.ways(held)
        watts, limit = caps.get(receipt.device), self._limit(receipt.device)
        if receipt.way not in ways or watts is None or (limit is not None and watts >= limit):
            return None
        after = ways[ways.index(receipt.way) + 1 :]
        return after[0] if after else None

    async def _take(self, order: NodeOrder, fence: Fence, receipts: Receipts) -> set[Device]:
        """Keep what became of writes; returns what is to be tried again."""
        caps = caps_of(order)
        again = {receipt.device for receipt in receipts if self._end(order, caps, receipt)}
        notes = [self._note(order, caps, receipt) for receipt in receipts if receipt.outcome is Outcome.CONFIRMED]
        await self._recorded(
            [("outcome", told(receipt, fence)) for receipt in receipts], [note for note in notes if note], order
        )
        return again

    def _end(self, order: NodeOrder, caps: Caps, receipt: Receipt) -> bool:
        device, held = receipt.device, self.devices[receipt.device]
        self.writes[device.node][receipt.way, receipt.outcome] += 1
        self.devices.changed.add(device)
        if device not in caps and device.uuid not in order.release:
            return self._end_clock(held, receipt)
        now = self.monotonic()
        again = held.end(receipt, at=self.clock(), now=now, rules=self.rules)
        if held.tried_at is None:
            self.under_way.discard(device)
        self.failed.discard(device)
        if held.state is ControlState.UNCONTROLLED:
            self.failed.add(device)
            beyond = max(0, held.failures - self.rules.retries - 1)
            rest = min(self.rules.rest_seconds * 2.0 ** min(beyond, 10), self.rules.longest_rest_seconds)
            held.not_before = now + rest * self.random.uniform(0.9, 1.1)
        if receipt.outcome is Outcome.CONFIRMED and device.uuid in order.release:
            held.released(receipt.way)
        return again

    def _end_clock(self, held: Held, receipt: Receipt) -> bool:
        """Only its clock was to change: that says nothing of its cap."""
        if receipt.outcome is Outcome.CONFIRMED:
            held.findings.pop(Why.CLOCK, None)
        elif receipt.outcome is not Outcome.STALE:
            held.find(Why.CLOCK, f"its clock: {receipt.detail}", self.clock())
        return False

    def _note(self, order: NodeOrder, caps: Caps, receipt: Receipt) -> Note | None:
        device, way = receipt.device, receipt.way
        if device.uuid in order.release:
            return Note(device=device, way=way, released=True)
        if device not in caps:
            return None
        held = self.devices[device]
        return Note(device=device, way=way, before_watts=held.operators(way), set_watts=held.set_watts.get(way))

    async def _recorded(self, entries: Sequence[Entry], notes: Sequence[Note], order: NodeOrder) -> bool:
        """Whether it is on the disk. One that hangs holds up everything but urgent cuts; theirs are written when it goes on."""
        seconds = self.rules.urgent_record_seconds if _may_go_unrecorded(order) else None
        try:
            async with asyncio.timeout(seconds):
                await self.scribe.append(entries, notes)
        except (AuditError, TimeoutError) as err:
            error = str(err) or f"the audit trail took more than {seconds:g} s to be written"
            since = self.unaudited.since if self.unaudited else self.clock()
            self.unaudited = Finding(device=Device(""), why=Why.UNAUDITED, since=since, detail=error)
            return False
        self.unaudited = None
        return True


def _may_go_unrecorded(order: NodeOrder) -> bool:
    """Whether it is done although the audit trail cannot be written: an urgent cut is."""
    return order.urgent and not order.raises
