"""`inventory.yaml`: read, patterns written out, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from wattstat import document, explain
from wattstat.document import Document, InvalidDocument, Problem
from wattstat.inventory.check import check
from wattstat.inventory.models import Inventory, InventoryFile
from wattstat.inventory.patterns import write_out


def load(path: Path | None) -> Inventory:
    """The inventory of a file; an empty one for None. Raises `InvalidDocument` with everything that is wrong with it."""
    return Inventory() if path is None else checked(document.read(path), path.parent)


def loads(text: str, *, source: str = "inventory", base: Path | None = None) -> Inventory:
    """The same for a text."""
    return checked(document.parse(text, source=source), base or Path())


def checked(found: Document, base: Path) -> Inventory:
    """The inventory of a document. Raises `InvalidDocument`."""
    inventory, problems = examine(write_out(found), base)
    if inventory is None or problems:
        raise InvalidDocument(problems)
    return inventory


def examine(found: Document, base: Path) -> tuple[Inventory | None, list[Problem]]:
    """The inventory of a document whose patterns are written out, and everything that is wrong with it.

    Relative paths are seen from `base`.
    """
    inventory, problems = explain.model_of(Inventory, found, schema=InventoryFile)
    if inventory is None:
        return None, explain.collect(problems)
    return explain.resolve_paths(inventory, base.absolute()), explain.collect(problems, check(inventory, found))
