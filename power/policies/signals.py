"""What policies look at: temperatures, feeds, who runs where, numbers from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from power.model import Floats, Ints

NO_JOB = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """A job that is alive. `started` is Unix time, None where the scheduler did not say."""

    scheduler: str
    job_id: str
    user: str = ""
    account: str = ""
    partition: str = ""
    qos: str = ""
    started: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobTable:
    """Who holds which GPU: hold i is of job `holder[i]` on GPU `gpu[i]`, rows of the fleet. Shared GPUs have several."""

    jobs: tuple[JobFacts, ...] = ()
    holder: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    gpu: Ints = field(default_factory=lambda: np.empty(0, np.int64))


NO_JOBS = JobTable()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signals:
    """What is known at one moment. Columns of servers; NaN where nobody knows.

    `lost_ratio`: share of a server's power supplies without input. `energy_joules`: the server's counter. `utilisation`: column
    of GPUs. `numbers`: price, carbon, and whatever was posted. `checkpoints`: jobs that announced to be writing one, by
    (scheduler, job id), and until when.
    """

    inlet_celsius: Floats
    exhaust_celsius: Floats
    lost_ratio: Floats
    node_watts: Floats
    energy_joules: Floats
    utilisation: Floats
    jobs: JobTable = NO_JOBS
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    checkpoints: Mapping[tuple[str, str], float] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def nothing(cls, nodes: int, gpus: int) -> Signals:
        """Where nothing is known."""
        unknown = np.full(nodes, np.nan)
        return cls(
            inlet_celsius=unknown,
            exhaust_celsius=unknown,
            lost_ratio=unknown,
            node_watts=unknown,
            energy_joules=unknown,
            utilisation=np.full(gpus, np.nan),
        )
