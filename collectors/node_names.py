"""From a scheduler's names of nodes to the inventory's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """`given` are the names that the site's settings translate; `inventory` all names that there are."""

    given: Mapping[str, str]
    inventory: frozenset[str]

    def of(self, name: str) -> str | None:
        """The inventory's name: as configured, the same, or the same without its domain; None for a node of others."""
        candidates = (self.given.get(name, name), name.partition(".")[0])
        return next((each for each in candidates if each in self.inventory), None)
