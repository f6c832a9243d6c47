"""Killed at any step of an evaluation, the next process goes on: nothing that fired is forgotten, every end is told."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules
from alerts.memory import Memory
from alerts.model import Notice
from tests.support.processes import ROOT
from tests.support.series_store import SeriesStore

RULES = """
groups:
  - name: g
    interval: 10s
    rules:
      - {alert: Hot, expr: watts > 500, for: 20s}
      - {alert: VeryHot, expr: watts > 900, keep_firing_for: 20s}
"""
WATTS = {
    "n1": [100, 600, 600, 600, 600, 950, 950, 100, 100, 100, 100, 100, 100, 100, 100, 100],
    "n2": [950, 950, 950, 100, 950, 950, 950, 950, 950, 950, 950, 950, 950, 950, 950, 950],
}
STEPS = len(WATTS["n1"])
QUIET = 10
"""So many evaluations follow in which nobody is killed: after a start it takes a minute to believe that something is gone."""


class Killed(BaseException):
    """The process is gone; nobody handles that."""


@dataclass
class Fate:
    """Kills at the step with the given number."""

    at: int
    step: int = 0

    def pass_by(self) -> None:
        self.step += 1
        if self.step == self.at:
            raise Killed


@dataclass
class Receiver:
    """Delivery: what it took over survives, as on its disk."""

    fate: Fate
    open: dict[tuple[str, float], Notice] = field(default_factory=dict)
    ended: dict[tuple[str, float], float] = field(default_factory=dict)
    ever: set[tuple[str, float]] = field(default_factory=set)

    async def tell(self, notices: Sequence[Notice], at: float) -> None:
        self.fate.pass_by()
        for each in notices:
            key = (each.fingerprint, each.starts_at)
            self.ever.add(key)
            if each.ends_at is None:
                self.open[key] = each
            else:
                self.open.pop(key, None)
                self.ended[key] = each.ends_at
        self.fate.pass_by()


class Fated(Memory):
    """A memory in whose process somebody kills."""

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

    def save(self, *given) -> None:
        self._fate.pass_by()
        super().save(*given)
        self._fate.pass_by()

    def told(self, notices) -> None:
        self._fate.pass_by()
        super().told(notices)
        self._fate.pass_by()


def history() -> SeriesStore:
    store = SeriesStore()
    for node, values in WATTS.items():
        samples = [(10_000 * place, value) for place, value in enumerate([*values, *values[-1:] * QUIET])]
        store.add({"__name__": "watts", "node": node}, samples)
    return store


async def lived(path: Path, rules: Path, fate: Fate) -> tuple[Receiver, Engine, int]:
    """Evaluations from the first to the last, with a new process wherever the old one is killed; how often that was."""
    receiver, killed = Receiver(fate), 0
    moments, now = iter([10.0 * place for place in range(STEPS + QUIET)]), 0.0
    while True:
        memory = Fated(path, fate)
        engine = Engine(store=history(), memory=memory, groups=load_rules([rules]), tell=receiver, clock=lambda at=now: at)
        await engine.start()
        try:
            for now in moments:
                if now == 10.0 * STEPS:
                    fate.at = 0
                await engine.evaluate(engine.groups[0].group, now)
        except Killed:
            killed += 1
            # What hung in the air is gone with the process; its file is opened by the next.
            continue
        finally:
            memory.close()
        return receiver, engine, killed


@pytest.fixture
def rules(tmp_path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


def test_killed_at_any_step_nothing_is_lost(tmp_path, rules):
    whole, engine, _ = asyncio.run(lived(tmp_path / "whole.sqlite", rules, Fate(at=0)))
    names = sorted((notice.labels["alertname"], notice.labels["node"]) for notice in whole.open.values())
    assert names == [("Hot", "n2"), ("VeryHot", "n2")]
    for number in itertools.count(1):
        receiver, engine, killed = asyncio.run(lived(tmp_path / f"{number}.sqlite", rules, Fate(at=number)))
        if not killed:
            break
        firing = {(alert.fingerprint, alert.fired_at) for alert in engine.active() if alert.state == "firing"}
        assert receiver.open.keys() == firing, f"killed at step {number}"
        assert {key for key, _ in firing} == {key for key, _ in whole.open}, f"killed at step {number}"
        assert receiver.ever == receiver.open.keys() | receiver.ended.keys(), f"killed at step {number}"
        memory = Memory(tmp_path / f"{number}.sqlite")
        told = {(e.alert.fingerprint, e.alert.fired_at): e.ended_at for e in memory.episodes(0, 10_000)}
        memory.close()
        assert {key: end for key, end in told.items() if end is not None} == receiver.ended, f"killed at step {number}"
    assert number > 60


CHILD = """
import asyncio, sys
from pathlib import Path
from alerts.evaluation.engine import Engine
from alerts.evaluation.loader import load_rules
from alerts.memory import Memory
from tests.support.series_store import SeriesStore

async def main():
    store = SeriesStore()
    store.add({"__name__": "watts", "node": "n1"}, [(10_000 * place, 600.0) for place in range(9)])
    memory = Memory(Path(sys.argv[1]))
    engine = Engine(store=store, memory=memory, groups=load_rules([Path(sys.argv[2])]), clock=lambda: 0.0)
    await engine.start()
    for place in range(4):
        await engine.evaluate(engine.groups[0].group, 10.0 * place)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_process_that_is_killed_leaves_everything_on_disk(tmp_path, rules):
    path = tmp_path / "alerts.sqlite"
    process = subprocess.Popen([sys.executable, "-c", CHILD, path, rules], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    memory = Memory(path)
    [(rule, alerts)] = memory.load().active.items()
    [alert] = alerts.values()
    assert (rule, alert.state, alert.active_at, alert.fired_at) == ("rules.yml/g/Hot", "firing", 0.0, 20.0)
    assert [episode.ended_at for episode in memory.episodes(0, 100)] == [None]
    memory.close()
