"""InfiniBand fabrics through NVIDIA's Unified Fabric Manager.

`source` a manager as the frame sees it · `rest` what its REST interface says · `telemetry` counters of ports · `names` the
inventory's names of switches · `samples` the metrics.
"""

from collectors.ufm.source import UfmSource, sources

__all__ = ["UfmSource", "sources"]
