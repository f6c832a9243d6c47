"""What stands in the hall: racks, feeds, breakers, servers.

The sentence under a member is its documentation: `wattstat init` and the configuration reference are made of them.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from wattstat.document import Strict
from wattstat.values import Fingerprint, Url, Watts


class Site(Strict):
    """The whole installation."""

    name: str = "site"
    """What reports and pages call it."""
    timezone: str = "UTC"
    """Time zone of days and months in reports."""
    budget_watts: Watts | None = None
    """What the site may draw, if somebody set a limit."""


class Breaker(Strict):
    """A breaker."""

    name: str
    """Unique among the breakers."""
    limit_watts: Watts
    """Its rating at the site's voltage."""
    feed: str = "A"
    """The feed it hangs on: A, B or any name."""


class Rack(Strict):
    """A rack."""

    name: str
    """Unique among the racks."""
    row: str = ""
    """The row it stands in."""
    units: Annotated[int, Field(ge=1, le=60)] = 42
    """Its height in U."""
    budget_watts: Watts | None = None
    """What may be drawn in it, if somebody set a limit."""
    breakers: tuple[str, ...] = ()
    """Names of the breakers it hangs on."""


class Tls(Strict):
    """How a device's certificate is checked: by `ca_file`, by pinned `fingerprint`, else by the system's authorities."""

    verify: bool = True
    """`false` trusts any certificate; Wattstat then reports a security finding."""
    ca_file: Path | None = None
    """PEM file with the authority (or the device's own certificate), relative to the inventory."""
    fingerprint: Fingerprint | None = None
    """SHA-256 of the device's certificate, in hexadecimal."""


class Bmc(Strict):
    """A server's management controller (iDRAC)."""

    url: Url
    """Its address, such as https://10.0.0.1."""
    credentials: str = "bmc"
    """Name of an entry of `credentials` in wattstat.yaml."""
    tls: Tls = Tls()
    """How its certificate is checked."""


class Agent(Strict):
    """The `wattstat agent` on a server."""

    url: Url
    """Its address, such as http://gpu001:9837."""
    credentials: str | None = None
    """Name of an entry of `credentials` whose password is the bearer token, if the agent wants one."""
    tls: Tls = Tls()
    """How its certificate is checked."""


class Node(Strict):
    """A server."""

    name: str
    """Unique among the servers; the label `node` of every series."""
    model: str = ""
    """Such as PowerEdge XE9680."""
    rack: str = ""
    """Name of its rack."""
    unit: Annotated[int, Field(ge=1)] | None = None
    """The lowest U that it fills, counted from the floor."""
    height: Annotated[int, Field(ge=1)] = 1
    """How many U it fills."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """How many GPUs should be there."""
    gpu_model: str = ""
    """Such as H100 SXM5 80GB."""
    bmc: Bmc | None = None
    """Its management controller, if Wattstat shall read it."""
    agent: Agent | None = None
    """Its agent, if one runs there."""


class Inventory(Strict):
    """Everything that stands in the hall. Names are unique within their kind; what one entry names must exist."""

    site: Site = Site()
    """The whole installation."""
    breakers: tuple[Breaker, ...] = ()
    """The breakers."""
    racks: tuple[Rack, ...] = ()
    """The racks."""
    nodes: tuple[Node, ...] = ()
    """The servers."""

    def rack_of(self, node: str) -> str:
        """The rack of a node, empty where it is not known."""
        return self._racks_by_node.get(node, "")

    @cached_property
    def _racks_by_node(self) -> dict[str, str]:
        return {node.name: node.rack for node in self.nodes}


class NodeEntry(Node):
    """A server, or with a pattern as its name (`gpu[001-128]`) many alike.

    Names and addresses may hold `{name}`, `{n}` (the number as the name has it), `{i}` (the number without leading zeros) and
    `{i+100}` (or any offset).
    """

    racks: str | tuple[str, ...] = ()
    """Racks to fill in order, such as r[01-16]; instead of `rack`. `unit` is then the lowest U used in each."""
    per_rack: Annotated[int, Field(ge=1)] | None = None
    """How many of them stand in each of `racks`, one above the other."""


class InventoryFile(Inventory):
    """All of `inventory.yaml`. Names of breakers and racks may be patterns too. Relative paths are seen from its folder."""

    breakers: tuple[Breaker, ...] = Field(
        default=(),
        examples=[
            [
                {"name": "r[01-16]-a", "limit_watts": 34500, "feed": "A"},
                {"name": "r[01-16]-b", "limit_watts": 34500, "feed": "B"},
            ]
        ],
    )
    """The breakers."""
    racks: tuple[Rack, ...] = Field(
        default=(), examples=[[{"name": "r[01-16]", "row": "1", "units": 42, "breakers": ["{name}-a", "{name}-b"]}]]
    )
    """The racks."""
    nodes: tuple[NodeEntry, ...] = Field(
        default=(),
        examples=[
            [
                {
                    "name": "gpu[01-48]",
                    "model": "PowerEdge XE9680",
                    "racks": "r[01-16]",
                    "per_rack": 3,
                    "unit": 1,
                    "height": 6,
                    "gpus": 8,
                    "gpu_model": "H100 SXM5 80GB",
                    "bmc": {"url": "https://{name}-idrac.example.net", "credentials": "bmc", "tls": {"ca_file": "bmc-ca.pem"}},
                    "agent": {"url": "http://{name}.example.net:9837"},
                }
            ]
        ],
    )
    """The servers."""
