"""NVIDIA Base Command Manager by the REST interface of its CMDaemon: devices, states, totals, and where it and we differ."""

from collectors.bcm.access import manager
from collectors.bcm.source import BcmSource, sources

__all__ = ["BcmSource", "manager", "sources"]
