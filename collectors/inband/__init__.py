"""InfiniBand switches without a management of their own (QM9790), read in band from a machine on the fabric.

`ibswinfo` what that program prints · `registers` what NVIDIA's `mlxreg_ext` prints, if one has only that · `source` a switch as
the frame sees it · `fabric` what `ibnetdiscover` and `perfquery` print · `fabric_source` the fabric as the frame sees it.
"""

from collectors.inband.source import InBandSource, sources

__all__ = ["InBandSource", "sources"]
