"""`inventory.yaml`: read, patterns written out, checked as a whole."""

from __future__ import annotations

from pathlib import Path

from wattstat import document, explain
from wattstat.document import Document, InvalidDocument, Problem
from wattstat.inventory.models import Inventory


def load(path: Path | None) -> Inventory:
    """The inventory of a file; an empty one for None. Raises `InvalidDocument` with everything that is wrong with it."""
    if path is None:
        return Inventory()
    inventory, problems = examine(document.read(path), path.parent)
    return _unless(inventory, problems)


def loads(text: str, *, source: str = "inventory", base: Path | None = None) -> Inventory:
    """The same for a text."""
    inventory, problems = examine(document.parse(text, source=source), base or Path())
    return _unless(inventory, problems)


def examine(found: Document, base: Path) -> tuple[Inventory | None, list[Problem]]:
    """The inventory of a document and everything that is wrong with it. Relative paths are seen from `base`."""
    inventory, problems = explain.model_of(Inventory, found)
    if inventory is None:
        return None, list(explain.collect(problems))
    return explain.resolve_paths(inventory, base.absolute()), list(explain.collect(problems))


def _unless(inventory: Inventory | None, problems: list[Problem]) -> Inventory:
    errors = [problem for problem in problems if not problem.warning]
    if inventory is None or errors:
        raise InvalidDocument(errors)
    return inventory
