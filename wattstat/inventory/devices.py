"""What stands in the hall beside servers: switches, storage, metered power strips, and the cables between them.

The sentence under a member is its documentation: `wattstat init` and the configuration reference are made of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from wattstat.document import Strict
from wattstat.values import Fingerprint, Guid, HostPort, Url, Watts


class Tls(Strict):
    """How a device's certificate is checked: by `ca_file`, by pinned `fingerprint`, else by the system's authorities."""

    verify: bool = True
    """`false` trusts any certificate; Wattstat then reports a security finding."""
    ca_file: Path | None = None
    """PEM file with the authority (or the device's own certificate), relative to the inventory."""
    fingerprint: Fingerprint | None = None
    """SHA-256 of the device's certificate, in hexadecimal."""


class Snmp(Strict):
    """How a device is asked by SNMP, which is only ever read."""

    address: HostPort
    """Its address, such as 10.0.1.1; with `:port` where that is not 161."""
    version: Literal["2c", "3"] = "2c"
    """2c sends the community in the clear; 3 signs and encrypts."""
    credentials: str = "snmp"
    """Name of an entry of `credentials` in wattstat.yaml: for 2c its password is the community; for 3 it is the user and the
    pass phrase that signs."""
    signs: Literal["md5", "sha"] = "sha"
    """How version 3 signs: HMAC-SHA-96, or HMAC-MD5-96 for old devices."""
    privacy: str | None = None
    """Name of an entry of `credentials` whose password encrypts version 3; not encrypted unless given."""
    encrypts: Literal["des", "aes"] = "aes"
    """How version 3 encrypts: AES-128, or DES for old devices."""


class Https(Strict):
    """A device's own web interface for programs."""

    url: Url
    """Its address, such as https://10.0.1.1."""
    credentials: str
    """Name of an entry of `credentials` in wattstat.yaml."""
    tls: Tls = Tls()
    """How its certificate is checked."""


class Switch(Strict):
    """A switch. Breakers are charged with its `max_watts`, always: it takes no cap."""

    name: str
    """Unique among everything that draws power; the label `switch` of its series."""
    model: str = ""
    """Such as PowerSwitch Z9432F-ON or QM9700."""
    fabric: Literal["ethernet", "infiniband"] = "ethernet"
    """What it switches."""
    role: Literal["leaf", "spine", "core", "management", "other"] = "leaf"
    """Its place: servers and storage hang on leaves."""
    system: Literal["os10", "sonic", "mlnx-os", "nvos", "generic"] | None = None
    """Its operating system; asked of the device unless given."""
    guid: Guid = ""
    """An InfiniBand switch's GUID, by which the fabric manager knows it; matched by name unless given."""
    rack: str = ""
    """The rack it stands in."""
    unit: Annotated[int, Field(ge=1)] | None = None
    """The lowest U that it fills, counted from the floor."""
    height: Annotated[int, Field(ge=1)] = 1
    """How many U it fills."""
    max_watts: Watts | None = None
    """The most it draws at its inlets."""
    breakers: tuple[str, ...] = ()
    """Names of the breakers it hangs on, where they are not its rack's."""
    snmp: Snmp | None = None
    """Its SNMP agent, if Wattstat shall read it."""
    rest: Https | None = None
    """Its web interface: RESTCONF of OS10 and SONiC, the JSON API of MLNX-OS, NVUE of NVOS."""


class StorageNode(Strict):
    """A node of a storage cluster, or with a pattern as its name (`scratch-[1-4]`) many alike, one above the other."""

    name: str
    """Unique among everything that draws power; the label `storage_node` of its series."""
    number: Annotated[int, Field(ge=1)] | None = None
    """Its number in the cluster (LNN of PowerScale); its place in this list unless given."""
    rack: str = ""
    """The rack it stands in."""
    unit: Annotated[int, Field(ge=1)] | None = None
    """The lowest U that it fills, counted from the floor."""
    height: Annotated[int, Field(ge=1)] = 1
    """How many U it fills."""
    max_watts: Watts | None = None
    """The most it draws at its inlets. Breakers are charged with it, always: it takes no cap."""
    breakers: tuple[str, ...] = ()
    """Names of the breakers it hangs on, where they are not its rack's."""


class Storage(Strict):
    """A storage cluster."""

    name: str
    """Unique among the storage clusters; the label `storage` of its series."""
    kind: Literal["powerscale", "ecs", "objectscale"]
    """What it is: OneFS of PowerScale, or ECS and ObjectScale."""
    model: str = ""
    """Such as F600, F900 or EXF900."""
    url: Url
    """Its address, such as https://storage:8080 (OneFS) or https://ecs:4443."""
    credentials: str = "storage"
    """Name of an entry of `credentials` in wattstat.yaml. A role that may read is enough."""
    tls: Tls = Tls()
    """How its certificate is checked."""
    design_read_bytes_per_second: Annotated[float, Field(gt=0)] | None = None
    """What it was bought to read, so that saturation is seen before it hurts: 40e9 for four F600."""
    design_write_bytes_per_second: Annotated[float, Field(gt=0)] | None = None
    """What it was bought to write: 8e9 for four F600."""
    nodes: tuple[StorageNode, ...] = ()
    """Its nodes, where they stand and what they draw at most."""
    readers: tuple[str, ...] = ()
    """Names of the servers that read from it, or patterns; all unless given."""


class Pdu(Strict):
    """A metered power strip, or any meter that tells what a rack draws."""

    name: str
    """Unique among the PDUs; the label `pdu` of its series."""
    kind: Literal["raritan", "apc", "servertech", "generic"] | None = None
    """Whose it is; asked of the device unless given."""
    rack: str = ""
    """The rack whose devices hang on it."""
    feed: str = ""
    """The feed it hangs on: A, B or any name."""
    breaker: str = ""
    """The breaker before it."""
    carries_rack: bool = True
    """Whether everything in the rack hangs on it and on the rack's other PDUs: then together they measure the rack."""
    outlets: dict[str, str] = Field(default_factory=dict)
    """What hangs on its outlets, as `outlet: name` of a server, switch or storage node; one on several draws their sum."""
    snmp: Snmp
    """Its SNMP agent."""


class Link(Strict):
    """A cable between a server's port and a switch."""

    node: str
    """The server."""
    device: str
    """Its port: mlx5_0 for InfiniBand, eth0 for Ethernet."""
    rail: Annotated[int, Field(ge=1)] | None = None
    """The rail, if the fabric has rails: in rail-optimized fabrics the same port of all servers hangs on the same leaf."""
    switch: str
    """The switch at the other end."""
    port: str = ""
    """Its port, as the switch calls it."""
