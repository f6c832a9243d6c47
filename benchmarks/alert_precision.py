"""Precision of rules and findings: faults injected into simulated halls in fast time, and days without any.

Halls move minute by minute; what collectors would have seen goes into an embedded store, and all shipped rules and findings
look at it moment by moment through the engine's own states. `WATTSTAT_PRECISION_HOURS` (48), `WATTSTAT_PRECISION_NODES` (32)
and `WATTSTAT_PRECISION_HALLS` (2, without faults) say how much. `python -m benchmarks.alert_precision` prints every alert.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alerts.findings import finders
from benchmarks.precision import growth
from benchmarks.precision.parts import part_families
from benchmarks.precision.recording import STEP_SECONDS, Recorder
from benchmarks.precision.seen import Holds, all_families, beside
from benchmarks.precision.troubles import Injected, Plan
from benchmarks.precision.watching import Fired, watch
from benchmarks.table import Row
from simulator.nodes import NvmlFeed
from simulator.site import inventory, layout
from simulator.world import World
from wattstat.store.embedded import EmbeddedStore

HOURS = float(os.environ.get("WATTSTAT_PRECISION_HOURS", "48"))
NODES = int(os.environ.get("WATTSTAT_PRECISION_NODES", "32"))
HALLS = int(os.environ.get("WATTSTAT_PRECISION_HALLS", "2"))
START = 1_760_000_400.0
FAULTS_FROM_HOUR, FAULT_EVERY_MINUTES = 3, 20
WEEK_HOURS = 168.0
QUANTILES = (0.8, 0.9, 0.97)
FINDINGS = frozenset(
    {
        "BudgetBreachForecast",
        "CapDrifting",
        "GpuStraggler",
        "LedgerLeaking",
        "LinkFailingSlowly",
        "GpuNotFound",
        "DeviceUnwatched",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was injected into a hall, and what fired."""

    injected: list[Injected]
    fired: list[Fired]

    @property
    def visible(self) -> list[Injected]:
        """Faults that showed: a GPU that is slow while its job does nothing is not."""
        return [each for each in self.injected if each.names and (each.gpu is None or each.visible_at is not None)]

    def first(self, fault: Injected) -> Fired | None:
        """The first alert that tells of a fault."""
        return next(iter(fault.told_by(self.fired)), None)


async def hall(seed: int, *, faults: bool) -> Watched:
    """A hall from its start to its end, and everything that is told of it."""
    world = World(layout(NODES, seed), seed, START)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "state").mkdir()
        feed = NvmlFeed(world, directory / "state")
        try:
            return await _watched(world, feed, directory, seed, faults=faults)
        finally:
            feed.close()


async def _watched(world: World, feed: NvmlFeed, directory: Path, seed: int, *, faults: bool) -> Watched:
    told = beside(world)
    plan, holds = Plan(world, told, seed, feed.states), Holds(world)
    seen = [*all_families(world, told), *part_families(world, plan.controllers, feed.states)]
    recorder = Recorder(world, seen)
    until = START + HOURS * 3600
    turn = 0
    moment = START + STEP_SECONDS
    while moment <= until:
        recorder.move(moment)
        holds.look()
        minute = round((moment - START) / 60)
        if faults and minute == FAULTS_FROM_HOUR * 60:
            await plan.at_start()
        elif faults and minute > FAULTS_FROM_HOUR * 60 and minute % FAULT_EVERY_MINUTES == 0 and moment < until - 7200:
            await plan.now_and_then(turn)
            turn += 1
        plan.watch()
        await plan.end()
        moment += STEP_SECONDS
    site = inventory(world.hall, bmc_port=443, agent_port=9837, ca_file="ca.pem")
    times = np.array([START + STEP_SECONDS * (1 + step) for step in range(round(HOURS * 60))])
    recorder.write(directory / "history", holds.series(times))
    store = EmbeddedStore(directory / "history.duckdb", clock=lambda: until)
    try:
        await store.import_history(directory / "history")
        found = finders(store, lambda: site, lambda: START)
        fired = await watch(store, found, START + 1800, until)
    finally:
        await store.close()
    return Watched(injected=plan.injected, fired=fired)


def run() -> list[Row]:
    """Halls without faults, then one with many."""
    quiet = [asyncio.run(hall(seed, faults=False)) for seed in range(11, 11 + HALLS)]
    troubled = asyncio.run(hall(22, faults=True))
    return [*_found(troubled), *_false(quiet), *_forecasts()]


def _found(watched: Watched) -> list[Row]:
    visible = watched.visible
    rows = [
        Row(
            what=f"faults found: {what}",
            measured=_measured(watched, [each for each in visible if _is_finding(each) == is_finding]),
            peer="-",
            reach="all, within two intervals of when one could know it",
            note=note,
        )
        for what, is_finding, note in (
            ("by rules", False, _kinds(visible, is_finding=False)),
            ("by findings", True, _kinds(visible, is_finding=True)),
        )
    ]
    innocent = [each for each in watched.injected if not each.names]
    wrong = sum(bool(each.told_by(watched.fired)) for each in innocent)
    rows.append(
        Row(what="noisy hours of a link taken for a failing one", measured=f"{wrong} of {len(innocent)}", peer="-", reach="0")
    )
    return rows


def _measured(watched: Watched, faults: Sequence[Injected]) -> str:
    firsts = [(each, watched.first(each)) for each in faults]
    known = [(each, first) for each, first in firsts if first is not None]
    in_time = [each for each, first in known if each.late_seconds(first) <= 2 * max(first.every_seconds, STEP_SECONDS)]
    late = [max(0.0, each.late_seconds(first)) for each, first in known]
    usual = f"; {statistics.median(late):.0f} s after one could know (worst {max(late):.0f} s)" if late else ""
    return f"{len(known)} of {len(faults)}, in time {len(in_time)}{usual}"


def _is_finding(fault: Injected) -> bool:
    return bool(fault.names & FINDINGS)


def _kinds(faults: Sequence[Injected], *, is_finding: bool) -> str:
    counts = Counter(each.kind for each in faults if _is_finding(each) == is_finding)
    return f"{NODES} servers, {HOURS:g} h: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def _false(quiet: Sequence[Watched]) -> list[Row]:
    weeks = len(quiet) * NODES * HOURS / WEEK_HOURS
    fired = [each for watched in quiet for each in watched.fired if each.severity != "info"]
    rows = []
    for what, mine in (
        ("rules", [e for e in fired if e.name not in FINDINGS]),
        ("findings", [e for e in fired if e.name in FINDINGS]),
    ):
        names = ", ".join(f"{count} {name}" for name, count in Counter(each.name for each in mine).most_common())
        rows.append(
            Row(
                what=f"false alarms of {what}, nothing being wrong",
                measured=f"{len(mine)} in {weeks:.1f} node-weeks ({len(mine) / weeks:.2f} a node-week)",
                peer="-",
                reach="0",
                note=names or f"{len(quiet)} halls of {NODES} servers, {HOURS:g} h, jobs coming and going",
            )
        )
    return rows


def _forecasts() -> list[Row]:
    days = [watts for seed in range(31, 31 + HALLS) for watts in growth.racks(seed)]
    grown = [case for watts in days for per_hour in (3000.0, 5000.0) for case in growth.cases(watts, per_hour)]
    parts = []
    for per_hour in (3000.0, 5000.0):
        mine = [case for case in grown if case.watts_per_hour == per_hour]
        leads = [case.lead_minutes for case in mine if case.lead_minutes is not None]
        usual = f", {statistics.median(leads):.0f} minutes before" if leads else ""
        parts.append(f"{len(leads)} of {len(mine)} at {per_hour / 1000:g} kW an hour{usual}")
    limits = [(watts, float(np.quantile(watts, share))) for watts in days for share in QUANTILES]
    false = sum(growth.twice(growth.looks(watts, limit)) is not None for watts, limit in limits)
    return [
        Row(
            what="growth of a rack's power told before the limit is reached",
            measured="; ".join(parts),
            peer="-",
            reach="-",
            note=f"{len(days)} racks of 4 servers, 24 h, jobs of kilowatts coming and going; growth is laid over them",
        ),
        Row(
            what="forecasts where nothing grows, limits within the racks' usual power",
            measured=f"{false} in {len(days) * len(QUANTILES)} rack-days",
            peer="-",
            reach="0",
            note="limits at the 80th, 90th and 97th percentile of the day",
        ),
    ]


def _print(watched: Watched) -> None:
    for each in watched.injected:
        first = watched.first(each)
        told = (
            "-"
            if first is None
            else f"{first.name} after {(first.at - each.at) / 60:.0f} min, late {each.late_seconds(first):.0f} s"
        )
        shown = "" if each.gpu is None or each.visible_at is not None else " (showed nowhere)"
        sys.stdout.write(f"{(each.at - START) / 3600:6.2f} h  {each.kind:18} {dict(each.labels)}{shown}: {told}\n")
    for one in sorted(watched.fired, key=lambda each: each.at):
        if one.name in FINDINGS:
            sys.stdout.write(f"    {(one.at - START) / 3600:6.2f} h  {one.name} {dict(one.labels)}\n")
    counts = Counter((each.name, each.severity) for each in watched.fired)
    for (name, severity), count in counts.most_common():
        sys.stdout.write(f"    {count:4} {severity:8} {name}\n")


if __name__ == "__main__":
    for seed_, faults_ in [(int(word.lstrip("f")), word.startswith("f")) for word in sys.argv[1:]] or [(11, False), (21, True)]:
        sys.stdout.write(f"hall {seed_}, {'with' if faults_ else 'without'} faults\n")
        _print(asyncio.run(hall(seed_, faults=faults_)))
