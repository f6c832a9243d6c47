"""Switches by SNMP: ports, supplies, fans, temperatures, optics, neighbours."""

from collectors.switches.source import SwitchSource, sources

__all__ = ["SwitchSource", "sources"]
