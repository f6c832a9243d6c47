"""Does an inventory hold together? Names, references, places in racks."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator

from wattstat.document import Document, Loc, Problem, dotted
from wattstat.inventory.check_devices import check_devices, check_places
from wattstat.inventory.check_power import Report, check_power, missing
from wattstat.inventory.models import Inventory
from wattstat.values import shows_secrets


def check(inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Everything that no single entry can know to be wrong."""

    def report(loc: Loc, what: str, *, expected: str = "", advice: str = "") -> Problem:
        setting = dotted(loc, document.data)
        return Problem(place=document.place(loc), setting=setting, what=what, expected=expected, advice=advice)

    yield from _site(inventory, report)
    for kind, names in (
        ("breakers", [breaker.name for breaker in inventory.breakers]),
        ("racks", [rack.name for rack in inventory.racks]),
        ("nodes", [node.name for node in inventory.nodes]),
        ("rows", [row.name for row in inventory.rows]),
        ("loads", [load.name for load in inventory.loads]),
        ("groups", [group.name for group in inventory.groups]),
        ("switches", [switch.name for switch in inventory.switches]),
        ("storage", [cluster.name for cluster in inventory.storage]),
        ("pdus", [pdu.name for pdu in inventory.pdus]),
    ):
        yield from _unique(kind, ("name",), names, document, report)
    yield from _references(inventory, report)
    yield from _unique(
        "nodes", ("bmc", "url"), [node.bmc.url if node.bmc else "" for node in inventory.nodes], document, report
    )
    yield from _unique(
        "nodes", ("agent", "url"), [node.agent.url if node.agent else "" for node in inventory.nodes], document, report
    )
    yield from check_places(inventory, report)
    yield from check_power(inventory, report)
    yield from check_devices(inventory, report)
    for position, node in enumerate(inventory.nodes):
        if node.bmc is not None and not node.bmc.url.startswith("https://"):
            yield report(
                ("nodes", position, "bmc", "url"),
                f"{node.bmc.url} is not encrypted",
                expected="https://: the password goes there",
            )
    asked: list[tuple[Loc, str]]
    asked = [(("switches", n, "rest", "url"), switch.rest.url) for n, switch in enumerate(inventory.switches) if switch.rest]
    asked += [(("storage", n, "url"), cluster.url) for n, cluster in enumerate(inventory.storage)]
    for loc, url in asked:
        if shows_secrets(url):
            yield report(
                loc,
                f"{url} is not encrypted",
                expected="https://: the password goes there",
                advice="switch HTTPS on at the device; `tls` says how its certificate is checked",
            )


def _site(inventory: Inventory, report: Report) -> Iterator[Problem]:
    known = zoneinfo.available_timezones()
    # A slim machine without any time zone data cannot tell, and refuses nothing.
    if known and inventory.site.timezone not in known:
        yield report(
            ("site", "timezone"),
            f"{inventory.site.timezone!r} is no time zone",
            expected="a name such as Europe/Berlin or UTC",
        )


def _unique(kind: str, rest: Loc, values: list[str], document: Document, report: Report) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for position, value in enumerate(values):
        loc: Loc = (kind, position, *rest)
        if not value and rest != ("name",):
            continue
        if not value:
            yield report(loc, "is empty", expected="a name")
            continue
        earlier = first.setdefault(value, position)
        if earlier != position:
            where = document.place((kind, earlier, *rest))
            line = f" (line {where.line})" if where.line else ""
            owner = dotted((kind, earlier), document.data)
            yield report(loc, f"{value} already belongs to {owner}{line}", expected=f"each {rest[-1]} once")


def _references(inventory: Inventory, report: Report) -> Iterator[Problem]:
    racks, breakers = {rack.name for rack in inventory.racks}, {breaker.name for breaker in inventory.breakers}
    for position, rack in enumerate(inventory.racks):
        for order, name in enumerate(rack.breakers):
            if name not in breakers:
                yield missing(report, ("racks", position, "breakers", order), "breaker", name, breakers)
    for position, node in enumerate(inventory.nodes):
        if node.rack and node.rack not in racks:
            yield missing(report, ("nodes", position, "rack"), "rack", node.rack, racks)
