"""What would be different if something else stood: decided on the newest view, carried out nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.control.allocator import propose
from power.control.memory import Memory
from power.control.tuning import Tuning
from power.desk.steering import Change, Lack, Preview
from power.model import Device, Fleet, Floats, Intent, Proposal, View
from power.policies.check import check
from power.policies.feasible import deficits
from power.policies.resolve import Resolver
from power.policies.resolved import Memory as Remembered
from power.policies.signals import Signals
from power.policies.standing import Bounds
from power.publish import limit_name
from power.tree.budgets import budgets
from power.tree.ceilings import counted, worst_draw
from power.wants import Standings

_LEAST_CHANGE_WATTS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """The newest decision's inputs, as far as a preview needs them."""

    fleet: Fleet
    view: View
    signals: Signals
    remembered: Remembered
    timezone: str
    floor_ratio: float
    tuning: Tuning


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Outcome:
    intent: Intent
    proposal: Proposal
    notes: tuple[str, ...]


def preview(moment: Moment, before: Standings, after: Standings) -> Preview:
    """What changes when `after` stands instead of `before`; policies that only observe show nothing here."""
    old, new = _outcome(moment, before), _outcome(moment, after)
    changes = tuple(_changes(moment.fleet, moment.view, old, new))
    touched = {change.device for change in changes}
    jobs = moment.signals.jobs
    held = {
        jobs.jobs[int(holder)].job_id
        for holder, gpu in zip(jobs.holder, jobs.gpu, strict=True)
        if moment.fleet.gpus[int(gpu)] in touched
    }
    fresh = [each.policy for each in after.policies if each.policy not in [known.policy for known in before.policies]]
    problems = check(fresh, moment.fleet, Bounds.of(moment.view), floor_ratio=moment.floor_ratio)
    told = [note for note in new.notes if note not in old.notes]
    return Preview(
        changes=changes,
        watts_before=_most(moment, old),
        watts_after=_most(moment, new),
        lacks=tuple(_lacks(moment, (old, before), (new, after))),
        jobs=tuple(sorted(held)),
        notes=(*told, *(str(problem) for problem in problems if problem.warning)),
        misfits=tuple(str(problem) for problem in problems if not problem.warning),
    )


def _outcome(moment: Moment, standings: Standings) -> _Outcome:
    view = moment.view
    resolved = Resolver(timezone=moment.timezone, floor_ratio=moment.floor_ratio).resolve(
        standings.policies,
        moment.fleet,
        moment.signals,
        view.at,
        monotonic=view.monotonic,
        bounds=Bounds.of(view),
        holds=standings.holds,
        emergencies=standings.emergencies,
        memory=moment.remembered,
    )
    proposal, _ = propose(moment.fleet, view, resolved.intent, moment.tuning.at_once(), Memory())
    return _Outcome(intent=resolved.intent, proposal=proposal, notes=resolved.notes)


def _caps(view: View, outcome: _Outcome) -> tuple[Floats, Floats]:
    """Caps of GPUs and servers once all is carried out."""
    proposal = outcome.proposal
    gpus = np.where(np.isnan(proposal.gpu_watts), view.gpu_limit_watts, proposal.gpu_watts)
    return gpus, np.where(np.isnan(proposal.node_cap_watts), view.node_cap_watts, proposal.node_cap_watts)


def _changes(fleet: Fleet, view: View, old: _Outcome, new: _Outcome) -> list[Change]:
    found: list[Change] = []
    for before, after, names, devices in zip(
        _caps(view, old),
        _caps(view, new),
        (new.proposal.gpu_name, new.proposal.node_name),
        (fleet.gpus, tuple(Device(node) for node in fleet.nodes)),
        strict=True,
    ):
        apart = np.abs(np.nan_to_num(before) - np.nan_to_num(after)) >= _LEAST_CHANGE_WATTS
        found += [
            Change(
                device=devices[row],
                before_watts=_number(before[row]),
                after_watts=_number(after[row]),
                why=_why(fleet, new.intent, int(names[row])),
            )
            for row in np.flatnonzero(apart)
        ]
    return found


def _most(moment: Moment, outcome: _Outcome) -> float | None:
    """What all servers together could draw."""
    gpus, nodes = _caps(moment.view, outcome)
    now_gpus, _ = counted(moment.fleet, moment.view)
    total = float(worst_draw(moment.fleet, np.where(np.isnan(gpus), now_gpus, gpus), nodes).sum())
    return total if np.isfinite(total) else None


def _lacks(moment: Moment, old: tuple[_Outcome, Standings], new: tuple[_Outcome, Standings]) -> list[Lack]:
    """Limits that cannot be held: now, and when everything holds at once that is asked for by night or in an event."""
    found: dict[str, Lack] = {}
    for now in (True, False):
        before, after = (_missing(moment, *each, now=now) for each in (old, new))
        for limit, (watts, why) in after.items():
            lack = Lack(limit=limit, deficit_watts=watts, before_watts=before.get(limit, (0.0, ""))[0], why=why)
            known = found.get(limit)
            if known is None or lack.deficit_watts - lack.before_watts > known.deficit_watts - known.before_watts:
                found[limit] = lack
    return list(found.values())


def _missing(moment: Moment, outcome: _Outcome, standings: Standings, *, now: bool) -> dict[str, tuple[float, str]]:
    """Watts that are missing by limit, and who asks for it."""
    if now:
        stand = budgets(moment.fleet, moment.view, outcome.intent, outcome.proposal)
        return {
            f"{each.kind} {each.name}": (each.deficit_watts, each.binding or "") for each in stand if each.deficit_watts > 0
        }
    ever = deficits(
        standings.policies,
        moment.fleet,
        Bounds.of(moment.view),
        at=moment.view.at,
        holds=standings.holds,
        jobs=moment.signals.jobs,
        node_watts=moment.view.node_peak_watts,
        timezone=moment.timezone,
        floor_ratio=moment.floor_ratio,
    )
    return {f"{each.kind} {each.name}": (each.deficit_watts, ", ".join((*each.policies, *each.holds))) for each in ever}


def _why(fleet: Fleet, intent: Intent, name: int) -> str:
    if 0 <= name < len(intent.names):
        return intent.names[name]
    return limit_name(fleet, -2 - name) if name < -1 else ""


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
