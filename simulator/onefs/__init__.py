"""A PowerScale cluster's OneFS API, as the simulated plant knows the cluster."""

from simulator.onefs.server import OneFsServer

__all__ = ["OneFsServer"]
