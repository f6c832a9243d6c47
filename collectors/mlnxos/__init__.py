"""Managed InfiniBand switches (QM9700) by their own interfaces: the JSON API of MLNX-OS, NVUE of NVOS.

`session` logs in and asks · `rows` any JSON as rows of cells · `parts` supplies, fans and temperatures in them · `ports` ports
in them · `source` a switch as the frame sees it · `samples` the metrics.
"""

from collectors.mlnxos.source import MlnxOsSource, sources

__all__ = ["MlnxOsSource", "sources"]
