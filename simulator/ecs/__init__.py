"""ECS behind its own management API: tokens, the dashboard, namespaces, and the time series that are asked in Flux."""

from simulator.ecs.server import EcsServer

__all__ = ["EcsServer"]
