"""What a rehearsal asks of the controller, as the policies and signals that a site would have."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from power.model import Basis, Bools, Fleet, Mode
from power.policies.ask import Ask, JobsAsk, LimitAsk, PriorityAsk
from power.policies.model import Policy
from power.policies.scope import Scope
from power.policies.signals import JobFacts, JobTable, Signals
from power.policies.standing import Emergency, Standing
from power.policies.when import Event, When
from power.scenarios.plant import EPOCH, Plant
from power.scenarios.scenario import Ask as Asked
from power.scenarios.scenario import Scenario
from power.scenarios.telemetry import Seen
from power.scenarios.work import INFERENCE, TRAINING

OWNER = "rehearsal"


def policies(scenario: Scenario, plant: Plant) -> tuple[Standing, ...]:
    """The rows' budgets, the priorities of work, equal caps in a job, and what is asked for a while."""
    rows = tuple(f"row{number + 1:03d}" for number in range(plant.hall.rows))
    load = scenario.load
    limit = LimitAsk(watts=float(plant.hall.row_budget_watts[0]), basis=Basis(scenario.budget.basis))
    found = [
        _policy("rows", Ask(limit=limit), Scope(row=rows)),
        _policy("jobs", Ask(jobs=JobsAsk(equal=True))),
        _policy("serving", Ask(jobs=JobsAsk(equal=False)), Scope(partition=("inference",))),
        _policy(
            "priorities",
            Ask(
                priority=PriorityAsk(
                    by="partition", values={"training": load.training_priority, "inference": load.inference_priority}
                )
            ),
        ),
    ]
    if scenario.budget.site_ratio != 1:
        site = LimitAsk(watts=plant.hall.site_budget_watts, basis=Basis(scenario.budget.basis))
        found.append(_policy("site", Ask(limit=site)))
    found += [_asked(number, each) for number, each in enumerate(scenario.asks) if not each.emergency]
    found += [each.model_copy(update={"mode": Mode.ENFORCE}) for each in scenario.policies]
    return tuple(Standing(policy=each) for each in found)


def _policy(name: str, ask: Ask, scope: Scope | None = None, when: When | None = None) -> Policy:
    return Policy(
        name=name, owner=OWNER, reason="rehearsal", mode=Mode.ENFORCE, ask=ask, scope=scope or Scope(), when=when or When()
    )


def _asked(number: int, asked: Asked) -> Policy:
    """Less power for a while: as a demand response event."""
    event = Event(
        start=datetime.fromtimestamp(EPOCH + asked.at, UTC),
        minutes=asked.seconds / 60,
        notice_minutes=asked.notice_seconds / 60,
        baseline_minutes=asked.baseline_seconds / 60,
    )
    ask = Ask(limit=LimitAsk(percent=100 * (1 - asked.ratio), of="baseline", basis=Basis.MEASURED))
    return _policy(f"ask-{number + 1}", ask, when=When(event=event))


def emergencies(scenario: Scenario, wall: float) -> tuple[Emergency, ...]:
    """What cannot wait: training goes to its lowest limits, below every floor of policies."""
    return tuple(
        Emergency(
            id=number,
            scope=Scope(partition=("training",)),
            owner=OWNER,
            reason="the grid asks for it at once",
            since=EPOCH + asked.at,
            expires=EPOCH + asked.at + asked.seconds,
        )
        for number, asked in enumerate(scenario.asks)
        if asked.emergency and EPOCH + asked.at <= wall < EPOCH + asked.at + asked.seconds
    )


class Watch:
    """The signals of a hall: who runs where, which jobs announced a checkpoint, which supplies have no input."""

    def __init__(self, plant: Plant, fleet: Fleet) -> None:
        """Jobs as they are now."""
        self._plant = plant
        self._nothing = Signals.nothing(len(fleet.nodes), len(fleet.gpus))
        self._running: Bools = np.zeros(0, bool)
        self._table = JobTable()

    def signals(self, seen: Seen) -> Signals:
        """All of them now."""
        work = self._plant.work
        running = work.running
        if not np.array_equal(running, self._running):
            self._running = running
            self._table = self._jobs(running)
        until = seen.wall + 5.0
        saving = {("slurm", str(job)): until for job in np.flatnonzero(work.saving).tolist()} if work.jobs else {}
        lost = seen.feed_lost.mean(axis=1)
        nothing = self._nothing
        return Signals(
            inlet_celsius=nothing.inlet_celsius,
            exhaust_celsius=nothing.exhaust_celsius,
            lost_ratio=lost,
            node_watts=seen.node_watts,
            energy_joules=nothing.energy_joules,
            utilisation=nothing.utilisation,
            jobs=self._table,
            checkpoints=saving,
        )

    def _jobs(self, running: Bools) -> JobTable:
        work, gpus = self._plant.work, self._plant.hall.gpus
        facts: list[JobFacts] = []
        holder, held = [], []
        for job in np.flatnonzero(running).tolist():
            nodes = np.flatnonzero((work.job == job) & (work.kind == TRAINING))
            held.append((nodes[:, None] * gpus + np.arange(gpus)).ravel())
            holder.append(np.full(len(held[-1]), len(facts)))
            facts.append(JobFacts(scheduler="slurm", job_id=str(job), partition="training"))
        for node in np.flatnonzero(work.kind == INFERENCE).tolist():
            held.append(node * gpus + np.arange(gpus))
            holder.append(np.full(gpus, len(facts)))
            facts.append(JobFacts(scheduler="kubernetes", job_id=f"serve/{node}", partition="inference"))
        if not facts:
            return JobTable()
        return JobTable(jobs=tuple(facts), holder=np.concatenate(holder), gpu=np.concatenate(held))
