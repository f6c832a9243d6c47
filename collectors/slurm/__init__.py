"""Slurm: which job holds which GPUs of which node, by slurmrestd or by Slurm's commands."""

from collectors.slurm.source import SlurmSource, sources

__all__ = ["SlurmSource", "sources"]
