"""What stands in the hall: racks, feeds, breakers, servers. Switches, storage and PDUs are described in `devices.py`.

The sentence under a member is its documentation: `wattstat init` and the configuration reference are made of them.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from wattstat.document import Strict
from wattstat.inventory.devices import Link, Pdu, Storage, StorageNode, Switch, Tls
from wattstat.values import Url, Watts


class Site(Strict):
    """The whole installation."""

    name: str = "site"
    """What reports and pages call it."""
    timezone: str = "UTC"
    """Time zone of days and months in reports."""
    budget_watts: Watts | None = None
    """What the site may draw, if somebody set a limit."""


class TripPoint(Strict):
    """A point of a trip curve."""

    ratio: Annotated[float, Field(gt=1)]
    """Load as a multiple of the rating: 1.4 is 40 % over it."""
    seconds: Annotated[float, Field(gt=0)]
    """After how long the breaker opens."""


class Breaker(Strict):
    """A breaker: a rack's, or a main that others hang on."""

    name: str
    """Unique among the breakers."""
    limit_watts: Watts
    """Its rating at the site's voltage."""
    feed: str = "A"
    """The feed it hangs on: A, B or any name."""
    upstream: str | None = None
    """Name of the breaker above it, if there is one: it carries everything that hangs on this one."""
    curve: Literal["rack", "main", "ups"] = "rack"
    """How long it holds an overload: rack 17 min at 10 % and 60 s at 40 %, main 60 s at 15 %, ups 10 s at 33 %."""
    trip_points: tuple[TripPoint, ...] = Field(
        default=(), examples=[[{"ratio": 1.1, "seconds": 1000}, {"ratio": 1.4, "seconds": 60}, {"ratio": 5, "seconds": 0.02}]]
    )
    """Its own curve instead, by points of its data sheet."""
    continuous_ratio: Annotated[float, Field(gt=0, le=1.05)] | None = None
    """Share of the rating that the worst case may reach; `power.trip_safe_ratio` unless given."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        for one, other in pairwise(self.trip_points):
            if other.ratio <= one.ratio or other.seconds >= one.seconds:
                raise ValueError(
                    f"the curve goes from {one.seconds:g} s at {one.ratio:g} to {other.seconds:g} s at {other.ratio:g}; "
                    "expected points in order of load, each with less time than the one before"
                )
        return self


class Row(Strict):
    """A row of racks that somebody set a limit for. Rows need no entry: racks name theirs."""

    name: str
    """As its racks call it."""
    budget_watts: Watts | None = None
    """What may be drawn in it."""


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
    failover: bool = True
    """On breakers of several feeds: whether each feed must carry the whole rack when the others are lost; else its share."""


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


class Maintenance(Strict):
    """Planned work on a server: alerts of it are kept quiet until it ends."""

    reason: Annotated[str, Field(min_length=1)]
    """What is done, in a few words: it stands beside every alert that is kept quiet."""
    until: AwareDatetime
    """When it ends, with its offset from UTC, such as 2026-11-24T18:00:00+01:00. From then on alerts are told again."""


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
    max_watts: Watts | None = None
    """The most it draws at its inlets, by its nameplate, its maker's planning tool or measurement."""
    rest_watts: Watts | None = None
    """The most it draws at its inlets beside its GPUs: processors, memory, fans, baseboard. Measured P99.9 is good."""
    bmc: Bmc | None = None
    """Its management controller, if Wattstat shall read it."""
    agent: Agent | None = None
    """Its agent, if one runs there."""
    maintenance: Maintenance | None = None
    """Planned work on it, while there is some: {reason: riser exchanged, until: 2026-11-24T18:00:00+01:00}."""


class Load(Strict):
    """What draws power, takes no cap and is not read: a pump, a light. Breakers are charged with its most, always."""

    name: str
    """Unique among the loads."""
    max_watts: Watts
    """The most it draws."""
    kind: Literal["switch", "storage", "server", "cooling", "other"] = "other"
    """What it is."""
    rack: str = ""
    """The rack it stands in; it hangs on the rack's breakers unless it has its own."""
    breakers: tuple[str, ...] = ()
    """Names of the breakers it hangs on, where they are not its rack's. On several feeds each carries it whole."""


class Group(Strict):
    """Servers that people speak of together: a tenant's, a partition's, a training pool. Groups may overlap."""

    name: str
    """Unique among the groups."""
    nodes: tuple[str, ...]
    """Names of its servers."""
    budget_watts: Watts | None = None
    """What they may draw together, if somebody set a limit."""


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
    rows: tuple[Row, ...] = ()
    """Rows of racks that have a limit."""
    loads: tuple[Load, ...] = ()
    """What takes no cap and is described nowhere else: pumps, lights."""
    groups: tuple[Group, ...] = ()
    """Servers that budgets and policies name together."""
    switches: tuple[Switch, ...] = ()
    """The switches."""
    storage: tuple[Storage, ...] = ()
    """The storage clusters."""
    pdus: tuple[Pdu, ...] = ()
    """Metered power strips."""
    links: tuple[Link, ...] = ()
    """Which port of which server hangs on which switch, where no fabric manager tells."""

    @cached_property
    def uncapped(self) -> tuple[Load, ...]:
        """Everything that draws power and takes no cap: `loads`, and switches and storage nodes whose most is known."""
        members = [member for cluster in self.storage for member in cluster.nodes]
        return (
            *self.loads,
            *(_load(each, "switch", each.max_watts) for each in self.switches if each.max_watts is not None),
            *(_load(each, "storage", each.max_watts) for each in members if each.max_watts is not None),
        )

    def rack_of(self, node: str) -> str:
        """The rack of a node, empty where it is not known."""
        return self._racks_by_node.get(node, "")

    @cached_property
    def _racks_by_node(self) -> dict[str, str]:
        return {node.name: node.rack for node in self.nodes}


def _load(device: Switch | StorageNode, kind: Literal["switch", "storage"], max_watts: float) -> Load:
    return Load(name=device.name, kind=kind, max_watts=max_watts, rack=device.rack, breakers=device.breakers)


class NodeEntry(Node):
    """A server, or with a pattern as its name (`gpu[001-128]`) many alike.

    Names and addresses may hold `{name}`, `{n}` (the number as the name has it), `{i}` (the number without leading zeros) and
    `{i+100}` (or any offset).
    """

    racks: str | tuple[str, ...] = ()
    """Racks to fill in order, such as r[01-16]; instead of `rack`. `unit` is then the lowest U used in each."""
    per_rack: Annotated[int, Field(ge=1)] | None = None
    """How many of them stand in each of `racks`, one above the other."""


class LoadEntry(Load):
    """What takes no cap, or with a pattern as its name (`sw[01-16]`) many alike."""

    racks: str | tuple[str, ...] = ()
    """Racks to fill in order, such as r[01-16]; instead of `rack`."""
    per_rack: Annotated[int, Field(ge=1)] | None = None
    """How many of them stand in each of `racks`."""


class SwitchEntry(Switch):
    """A switch, or with a pattern as its name (`leaf[01-16]`) many alike."""

    racks: str | tuple[str, ...] = ()
    """Racks to fill in order, such as r[01-16]; instead of `rack`."""
    per_rack: Annotated[int, Field(ge=1)] | None = None
    """How many of them stand in each of `racks`."""


class PduEntry(Pdu):
    """A PDU, or with a pattern as its name (`pdu-[01-16]a`) many alike."""

    racks: str | tuple[str, ...] = ()
    """The racks in order, such as r[01-16]; instead of `rack`."""
    per_rack: Annotated[int, Field(ge=1)] | None = None
    """How many of them hang in each of `racks`."""


class GroupEntry(Group):
    """A group of servers."""

    nodes: tuple[str, ...] = Field(examples=[["gpu[01-24]"]])
    """Names of its servers, or patterns of names."""


class InventoryFile(Inventory):
    """All of `inventory.yaml`. All names may be patterns. Relative paths are seen from its folder."""

    breakers: tuple[Breaker, ...] = Field(
        default=(),
        examples=[
            [
                {"name": "main-a", "limit_watts": 500000, "feed": "A", "curve": "main"},
                {"name": "main-b", "limit_watts": 500000, "feed": "B", "curve": "main"},
                {"name": "r[01-16]-a", "limit_watts": 34500, "feed": "A", "upstream": "main-a"},
                {"name": "r[01-16]-b", "limit_watts": 34500, "feed": "B", "upstream": "main-b"},
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
    rows: tuple[Row, ...] = Field(default=(), examples=[[{"name": "1", "budget_watts": 480000}]])
    """Rows of racks that have a limit."""
    loads: tuple[LoadEntry, ...] = Field(
        default=(),
        examples=[[{"name": "pump[01-16]", "kind": "cooling", "max_watts": 900, "racks": "r[01-16]", "per_rack": 1}]],
    )
    """What takes no cap and is described nowhere else: pumps, lights."""
    groups: tuple[GroupEntry, ...] = Field(
        default=(), examples=[[{"name": "training", "nodes": ["gpu[01-24]"], "budget_watts": 200000}]]
    )
    """Servers that budgets and policies name together."""
    switches: tuple[SwitchEntry, ...] = Field(
        default=(),
        examples=[
            [
                {
                    "name": "leaf[01-16]",
                    "model": "PowerSwitch Z9432F-ON",
                    "max_watts": 1500,
                    "racks": "r[01-16]",
                    "per_rack": 1,
                    "unit": 42,
                    "snmp": {"address": "{name}.example.net", "version": "3", "credentials": "snmp", "privacy": "snmp-privacy"},
                },
                {
                    "name": "ib-leaf-[1-2]",
                    "model": "QM9700",
                    "fabric": "infiniband",
                    "max_watts": 1700,
                    "rack": "r01",
                    "rest": {"url": "https://{name}.example.net", "credentials": "fabric"},
                },
            ]
        ],
    )
    """The switches."""
    storage: tuple[Storage, ...] = Field(
        default=(),
        examples=[
            [
                {
                    "name": "scratch",
                    "kind": "powerscale",
                    "model": "F600",
                    "url": "https://scratch.example.net:8080",
                    "credentials": "storage",
                    "design_read_bytes_per_second": 40e9,
                    "design_write_bytes_per_second": 8e9,
                    "nodes": [{"name": "scratch-[1-4]", "rack": "r01", "unit": 38, "max_watts": 500}],
                }
            ]
        ],
    )
    """The storage clusters."""
    pdus: tuple[PduEntry, ...] = Field(
        default=(),
        examples=[
            [
                {
                    "name": "pdu-[01-16]a",
                    "racks": "r[01-16]",
                    "per_rack": 1,
                    "feed": "A",
                    "breaker": "r{n}-a",
                    "snmp": {"address": "{name}.example.net"},
                }
            ]
        ],
    )
    """Metered power strips."""
    links: tuple[Link, ...] = Field(
        default=(), examples=[[{"node": "gpu[01-16]", "device": "mlx5_0", "rail": 1, "switch": "ib-leaf-1", "port": "1/{i}"}]]
    )
    """Which port of which server hangs on which switch, where no fabric manager tells. `node` may be a pattern."""
