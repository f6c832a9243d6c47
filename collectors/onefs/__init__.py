"""PowerScale clusters by the OneFS API: throughput, latency, capacity, nodes and their sensors."""

from collectors.onefs.factory import sources
from collectors.onefs.source import OneFsSource

__all__ = ["OneFsSource", "sources"]
