"""The JSON API of a simulated QM9700."""

from simulator.mlnxos.server import MlnxOsServer

__all__ = ["MlnxOsServer"]
