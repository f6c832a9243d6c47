"""What the agents of the simulated PDUs show: PDU2-MIB, PowerNet-MIB and Sentry4-MIB, from the plant."""

from simulator.snmp_pdu.agent import agent, shown

__all__ = ["agent", "shown"]
