"""Who stands in the hall, and what they told last. On the event loop alone."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from power.actuators.executor import Executor
from power.actuators.findings import Finding
from power.beats import Beating, Beats
from power.model import Actuator, DeviceCaps, Fleet
from power.observe import Telemetry, found_by_node
from power.tree.build import build
from wattstat.inventory import Inventory

log = structlog.get_logger(__name__)

# A fleet is made anew at most this often while agents come up one by one.
BUILD_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Who can be asked and told, by server."""

    actuators: Mapping[str, Sequence[Actuator]] = field(default_factory=dict)
    agents: Mapping[str, Beating] = field(default_factory=dict)


@dataclass(kw_only=True)
class Hearing:
    """Keeps fleet and telemetry current. `executor` and `beats` are put in by whoever runs them."""

    trip_safe_ratio: float
    monotonic: Callable[[], float] = time.monotonic
    executor: Executor | None = None
    beats: Beats | None = None
    telemetry: Telemetry | None = None
    build_due: float | None = None
    found: dict[str, tuple[DeviceCaps, ...]] = field(default_factory=dict)
    """The GPUs of each server."""
    ways: Ways = field(default_factory=Ways)
    inventory: Inventory = field(default_factory=Inventory)
    _identities: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def follow(self, inventory: Inventory, ways: Ways) -> None:
        """Another hall, or the same one with changes."""
        self.inventory, self.ways = inventory, ways
        if self.beats is not None:
            self.beats.follow(ways.agents)
        self.build_due = self.monotonic()

    def heard(self, caps: tuple[DeviceCaps, ...], asked_at: float) -> None:
        """What the executor read or set: by a BMC, or by an agent before its first beat.

        An agent that answers tells the same better each second.
        """
        silent = self.beats.silent if self.beats is not None else {}
        by_node: defaultdict[str, list[DeviceCaps]] = defaultdict(list)
        for each in caps:
            if each.device.uuid:
                by_node[each.device.node].append(each)
        for node, mine in by_node.items():
            if node not in self.ways.agents or node in silent:
                # After a write these are the ones that were written: the server's others are there as before.
                known = {each.device: each for each in self.found.get(node, ())}
                self._learn(node, tuple((known | {each.device: each for each in mine}).values()))
                self._take(tuple(mine), asked_at)

    def beat_heard(self, node: str, caps: tuple[DeviceCaps, ...], asked_at: float) -> None:
        """What an agent answered."""
        if self.executor is not None:
            self.executor.take(caps, asked_at)
        # An agent that has just begun sees no GPUs yet: it says nothing of those that it has shown before.
        if caps or not self.found.get(node):
            self._learn(node, caps)
        self._take(caps, asked_at)

    def current_fleet(self) -> Fleet:
        """The fleet, made anew when inventory or GPUs changed."""
        telemetry = self.telemetry
        if telemetry is not None and (self.build_due is None or self.monotonic() < self.build_due):
            return telemetry.fleet
        self.build_due = None
        known = {node.name for node in self.inventory.nodes}
        found = {node: caps for node, caps in found_by_node(self.found).items() if node in known}
        fleet = build(self.inventory, found, trip_safe_ratio=self.trip_safe_ratio)
        self.telemetry = Telemetry(fleet)
        if telemetry is not None:
            self.telemetry.inherit(telemetry)
        log.info("fleet", servers=len(fleet.nodes), gpus=len(fleet.gpus), limits=len(fleet.tree.limits))
        return fleet

    @property
    def frozen(self) -> tuple[Finding, ...]:
        """Sensors that stand still though they cannot."""
        return self.telemetry.frozen if self.telemetry is not None else ()

    def _learn(self, node: str, caps: tuple[DeviceCaps, ...]) -> None:
        """Which GPUs a server has: all of them."""
        identity = tuple((each.device.uuid, each.index) for each in caps)
        if self._identities.get(node) != identity:
            self._identities[node] = identity
            self.found[node] = caps
            if self.build_due is None:
                self.build_due = self.monotonic() + BUILD_SECONDS

    def _take(self, caps: tuple[DeviceCaps, ...], asked_at: float) -> None:
        if self.telemetry is not None:
            self.telemetry.take(caps, asked_at)
