"""What of an inventory is probably not meant: it can be used, but says less, or less safely, than its writer thinks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase

from wattstat.config.check import problem
from wattstat.config.settings import Config
from wattstat.document import Document, Loc, Problem
from wattstat.explain import nearest
from wattstat.inventory.devices import Snmp
from wattstat.inventory.models import Inventory
from wattstat.inventory.patterns import expand

SHORTEST_PASS_PHRASE = 8


def check_inventory(config: Config, inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Warnings about an inventory, whose document this is; and pass phrases that are none."""
    if inventory.nodes and config.inventory.http_sd is None and config.inventory.bcm is None:  # else there are more servers
        yield from _readers(inventory, document)
    yield from _feeds(inventory, document)
    yield from _fabrics(inventory, document)
    for loc, snmp in _agents(inventory):
        if snmp.version == "3":
            yield from _pass_phrases(config, snmp, loc, document)


def _agents(inventory: Inventory) -> Iterator[tuple[Loc, Snmp]]:
    """Every SNMP agent of an inventory, and where it is described."""
    for number, switch in enumerate(inventory.switches):
        if switch.snmp is not None:
            yield ("switches", number, "snmp"), switch.snmp
    yield from ((("pdus", number, "snmp"), pdu.snmp) for number, pdu in enumerate(inventory.pdus))


def _readers(inventory: Inventory, document: Document) -> Iterator[Problem]:
    known = [node.name for node in inventory.nodes]
    for number, cluster in enumerate(inventory.storage):
        for order, pattern in enumerate(cluster.readers):
            if not _matches(pattern, known):
                meant = nearest(pattern, known)
                yield problem(
                    document,
                    ("storage", number, "readers", order),
                    f"{pattern!r} matches no server of the inventory",
                    expected="a server's name, or a pattern such as gpu*",
                    advice=f"did you mean {meant}?" if meant else "correct it, or leave `readers` out where all servers read",
                    warning=True,
                )


def _matches(pattern: str, known: list[str]) -> bool:
    """Whether a name, a pattern of numbers (`gpu[01-16]`) or one with wildcards means any of the known names."""
    if "*" in pattern or "?" in pattern:
        return any(fnmatchcase(name, pattern) for name in known)
    try:
        return any(named.name in known for named in expand(pattern))
    except ValueError:
        return False


def _feeds(inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Racks of several feeds whose PDUs do not measure all of these: half a rack is not a rack."""
    feeds = {breaker.name: breaker.feed for breaker in inventory.breakers}
    metered: defaultdict[str, set[str]] = defaultdict(set)
    for pdu in inventory.pdus:
        if pdu.rack and pdu.carries_rack:
            metered[pdu.rack].add(pdu.feed or feeds.get(pdu.breaker, ""))
    for number, rack in enumerate(inventory.racks):
        needed, found = {feeds[name] for name in rack.breakers if name in feeds}, metered[rack.name]
        if len(needed) < 2 or not found or "" in found or needed <= found:  # a PDU that names no feed may be on any
            continue
        told = f"feed{'s' if len(found) > 1 else ''} {' and '.join(sorted(found))}"
        lacking = " and ".join(sorted(needed - found))
        yield problem(
            document,
            ("racks", number),
            f"only {told} of rack {rack.name} is metered; the rack will not count as metered",
            expected="PDUs on every feed of its breakers",
            advice=f"add the PDU on feed {lacking}, or write `carries_rack: false` where a PDU does not carry the rack",
            warning=True,
        )


def _fabrics(inventory: Inventory, document: Document) -> Iterator[Problem]:
    for number, switch in enumerate(inventory.switches):
        if switch.fabric == "ethernet" and switch.model.upper().startswith(("QM", "MQM")):
            yield problem(
                document,
                ("switches", number, "fabric"),
                f"{switch.model} is an InfiniBand switch, {switch.name} is said to switch ethernet",
                expected="fabric: infiniband",
                advice="add `fabric: infiniband`, or correct the model",
                warning=True,
            )


def _pass_phrases(config: Config, snmp: Snmp, loc: Loc, document: Document) -> Iterator[Problem]:
    """Version 3 signs and encrypts with pass phrases, which have 8 characters at least (RFC 3414, section 11.2)."""
    if snmp.privacy is None:
        what, expected = "version 3 without privacy signs and does not encrypt", "privacy"
        advice = "name an entry of `credentials` with the pass phrase that encrypts, if the device has one"
        yield problem(document, (*loc, "version"), what, expected=expected, advice=advice, warning=True)
    for key, name in (("credentials", snmp.credentials), ("privacy", snmp.privacy)):
        entry = config.credentials.get(name or "")
        try:
            short = entry is not None and len(entry.password().get_secret_value().encode()) < SHORTEST_PASS_PHRASE
        except ValueError:
            continue  # that it cannot be read is said elsewhere
        if short:
            what, expected = f"the pass phrase of {name!r} is too short for SNMP version 3", "at least 8 characters"
            yield problem(document, (*loc, key), what, expected=expected, advice="set a longer one on the device and here")
