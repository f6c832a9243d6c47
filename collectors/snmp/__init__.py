"""Asks devices by SNMP, read only: what switches and PDUs share."""

from collectors.snmp.client import Rows, Snmp
from collectors.snmp.values import Value, enumerated, scaled, text, whole

__all__ = ["Rows", "Snmp", "Value", "enumerated", "scaled", "text", "whole"]
