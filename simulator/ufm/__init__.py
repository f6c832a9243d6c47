"""A Unified Fabric Manager of the simulated fabric: its REST interface and its telemetry."""

from simulator.ufm.server import UfmServer

__all__ = ["UfmServer"]
