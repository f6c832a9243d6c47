"""What stands in the hall: racks, feeds, breakers, servers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field

from wattstat.document import Strict
from wattstat.values import Fingerprint, Url, Watts


class Site(Strict):
    """The whole installation. `budget_watts` is what the site may draw, if somebody set a limit."""

    name: str = "site"
    timezone: str = "UTC"
    budget_watts: Watts | None = None


class Breaker(Strict):
    """A breaker. `limit_watts` is its rating at the site's voltage; `feed` is A or B (or any name)."""

    name: str
    limit_watts: Watts
    feed: str = "A"


class Rack(Strict):
    """A rack. `units` is its height in U; `budget_watts` what may be drawn in it; `breakers` what it hangs on."""

    name: str
    row: str = ""
    units: Annotated[int, Field(ge=1, le=60)] = 42
    budget_watts: Watts | None = None
    breakers: tuple[str, ...] = ()


class Tls(Strict):
    """How a device's certificate is checked: by `ca_file`, by pinned SHA-256 `fingerprint`, else by the system's authorities.

    `verify: false` must be written down by a person; Wattstat then says so in a security finding.
    """

    verify: bool = True
    ca_file: Path | None = None
    fingerprint: Fingerprint | None = None


class Bmc(Strict):
    """A server's management controller. `credentials` names an entry of `credentials` in wattstat.yaml."""

    url: Url
    credentials: str = "bmc"
    tls: Tls = Tls()


class Agent(Strict):
    """The `wattstat agent` on a server. `credentials` names an entry whose password is the bearer token, if one is needed."""

    url: Url
    credentials: str | None = None
    tls: Tls = Tls()


class Node(Strict):
    """A server. `unit` is the lowest U that it fills, `height` how many; `gpus` how many GPUs should be there."""

    name: str
    model: str = ""
    rack: str = ""
    unit: Annotated[int, Field(ge=1)] | None = None
    height: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    gpu_model: str = ""
    bmc: Bmc | None = None
    agent: Agent | None = None


class Inventory(Strict):
    """Everything that stands in the hall. Names are unique within their kind; what one entry names must exist."""

    site: Site = Site()
    breakers: tuple[Breaker, ...] = ()
    racks: tuple[Rack, ...] = ()
    nodes: tuple[Node, ...] = ()

    def rack_of(self, node: str) -> str:
        """The rack of a node, empty where it is not known."""
        return self._racks_by_node.get(node, "")

    @cached_property
    def _racks_by_node(self) -> dict[str, str]:
        return {node.name: node.rack for node in self.nodes}


class NodeEntry(Node):
    """An entry of `nodes` in the file: a server, or with a pattern as its name (`gpu[001-128]`) many alike.

    Names and URLs may hold `{name}`, `{n}` (the number as the name has it), `{i}` (the number without leading zeros) and
    `{i+100}`. `racks` with `per_rack` fills racks in order, from `unit` upwards, `height` units each.
    """

    racks: str | tuple[str, ...] = ()
    per_rack: Annotated[int, Field(ge=1)] | None = None


class InventoryFile(Inventory):
    """All of `inventory.yaml`. Names of breakers and racks may be patterns too."""

    nodes: tuple[NodeEntry, ...] = ()
