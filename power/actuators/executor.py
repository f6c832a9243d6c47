"""Carries orders out: record, write, read back, try again, and say truthfully what can be counted on.

The record of a write is on the disk before the write. Each server has a lane of its own; a device that does not do what it was
told ends UNCONTROLLED and is charged at what it could draw. Nothing is written to a device whose caps were not read.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from power.actuators.board import Board
from power.actuators.findings import Finding, Why
from power.actuators.held import Held
from power.actuators.lane import Lane, Receipts
from power.actuators.orders import devices_of, intent, only, receipts_for, told
from power.actuators.rounds import Rounds
from power.actuators.scribe import Entry, Scribe, Trail
from power.audit.trail import AuditError
from power.model import (
    Actuator,
    ActuatorError,
    ControlState,
    Device,
    DeviceCaps,
    Fence,
    Fleet,
    NodeOrder,
    Outcome,
    Receipt,
    Way,
)
from power.observe import CapColumns

READ_SECONDS = 30.0
CLOSE_SECONDS = 5.0
Part = tuple[Actuator, NodeOrder]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How often and how long."""

    retries: int = 3
    pause_seconds: float = 0.5
    """Before the second try; doubled for each further one."""
    rest_seconds: float = 60.0
    """How long a device that failed is left alone; doubled up to `longest_rest_seconds` while it goes on failing."""
    longest_rest_seconds: float = 900.0
    write_seconds: float = 30.0
    """A write and its read-back take no longer; a BMC that says nothing for so long is away."""
    verify_seconds: float = 60.0
    most_fights: int = 3


class Executor:
    """All devices that take caps, what is known of them, and who writes to them."""

    def __init__(
        self,
        actuators: Mapping[str, Sequence[Actuator]],
        trail: Trail,
        *,
        rules: Rules | None = None,
        heard: Callable[[tuple[DeviceCaps, ...], float], None] = lambda _caps, _monotonic: None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        """`heard` gets every reading that was not given by `take`, with the monotonic moment at which it was asked for."""
        self.rules = rules or Rules()
        self.writes: Counter[tuple[str, Way, Outcome]] = Counter()
        self._scribe = Scribe(trail)
        self._heard = heard
        self._monotonic = monotonic
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - spreads tries, keeps no secret
        self._actuators = {node: tuple(each) for node, each in actuators.items()}
        self._ways = {node: tuple(each.way for each in ways) for node, ways in self._actuators.items()}
        self._held: dict[Device, Held] = {}
        self._changed: set[Device] = set()
        self._lanes: dict[str, Lane] = {}
        self._fence: Fence | None = None
        self._board: Board | None = None
        self._unaudited: Finding | None = None
        pairs = [(node, each) for node, ways in self._actuators.items() for each in ways]
        self._rounds = Rounds(pairs, self._read, every_seconds=self.rules.verify_seconds, monotonic=monotonic)

    async def carry_out(self, orders: Iterable[NodeOrder], fence: Fence) -> Receipts:
        """Do these orders; returns when each was confirmed, refused or given up. A caller who is cancelled stops no write."""
        waiting = self.start(orders, fence)
        done = await asyncio.gather(*map(asyncio.shield, waiting))
        return tuple(receipt for receipts in done for receipt in receipts)

    def start(self, orders: Iterable[NodeOrder], fence: Fence) -> list[asyncio.Future[Receipts]]:
        """As `carry_out`, without waiting: the states tell what became of it."""
        if self._fence is None or fence.token >= self._fence.token:
            self._fence = fence
        return [self._lane(order.node).put(order, fence) for order in orders]

    async def read(self, node: str) -> None:
        """Read all caps of a server now. Raises `ActuatorError` when a way to it does not answer."""
        await asyncio.gather(*map(self._read, self._actuators.get(node, ())))

    async def read_all(self) -> None:
        """Read all caps of all servers now, as far as they answer: before anything is written."""
        await self._rounds.all()

    def verify_due(self) -> None:
        """Begin to read what was not read for `verify_seconds`; called each cycle, waits for nothing."""
        self._rounds.begin_due()

    def take(self, caps: Iterable[DeviceCaps], asked_at: float) -> None:
        """What a device told, asked at the monotonic moment `asked_at`. What a write has overtaken since is left out."""
        for each in caps:
            held = self._held.setdefault(each.device, Held(device=each.device))
            self._rounds.heard(each.device.node, each.way, asked_at)
            if not held.writing and asked_at >= held.wrote_at:
                held.take(each, at=self._clock(), now=asked_at)
                self._changed.add(each.device)

    def columns(self, fleet: Fleet) -> CapColumns:
        """State of every device of a fleet, and the servers' caps as confirmed."""
        if self._board is None or self._board.fleet is not fleet:
            self._board = Board(fleet, self._preferred)
            self._changed = set(self._held)
        self._board.write(self._held[device] for device in self._changed)
        self._changed.clear()
        return self._board.columns(self._monotonic())

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with caps now."""
        found = [finding for held in self._held.values() for finding in held.findings.values()]
        return (*found, *self._rounds.silent.values(), *([self._unaudited] if self._unaudited else []))

    def held(self, device: Device) -> Held | None:
        """What is known of a device."""
        return self._held.get(device)

    def found(self) -> dict[str, tuple[DeviceCaps, ...]]:
        """The newest answer of each device's preferred way, by server."""
        found: dict[str, tuple[DeviceCaps, ...]] = {}
        for held in self._held.values():
            if (caps := self._preferred(held)) is not None:
                found[held.device.node] = (*found.get(held.device.node, ()), caps)
        return found

    async def close(self) -> None:
        """Finish what is being written, give up what waits, close the ways."""
        await asyncio.gather(*(lane.close(CLOSE_SECONDS) for lane in self._lanes.values()))
        await self._rounds.close()
        await self._scribe.close()
        await asyncio.gather(*(each.close() for ways in self._actuators.values() for each in ways))

    def _lane(self, node: str) -> Lane:
        if node not in self._lanes:
            self._lanes[node] = Lane(self._attempt, self._pause)
        return self._lanes[node]

    def _pause(self, tries: int) -> float:
        return self.rules.pause_seconds * 2.0**tries * self._random.uniform(0.8, 1.2)

    def _preferred(self, held: Held) -> DeviceCaps | None:
        ways = held.ways(self._ways.get(held.device.node, ()))
        return held.caps[ways[0]] if ways else None

    async def _read(self, actuator: Actuator) -> None:
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(READ_SECONDS):
                caps = await actuator.read()
        except TimeoutError:
            raise ActuatorError(f"{actuator.node}: no answer by {actuator.way} within {READ_SECONDS:.0f} s") from None
        self.take(caps, asked_at)
        self._heard(caps, asked_at)

    async def _attempt(self, order: NodeOrder, fence: Fence, tries: int) -> tuple[Receipts, NodeOrder | None]:
        """Do an order once; returns what is to be tried again."""
        if why := self._stale(fence):
            return self._all(order, Outcome.STALE, why), None
        unread = [device for device in devices_of(order) if device not in self._held]
        if unread and order.node in self._actuators:
            try:
                await self.read(order.node)
            except ActuatorError as error:
                again = order if tries < self.rules.retries else None
                return self._all(order, Outcome.UNREACHABLE, str(error)), again
            unread = [device for device in unread if device not in self._held]
        if unread:
            return self._all(order, Outcome.REFUSED, f"no way offers a cap of {', '.join(map(str, unread))}"), None
        parts = self._parts(order)
        if not await self._recorded(self._intents(parts, fence, tries)) and (order.raises or not order.urgent):
            return self._all(order, Outcome.REFUSED, "the audit trail cannot be written; only urgent cuts are done"), None
        receipts = await self._write(parts, fence, together=order.urgent)
        failed = {receipt.device for receipt in receipts if self._end(receipt)}
        await self._recorded([("outcome", told(receipt, fence)) for receipt in receipts])
        return receipts, only(order, failed) if failed else None

    def _stale(self, fence: Fence) -> str:
        newest = self._fence
        if newest is not None and fence.token < newest.token:
            return f"token {fence.token} of {fence.holder}; {newest.token} of {newest.holder} is newer"
        valid_until = newest.valid_until if newest is not None and newest.token == fence.token else fence.valid_until
        return "" if self._monotonic() < valid_until else f"the lease of {fence.holder} is over"

    def _parts(self, order: NodeOrder) -> list[Part]:
        """The order by way, for each device its preferred one."""
        ways = self._ways[order.node]
        parts = []
        for actuator in self._actuators[order.node]:
            mine = [device for device in devices_of(order) if self._held[device].ways(ways)[:1] == (actuator.way,)]
            if mine:
                parts.append((actuator, only(order, mine)))
        # A server's own cap goes up before its GPUs' and down after them.
        return sorted(parts, key=lambda part: (part[1].node_cap_watts is None) is order.raises)

    def _intents(self, parts: list[Part], fence: Fence, tries: int) -> list[Entry]:
        return [
            ("write", intent(part, fence, device, actuator.way, self._limit(device), attempt=tries + 1))
            for actuator, part in parts
            for device in devices_of(part)
        ]

    def _limit(self, device: Device) -> float | None:
        caps = self._preferred(self._held[device])
        return caps.limit_watts if caps else None

    async def _write(self, parts: list[Part], fence: Fence, *, together: bool) -> Receipts:
        if together:
            done = await asyncio.gather(*(self._write_part(actuator, part, fence) for actuator, part in parts))
        else:
            done = [await self._write_part(actuator, part, fence) for actuator, part in parts]
        return tuple(receipt for receipts in done for receipt in receipts)

    async def _write_part(self, actuator: Actuator, part: NodeOrder, fence: Fence) -> Receipts:
        for device, watts in devices_of(part).items():
            self._held[device].begin(actuator.way, watts)
            self._changed.add(device)
        try:
            async with asyncio.timeout(self.rules.write_seconds):
                receipts = await actuator.write(part, fence)
        except ActuatorError as error:
            return self._all(part, Outcome.UNREACHABLE, str(error), actuator.way)
        except TimeoutError:
            seconds = self.rules.write_seconds
            return self._all(part, Outcome.UNREACHABLE, f"no answer within {seconds:.0f} s", actuator.way)
        silent = only(part, set(devices_of(part)) - {receipt.device for receipt in receipts})
        return (*receipts, *self._all(silent, Outcome.REFUSED, "this device is not offered any more", actuator.way))

    def _end(self, receipt: Receipt) -> bool:
        held = self._held[receipt.device]
        now = self._monotonic()
        self.writes[receipt.device.node, receipt.way, receipt.outcome] += 1
        again = held.end(receipt, at=self._clock(), now=now, retries=self.rules.retries)
        if held.state is ControlState.UNCONTROLLED:
            beyond = max(0, held.failures - self.rules.retries - 1)
            rest = min(self.rules.rest_seconds * 2.0 ** min(beyond, 10), self.rules.longest_rest_seconds)
            held.not_before = now + rest * self._random.uniform(0.9, 1.1)
        self._changed.add(receipt.device)
        return again

    def _all(self, order: NodeOrder, outcome: Outcome, detail: str, way: Way | None = None) -> Receipts:
        ways = self._ways.get(order.node, ())
        return receipts_for(order, outcome, detail, way=way or (ways[0] if ways else Way.STANDARD), at=self._clock())

    async def _recorded(self, entries: Sequence[Entry]) -> bool:
        try:
            await self._scribe.append(entries)
        except AuditError as error:
            since = self._unaudited.since if self._unaudited else self._clock()
            self._unaudited = Finding(device=Device(""), why=Why.UNAUDITED, since=since, detail=str(error))
            return False
        self._unaudited = None
        return True
