"""InfiniBand and RoCE ports of a server, as its kernel shows them. Runs in the agent."""

from collectors.infiniband.source import InfinibandSource, sources

__all__ = ["InfinibandSource", "sources"]
