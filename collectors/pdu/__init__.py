"""Metered power strips by SNMP: Raritan, APC, Server Technology, and others that tell watts in ENTITY-SENSOR-MIB."""

from collectors.pdu.source import PduSource, sources

__all__ = ["PduSource", "sources"]
