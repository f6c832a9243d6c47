"""Carries orders out: record, write, read back, try again, and say truthfully what can be counted on.

The record of a write is on the disk before the write. Each server has lanes of its own; a device that does not do what it was
told ends UNCONTROLLED and is charged at what it could draw. Nothing is written to a device whose caps were not read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from power.actuators.board import Board
from power.actuators.devices import Devices
from power.actuators.fights import Fights
from power.actuators.findings import Finding, Why
from power.actuators.held import Held
from power.actuators.holding import Holding
from power.actuators.journal import Journal
from power.actuators.lane import Lane, Receipts
from power.actuators.orders import by_lane, devices_of, is_own
from power.actuators.rounds import Rounds
from power.actuators.rules import Rules
from power.actuators.samples import Shown
from power.actuators.scribe import Scribe, Trail
from power.actuators.watch import Watch
from power.actuators.writer import Writer
from power.model import Actuator, ActuatorError, Device, DeviceCaps, Fence, Fleet, Floats, NodeOrder, Outcome, Way
from power.observe import CapColumns
from wattstat.catalogue.metric import Samples


class Executor:
    """All devices that take caps, what is known of them, and who writes to them."""

    def __init__(
        self,
        actuators: Mapping[str, Sequence[Actuator]],
        trail: Trail,
        *,
        rules: Rules | None = None,
        journal: Journal | None = None,
        heard: Callable[[tuple[DeviceCaps, ...], float], None] = lambda _caps, _monotonic: None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        """Actuators by server, the preferred way to a device first. What was set before a restart comes from the journal.

        `heard` gets what is in force at GPUs after each reading that did not come by `take`, and the monotonic moment at which
        it was asked for. Raises `OSError` where the journal cannot be read.
        """
        self.rules = rules or Rules()
        self._devices = Devices(actuators, unread_seconds=self.rules.unread_seconds)
        if journal is not None:
            self._devices.recall(journal.load().values())
        self._scribe = Scribe(trail, journal)
        self._writer = Writer(
            devices=self._devices,
            scribe=self._scribe,
            rules=self.rules,
            monotonic=monotonic,
            clock=clock,
            random=random or Random(),  # noqa: S311 - spreads tries, keeps no secret
        )
        self._fights = Fights(most=self.rules.most_fights)
        self._heard = heard
        self._monotonic = monotonic
        self._clock = clock
        self._lanes: dict[tuple[str, bool], Lane] = {}
        self._fence: Fence | None = None
        self._board: Board | None = None
        self._shown = Shown()
        self._holding = Holding(devices=self._devices, monotonic=monotonic, clock=clock)
        self._watch = Watch(devices=self._devices, rules=self.rules, clock=clock)
        self._fighting: set[Device] = set()
        self._rounds = Rounds(self._read, every_seconds=self.rules.verify_seconds, monotonic=monotonic, clock=clock)
        self._rounds.follow(self._everyone())

    async def follow(self, actuators: Mapping[str, Sequence[Actuator]]) -> None:
        """Take these ways from now on. What is known of devices that they lead to is kept; ways that are left are closed."""
        before = self._everyone()
        self._devices.follow(actuators)
        self._rounds.follow(self._everyone())
        kept = set(map(id, self._everyone()))
        gone = [self._lanes.pop(key) for key in list(self._lanes) if key[0] not in self._devices.actuators]
        await asyncio.gather(*(lane.close(self.rules.close_seconds) for lane in gone))
        await asyncio.gather(*(each.close() for each in before if id(each) not in kept))

    async def carry_out(self, orders: Iterable[NodeOrder], fence: Fence) -> Receipts:
        """Do these orders; returns when each was confirmed, refused or given up. A caller who is cancelled stops no write."""
        done = await asyncio.gather(*map(asyncio.shield, self.start(orders, fence)))
        return tuple(receipt for receipts in done for receipt in receipts)

    def start(self, orders: Iterable[NodeOrder], fence: Fence) -> list[asyncio.Future[Receipts]]:
        """As `carry_out`, without waiting: the states tell what became of it."""
        if self._fence is None or fence.token >= self._fence.token:
            self._fence = fence
        return [self._lane(part).put(part, fence) for order in orders for part in by_lane(order)]

    async def release(self, nodes: Iterable[str], fence: Fence, why: str) -> Receipts:
        """Give everything that was set from here on these servers back to what the operator had. Raises limits, most of all."""
        chosen = set(nodes)
        ours: dict[str, set[str]] = {}
        for held in self._devices:
            if held.device.node in chosen and held.set_watts:
                ours.setdefault(held.device.node, set()).add(held.device.uuid)
        orders = [NodeOrder(node=node, release=frozenset(uuids), raises=True, why=why) for node, uuids in sorted(ours.items())]
        return await self.carry_out(orders, fence)

    async def read(self, node: str) -> None:
        """Read all caps of a server now. Raises `ActuatorError` when a way to it does not answer."""
        if errors := await self._read_ways(node):
            raise errors[0]

    async def read_all(self) -> None:
        """Read all caps of all servers now, as far as they answer: before anything is written."""
        await self._rounds.all()

    def verify_due(self, fence: Fence | None = None) -> None:
        """Begin to read what was not read for `verify_seconds`; called each cycle, waits for nothing.

        With a fence that is good for any write, cuts that devices have failed to do are tried again when they have rested.
        """
        self._rounds.begin_due()
        now = self._monotonic()
        self._watch.overdue(self._writer.under_way, now)
        self._watch.unread(now)
        if fence is not None and not fence.urgent_only:
            self.start(self._watch.again(self._writer.failed, now), fence)
        for device in [device for device in self._fighting if self._fights.calm(self._devices[device], now=now)]:
            self._fighting.discard(device)
            self._devices.changed.add(device)

    def take(self, caps: Iterable[DeviceCaps], asked_at: float) -> None:
        """What a device told, asked at the monotonic moment `asked_at`. What a write has overtaken since is left out."""
        told: set[tuple[str, Way]] = set()
        for each in caps:
            device, way = each.device, each.way
            held = self._devices[device]
            told.add((device.node, way))
            if held.lacks(each):
                continue
            if held.findings.pop(Why.UNREAD, None) is not None:
                self._devices.changed.add(device)
            if held.writing or asked_at < held.wrote_at:
                continue
            if held.repeats(each):
                held.caps[way], held.read_at[way] = each, asked_at
                if not device.uuid:
                    self._devices.changed.add(device)
                continue
            if held.take(each, at=self._clock(), now=asked_at):
                self._fights.lost(held, at=self._clock(), now=self._monotonic())
                self._fighting.add(device)
            self._devices.changed.add(device)
        for node, way in told:
            self._rounds.heard(node, way, asked_at)

    def draws(self, fleet: Fleet, node_watts: Floats, node_age: Floats) -> None:
        """What servers draw now, by the view: caps that are on and do not hold are found by it. Called each cycle."""
        self._holding.draws(fleet, node_watts, node_age, self.columns(fleet).node_cap_watts)

    def columns(self, fleet: Fleet) -> CapColumns:
        """State of every device of a fleet, and the servers' caps as confirmed."""
        if self._board is None or self._board.fleet is not fleet:
            without = [node for node in fleet.nodes if not self._devices.actuators.get(node)]
            self._board = Board(fleet, self._devices.effective, without=without)
            self._devices.changed = {held.device for held in self._devices}
        self._refresh()
        return self._board.columns(self._monotonic())

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with caps now."""
        # Asked for from other threads, too: copies, because devices come and go meanwhile.
        found = [finding for held in list(self._devices) for finding in tuple(held.findings.values())]
        unaudited = self._writer.unaudited
        return (*found, *self._rounds.silent.values(), *([unaudited] if unaudited else []))

    def news(self) -> dict[str, Samples]:
        """Targets, confirmed caps, states, writes and what is broken, of servers that have changed since the last call.

        A server that is gone has no samples.
        """
        self._refresh()
        return self._shown.news(self._devices, self._writer.writes)

    def _refresh(self) -> None:
        """Bring columns and samples up to date with the devices that have changed."""
        changed = [held for device in self._devices.changed if (held := self._devices.get(device)) is not None]
        if self._board is not None:
            self._board.write(changed)
        self._shown.forget(self._devices.changed)
        self._devices.changed.clear()

    def ours(self) -> dict[Device, float | None]:
        """Devices with caps from here, and what their operator had before, by the way that had the most; None: no cap."""
        found: dict[Device, float | None] = {}
        for held in self._devices:
            before = [held.operators(way) for way in held.set_watts]
            if before:
                known = [watts for watts in before if watts is not None]
                found[held.device] = max(known) if len(known) == len(before) else None
        return found

    def held(self, device: Device) -> Held | None:
        """What is known of a device; None where nobody has told of it."""
        return self._devices.get(device)

    def found(self) -> dict[str, tuple[DeviceCaps, ...]]:
        """What is in force at each device, by server."""
        return self._devices.found()

    async def close(self) -> None:
        """Finish what is being written, give up what waits, close the ways."""
        await asyncio.gather(*(lane.close(self.rules.close_seconds) for lane in self._lanes.values()))
        await self._rounds.close()
        await self._scribe.close()
        await asyncio.gather(*(each.close() for each in self._everyone()))

    def _everyone(self) -> list[Actuator]:
        return [each for ways in self._devices.actuators.values() for each in ways]

    def _lane(self, order: NodeOrder) -> Lane:
        """A server's own cap and its GPUs' do not wait for each other: the BMC may be slow while the agent is not."""
        key = order.node, is_own(order)
        if key not in self._lanes:
            self._lanes[key] = Lane(self._attempt, self._writer.pause)
        return self._lanes[key]

    async def _read_ways(self, node: str) -> list[ActuatorError]:
        """Read a server by all ways; the errors of those that do not answer."""
        results = await asyncio.gather(*map(self._read, self._devices.actuators.get(node, ())), return_exceptions=True)
        errors = [each for each in results if each is not None]
        for error in errors:
            if not isinstance(error, ActuatorError):
                raise error
        return [error for error in errors if isinstance(error, ActuatorError)]

    async def _read(self, actuator: Actuator) -> None:
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(self.rules.read_seconds):
                caps = await actuator.read()
        except TimeoutError:
            why = f"no answer by {actuator.way} within {self.rules.read_seconds:.0f} s"
            raise ActuatorError(f"{actuator.node}: {why}") from None
        self.take(caps, asked_at)
        self._holding.listen(actuator)
        self._tell((each.device for each in caps), asked_at)

    def _tell(self, devices: Iterable[Device], asked_at: float) -> None:
        """What is in force at these GPUs, to whoever draws up the view."""
        effective = (self._devices.effective(self._devices[device]) for device in devices if device.uuid)
        self._heard(tuple(each for each in effective if each is not None), asked_at)

    async def _attempt(self, order: NodeOrder, fence: Fence, tries: int) -> tuple[Receipts, NodeOrder | None]:
        """Do an order once; returns what is to be tried again."""
        if why := self._stale(fence):
            return self._writer.given_up(self._writer.same(order, Outcome.STALE, why)), None
        if any(device not in self._devices for device in devices_of(order)):
            errors = await self._read_ways(order.node)
            if unread := [device for device in devices_of(order) if device not in self._devices]:
                if errors:
                    again = order if tries < self.rules.retries else None
                    return self._writer.same(order, Outcome.UNREACHABLE, str(errors[0])), again
                why = f"no way offers a cap of {', '.join(map(str, unread))}"
                return self._writer.same(order, Outcome.REFUSED, why), None
        receipts, again = await self._writer.attempt(order, fence)
        confirmed = {receipt.device for receipt in receipts if receipt.outcome is Outcome.CONFIRMED}
        self._tell(sorted(confirmed), self._monotonic())
        return receipts, again

    def _stale(self, fence: Fence) -> str:
        newest = self._fence
        if newest is not None and fence.token < newest.token:
            return f"token {fence.token} of {fence.holder}; {newest.token} of {newest.holder} is newer"
        valid_until = newest.valid_until if newest is not None and newest.token == fence.token else fence.valid_until
        return "" if self._monotonic() < valid_until else f"the lease of {fence.holder} is over"
