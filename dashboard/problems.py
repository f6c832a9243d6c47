"""What is wrong, worst first: one line for one cause. Pure.

How bad it is, is what the alert rules say of the same (`alerts/rules/`); a test holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from dashboard import plantproblems, powerproblems, words
from dashboard.problem import Level, Problem
from dashboard.state import GpuState, HallState, NodeState, is_failing, is_late
from wattstat.api.live import CollectorState

__all__ = [
    "CLOSE_CELSIUS",
    "NEAR_BUDGET",
    "NEAR_CELSIUS",
    "Level",
    "Problem",
    "by_node",
    "collectors_level",
    "gpu_level",
    "in_order",
    "is_harmful",
    "problems",
]

# Degrees to the device's own limit. Limits come from the devices; how near is near is the one thing said here.
NEAR_CELSIUS = 10.0
CLOSE_CELSIUS = 5.0
NEAR_BUDGET = 0.95

_RECOVERY = {1: "reset the GPU", 2: "reboot the server", 3: "drain peer-to-peer", 4: "drain and reset", 5: "IMEX recovery",
             6: "reset the bus", 7: "reboot the system"}  # fmt: skip
_HEALTH = {1: "Warning", 2: "Critical"}
_GRAVE_SILENCES = frozenset({"storage_silent", "switch_silent"})
_SCHEDULERS = frozenset({"slurm", "kubernetes", "command_scheduler"})
_GRAVE_THROTTLES = frozenset({"hw_thermal", "hw_power_brake"})


def problems(hall: HallState) -> list[Problem]:
    """All of them, worst first, then the oldest."""
    found = [*_of_power(hall), *_of_collectors(hall)]
    if hall.plant is not None:
        silent_switches = {problem.place for problem in found if problem.kind == "switch_silent"}
        found += plantproblems.problems(hall.plant, hall.inventory, silent_switches)
    silent = {problem.node for problem in found if problem.kind == "collector"}
    for server in hall.nodes:
        found += _of_node(server, is_blind=server.name in silent and not server.gpus)
    return in_order(_of_work(hall, found))


def _of_work(hall: HallState, found: Iterable[Problem]) -> Iterator[Problem]:
    """In place of all that planned work brings about, one line for its server: nothing of it is wrong."""
    works = {server.name: server.entry.maintenance for server in hall.nodes}
    at_work = {name: work for name, work in works.items() if work is not None and work.until.timestamp() > hall.taken_at}
    meanwhile: defaultdict[str, list[str]] = defaultdict(list)
    for problem in found:
        if problem.node in at_work:
            meanwhile[problem.node].append(problem.what)
        else:
            yield problem
    for name, work in at_work.items():
        what, others = f"In planned work: {work.reason.strip().rstrip('.')}", meanwhile[name]
        what += f"; meanwhile: {''.join(others[:1])}" * bool(others) + f", and {len(others) - 1} more" * (len(others) > 1)
        yield Problem(level=Level.OK, kind="maintenance", node=name, what=what)


def in_order(found: Iterable[Problem]) -> list[Problem]:
    """Worst first; of equals the one that lasts longest."""
    return sorted(found, key=lambda p: (-p.level, p.since if p.since is not None else float("inf"), p.node, p.gpu))


def _of_power(hall: HallState) -> Iterator[Problem]:
    """By whoever steers power, who counts what cannot be measured too; by the inventory's budgets where nobody does yet."""
    steered = hall.power is not None and bool(hall.power["budgets"])
    if hall.power is not None:
        yield from powerproblems.problems(hall.power)
    if not steered:
        yield from _of_budget(hall)


def _of_budget(hall: HallState) -> Iterator[Problem]:
    budget, power = hall.inventory.site.budget_watts, hall.power_watts
    if budget and power is not None and power > NEAR_BUDGET * budget:
        over = power > budget
        difference = words.watts(abs(power - budget))
        what = f"Power {difference} over the budget" if over else f"Power only {difference} under the budget"
        yield Problem(level=Level.CRITICAL if over else Level.WARNING, kind="budget", what=what)
    by_rack: dict[str, float] = defaultdict(float)
    for server in hall.nodes:
        by_rack[server.entry.rack] += server.power_watts or 0
    for rack in hall.inventory.racks:
        if rack.budget_watts and by_rack[rack.name] > rack.budget_watts:
            what = f"Rack {rack.name} {words.watts(by_rack[rack.name] - rack.budget_watts)} over its budget"
            yield Problem(level=Level.CRITICAL, kind="rack_budget", what=what)


def _of_collectors(hall: HallState) -> Iterator[Problem]:
    """One line a target, however many of its collectors and tiers fail."""
    troubled: dict[str, list[CollectorState]] = defaultdict(list)
    for collector in hall.collectors:
        if is_failing(collector) or is_late(collector, hall.taken_at):
            troubled[collector.target].append(collector)
    known = {server.name: server for server in hall.nodes}
    places = {each.name: (each.name, "storage_silent") for each in hall.inventory.storage}
    places |= {each.name: (each.name, "switch_silent") for each in hall.inventory.switches}
    for target, tiers in troubled.items():
        failing = [tier for tier in tiers if is_failing(tier)]
        names = " and ".join(sorted({tier.collector for tier in failing or tiers}))
        errors = "; ".join(sorted({tier.error for tier in failing if tier.error}))
        what = f"No answer to {names}: {errors or 'see Collectors'}" if failing else f"Readings of {names} are late"
        place, kind = places.get(target, ("" if target in known else target, "collector"))
        unseen = known[target].entry.gpus if target in known and _is_blind(known[target], tiers) else 0
        # Its own alert wakes somebody where much hangs on it; that one BMC or agent is silent can wait for the morning.
        is_grave = kind in _GRAVE_SILENCES or any(tier.collector in _SCHEDULERS for tier in failing)
        yield Problem(
            level=Level.CRITICAL if failing and is_grave else Level.WARNING,
            kind=kind,
            node="" if place else target,
            place=place,
            what=what + (f"; {words.plural(unseen, 'GPU')} unseen" if unseen else ""),
            since=min((tier.failing_since for tier in tiers if tier.failing_since is not None), default=None),
        )


def collectors_level(hall: HallState) -> Level:
    """How bad it is that not everybody answers in time."""
    return max((problem.level for problem in _of_collectors(hall)), default=Level.OK)


def _is_blind(server: NodeState, tiers: Iterable[CollectorState]) -> bool:
    """Its GPUs are unseen because the agent is silent: one cause, one line."""
    return not server.gpus and any(tier.collector == "agent" for tier in tiers)


def _of_node(server: NodeState, *, is_blind: bool) -> Iterator[Problem]:
    name = server.name
    if server.is_on is False:
        yield Problem(level=Level.WARNING, kind="power_off", node=name, what="Server is switched off")
        return
    if server.health or server.faults:
        # the other supplies carry it, or its jobs fail and that is told: the BMC's "Critical" alone wakes nobody
        yield Problem(level=Level.WARNING, kind="health", node=name, what=_ill(server))
    if server.redundancy_lost:
        which = f" ({', '.join(server.ill_psus)})" if server.ill_psus else ""
        yield Problem(level=Level.WARNING, kind="redundancy", node=name, what=f"Power supplies not redundant{which}")
    heat = server.hottest_sensor
    if heat and heat.margin_celsius <= 0:
        what = f"{heat.sensor} {words.celsius(heat.celsius)}, {heat.kind} limit {words.celsius(heat.limit_celsius)}"
        yield Problem(level=Level.CRITICAL if heat.kind == "critical" else Level.WARNING, kind="heat", node=name, what=what)
    missing = server.entry.gpus - len(server.gpus)
    if missing > 0 and not is_blind:
        what = f"{words.plural(missing, 'GPU')} of {server.entry.gpus} not seen"
        yield Problem(level=Level.CRITICAL, kind="missing", node=name, what=what)
    for entry in server.gpus:
        problem = _of_gpu(entry)
        if problem:
            yield replace(problem, node=name, gpu=entry.index)


def _ill(server: NodeState) -> str:
    """What the BMC says, sentence by sentence; which parts are ill only where it says nothing else."""
    if server.faults:
        return "; ".join(message.strip().rstrip(".;") for _, message in server.faults)
    parts = f" ({', '.join(server.ill_components)})" if server.ill_components else ""
    return f"BMC reports {_HEALTH[int(server.health or 0)]}{parts}"


def _of_gpu(entry: GpuState) -> Problem | None:
    """The worst thing about a GPU: one line a GPU is enough to go and look."""
    return next(_gpu_findings(entry), None)


def _gpu_findings(entry: GpuState) -> Iterator[Problem]:
    if entry.is_lost:
        yield Problem(level=Level.CRITICAL, kind="lost", what="GPU lost: it no longer answers")
    if entry.remap_failed:
        yield Problem(level=Level.CRITICAL, kind="remap_failed", what="Row remapping failed: replace the GPU")
    if entry.recovery_action:
        action = _RECOVERY.get(int(entry.recovery_action), f"recovery action {entry.recovery_action:.0f}")
        yield Problem(level=Level.CRITICAL, kind="recovery", what=f"Driver asks: {action}{_xids(entry)}")
    if entry.health:
        yield Problem(level=Level.WARNING, kind="gpu_health", what=f"BMC reports {_HEALTH[int(entry.health)]}")
    if entry.margin_celsius is not None and entry.margin_celsius <= CLOSE_CELSIUS:
        what = f"{words.celsius(max(0.0, entry.margin_celsius))} to slowdown at {words.celsius(entry.temperature_celsius)}"
        yield Problem(level=Level.CRITICAL if entry.margin_celsius <= 0 else Level.WARNING, kind="margin", what=what)
    if reasons := [reason for reason in entry.throttles if is_harmful(reason)]:
        what = f"Slowed down: {', '.join(words.throttle(reason) for reason in reasons)}"
        level = Level.CRITICAL if _GRAVE_THROTTLES & set(reasons) else Level.WARNING
        yield Problem(level=level, kind="throttle", what=what)
    if entry.remap_pending:
        yield Problem(level=Level.WARNING, kind="remap_pending", what="Row remapping waits for a reset")


def _xids(entry: GpuState) -> str:
    return f" (XID {', '.join(entry.xids)})" if entry.xids else ""


def is_harmful(reason: str) -> bool:
    """Hardware or heat holds the clock down. A software power cap is what a cap is for."""
    return reason.startswith("hw") or "thermal" in reason or "brake" in reason


def gpu_level(entry: GpuState) -> Level:
    """How a GPU's cell is marked."""
    problem = _of_gpu(entry)
    return problem.level if problem else Level.OK


def by_node(found: Iterable[Problem]) -> dict[str, Level]:
    """The worst level of each server."""
    worst: dict[str, Level] = {}
    for problem in found:
        worst[problem.node] = max(worst.get(problem.node, Level.OK), problem.level)
    return worst
