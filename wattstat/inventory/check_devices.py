"""Do switches, storage, PDUs and cables of an inventory hold together? Names, places in racks, what hangs on what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wattstat.document import Loc, Problem
from wattstat.explain import nearest
from wattstat.inventory.check_power import Report, missing
from wattstat.inventory.models import Inventory


class Placed(NamedTuple):
    """Something with a place in a rack, and where the document describes it."""

    loc: Loc
    name: str
    rack: str
    unit: int | None
    height: int


def check_places(inventory: Inventory, report: Report) -> Iterator[Problem]:
    """Nothing stands above its rack's end, and no two things in one place."""
    units = {rack.name: rack.units for rack in inventory.racks}
    taken: dict[tuple[str, int], Placed] = {}
    for placed in _placed(inventory):
        if placed.unit is None:
            continue
        loc: Loc = (*placed.loc, "unit")
        if not placed.rack:
            yield report(loc, f"{placed.name} has a unit but no rack", advice="add its rack, or leave the unit out")
            continue
        top = placed.unit + placed.height - 1
        if top > units.get(placed.rack, top):
            what = f"{placed.name} fills U{placed.unit} to U{top}, rack {placed.rack} ends at U{units[placed.rack]}"
            yield report(loc, what, expected=f"a unit of at most {units[placed.rack] - placed.height + 1}")
        filled = range(placed.unit, min(top, 1000) + 1)
        others = {other.loc: other for unit in filled if (other := taken.get((placed.rack, unit)))}
        for other in others.values():
            what = f"{_span(placed)} overlaps {_span(other)} in rack {placed.rack}"
            yield report(loc, what, advice="correct unit or height of one")
        taken.update({(placed.rack, unit): placed for unit in filled})


def check_devices(inventory: Inventory, report: Report) -> Iterator[Problem]:
    """What no single entry of switches, storage, PDUs and cables can know to be wrong."""
    racks, breakers = {rack.name for rack in inventory.racks}, {breaker.name for breaker in inventory.breakers}
    for loc, rack in _racks(inventory):
        if rack and rack not in racks:
            yield missing(report, (*loc, "rack"), "rack", rack, racks)
    for loc, hung in _hung(inventory):
        for order, name in enumerate(hung):
            if name not in breakers:
                yield missing(report, (*loc, "breakers", order), "breaker", name, breakers)
    yield from _names(inventory, report)
    yield from _pdus(inventory, breakers, report)
    yield from _links(inventory, report)


def _names(inventory: Inventory, report: Report) -> Iterator[Problem]:
    """What draws power is called by its name alone, in outlets and in the electrical tree: nothing else may have it."""
    first = {node.name: f"server {node.name}" for node in inventory.nodes}
    named: list[tuple[Loc, str, str]] = [(("loads", n), load.name, "load") for n, load in enumerate(inventory.loads)]
    named += [(("switches", n), switch.name, "switch") for n, switch in enumerate(inventory.switches)]
    named += [
        (("storage", n, "nodes", m), member.name, "storage node")
        for n, cluster in enumerate(inventory.storage)
        for m, member in enumerate(cluster.nodes)
    ]
    for loc, name, kind in named:
        # Two of one kind are told by the check of that kind.
        if name in first and not (first[name].startswith(kind) and kind != "storage node"):
            yield report(
                (*loc, "name"),
                f"{kind} {name} has the name of {first[name]}",
                expected="a name that nothing else has",
                advice="a switch or storage node needs no entry in `loads`" if "load" in {kind, first[name].split()[0]} else "",
            )
        first.setdefault(name, f"{kind} {name}")


def _pdus(inventory: Inventory, breakers: set[str], report: Report) -> Iterator[Problem]:
    devices = {node.name for node in inventory.nodes} | {load.name for load in inventory.uncapped}
    devices |= {switch.name for switch in inventory.switches}
    devices |= {member.name for cluster in inventory.storage for member in cluster.nodes}
    for position, pdu in enumerate(inventory.pdus):
        if pdu.breaker and pdu.breaker not in breakers:
            yield missing(report, ("pdus", position, "breaker"), "breaker", pdu.breaker, breakers)
        for outlet, name in pdu.outlets.items():
            # Without any servers here they come from http_sd, and the whole is looked at again with them.
            if inventory.nodes and name not in devices:
                meant = nearest(name, devices)
                yield report(
                    ("pdus", position, "outlets", outlet),
                    f"nothing is called {name!r}",
                    expected="a server, switch, storage node or load of the inventory",
                    advice=f"did you mean {meant}?" if meant else "correct the name, or describe the device",
                )


def _links(inventory: Inventory, report: Report) -> Iterator[Problem]:
    # Without any servers here they come from http_sd, and the whole is looked at again with them.
    nodes = {node.name for node in inventory.nodes}
    switches = {switch.name for switch in inventory.switches}
    first: dict[tuple[str, str], int] = {}
    for position, link in enumerate(inventory.links):
        if nodes and link.node not in nodes:
            yield missing(report, ("links", position, "node"), "node", link.node, nodes)
        if link.switch not in switches:
            yield missing(report, ("links", position, "switch"), "switch", link.switch, switches)
        if first.setdefault((link.node, link.device), position) != position:
            what = f"{link.device} of {link.node} has a cable already"
            yield report(("links", position, "device"), what, expected="each port of a server once")


def _placed(inventory: Inventory) -> Iterator[Placed]:
    for n, node in enumerate(inventory.nodes):
        yield Placed(("nodes", n), node.name, node.rack, node.unit, node.height)
    for n, switch in enumerate(inventory.switches):
        yield Placed(("switches", n), switch.name, switch.rack, switch.unit, switch.height)
    for n, cluster in enumerate(inventory.storage):
        for m, member in enumerate(cluster.nodes):
            yield Placed(("storage", n, "nodes", m), member.name, member.rack, member.unit, member.height)


def _racks(inventory: Inventory) -> Iterator[tuple[Loc, str]]:
    yield from ((("switches", n), switch.rack) for n, switch in enumerate(inventory.switches))
    yield from ((("pdus", n), pdu.rack) for n, pdu in enumerate(inventory.pdus))
    for n, cluster in enumerate(inventory.storage):
        yield from ((("storage", n, "nodes", m), member.rack) for m, member in enumerate(cluster.nodes))


def _hung(inventory: Inventory) -> Iterator[tuple[Loc, tuple[str, ...]]]:
    yield from ((("switches", n), switch.breakers) for n, switch in enumerate(inventory.switches))
    for n, cluster in enumerate(inventory.storage):
        yield from ((("storage", n, "nodes", m), member.breakers) for m, member in enumerate(cluster.nodes))


def _span(placed: Placed) -> str:
    lowest = placed.unit or 0
    return f"{placed.name} (U{lowest}-U{lowest + placed.height - 1})" if placed.height > 1 else f"{placed.name} (U{lowest})"
