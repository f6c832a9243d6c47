"""Does the electrical part of an inventory hold together? Breakers above breakers, loads, rows, groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wattstat.document import Loc, Problem
from wattstat.explain import alternatives, nearest
from wattstat.inventory.models import Breaker, Inventory

Report = Callable[..., Problem]


def check_power(inventory: Inventory, report: Report) -> Iterator[Problem]:
    """What no single entry of the electrical tree can know to be wrong."""
    yield from _upstream(inventory, report)
    yield from _loads(inventory, report)
    yield from _rows(inventory, report)
    yield from _groups(inventory, report)
    yield from _watts(inventory, report)


def missing(report: Report, loc: Loc, kind: str, name: str, known: set[str]) -> Problem:
    """A name that nothing has, with the one that was probably meant."""
    meant, section = nearest(name, known), "switches" if kind == "switch" else f"{kind}s"
    return report(
        loc,
        f"there is no {kind} {name!r}",
        expected=alternatives(sorted(known)) or f"an entry of `{section}` with this name",
        advice=f"did you mean {meant}?" if meant else f"add it to `{section}`",
    )


def _upstream(inventory: Inventory, report: Report) -> Iterator[Problem]:
    breakers = {breaker.name: breaker for breaker in inventory.breakers}
    told: set[str] = set()
    for position, breaker in enumerate(inventory.breakers):
        loc: Loc = ("breakers", position, "upstream")
        if breaker.upstream is None:
            continue
        if breaker.upstream not in breakers:
            yield missing(report, loc, "breaker", breaker.upstream, set(breakers))
            continue
        circle = _circle(breaker, breakers)
        if circle and told.isdisjoint(circle):
            told.update(circle)
            yield report(
                loc,
                f"goes in a circle: {' under '.join([*circle, circle[0]])}",
                expected="a breaker nearer to the supply, and none above the main",
                advice="take upstream from the one that is nearest to the supply",
            )


def _circle(start: Breaker, breakers: dict[str, Breaker]) -> list[str]:
    """The breakers of the circle that one runs into above itself, from its own place on; empty where there is none."""
    path: list[str] = []
    here: Breaker | None = start
    while here is not None and here.name not in path:
        path.append(here.name)
        here = breakers.get(here.upstream) if here.upstream is not None else None
    return [] if here is None else path[path.index(here.name) :]


def _loads(inventory: Inventory, report: Report) -> Iterator[Problem]:
    racks, breakers = {rack.name for rack in inventory.racks}, {breaker.name for breaker in inventory.breakers}
    for position, load in enumerate(inventory.loads):
        if not load.rack and not load.breakers:
            yield report(
                ("loads", position),
                f"{load.name} has no place",
                expected="rack, or breakers",
                advice="say what it hangs on, so that it is charged there",
            )
        if load.rack and load.rack not in racks:
            yield missing(report, ("loads", position, "rack"), "rack", load.rack, racks)
        for order, name in enumerate(load.breakers):
            if name not in breakers:
                yield missing(report, ("loads", position, "breakers", order), "breaker", name, breakers)


def _rows(inventory: Inventory, report: Report) -> Iterator[Problem]:
    known = {rack.row for rack in inventory.racks if rack.row}
    for position, row in enumerate(inventory.rows):
        if row.name and row.name not in known:
            meant = nearest(row.name, known)
            yield report(
                ("rows", position, "name"),
                f"no rack stands in row {row.name!r}",
                expected=alternatives(sorted(known)) or "a row that a rack names with `row`",
                advice=f"did you mean {meant}?" if meant else "give its racks this `row`",
            )


def _groups(inventory: Inventory, report: Report) -> Iterator[Problem]:
    nodes = {node.name for node in inventory.nodes}
    for position, group in enumerate(inventory.groups):
        if not group.nodes:
            yield report(("groups", position, "nodes"), f"{group.name} has no servers", expected="names of servers")
        # Without any servers here they come from http_sd, and the whole is looked at again with them.
        for order, name in enumerate(group.nodes if nodes else ()):
            if name not in nodes:
                yield missing(report, ("groups", position, "nodes", order), "node", name, nodes)


def _watts(inventory: Inventory, report: Report) -> Iterator[Problem]:
    for position, node in enumerate(inventory.nodes):
        if node.max_watts is not None and node.rest_watts is not None and node.rest_watts > node.max_watts:
            yield report(
                ("nodes", position, "rest_watts"),
                f"{node.name} draws {node.rest_watts:g} W beside its GPUs, {node.max_watts:g} W with them",
                expected=f"at most max_watts, {node.max_watts:g}",
            )
