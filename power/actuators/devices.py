"""All devices that take caps: what is known of each, which ways lead to it, and which answer counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from power.actuators.held import NEVER, Held
from power.actuators.journal import Note, told
from power.model import Actuator, Device, DeviceCaps, Way


class Devices:
    """Held devices by name. `changed` are those whose columns are to be written."""

    def __init__(self, actuators: Mapping[str, Sequence[Actuator]], *, unread_seconds: float = math.inf) -> None:
        """An answer that is so much older than that of another way does not count beside it."""
        self.unread_seconds = unread_seconds
        self.actuators: dict[str, tuple[Actuator, ...]] = {}
        self.changed: set[Device] = set()
        self._ways: dict[str, tuple[Way, ...]] = {}
        self._held: dict[Device, Held] = {}
        self._by_node: dict[str, list[Held]] = {}
        self.follow(actuators)

    def follow(self, actuators: Mapping[str, Sequence[Actuator]]) -> None:
        """These are the ways from now on; what is known of devices that they lead to is kept."""
        self.actuators = {node: tuple(each) for node, each in actuators.items()}
        self._ways = {node: tuple(each.way for each in ways) for node, ways in self.actuators.items()}
        for device in [device for device in self._held if device.node not in self._ways]:
            del self._held[device]
            self._by_node.pop(device.node, None)
            self.changed.add(device)
        for device, held in self._held.items():
            held.forget(set(held.caps) - set(self._ways[device.node]))
            self.changed.add(device)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def __contains__(self, device: Device) -> bool:
        """Whether its caps were read, by any way."""
        held = self._held.get(device)
        return held is not None and bool(held.caps)

    def __getitem__(self, device: Device) -> Held:
        """What is known of a device, made when it is first heard of."""
        if device not in self._held:
            self._held[device] = held = Held(device=device)
            self._by_node.setdefault(device.node, []).append(held)
        return self._held[device]

    def get(self, device: Device) -> Held | None:
        """What is known of a device; None where nobody has told of it."""
        return self._held.get(device)

    def of(self, node: str) -> Sequence[Held]:
        """A server's devices, itself among them."""
        return self._by_node.get(node, ())

    def ways(self, held: Held) -> tuple[Way, ...]:
        """The ways that offer a device, the preferred one first."""
        return held.ways(self._ways.get(held.device.node, ()))

    def actuator(self, node: str, way: Way) -> Actuator:
        """The way to a server."""
        return next(each for each in self.actuators[node] if each.way is way)

    def _told_lately(self, held: Held) -> tuple[Way, ...]:
        """The ways whose answer is not much older than the newest: what one has told before says nothing beside it."""
        ways = self.ways(held)
        newest = max((held.read_at[way] for way in ways), default=NEVER)
        return tuple([way for way in ways if newest - held.read_at[way] <= self.unread_seconds])

    def effective(self, held: Held) -> DeviceCaps | None:
        """What is in force, of all that the ways tell: of several caps a GPU keeps the lowest.

        In band the limit in force is read, which knows of caps out of band; one that was read later may be another.
        """
        ways = self._told_lately(held)
        if not ways:
            return None
        first = held.caps[ways[0]]
        limit, read_at = first.limit_watts, held.read_at[ways[0]]
        for way in ways[1:]:
            is_newer = held.read_at[way] > read_at
            if is_newer and first.way is Way.NVML and first.own_watts is not None:
                limit = first.own_watts
            if is_newer or held.read_at[way] == read_at or first.way is not Way.NVML:
                limit = _lower(limit, held.caps[way].limit_watts)
        newest = max(ways, key=lambda way: held.read_at[way])
        if limit == first.limit_watts and newest is first.way:
            return first
        return replace(first, limit_watts=limit, power_watts=held.caps[newest].power_watts)

    def found(self) -> dict[str, tuple[DeviceCaps, ...]]:
        """What is in force at each device, by server."""
        found: dict[str, list[DeviceCaps]] = {}
        for held in self:
            if (caps := self.effective(held)) is not None:
                found.setdefault(held.device.node, []).append(caps)
        return {node: tuple(caps) for node, caps in found.items()}

    def recall(self, notes: Iterable[Note]) -> None:
        """What was set before a restart; what is there now is known when it is read."""
        for note in notes:
            held = self[note.device]
            held.before_watts[note.way] = note.before_watts
            if told(note.set_watts):
                held.set_watts[note.way] = note.set_watts
            held.recalled[note.way] = tuple(watts for watts in (note.to_watts, note.set_watts) if told(watts))


def _lower(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)
