"""Ethernet switches by RESTCONF: what SNMP does not tell, and all of it where a switch has no SNMP agent."""

from collectors.restconf.source import RestconfSource, sources

__all__ = ["RestconfSource", "sources"]
