"""Sources and records of Slurm for tests."""

from __future__ import annotations

from collectors.frame.source import Tier
from collectors.slurm.history import Cluster
from collectors.slurm.job import Allocation, Job
from collectors.slurm.source import SlurmSource
from wattstat.jobs import Observed, Run

NOW = 1_800_000_000.0
TIERS = (Tier("jobs", 10, 30),)
CLUSTER = Cluster(scheduler="slurm", order="minor", names={}, counts={"gpu01": {"gpu": 8, "shard": 32}, "gpu02": {"gpu": 8}})


class Asked:
    """A source and what it told."""

    def __init__(self, way, **settings):
        self.told: list[Observed] = []
        self.source = SlurmSource(target="slurm", tiers=TIERS, way=way, sink=self.told.append, **settings)

    async def runs(self) -> dict[str, Run]:
        """The runs after one more asking, by job id, or `job id/instance` where there are several."""
        await self.source.collect("jobs")
        return by_id(self.told[-1].runs)


def by_id(runs) -> dict[str, Run]:
    several = {run.key.job_id for run in runs if sum(other.key.job_id == run.key.job_id for other in runs) > 1}
    return {f"{run.key.job_id}/{run.key.instance}" if run.key.job_id in several else run.key.job_id: run for run in runs}


def job(number: int = 7, states: str = "RUNNING", **members) -> Job:
    """A record of a job that runs on GPUs 0 and 1 of gpu01 since a hundred seconds."""
    held = (Allocation(node="gpu01", cpus=4, gres="gpu:h100:2(IDX:0-1)"),)
    usual = {
        "submitted": NOW - 110,
        "started": NOW - 100,
        "nodes": ("gpu01",),
        "allocations": held,
        "user": "ada",
        "name": "train",
    }
    return Job(id=number, states=frozenset(states.split()), **(usual | members))
