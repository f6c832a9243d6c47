"""What stands in the hall: racks, feeds, breakers, servers. Read from `inventory.yaml` (or http_sd)."""

from wattstat.document import Strict
from wattstat.inventory.devices import Https, Link, Pdu, Snmp, Storage, StorageNode, Switch, Tls
from wattstat.inventory.models import Agent, Bmc, Breaker, Group, Inventory, Load, Maintenance, Node, Rack, Row, Site, TripPoint
from wattstat.inventory.reader import load, loads
from wattstat.values import Watts

__all__ = [
    "Agent",
    "Bmc",
    "Breaker",
    "Group",
    "Https",
    "Inventory",
    "Link",
    "Load",
    "Maintenance",
    "Node",
    "Pdu",
    "Rack",
    "Row",
    "Site",
    "Snmp",
    "Storage",
    "StorageNode",
    "Strict",
    "Switch",
    "Tls",
    "TripPoint",
    "Watts",
    "load",
    "loads",
]
