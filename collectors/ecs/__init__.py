"""ECS and ObjectScale by their management API: capacity, health, traffic, replication, what waits for garbage collection."""

from collectors.ecs.factory import sources
from collectors.ecs.source import EcsSource

__all__ = ["EcsSource", "sources"]
