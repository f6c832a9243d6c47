"""What racks draw, and what devices without a cap draw: measured where metered, summed where not, and how much of it is known.

Pure functions of what the hall holds at one moment. A device that nobody read is a gap in the coverage, never 0 W.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wattstat.catalogue import facility, network, node, storage
from wattstat.catalogue.metric import Samples
from wattstat.hall import Snapshot
from wattstat.inventory import Inventory, Pdu

# The best first. A baseboard's power (hgx) is only a part of its server.
NODE_SOURCES = ("system", "psu_sum", "estimated")
SWITCH_SOURCES = ("psu_input", "psu_unknown", "psu_output")
# What supplies of switches make of their input at half load; only where nothing but their output is told.
PSU_EFFICIENCY = 0.94


class Reading(NamedTuple):
    """Watts at a device's inlets, where they come from, and how old the oldest part of them is."""

    watts: float
    source: str
    age_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RackPower:
    """What a rack draws by one source: `pdu` (metered) or `sum` (over its devices).

    `watts` is None where nothing was read, and for `pdu` also where one of several was not: half a rack is not a rack.
    """

    rack: str
    source: str
    watts: float | None
    measured: int
    expected: int
    unread: tuple[str, ...] = ()
    """What was not read."""

    @property
    def coverage_ratio(self) -> float:
        """Share of the PDUs or devices that were read."""
        return self.measured / self.expected


def device_power(snapshot: Snapshot, inventory: Inventory) -> dict[str, Reading]:
    """The power of switches, storage nodes and loads, by name: an outlet's meter, else their own sensors. Never a server's."""
    servers = {each.name for each in inventory.nodes}
    told = _switches(snapshot) | _members(snapshot) | _outlets(snapshot, inventory)
    return {name: reading for name, reading in told.items() if name not in servers}


def rack_power(snapshot: Snapshot, inventory: Inventory, devices: Mapping[str, Reading]) -> list[RackPower]:
    """Every rack that something stands in, by PDU where it has some, and by its devices. `devices` is `device_power`'s."""
    watts = {name: reading.watts for name, reading in devices.items()}
    watts |= {name: reading.watts for name, reading in _nodes(snapshot).items()}
    strips = {found.sample.labels[0]: found.sample.value for found in snapshot.find(facility.PDU_POWER_WATTS)}
    metered = carriers(inventory)
    found: list[RackPower] = []
    for rack, names in _standing(inventory).items():
        if rack in metered:
            found.append(_summed(rack, "pdu", metered[rack], strips, needs_all=True))
        if names:
            found.append(_summed(rack, "sum", names, watts, needs_all=False))
    return found


def carriers(inventory: Inventory) -> dict[str, list[str]]:
    """The PDUs that together carry each rack. A rack with a feed that none of them hangs on is not metered: half is missing.

    A PDU that says neither its breaker nor its feed is believed to carry what it says it carries.
    """
    feeds = {breaker.name: breaker.feed for breaker in inventory.breakers}
    strips: defaultdict[str, list[Pdu]] = defaultdict(list)
    for pdu in inventory.pdus:
        if pdu.rack and pdu.carries_rack:
            strips[pdu.rack].append(pdu)
    needed = {rack.name: {feeds[name] for name in rack.breakers if name in feeds} for rack in inventory.racks}
    whole: dict[str, list[str]] = {}
    for rack, found in strips.items():
        hung = [pdu.feed or feeds.get(pdu.breaker, "") for pdu in found]
        if "" in hung or needed.get(rack, set()) <= set(hung):
            whole[rack] = [pdu.name for pdu in found]
    return whole


def samples(snapshot: Snapshot, inventory: Inventory) -> Samples:
    """Both, for the exposition."""
    out = Samples()
    kinds = {load.name: load.kind for load in inventory.uncapped}
    kinds |= {switch.name: "switch" for switch in inventory.switches}
    kinds |= {member.name: "storage" for cluster in inventory.storage for member in cluster.nodes}
    devices = device_power(snapshot, inventory)
    for name, reading in devices.items():
        out.add(facility.DEVICE_POWER_WATTS, reading.watts, name, kinds.get(name, "other"), reading.source)
    for rack in rack_power(snapshot, inventory, devices):
        out.add(facility.RACK_POWER_WATTS, rack.watts, rack.rack, rack.source)
        out.add(facility.RACK_POWER_COVERAGE_RATIO, rack.coverage_ratio, rack.rack, rack.source)
    return out


def limits(inventory: Inventory) -> Samples:
    """What the breaker before each PDU is rated for, where the inventory names one."""
    rated = {breaker.name: breaker.limit_watts for breaker in inventory.breakers}
    out = Samples()
    for pdu in inventory.pdus:
        out.add(facility.PDU_LIMIT_WATTS, rated.get(pdu.breaker), pdu.name)
    return out


def _summed(rack: str, source: str, names: Sequence[str], read: Mapping[str, float], *, needs_all: bool) -> RackPower:
    known = [read[name] for name in names if name in read]
    unread = tuple(name for name in names if name not in read)
    watts = sum(known) if known and not (needs_all and unread) else None
    return RackPower(rack=rack, source=source, watts=watts, measured=len(known), expected=len(names), unread=unread)


def _standing(inventory: Inventory) -> dict[str, list[str]]:
    """What stands in each rack, by name. A rack without anything has no power to know."""
    standing: dict[str, list[str]] = {rack.name: [] for rack in inventory.racks}
    members = (member for cluster in inventory.storage for member in cluster.nodes)
    placed: Iterable[tuple[str, str]] = (
        *((each.rack, each.name) for each in inventory.nodes),
        *((each.rack, each.name) for each in inventory.switches),
        *((each.rack, each.name) for each in members),
        *((each.rack, each.name) for each in inventory.loads),
    )
    for rack, name in placed:
        if rack:
            standing.setdefault(rack, []).append(name)
    return standing


def _nodes(snapshot: Snapshot) -> dict[str, Reading]:
    told: defaultdict[str, dict[str, Reading]] = defaultdict(dict)
    for sample, age in snapshot.find(node.NODE_POWER_WATTS):
        name, source = sample.labels
        told[name][source] = Reading(sample.value, source, age)
    return {name: best for name, by_source in told.items() if (best := _first(by_source, NODE_SOURCES))}


def _switches(snapshot: Snapshot) -> dict[str, Reading]:
    told: defaultdict[str, dict[str, Reading]] = defaultdict(dict)
    for sample, age in snapshot.find(network.SWITCH_POWER_WATTS):
        name, source = sample.labels
        told[name][source] = Reading(sample.value, source, age)
    best = {name: found for name, by_source in told.items() if (found := _first(by_source, SWITCH_SOURCES))}
    return {name: _at_inlet(found) for name, found in best.items()}


def _at_inlet(reading: Reading) -> Reading:
    """What goes in, where only what comes out is told: an estimate, and called one."""
    if reading.source != "psu_output":
        return reading
    return Reading(reading.watts / PSU_EFFICIENCY, "derived", reading.age_seconds)


def _members(snapshot: Snapshot) -> dict[str, Reading]:
    return {
        sample.labels[1]: Reading(sample.value, sample.labels[2], age)
        for sample, age in snapshot.find(storage.STORAGE_NODE_POWER_WATTS)
    }


def _outlets(snapshot: Snapshot, inventory: Inventory) -> dict[str, Reading]:
    """Devices all of whose outlets were read; not servers, whose own meters are the better ones.

    Who lists servers may not have answered yet: a name that nothing here has is one of them.
    """
    devices = {load.name for load in inventory.loads} | {switch.name for switch in inventory.switches}
    devices |= {member.name for cluster in inventory.storage for member in cluster.nodes}
    listed = {(pdu.name, outlet): name for pdu in inventory.pdus for outlet, name in pdu.outlets.items() if name in devices}
    read = dict(_read(snapshot))
    parts: defaultdict[str, list[Reading | None]] = defaultdict(list)
    for place, name in listed.items():
        parts[name].append(read.get(place))
    found: dict[str, Reading] = {}
    for name, readings in parts.items():
        known = [reading for reading in readings if reading is not None]
        if len(known) == len(readings):
            watts, age = sum(each.watts for each in known), max(each.age_seconds for each in known)
            found[name] = Reading(watts, "pdu", age)
    return found


def _read(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], Reading]]:
    for sample, age in snapshot.find(facility.PDU_OUTLET_POWER_WATTS):
        pdu, outlet, _ = sample.labels
        yield (pdu, outlet), Reading(sample.value, "pdu", age)


def _first(by_source: Mapping[str, Reading], order: tuple[str, ...]) -> Reading | None:
    return next((by_source[source] for source in order if source in by_source), None)
