"""What stands in the hall: racks, feeds, breakers, servers. Read from `inventory.yaml` (or http_sd)."""

from wattstat.document import Strict
from wattstat.inventory.models import Agent, Bmc, Breaker, Inventory, Node, Rack, Site, Tls
from wattstat.inventory.reader import load, loads
from wattstat.values import Watts

__all__ = ["Agent", "Bmc", "Breaker", "Inventory", "Node", "Rack", "Site", "Strict", "Tls", "Watts", "load", "loads"]
