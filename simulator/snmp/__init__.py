"""SNMP agents of simulated devices."""

from simulator.snmp.ber import (
    Value,
    counter32,
    counter64,
    gauge32,
    identifier,
    integer,
    octets,
    ticks,
)
from simulator.snmp.responder import Responder
from simulator.snmp.table import Table, recorded

__all__ = [
    "Responder",
    "Table",
    "Value",
    "counter32",
    "counter64",
    "gauge32",
    "identifier",
    "integer",
    "octets",
    "recorded",
    "ticks",
]
