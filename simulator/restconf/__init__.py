"""RESTCONF of the simulated Ethernet switches: OS10's own modules, and SONiC's OpenConfig."""

from simulator.restconf.server import RestconfServer

__all__ = ["RestconfServer"]
