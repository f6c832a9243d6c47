"""Which GPUs write a checkpoint now: no planned cut for them, unless there is an emergency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

import numpy as np

from power.model import Bools
from power.policies.columns import Active
from power.policies.masks import Masks


def writing(actives: Sequence[Active], masks: Masks, announced: Mapping[tuple[str, str], float], at: float) -> Bools:
    """GPUs of jobs that write now, by a policy's pattern or by their own word (`announced`: until when)."""
    jobs = masks.jobs
    busy = np.fromiter((at < announced.get((job.scheduler, job.job_id), -inf) for job in jobs.jobs), np.bool_, len(jobs.jobs))
    for active in actives:
        asked = active.policy.ask.jobs
        if asked is None or (pattern := asked.checkpoints) is None:
            continue
        period = 60 * pattern.every_minutes
        since = at - masks.job_starts
        # The first checkpoint is written one period after the start; a job without a known start has none (NaN).
        busy |= masks.jobs_in(active.policy.scope) & (since >= period) & (since % period < pattern.for_seconds)
    keep = np.zeros(len(masks.fleet.gpus), np.bool_)
    if busy.any():
        keep[jobs.gpu[busy[jobs.holder]]] = True
    return keep
