"""Settings: who says which job runs where."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from wattstat.document import Strict
from wattstat.values import Fingerprint, Seconds, SocketOrUrl, Url


class SchedulerTls(Strict):
    """How a scheduler's certificate is checked: by `ca_file`, by pinned `fingerprint`, else by the system's authorities."""

    verify: bool = True
    """`false` trusts any certificate."""
    ca_file: Path | None = None
    """PEM file with the authority (or the certificate itself)."""
    fingerprint: Fingerprint | None = None
    """SHA-256 of the certificate, in hexadecimal."""


class CommandScheduler(Strict):
    """Another scheduler (PBS, LSF, Grid Engine): a command that prints its jobs as JSON, as docs/schedulers.md describes."""

    name: str
    """What reports call it."""
    command: tuple[str, ...]
    """The program and its arguments."""
    every_seconds: Seconds = 15
    """How often it is run."""
    timeout_seconds: Seconds = 10
    """How long it may take; it and what it started are then killed."""
    nodes: dict[str, str] = Field(default_factory=dict)
    """Its names of nodes that the inventory calls otherwise, as `scheduler's name: inventory name`."""


class Slurm(Strict):
    """A Slurm cluster. With `url` slurmrestd is asked, else the commands on this machine."""

    url: SocketOrUrl | None = None
    """Address of slurmrestd, such as http://slurmctl:6820 or unix:/run/slurmrestd/slurmrestd.socket."""
    credentials: str | None = None
    """Name of an entry of `credentials`: the user and, as the password, the JSON web token for slurmrestd."""
    tls: SchedulerTls = SchedulerTls()
    """How its certificate is checked."""
    commands: Path | None = None
    """Folder of squeue and scontrol; the PATH's unless given."""
    conf: Path | None = None
    """The slurm.conf that the commands shall use; Slurm's own unless given."""
    cluster: str = ""
    """The cluster's name, where several are watched."""
    nodes: dict[str, str] = Field(default_factory=dict)
    """Slurm's names of nodes that the inventory calls otherwise, as `slurm name: inventory name`."""
    gpu_order: Literal["minor", "pci"] = "minor"
    """What a GPU's number in Slurm means: the minor number of its device file (`File=/dev/nvidia[0-7]` in gres.conf), or its
    place in order of PCI addresses (`AutoDetect=nvml`)."""
    every_seconds: Seconds = 10
    """How often it is asked."""
    timeout_seconds: Seconds = 8
    """How long an answer may take."""
    admin_comment: bool = False
    """Write a finished job's energy into its AdminComment, so that sacct shows it."""


class Kubernetes(Strict):
    """A Kubernetes cluster. Which pod holds which GPU is told by the agents; names and owners by the API."""

    url: Url | None = None
    """Address of the API server; that of the pod's own service account unless given."""
    credentials: str | None = None
    """Name of an entry of `credentials` with a bearer token; the pod's own service account unless given."""
    tls: SchedulerTls = SchedulerTls()
    """How its certificate is checked."""
    cluster: str = ""
    """The cluster's name, where several are watched."""
    nodes: dict[str, str] = Field(default_factory=dict)
    """Kubernetes' names of nodes that the inventory calls otherwise, as `kubernetes name: inventory name`."""
    inference: bool = True
    """Read the metrics of pods that hold GPUs and name a port by the annotation `prometheus.io/port`: they may serve models."""
    account_label: str = ""
    """Label of a pod that names the account; the namespace unless given."""
    user_label: str = ""
    """Label of a pod that names the user; the owner's name (Job, StatefulSet …) unless given."""
    every_seconds: Seconds = 10
    """How often it is asked."""
    timeout_seconds: Seconds = 8
    """How long an answer may take."""


class Schedulers(Strict):
    """Who says which job runs where."""

    slurm: tuple[Slurm, ...] = Field(default=(), examples=[[{"url": "http://slurmctl:6820", "credentials": "slurm"}]])
    """Slurm clusters."""
    kubernetes: tuple[Kubernetes, ...] = ()
    """Kubernetes clusters."""
    commands: tuple[CommandScheduler, ...] = ()
    """Any other scheduler, by a command that prints its jobs."""
