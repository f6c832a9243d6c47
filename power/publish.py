"""How things stand, for `/metrics` and for the answer of /api/power/status."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from power.actuators.findings import Finding
from power.controller import Decision
from power.model import ControlState, Fleet, Ints, Mode
from power.policies.resolved import Resolved
from power.policies.standing import Emergency
from power.tree.budgets import BudgetStatus, State
from wattstat.api.times import rfc3339
from wattstat.catalogue import power as catalogue
from wattstat.catalogue.metric import Samples


def budget_samples(statuses: Sequence[BudgetStatus]) -> Samples:
    """Series of every limit but single servers: those have `node_power_watts`."""
    out = Samples()
    for each in statuses:
        if each.kind == "node":
            continue
        labels = (each.name, each.kind)
        out.add(catalogue.BUDGET_LIMIT_WATTS, each.limit_watts, *labels)
        out.add(catalogue.BUDGET_TRIP_SAFE_WATTS, each.trip_safe_watts, *labels)
        out.add(catalogue.BUDGET_POWER_WATTS, each.power_watts, *labels)
        out.add(catalogue.BUDGET_PEAK_WATTS, each.peak_watts, *labels)
        out.add(catalogue.BUDGET_ENVELOPE_WATTS, each.envelope_watts, *labels)
        out.add(catalogue.BUDGET_HEADROOM_WATTS, each.headroom_watts, *labels)
        out.add(catalogue.BUDGET_COVERAGE_RATIO, each.coverage_ratio, *labels)
        if each.trip_safe_watts is not None:
            holds = each.envelope_watts is not None and each.envelope_watts <= each.trip_safe_watts + 1e-6
            out.add(catalogue.BUDGET_SAFE, holds, *labels)
    return out


def binding_counts(decision: Decision) -> dict[str, int]:
    """How many devices' caps each policy decides now."""
    proposal, names = decision.decided.proposal, decision.given.intent.names
    rows = np.concatenate([proposal.gpu_name, proposal.node_name])
    counts = np.bincount(rows[(rows >= 0) & (rows < len(names))], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def breached(statuses: Sequence[BudgetStatus]) -> Iterator[tuple[str, str]]:
    """Name and kind of the limits over which power is now."""
    return ((each.name, each.kind) for each in statuses if each.state is State.OVER)


def devices(decision: Decision) -> list[dict[str, Any]]:
    """Every GPU, then every server that takes caps, as /api/power/status shows them."""
    fleet, view, decided = decision.fleet, decision.view, decision.decided
    admitted, proposal = decided.admitted, decided.proposal
    found = [
        {
            "device": str(device),
            "node": device.node,
            "gpu": fleet.gpu_index[row],
            "uuid": device.uuid,
            "rack": fleet.racks[fleet.gpu_node[row]],
            "target_watts": _number(admitted.gpu_watts[row]),
            "confirmed_watts": _number(view.gpu_limit_watts[row]),
            "power_watts": _number(view.gpu_watts[row]),
            "min_watts": _number(view.gpu_min_watts[row]),
            "max_watts": _number(view.gpu_max_watts[row]),
            "binding_policy": _name(decision, proposal.gpu_name, row),
            "state": _word(view.gpu_state[row]),
        }
        for row, device in enumerate(fleet.gpus)
    ]
    for row, node in enumerate(fleet.nodes):
        if math.isnan(view.node_cap_max_watts[row]) and view.node_state[row] == ControlState.UNKNOWN:
            continue
        found.append(
            {
                "device": node,
                "node": node,
                "gpu": "",
                "uuid": "",
                "rack": fleet.racks[row],
                "target_watts": _number(admitted.node_cap_watts[row]),
                "confirmed_watts": _number(view.node_cap_watts[row]),
                "power_watts": _number(view.node_watts[row]),
                "min_watts": _number(view.node_cap_min_watts[row]),
                "max_watts": _number(view.node_cap_max_watts[row]),
                "binding_policy": _name(decision, proposal.node_name, row),
                "state": _word(view.node_state[row]),
            }
        )
    return found


NOTHING_YET: Mapping[str, Any] = {
    "ready": False, "budgets": [], "devices": [], "policies": [], "emergencies": [], "findings": [], "troubles": [],
}  # fmt: skip
"""Before the first decision."""


def decision_document(decision: Decision) -> dict[str, Any]:
    """The decision as a whole."""
    found, ready, admitted = decision.envelope(), decision.readiness, decision.decided.admitted
    return {
        "ready": ready.complete,
        "taken_at": rfc3339(decision.view.at),
        "readiness": {"read": ready.read, "of": ready.of, "ratio": ready.ratio, "missing": list(ready.missing)},
        "safe": found.safe,
        "unsafe": list(found.unsafe),
        "cycle_seconds": round(decision.seconds, 4),
        "held_back": admitted.held_back,
        "frozen": admitted.frozen,
        "states": states(decision),
    }


def policies(decision: Decision, resolved: Resolved) -> list[dict[str, Any]]:
    """What is with every policy now."""
    binding = binding_counts(decision)
    return [
        {
            "name": each.name,
            "version": each.standing.version,
            "kind": each.standing.policy.ask.kind,
            "mode": each.standing.policy.mode.value,
            "enabled": each.standing.enabled,
            "state": each.state.value,
            "counts": each.counts,
            "why": each.why,
            "until": rfc3339(each.until) if math.isfinite(each.until) else None,
            "gpus": each.gpus,
            "nodes": each.nodes,
            "limits": each.limits,
            "binding_devices": binding.get(each.name, 0),
        }
        for each in resolved.in_force
    ]


def emergency(each: Emergency) -> dict[str, Any]:
    """An emergency that is on."""
    return {
        "id": each.id,
        "scope": str(each.scope),
        "owner": each.owner,
        "reason": each.reason,
        "since": rfc3339(each.since),
        "expires": rfc3339(each.expires) if math.isfinite(each.expires) else None,
    }


def finding(each: Finding) -> dict[str, Any]:
    """Something wrong with a cap."""
    return {
        "node": each.node,
        "uuid": each.device.uuid,
        "why": each.why.value,
        "since": rfc3339(each.since),
        "detail": each.detail,
    }


def states(decision: Decision) -> dict[str, int]:
    """How many devices are in each state; servers that nobody can cap are left out."""
    view = decision.view
    takes = np.isfinite(view.node_cap_max_watts)
    column = np.concatenate([view.gpu_state, view.node_state[takes]])
    return {_word(state): int((column == state).sum()) for state in ControlState if (column == state).any()}


def policy_samples(decision: Decision, resolved: Resolved) -> Samples:
    """Which policies are in force, and how many devices each holds back."""
    out = Samples()
    binding = binding_counts(decision)
    for policy in resolved.in_force:
        standing = policy.standing
        labels = (
            policy.name,
            str(standing.version),
            standing.policy.ask.kind,
            standing.policy.mode.value,
            policy.state.value,
        )
        out.add(catalogue.POLICY_INFO, 1, *labels)
        out.add(catalogue.POLICY_BINDING_DEVICES, binding.get(policy.name, 0), policy.name)
    return out


def mode_samples(mode: Mode) -> Samples:
    """Which mode holds."""
    out = Samples()
    for each in Mode:
        out.add(catalogue.CONTROLLER_MODE, each is mode, each.value)
    return out


def limit_name(fleet: Fleet, row: int) -> str:
    """A limit as a device's binding names it."""
    limit = fleet.tree.limits[row]
    return f"{limit.kind} {limit.name}"


def _name(decision: Decision, column: Ints, row: int) -> str | None:
    value, names = int(column[row]), decision.given.intent.names
    if 0 <= value < len(names):
        return names[value]
    return limit_name(decision.fleet, -2 - value) if value < -1 else None


def _word(state: float) -> str:
    return ControlState(int(state)).name.lower()


def _number(value: float) -> float | None:
    return round(float(value), 1) if math.isfinite(value) else None
