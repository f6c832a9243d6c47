"""What the desk asks of the loop, answered from its last decision in whatever thread asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from power import publish
from power.actuators.executor import Executor
from power.actuators.findings import Finding, Why
from power.control.tuning import Tuning
from power.deciding import Decided
from power.desk.steering import Preview, Wish
from power.give_back import Giving, giving
from power.guard.guard import Rules
from power.model import Device, Fence
from power.policies.masks import Masks
from power.policies.scope import Scope
from power.preview import Moment, preview
from power.wants import Standings

NOTHING_YET = publish.NOTHING_YET


def standing(decided: Decided, *, findings: Sequence[Finding], troubles: Sequence[str]) -> dict[str, Any]:
    """How budgets, caps and policies stand, and what is wrong."""
    return {
        **publish.decision_document(decided.decision),
        "budgets": [each.document() for each in decided.budgets if each.kind != "node"],
        "devices": publish.devices(decided.decision),
        "policies": publish.policies(decided.decision, decided.resolved),
        "emergencies": [publish.emergency(each) for each in decided.standings.emergencies],
        "findings": [publish.finding(each) for each in findings],
        "troubles": [each for each in (*troubles, *decided.resolved.notes) if each],
    }


def left_behind(executor: Executor, since: float) -> tuple[Finding, ...]:
    """Caps that were set while this was enforcing, and hold on."""
    counts = Counter(device.node for device in executor.ours())
    advice = "from here in force, and power.mode enforces nothing: wattstat power give-back"
    return tuple(
        Finding(device=Device(node), why=Why.LEFT_BEHIND, since=since, detail=f"{count} caps {advice}")
        for node, count in sorted(counts.items())
    )


def given_back(
    decided: Decided, ours: Mapping[Device, float | None], scope: Scope, *, rules: Rules, fence: Fence | None, why: str
) -> Giving:
    """What it takes to give the devices of a scope that have caps from here back to their operator."""
    decision = decided.decision
    masks = _masks(decided)
    chosen = {decision.fleet.nodes[row] for row in np.flatnonzero(masks.nodes(scope))}
    theirs = {device: watts for device, watts in ours.items() if device.node in chosen}
    return giving(decision.fleet, decision.view, decision.given.intent, theirs, rules=rules, fence=fence, why=why)


def preview_of(decided: Decided, wish: Wish, *, timezone: str, floor_ratio: float, tuning: Tuning) -> Preview:
    """What would be different if this stood instead of what stands."""
    decision = decided.decision
    moment = Moment(
        fleet=decision.fleet,
        view=decision.view,
        signals=decided.signals,
        remembered=decided.resolved.memory,
        timezone=timezone,
        floor_ratio=floor_ratio,
        tuning=tuning,
    )
    after = Standings(policies=wish.standings, holds=wish.holds, emergencies=wish.emergencies)
    return preview(moment, decided.standings, after)


def devices(decided: Decided, scope: Scope) -> int:
    """How many servers and GPUs a scope means now."""
    masks = _masks(decided)
    return int(masks.nodes(scope).sum()) + len(masks.gpus(scope))


def _masks(decided: Decided) -> Masks:
    masks = Masks(decided.decision.fleet)
    masks.use(decided.signals.jobs)
    return masks
