"""Servers through their BMCs by Redfish: iDRAC9, iDRAC10, HGX baseboards and whatever else speaks the standard."""

from collectors.redfish.factory import probe_source, sessions, sources
from collectors.redfish.source import RedfishSource

__all__ = ["RedfishSource", "probe_source", "sessions", "sources"]
