"""What a cluster is called in its series: as the inventory has it."""

from __future__ import annotations

from dataclasses import dataclass

from wattstat.inventory.devices import Storage, StorageNode


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a cluster and of its nodes."""

    storage: Storage

    @property
    def cluster(self) -> str:
        """The label `storage`."""
        return self.storage.name

    def node(self, theirs: str) -> str:
        """The label `storage_node`: the inventory's name where it is the cluster's, with or without its domain; else theirs."""
        found = self.entry(theirs)
        return found.name if found is not None else theirs

    def entry(self, theirs: str) -> StorageNode | None:
        """The inventory's node that a cluster calls so."""
        wanted = (theirs.lower(), theirs.lower().partition(".")[0])
        by_name = {each.name.lower(): each for each in self.storage.nodes}
        return next((by_name[name] for name in wanted if name in by_name), None)
