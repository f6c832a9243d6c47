"""Settings: how switches, storage, PDUs and the managers above them are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from wattstat.config.schedulers import SchedulerTls
from wattstat.document import Strict
from wattstat.values import Seconds, Url


class StorageReader(Strict):
    """How storage clusters are read."""

    fast_seconds: Seconds = 30
    """How often throughput, operations and latency are read."""
    medium_seconds: Seconds = 60
    """How often nodes, sensors and power supplies are read."""
    slow_seconds: Seconds = 300
    """How often capacity, pools, drives and events are read."""
    quota_seconds: Seconds = 900
    """How often quotas, snapshots, namespaces and identity are read."""
    timeout_seconds: Seconds = 20
    """How long one request may take."""


class SwitchReader(Strict):
    """How switches are read."""

    ports_seconds: Seconds = 30
    """How often counters of ports are read."""
    environment_seconds: Seconds = 60
    """How often power supplies, fans, temperatures and optics are read."""
    topology_seconds: Seconds = 300
    """How often identity, names of ports and neighbours are read."""
    timeout_seconds: Seconds = 5
    """How long one answer may take; one that does not come is asked for once more."""
    repetitions: Annotated[int, Field(ge=1, le=100)] = 32
    """Rows that one SNMP request asks for (GETBULK max-repetitions). Lower it for switches that answer late or not at all."""


class PduReader(Strict):
    """How metered power strips are read."""

    every_seconds: Seconds = 10
    """How often power is read."""
    slow_seconds: Seconds = 300
    """How often identity and names of outlets are read."""
    timeout_seconds: Seconds = 4
    """How long one answer may take."""


class Ufm(Strict):
    """A Unified Fabric Manager (UFM) of an InfiniBand fabric."""

    name: str
    """What its series call it (label `manager`)."""
    url: Url
    """Its address, such as https://ufm."""
    credentials: str
    """Name of an entry of `credentials`: basic where it has a user, else an access token."""
    tls: SchedulerTls = SchedulerTls()
    """How its certificate is checked."""
    telemetry_url: Url | None = None
    """Where UFM Telemetry serves its counters, such as http://ufm:9001/metrics; the REST interface's unless given."""
    every_seconds: Seconds = 30
    """How often ports are read."""
    slow_seconds: Seconds = 300
    """How often systems, links and alarms are read."""
    timeout_seconds: Seconds = 20
    """How long an answer may take."""


class InBand(Strict):
    """InfiniBand switches read in band by `ibswinfo` on this machine, which needs an adapter on the fabric and root or umad."""

    switches: dict[str, str] = Field(examples=[{"ib-leaf-1": "lid-7"}])
    """What to ask `ibswinfo -d` for, by the switches' names in the inventory."""
    program: str = "ibswinfo"
    """The program, if it is not on the path."""
    every_seconds: Seconds = 120
    """How often each is asked."""
    timeout_seconds: Seconds = 30
    """How long it may take; it and everything that it started are then killed."""
    ports: bool = False
    """Also reads ports and cables of the whole fabric, by `ibnetdiscover` and `perfquery`, where no UFM does."""


class BaseCommand(Strict):
    """An NVIDIA Base Command Manager (Bright Cluster Manager)."""

    name: str
    """What its series call it (label `manager`)."""
    url: Url
    """Its address, such as https://head:8081."""
    certificate: Path | None = None
    """PEM file with a client certificate of a profile that may read (such as ~/.cm/cert.pem)."""
    key: Path | None = None
    """PEM file with its key."""
    credentials: str | None = None
    """Name of an entry of `credentials`, where a user and password are used instead."""
    tls: SchedulerTls = SchedulerTls()
    """How the manager's certificate is checked."""
    nodes: dict[str, str] = Field(default_factory=dict)
    """Its names of nodes that the inventory calls otherwise, as `manager's name: inventory name`."""
    measurables: tuple[str, ...] = (
        "GPUsTotal",
        "GPUsUp",
        "TotalGPUUtilization",
        "TotalGPUMemoryUtilization",
        "TotalGPUPowerUsage",
        "RunningJobs",
        "QueuedJobs",
    )
    """Measurables that are read: these, and checks that say PASS or FAIL, such as gpu_health_overall."""
    categories: tuple[str, ...] = ()
    """Categories, or patterns of them, whose servers the inventory takes over where `inventory.bcm` names this manager; all
    unless given."""
    agent_url: str | None = Field(default=None, examples=["http://{name}:9837"])
    """Where the agents of servers that the inventory takes over are; {name} and {ip} stand for the server's."""
    bmc_url: str | None = Field(default=None, examples=["https://{name}-idrac.example.net"])
    """Where the BMCs of servers that the inventory takes over are; {name} and {ip} stand for the server's."""
    bmc_credentials: str = "bmc"
    """Name of an entry of `credentials` for those BMCs."""
    bmc_tls: SchedulerTls = SchedulerTls()
    """How those BMCs' certificates are checked."""
    every_seconds: Seconds = 60
    """How often states and totals are read."""
    slow_seconds: Seconds = 600
    """How often devices, categories and racks are read."""
    timeout_seconds: Seconds = 20
    """How long an answer may take."""
