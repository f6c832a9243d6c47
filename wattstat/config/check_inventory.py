"""What of an inventory is probably not meant: it can be used, but says less, or less safely, than its writer thinks."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from wattstat.config.check import problem
from wattstat.config.settings import Config
from wattstat.document import Document, Problem
from wattstat.explain import nearest
from wattstat.inventory.models import Inventory
from wattstat.inventory.patterns import expand


def check_inventory(config: Config, inventory: Inventory, document: Document) -> Iterator[Problem]:
    """Warnings about an inventory, whose document this is."""
    if inventory.nodes and config.inventory.http_sd is None and config.inventory.bcm is None:  # else there are more servers
        yield from _readers(inventory, document)


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
