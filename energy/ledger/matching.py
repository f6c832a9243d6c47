"""Which run a node's word of a start or an end is about, and what it tells of that run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wattstat.jobs import GpuHold, Placement, Run, RunKey
from wattstat.journal import Boundary, Edge

# Where a scheduler's collector keeps the scheduler's own number of a job, beside the id that users know.
NUMBER_LABELS = ("slurm_job_id",)
_SAME_SECOND = 1.0


def is_of(boundary: Boundary, scheduler: str) -> bool:
    """Whether a boundary may be this scheduler's: a prolog may not know which of several clusters it serves."""
    return scheduler.partition(":")[0] == boundary.scheduler.partition(":")[0]


def run_of(boundary: Boundary, runs: Iterable[Run]) -> Run | None:
    """The run that a boundary speaks of.

    Slurm's prolog may know a task of an array, or a component, by its number only (seen with 22.05), and its epilog not how
    often the job was started. A start is that of the run that began next to it; an end that of the last that had begun.
    """
    own = [run for run in runs if is_of(boundary, run.key.scheduler) and _is_called(run, boundary)]
    if boundary.edge is Edge.END:
        begun = [run for run in own if run.started <= boundary.at + _SAME_SECOND]
        return max(begun, key=lambda run: run.started, default=None)
    return min(own, key=lambda run: abs(run.started - boundary.at), default=None)


def names(run: Run) -> set[str]:
    """What a boundary may call the run's job."""
    return {run.key.job_id, *(run.labels[label] for label in NUMBER_LABELS if label in run.labels)}


def _is_called(run: Run, boundary: Boundary) -> bool:
    return boundary.job_id in names(run) and boundary.instance in {"", run.key.instance}


def run_told_by(key: RunKey, node: str, boundary: Boundary) -> Run:
    """A run as far as a boundary tells."""
    return Run(
        key=key,
        name=boundary.name,
        user=boundary.user,
        account=boundary.account,
        partition=boundary.partition,
        started=boundary.at,
        placements=(_placement(node, boundary),),
    )


def joined(run: Run, node: str, boundary: Boundary) -> Run:
    """The run with one more node."""
    if node in run.nodes:
        return run
    return replace(run, placements=(*run.placements, _placement(node, boundary)))


def filled(run: Run, node: str, boundary: Boundary) -> Run:
    """The run with what it held on a node, where its scheduler had forgotten that before it was asked: a short job."""
    return replace(run, placements=tuple(_placement(node, boundary) if each.node == node else each for each in run.placements))


def _placement(node: str, boundary: Boundary) -> Placement:
    return Placement(node=node, gpus=tuple(GpuHold(uuid=uuid) for uuid in boundary.gpus))
