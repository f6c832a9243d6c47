"""How Slurm calls jobs. Nothing is imported here: prologs have no time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def job_id(variables: Mapping[str, str]) -> str:
    """The job's id as its user knows it, out of Slurm's variables: `1234`, `1234_7`, `1234+1`; empty where it is not told."""
    get = variables.get
    if get("SLURM_ARRAY_JOB_ID") and get("SLURM_ARRAY_TASK_ID"):
        return f"{get('SLURM_ARRAY_JOB_ID')}_{get('SLURM_ARRAY_TASK_ID')}"
    if get("SLURM_HET_JOB_ID") and get("SLURM_HET_JOB_OFFSET"):
        return f"{get('SLURM_HET_JOB_ID')}+{get('SLURM_HET_JOB_OFFSET')}"
    return get("SLURM_JOB_ID", "")
