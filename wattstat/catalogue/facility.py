"""What the building measures: metered power strips, and racks as a whole."""

from wattstat.catalogue.metric import counter, gauge, info

PDU_UP = gauge("pdu_up", "pdu", "1 when the PDU answered its last collection.", source="whether it answered")
PDU_INFO = info(
    "pdu_info",
    "pdu rack feed model serial version",
    "A metered power strip.",
    source="vendor MIB: Raritan PDU2, APC PowerNet, Server Technology Sentry3/4",
)
PDU_LIMIT_WATTS = gauge(
    "pdu_limit_watts",
    "pdu",
    "Rating of the breaker before the PDU, over all phases; absent where the inventory names none.",
    source="inventory: breaker of the PDU",
)
PDU_POWER_WATTS = gauge("pdu_power_watts", "pdu", "Active power at the inlet.", source="vendor MIB")
PDU_ENERGY_JOULES_TOTAL = counter(
    "pdu_energy_joules_total", "pdu", "Energy through the inlet.", source="vendor MIB (Wh, 0.1 kWh)"
)
PDU_PHASE_POWER_WATTS = gauge("pdu_phase_power_watts", "pdu phase", "Active power of a phase.", source="vendor MIB")
PDU_PHASE_CURRENT_AMPERES = gauge("pdu_phase_current_amperes", "pdu phase", "Current of a phase.", source="vendor MIB")
PDU_PHASE_VOLTAGE_VOLTS = gauge("pdu_phase_voltage_volts", "pdu phase", "Voltage of a phase.", source="vendor MIB")
PDU_OUTLET_POWER_WATTS = gauge(
    "pdu_outlet_power_watts",
    "pdu outlet device",
    "Active power of an outlet, and what the inventory says hangs on it.",
    source="vendor MIB",
)
PDU_OUTLET_ENERGY_JOULES_TOTAL = counter(
    "pdu_outlet_energy_joules_total", "pdu outlet device", "Energy through an outlet.", source="vendor MIB"
)
PDU_OUTLET_ON = gauge("pdu_outlet_on", "pdu outlet device", "1 when the outlet is switched on.", source="vendor MIB")
PDU_TEMPERATURE_CELSIUS = gauge("pdu_temperature_celsius", "pdu sensor", "Temperature sensors of the PDU.", source="vendor MIB")

RACK_POWER_WATTS = gauge(
    "rack_power_watts",
    "rack source",
    "Power of a rack: metered by its PDUs, and summed over the devices that were measured; each beside the other.",
    source="PDUs; else node_power_watts, switch_power_watts, storage_node_power_watts, outlets",
)
RACK_POWER_COVERAGE_RATIO = gauge(
    "rack_power_coverage_ratio",
    "rack source",
    "Share of what hangs there that the figure measures: 1 for all; a missing device is a gap, not 0 W.",
    source="PDUs that read of those listed; devices that read of those listed",
)
DEVICE_POWER_WATTS = gauge(
    "device_power_watts",
    "device kind source",
    "Best figure for the power of what takes no cap; kind is switch or storage, source pdu, sensor, psu_input or derived.",
    source="PDU outlets, switches, storage nodes",
)
