"""The inventory's names of switches, found by GUID, else by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from collectors.guids import guid
from wattstat.inventory import Inventory, Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What the inventory says of InfiniBand switches."""

    by_guid: dict[str, Switch] = field(default_factory=dict)
    by_name: dict[str, Switch] = field(default_factory=dict)

    @classmethod
    def of(cls, inventory: Inventory) -> Switches:
        """Those of an inventory."""
        known = [switch for switch in inventory.switches if switch.fabric == "infiniband"]
        return cls(
            by_guid={digits: switch for switch in known if (digits := guid(switch.guid))},
            by_name={switch.name.lower(): switch for switch in known},
        )

    def entry(self, number: str, name: str) -> Switch | None:
        """The inventory's entry of a switch that the fabric knows by this GUID or name."""
        if number in self.by_guid:
            return self.by_guid[number]
        given = name.lower()
        return self.by_name.get(given) or self.by_name.get(given.partition(".")[0])

    def label(self, number: str, name: str) -> str:
        """What series call it: as the inventory, else as the fabric does."""
        entry = self.entry(number, name)
        return entry.name if entry is not None else name or number
