"""Where everything stands: servers in racks with U positions, two feeds, a main of each and its breakers to the racks."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from simulator.models import MIX, ServerModel
from simulator.plant import entries
from simulator.plant.equipment import RACK_UNITS, equipment
from wattstat.inventory import Agent, Bmc, Breaker, Group, Inventory, Node, Rack, Row, Site, Tls

NODES_PER_RACK = 4
RACKS_PER_ROW = 10
# 50 A, three phases, 400 V; the budget keeps the usual 80 % and a little more.
BREAKER_WATTS = 34_600.0
RACK_BUDGET_WATTS = 27_500.0
FEEDS = ("A", "B")
# A main is set below what everything behind it could draw at once, and so is what GPUs must give way to.
MAIN_RATIO = 0.95
MAIN_GPU_RATIO = 0.25
# The slots that take GPUs in the servers without a baseboard.
GPU_SLOTS = (2, 4, 5, 7, 31, 33, 36, 38)


class Sharing(StrEnum):
    """How a server's GPUs are given to jobs."""

    WHOLE = "whole"
    SHARDS = "shards"
    MIG = "mig"


# Servers that people speak of together, by their models.
GROUPS = {"training": ("xe9680", "xe8640"), "inference": ("r760xa-l40", "r760xa-l4")}
# Which servers share their GPUs, where there are several of their model.
LAST_OF_SEVERAL = {"xe8640": Sharing.MIG, "r760xa-l40": Sharing.SHARDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server of the hall. `index` is its row in every array of nodes, `first_gpu` its first row in those of GPUs."""

    index: int
    first_gpu: int
    name: str
    model: ServerModel
    rack: str
    unit: int
    service_tag: str
    bmc_address: str
    host_address: str
    sharing: Sharing = Sharing.WHOLE
    serves_jobs: bool = True

    @property
    def has_prolog(self) -> bool:
        """Whether Wattstat's prolog and epilog are installed there; not everywhere, as in any hall."""
        return self.index % 4 != 3

    @property
    def gpu_rows(self) -> range:
        """The rows of its GPUs in every array of GPUs."""
        return range(self.first_gpu, self.first_gpu + self.model.gpus)

    def gpu_uuid(self, index: int) -> str:
        """The UUID of a GPU as NVML writes it."""
        return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{self.service_tag}.gpu{index}.wattstat')}"

    def gpu_serial(self, index: int) -> str:
        """The serial number of a GPU, thirteen digits as the recordings have it."""
        return f"165{_digest(f'{self.service_tag}/{index}') % 10**10:010d}"

    @property
    def energy_before_joules(self) -> float:
        """What the controller's energy counter had counted before the simulation began, in whole watt-hours."""
        days = 150 + _digest(self.service_tag) % 256
        return round(self.model.cap_min_watts * 0.55 * 24 * days) * 3600.0

    def pci_bus(self, index: int) -> int:
        """The PCI bus number of a GPU: spread over the sockets as on the real boards."""
        return 0x19 + 0x1B * index if self.model.gpus <= 8 else index


@dataclass(frozen=True, slots=True)
class Layout:
    """All servers, in the order of their rows, and the racks they stand in."""

    servers: tuple[Server, ...]
    racks: tuple[str, ...]

    @property
    def gpus(self) -> int:
        """The number of GPUs in the hall."""
        return sum(server.model.gpus for server in self.servers)

    def by_name(self, name: str) -> Server | None:
        """The server of that name, if there is one."""
        return next((server for server in self.servers if server.name == name), None)


def layout(nodes: int = 16, seed: int = 1, *, model: str = "", prefix: str = "", mig: Collection[str] = ()) -> Layout:
    """Place `nodes` servers in the proportions of the reference mix, heavy ones spread evenly over the racks.

    With `model` all are of that model; with `prefix` they are called by it and a number; `mig` names those whose GPUs are cut.
    Unless `prefix` or `mig` is given, the last of several XE8640 is cut by MIG and the last of several L40 servers into shards.
    """
    if nodes < 1:
        raise ValueError(f"a hall needs at least 1 node, not {nodes}")
    rack_count = -(-nodes // NODES_PER_RACK)
    width = max(2, len(str(nodes)))
    racks = tuple(f"rack-{number:0{max(2, len(str(rack_count)))}d}" for number in range(1, rack_count + 1))
    chosen = _models(nodes) if not model else [_named(model)] * nodes
    counters = {each.key: itertools.count(1) for each, _ in MIX}
    common = itertools.count(1)
    shared = {} if prefix or mig else _shared(chosen)
    for_the_site = _for_the_site(chosen)
    next_unit = dict.fromkeys(racks, 2)
    servers: list[Server] = []
    first_gpu = 0
    for index, each in enumerate(chosen):
        rack = racks[index % rack_count]
        name = f"{prefix}{next(common):0{width}d}" if prefix else f"{each.key}-{next(counters[each.key]):0{width}d}"
        servers.append(
            Server(
                index=index,
                first_gpu=first_gpu,
                name=name,
                model=each,
                rack=rack,
                unit=next_unit[rack],
                service_tag=_service_tag(f"{seed}/{name}"),
                bmc_address=f"127.83.{index // 250}.{index % 250 + 1}",
                host_address=f"127.84.{index // 250}.{index % 250 + 1}",
                sharing=Sharing.MIG if name in mig else shared.get(index, Sharing.WHOLE),
                serves_jobs=index not in for_the_site,
            )
        )
        next_unit[rack] += each.height + 1
        first_gpu += each.gpus
    return Layout(tuple(servers), racks)


def inventory(
    hall: Layout,
    *,
    bmc_port: int,
    agent_port: int | None,
    ca_file: str,
    credentials: str = "bmc",
    served: entries.Served | None = None,
) -> Inventory:
    """The hall as `inventory.yaml` describes it. Without `agent_port` no server has an agent; `served` are other devices."""
    described = equipment(hall)
    mains = [Breaker(name=main_name(feed), limit_watts=main_watts(hall), feed=feed, curve="main") for feed in FEEDS]
    breakers = [
        Breaker(name=breaker_name(rack, feed), limit_watts=BREAKER_WATTS, feed=feed, upstream=main_name(feed))
        for rack in hall.racks
        for feed in FEEDS
    ]
    racks = tuple(
        Rack(
            name=rack,
            row=_row(number),
            units=RACK_UNITS,
            budget_watts=RACK_BUDGET_WATTS,
            breakers=rack_breakers(rack),
        )
        for number, rack in enumerate(hall.racks)
    )
    nodes = tuple(
        Node(
            name=server.name,
            model=server.model.name,
            rack=server.rack,
            unit=server.unit,
            height=server.model.height,
            gpus=server.model.gpus,
            gpu_model=server.model.gpu.name if server.model.gpu else "",
            max_watts=server.model.max_watts,
            rest_watts=server.model.rest_watts,
            bmc=Bmc(url=f"https://{server.bmc_address}:{bmc_port}", credentials=credentials, tls=Tls(ca_file=ca_file)),
            agent=Agent(url=f"http://{server.host_address}:{agent_port}") if agent_port else None,
        )
        for server in hall.servers
    )
    return Inventory(
        site=Site(name="simulated hall", timezone="UTC", budget_watts=site_budget_watts(hall)),
        breakers=(*mains, *breakers),
        racks=racks,
        nodes=nodes,
        rows=tuple(
            Row(name=row, budget_watts=count * RACK_BUDGET_WATTS)
            for row, count in Counter(_row(number) for number in range(len(hall.racks))).items()
        ),
        loads=entries.loads(described, served),
        switches=entries.switches(described, served),
        storage=entries.storage(described, served),
        pdus=entries.pdus(served),
        links=entries.links(served),
        groups=tuple(
            Group(name=name, nodes=names)
            for name, keys in GROUPS.items()
            if (names := tuple(server.name for server in hall.servers if server.model.key in keys))
        ),
    )


def main_name(feed: str) -> str:
    """The name of a feed's main."""
    return f"main-{feed.lower()}"


def main_watts(hall: Layout) -> float:
    """The rating of each feed's main: each carries the whole hall when the other is lost."""
    worst = sum(server.model.max_watts for server in hall.servers) + equipment(hall).max_watts
    gpus = sum(server.model.gpu_limit_watts for server in hall.servers)
    return float(round(max(worst * MAIN_RATIO, worst - gpus * MAIN_GPU_RATIO), -2))


def breaker_name(rack: str, feed: str) -> str:
    """The name of the breaker between a feed and a rack."""
    return f"{rack}-{feed.lower()}"


def rack_breakers(rack: str) -> tuple[str, ...]:
    """The breakers that a rack hangs on, one of each feed."""
    return tuple(breaker_name(rack, feed) for feed in FEEDS)


def site_budget_watts(hall: Layout) -> float:
    """What the site may draw: less than all servers could, so that a budget has something to decide."""
    servers = sum(server.model.cap_max_watts for server in hall.servers) * 0.85
    return float(max(1000.0, round(servers + equipment(hall).max_watts, -3)))


def _row(rack: int) -> str:
    return f"row-{rack // RACKS_PER_ROW + 1}"


def _models(nodes: int) -> list[ServerModel]:
    """The mix scaled to `nodes` by largest remainder."""
    total = sum(count for _, count in MIX)
    shares = [(model, Fraction(nodes * count, total)) for model, count in MIX]
    counts = {model.key: int(share) for model, share in shares}
    missing = nodes - sum(counts.values())
    for model, _ in sorted(shares, key=lambda entry: entry[1] - int(entry[1]), reverse=True)[:missing]:
        counts[model.key] += 1
    return [model for model, _ in MIX for _ in range(counts[model.key])]


def _shared(chosen: list[ServerModel]) -> dict[int, Sharing]:
    """Which servers share their GPUs, by index: of each model in question the last, where there are several."""
    places = {key: [index for index, model in enumerate(chosen) if model.key == key] for key in LAST_OF_SEVERAL}
    return {found[-1]: LAST_OF_SEVERAL[key] for key, found in places.items() if len(found) > 1}


def _for_the_site(chosen: list[ServerModel]) -> set[int]:
    """Servers for logins and management: the last of those without GPUs, where there are several."""
    places = [index for index, model in enumerate(chosen) if not model.gpus]
    return set(places[-1:]) if len(places) > 1 else set()


def _named(key: str) -> ServerModel:
    known = {model.key: model for model, _ in MIX}
    if key not in known:
        raise ValueError(f"no server model is called {key!r}; there are: {', '.join(known)}")
    return known[key]


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _service_tag(text: str) -> str:
    letters = "BCDFGHJKLMNPQRSTVWXYZ0123456789"
    value = _digest(text)
    return "".join(letters[(value >> (5 * place)) % len(letters)] for place in range(7))


def device_name(server: Server, index: int) -> str:
    """What the controllers call a GPU: by its place on the baseboard, else by its slot."""
    return f"GPU_SXM_{index + 1}" if server.model.hgx else f"Video.Slot.{GPU_SLOTS[index]}-1"
