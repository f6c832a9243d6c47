"""A simulated hall that is read by the real collectors and judged by the shipped rules, in a time that is told to pass.

A fault is switched on at the control server, devices show it over their own protocols, collectors read them, the exposition is
scraped into a store, and the engine evaluates rules on it: what reaches somebody must have come all that way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pynvml
import pytest

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules, shipped_rules
from alerts.evaluation.rules import AlertRule, Group
from alerts.memory import Memory
from alerts.model import Alert
from collectors.frame.source import Source
from collectors.nvml.source import NvmlSource
from collectors.redfish import sources as bmc_sources
from simulator.bmc.server import Bmcs, free_port
from simulator.certificates import Authority
from simulator.control import Control, controllers_of
from simulator.faults import Fault, Faults
from simulator.nodes import NvmlFeed
from simulator.site import inventory, layout
from simulator.workload import Job, Kind
from simulator.world import World
from tests.support.nvml import TIERS, library
from tests.support.series_store import SeriesStore
from wattstat import gpulink
from wattstat.config import Config
from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall
from wattstat.store.text_format import parse_line

START = 1_760_000_000.0
TICK_SECONDS = 30.0
"""How often everything is scraped and evaluated, unless told."""


@cache
def shipped() -> tuple[Group, ...]:
    """The rules that Wattstat ships."""
    return load_rules(shipped_rules())


def rule_of(name: str) -> AlertRule:
    """A shipped alert."""
    return next(rule for group in shipped() for rule in group.rules if isinstance(rule, AlertRule) and rule.name == name)


@dataclass(kw_only=True)
class ToldHall:
    """The hall; `alerts` are the rules that are evaluated."""

    world: World
    control: Control
    feed: NvmlFeed
    sources: list[Source[Any]]
    engine: Engine
    store: SeriesStore = field(default_factory=SeriesStore)
    tick_seconds: float = TICK_SECONDS
    hall: Hall = field(init=False)
    fired: dict[str, float] = field(default_factory=dict)
    """When each alert fired first."""
    parts_may_fail: bool = False
    """Whether a fault is one that collectors are told of as an error, such as a GPU that is lost."""
    _series: dict[str, dict[str, str]] = field(default_factory=dict)
    _exposition: Exposition = field(default_factory=Exposition)
    _collected: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hall = Hall(clock=lambda: self.world.now)

    async def switch_on(self, target: str, kind: str, **options: Any) -> Fault:
        """A fault, as the control server's `/faults` switches it on."""
        return await self.control.switch_on({"target": target, "kind": kind, **options})

    def train(self, server: str) -> None:
        """A job on all GPUs of a server, which never pauses."""
        rows = np.array(self.world.hall.by_name(server).gpu_rows)
        who = {"id": "7", "name": "a", "user": "u", "account": "a", "partition": "p", "kind": Kind.TRAINING}
        self.world.begin(Job(**who, gpus=len(rows), not_before=0, seconds=1e6, seed=5, rows=rows))
        self.world.patterns.checkpoint_seconds[:] = 0

    async def tick(self) -> None:
        """A beat passes: devices move, collectors read what is due, one scrape, one evaluation."""
        self.world.advance(self.world.now + self.tick_seconds, TICK_SECONDS / 2)
        await self.control.expire()
        self.feed.write()
        for source in self.sources:
            for tier in source.tiers:
                key = (source.collector, source.target, tier.name)
                if self.world.now - self._collected.get(key, 0.0) >= tier.every_seconds:
                    self._collected[key] = self.world.now
                    await self._collect(source, tier.name, tier.every_seconds)
        self._scrape()
        for state in self.engine.groups:
            await self.engine.evaluate(state.group, self.world.now)
        assert self.engine.failing() == {}
        for alert in self.firing():
            self.fired.setdefault(alert.name, self.world.now)

    def _scrape(self) -> None:
        found = gpulink.samples(self.hall.snapshot())
        key = BlockKey(collector="wattstat", target="hall", part="gpus")
        self.hall.post(Block(key=key, samples=tuple(found), taken_at=self.world.now, interval_seconds=TICK_SECONDS))
        time_ms = round(self.world.now * 1000)
        for line in self._exposition.render(self.hall.snapshot()).decode().splitlines():
            if line.startswith("#"):
                continue
            series, _, value = line.rpartition(" ")
            if series not in self._series:
                self._series[series] = dict(parse_line(line).labels)
            self.store.add(self._series[series], [(time_ms, float(value))])

    async def _collect(self, source: Source[Any], tier: str, every_seconds: float) -> None:
        collected = await source.collect(tier)
        assert self.parts_may_fail or collected.errors == {}, f"{source.target} {tier}"
        key = BlockKey(collector=source.collector, target=source.target, part=tier)
        interval = max(every_seconds, self.tick_seconds)
        self.hall.post(Block(key=key, samples=tuple(collected.samples), taken_at=self.world.now, interval_seconds=interval))

    async def pass_seconds(self, seconds: float) -> None:
        """So long."""
        until = self.world.now + seconds
        while self.world.now < until:
            await self.tick()

    async def first_firing(self, name: str, within_seconds: float) -> tuple[Alert, float]:
        """The first alert of a name that fires, and after how many seconds from now. Fails where none does in time."""
        began = self.world.now
        while self.world.now < began + within_seconds:
            await self.tick()
            if found := [alert for alert in self.firing() if alert.name == name]:
                return found[0], self.world.now - began
        pytest.fail(f"{name} does not fire within {within_seconds:g} s")

    def firing(self) -> list[Alert]:
        """What fires."""
        return [alert for alert in self.engine.active() if alert.state == "firing"]


@asynccontextmanager
async def told_hall(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    model: str,
    alerts: Iterable[str],
    nodes: int = 1,
    read: str = "redfish nvml",
) -> AsyncIterator[ToldHall]:
    """Servers of one model. `read` says by which collectors; NVML is the first server's, as an agent on it sees it."""
    world, faults = World(layout(nodes, model=model), 1, START, jobs=False), Faults()
    (folder / "state").mkdir()
    feed = NvmlFeed(world, folder / "state")
    controllers = controllers_of(world, faults, ("reader", "secret"))
    listening = Bmcs(controllers, free_port(list(controllers), 0))
    authority = Authority(folder)
    await listening.start({each: authority.issue(f"bmc-{row}", each, days=30) for row, each in enumerate(controllers)})
    found: list[Source[Any]] = []
    if "redfish" in read:
        (folder / "password").write_text("secret")
        known = {"credentials": {"bmc": {"username": "reader", "password_file": folder / "password"}}}
        site = inventory(world.hall, bmc_port=listening.port, agent_port=None, ca_file=str(folder / "ca.pem"))
        found += bmc_sources(Config.model_validate(known), site)
    if "nvml" in read:
        library()
        first = world.hall.servers[0]
        monkeypatch.setenv("WATTSTAT_SIM_NVML_STATE", str(feed.states[first.name].path))
        found.append(NvmlSource(target=first.name, nvml=pynvml, tiers=TIERS, proc=folder, monotonic=lambda: world.now))
    rules = tuple(rule_of(name) for name in alerts)
    groups = [dataclasses.replace(shipped()[0], rules=rules)]
    store, memory = SeriesStore(), Memory(folder / "alerts.sqlite")
    engine = Engine(store=store, memory=memory, groups=groups, record=store.record, clock=lambda: world.now)
    await engine.start()
    control = Control(world, faults, listening, feed.states)
    try:
        yield ToldHall(world=world, control=control, feed=feed, sources=found, engine=engine, store=store)
    finally:
        for source in found:
            await source.close()
        await listening.stop()
        feed.close()
        memory.close()
