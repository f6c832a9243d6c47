"""What the ledger shows in the hall: jobs, their power now and their energy as far as settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

from energy.ledger.alone import Alone
from energy.ledger.checks import Checks
from energy.ledger.claims import Claim, claims
from energy.ledger.lines import Ledgered
from energy.ledger.node import NodeState
from energy.ledger.roster import Roster
from energy.model import HOUR
from wattstat.catalogue import job as catalogue
from wattstat.catalogue.gpu import GPU_POWER_WATTS
from wattstat.catalogue.metric import Samples
from wattstat.hall import Snapshot
from wattstat.jobs import Run, RunKey
from wattstat.journal import Gpu

RESIDUAL_HOURS = 24


@dataclass(kw_only=True)
class Figures:
    """Sums since core started, and the newest power of every GPU."""

    disagreement_ratio: float
    alone: Alone = field(default_factory=Alone)
    watts: dict[str, float] = field(default_factory=dict)
    parts: dict[RunKey, dict[str, float]] = field(default_factory=dict)
    accounts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    posted: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    holes: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    checks: Checks = field(default_factory=Checks)
    _balances: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)

    def see(self, snapshot: Snapshot) -> None:
        """GPUs' power: the average of a second where the board tells it, else of the instant."""
        watts: dict[str, float] = {}
        for found in snapshot.find(GPU_POWER_WATTS, scope="gpu"):
            _, _, uuid, window, _ = found.sample.labels
            if window == "1s" or uuid not in watts:
                watts[uuid] = found.sample.value
        self.watts = watts

    def post(self, ledgered: Ledgered, roster: Roster, seconds: float) -> None:
        """Add what was written for a span of so many seconds."""
        self.checks.settled(ledgered, seconds)
        for (_, key), line in ledgered.lines.items():
            joules = line.joules
            kind = ledgered.account(key)
            self.posted[kind, "estimated"] += min(line.estimated, joules)
            self.posted[kind, "exact"] += max(0.0, joules - line.estimated)
            run = roster.run(key) if key is not None else None
            self.accounts[f"({kind})" if key is None else run.account if run else ""] += joules
            if key is not None:
                parts = self.parts.setdefault(key, {"gpu": 0.0, "cpu": 0.0, "rest": 0.0, "allocated_idle": 0.0})
                parts["gpu"] += line.gpu
                parts["cpu"] += line.cpu
                parts["rest"] += line.rest
                parts["allocated_idle"] += line.idle
        hours = self._balances.setdefault(ledgered.node, {})
        for hour, balance in ledgered.hours.items():
            self.holes[ledgered.node] += balance.hole_seconds
            measured, posted = hours.get(hour, (0.0, 0.0))
            hours[hour] = measured + balance.measured, posted + balance.jobs + balance.idle + balance.overhead
        for old in [hour for hour in hours if hour < max(hours) - RESIDUAL_HOURS * HOUR]:
            del hours[old]

    def forget(self, keep: Callable[[RunKey], bool]) -> None:
        """Drop the sums of runs that are over."""
        for key in [key for key in self.parts if not keep(key)]:
            del self.parts[key]

    def keep(self, nodes: AbstractSet[str]) -> None:
        """Drop what is known of nodes that are not there any more."""
        for gone in (self._balances.keys() | self.holes.keys()) - nodes:
            self._balances.pop(gone, None)
            self.holes.pop(gone, None)
        self.checks.keep(nodes)

    def residual(self, node: str) -> float | None:
        """What a node's meter counted and nobody was posted, over what it counted."""
        hours = self._balances.get(node, {}).values()
        measured, posted = sum(each[0] for each in hours), sum(each[1] for each in hours)
        return (measured - posted) / measured if measured > 0 else None

    def samples(self, out: Samples, roster: Roster, nodes: Mapping[str, NodeState], shift: float) -> None:
        """Everything, now."""
        gpus = {name: node.gpus for name, node in nodes.items()}
        for run in roster.alive():
            self.alone.tried("showing it", f"job {run.key.job_id}", partial(self._run, out, run, roster, gpus))
        for account, joules in self.accounts.items():
            out.add(catalogue.ACCOUNT_ENERGY_JOULES_TOTAL, joules, account)
        for (kind, method), joules in self.posted.items():
            out.add(catalogue.LEDGER_POSTED_JOULES_TOTAL, joules, kind, method)
        for name, node in nodes.items():
            if node.settled is not None:
                out.add(catalogue.LEDGER_SETTLED_TIMESTAMP_SECONDS, node.settled + shift, name)
            out.add(catalogue.LEDGER_HOLE_SECONDS_TOTAL, self.holes.get(name), name)
            out.add(catalogue.LEDGER_RESIDUAL_RATIO, self.residual(name), name)
        for (name, index), check in self.checks.gpus.items():
            out.add(catalogue.ENERGY_DISAGREEMENT_RATIO, check.ratio, name, str(index))
        for name, check in self.checks.nodes.items():
            out.add(catalogue.NODE_DEVICE_DISAGREEMENT_RATIO, check.ratio, name)

    def findings(self) -> tuple[str, ...]:
        """What somebody should look at."""
        return self.checks.findings(self.disagreement_ratio)

    def _run(self, out: Samples, run: Run, roster: Roster, gpus: Mapping[str, tuple[Gpu, ...]]) -> None:
        scheduler, job_id, _ = run.key
        who = run.user, run.account, run.partition
        out.add(catalogue.JOB_INFO, 1, scheduler, job_id, run.name, *who, run.qos, run.state)
        out.add(catalogue.JOB_START_TIMESTAMP_SECONDS, run.started, scheduler, job_id)
        out.add(catalogue.JOB_GPUS, run.gpus, scheduler, job_id)
        watts: float | None = None
        for node in run.nodes:
            stay = roster.stays.get(node, {}).get(run.key)
            for uuid, held in claims([stay] if stay else [], gpus.get(node, ())).items():
                index = next(str(gpu.index) for gpu in gpus[node] if gpu.uuid == uuid)
                for claim in held:
                    out.add(catalogue.JOB_GPU_INFO, 1, scheduler, job_id, *who, node, index, uuid, _part(claim))
                    if uuid in self.watts:
                        watts = (watts or 0.0) + claim.fraction * self.watts[uuid]
        out.add(catalogue.JOB_POWER_WATTS, watts, scheduler, job_id, *who)
        for part, joules in self.parts.get(run.key, {}).items():
            out.add(catalogue.JOB_ENERGY_JOULES_TOTAL, joules, scheduler, job_id, part)


def _part(claim: Claim) -> str:
    """The hardware's part that is held; one of several on a GPU that is not divided holds no part with a name of its own."""
    return claim.holder if claim.is_slice else ""
