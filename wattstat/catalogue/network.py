"""Switches of both fabrics: Ethernet by SNMP and RESTCONF, InfiniBand by the switch's API, UFM and SNMP; cables."""

from wattstat.catalogue.metric import counter, gauge, info

_IF = "IF-MIB ifXTable, ifTable; RESTCONF interfaces-state; UFM, MLNX-OS JSON"

SWITCH_UP = gauge("switch_up", "switch", "1 when the switch answered its last collection.", source="whether it answered")
SWITCH_INFO = info(
    "switch_info",
    "switch rack model os version serial",
    "A switch and what identifies it.",
    source="SNMP sysDescr, sysObjectID, chassis table, ENTITY-MIB; RESTCONF; MLNX-OS show version; UFM systems",
)
SWITCH_UPTIME_SECONDS = gauge(
    "switch_uptime_seconds", "switch", "Time since it started.", source="SNMP sysUpTime (wraps at 497 days)"
)
SWITCH_PORT_INFO = info(
    "switch_port_info", "switch port alias", "A port and what somebody wrote beside it.", source="IF-MIB ifName, ifAlias"
)
SWITCH_PORT_UP = gauge(
    "switch_port_up", "switch port", "1 when the port carries a link.", source="IF-MIB ifOperStatus; UFM physical_state"
)
SWITCH_PORT_ON = gauge(
    "switch_port_on", "switch port", "1 when somebody wants the port to be up.", source="IF-MIB ifAdminStatus"
)
SWITCH_PORT_SPEED_BITS_PER_SECOND = gauge(
    "switch_port_speed_bits_per_second",
    "switch port",
    "Speed of the link; absent where the link is down.",
    source="IF-MIB ifHighSpeed; UFM active_speed",
)
SWITCH_PORT_BYTES_TOTAL = counter(
    "switch_port_bytes_total", "switch port direction", "Bytes; direction is receive or transmit.", source=_IF
)
SWITCH_PORT_PACKETS_TOTAL = counter(
    "switch_port_packets_total", "switch port direction", "Packets; direction is receive or transmit.", source=_IF
)
SWITCH_PORT_ERRORS_TOTAL = counter(
    "switch_port_errors_total", "switch port direction", "Packets with errors; direction is receive or transmit.", source=_IF
)
SWITCH_PORT_DISCARDS_TOTAL = counter(
    "switch_port_discards_total",
    "switch port direction",
    "Packets that were dropped; direction is receive or transmit.",
    source=_IF,
)
SWITCH_PORT_SYMBOL_ERRORS_TOTAL = counter(
    "switch_port_symbol_errors_total",
    "switch port",
    "Symbols that could not be corrected.",
    source="UFM, MLNX-OS: symbol errors",
)
SWITCH_PORT_LINK_FAULTS_TOTAL = counter(
    "switch_port_link_faults_total",
    "switch port kind",
    "Times the link went down or had to recover; kind is down or recovery.",
    source="InfiniBand LinkDownedCounter, LinkErrorRecoveryCounter",
)
SWITCH_PORT_WAIT_TICKS_TOTAL = counter(
    "switch_port_wait_ticks_total",
    "switch port",
    "Ticks in which data waited for credits.",
    source="InfiniBand PortXmitWait",
)
SWITCH_PORT_BIT_ERROR_RATIO = gauge(
    "switch_port_bit_error_ratio",
    "switch port kind",
    "Share of wrong bits; kind is raw, effective (after correction) or symbol.",
    source="UFM telemetry, MLNX-OS show interfaces ib link-diagnostics",
)
SWITCH_PORT_LAST_CHANGE_TIMESTAMP_SECONDS = gauge(
    "switch_port_last_change_timestamp_seconds", "switch port", "When the link last came or went.", source="IF-MIB ifLastChange"
)
SWITCH_PORT_PFC_FRAMES_TOTAL = counter(
    "switch_port_pfc_frames_total",
    "switch port direction priority",
    "Pause frames by priority (PFC): somebody cannot keep up; direction is receive or transmit.",
    source="RESTCONF dell-interface pfc-N-rx-pkts, openconfig-qos",
)
SWITCH_PORT_ECN_PACKETS_TOTAL = counter(
    "switch_port_ecn_packets_total", "switch port", "Packets marked for congestion (ECN).", source="RESTCONF ecn-marked-packets"
)
SWITCH_TEMPERATURE_CELSIUS = gauge(
    "switch_temperature_celsius",
    "switch sensor",
    "Temperature sensors.",
    source="chassis table, ENTITY-SENSOR-MIB, RESTCONF, UFM",
)
SWITCH_FAN_SPEED_RPM = gauge("switch_fan_speed_rpm", "switch fan", "Fans.", source="ENTITY-SENSOR-MIB, RESTCONF")
SWITCH_FAN_OK = gauge("switch_fan_ok", "switch fan", "1 when the fan is good.", source="chassis table, RESTCONF")
SWITCH_PSU_ON = gauge(
    "switch_psu_on", "switch psu", "1 when a power supply is in the slot.", source="chassis table: operStatus"
)
SWITCH_PSU_OK = gauge(
    "switch_psu_ok",
    "switch psu",
    "1 when the power supply is good; absent where none is in the slot.",
    source="chassis table: operStatus; RESTCONF",
)
SWITCH_PSU_POWER_WATTS = gauge(
    "switch_psu_power_watts",
    "switch psu side",
    "Power of a supply; side is input, output or unknown.",
    source="OS10 chassis MIB PSU table column 9, openconfig-platform-psu output-power, ibswinfo MSPS",
)
SWITCH_POWER_WATTS = gauge(
    "switch_power_watts",
    "switch source",
    "Sum of the supplies where all that are present read; source is psu_input, psu_output, psu_unknown.",
    source="its supplies",
)
SWITCH_AIRFLOW_INFO = info(
    "switch_airflow_info",
    "switch part direction",
    "Which way a part blows; direction is as the switch names it: parts that differ heat each other.",
    source="RESTCONF air-flow, openconfig-platform-ext direction",
)
SWITCH_EVENTS_OPEN = gauge(
    "switch_events_open", "switch severity", "Active alarms of a switch.", source="RESTCONF dell-alarm alarm-summary"
)
SWITCH_CPU_RATIO = gauge("switch_cpu_ratio", "switch", "Processor at work.", source="SNMP, RESTCONF")
SWITCH_TRANSCEIVER_POWER_DBM = gauge(
    "switch_transceiver_power_dbm",
    "switch port lane direction",
    "Light of an optical module; direction is receive or transmit.",
    source="ENTITY-SENSOR-MIB, RESTCONF, UFM telemetry",
)
SWITCH_TRANSCEIVER_TEMPERATURE_CELSIUS = gauge(
    "switch_transceiver_temperature_celsius",
    "switch port",
    "Temperature of an optical module.",
    source="ENTITY-SENSOR-MIB, UFM telemetry",
)
FABRIC_LINK_INFO = info(
    "fabric_link_info",
    "node device rail switch port source",
    "A cable between a server's port and a switch; source is inventory, ufm, lldp or ibnetdiscover.",
    source="inventory links; UFM resources/links; LLDP-MIB lldpRemTable; ibnetdiscover",
)

_SYSFS = "/sys/class/infiniband/*/ports/*"

INFINIBAND_PORT_INFO = info(
    "infiniband_port_info",
    "node device port guid firmware link_layer",
    "A port of a server's InfiniBand or RoCE adapter.",
    source=f"{_SYSFS}, fw_ver, node_guid",
)
INFINIBAND_PORT_ACTIVE = gauge(
    "infiniband_port_active", "node device port", "1 when the port is ACTIVE.", source=f"{_SYSFS}/state"
)
INFINIBAND_PORT_ON = gauge(
    "infiniband_port_on", "node device port", "1 when the physical link is up.", source=f"{_SYSFS}/phys_state"
)
INFINIBAND_PORT_RATE_BITS_PER_SECOND = gauge(
    "infiniband_port_rate_bits_per_second",
    "node device port",
    "Rate of the link; absent where it is down.",
    source=f"{_SYSFS}/rate",
)
INFINIBAND_PORT_BYTES_TOTAL = counter(
    "infiniband_port_bytes_total",
    "node device port direction",
    "Bytes; direction is receive or transmit.",
    source=f"{_SYSFS}/counters/port_{{xmit,rcv}}_data x 4",
)
INFINIBAND_PORT_PACKETS_TOTAL = counter(
    "infiniband_port_packets_total",
    "node device port direction",
    "Packets; direction is receive or transmit.",
    source=f"{_SYSFS}/counters/port_{{xmit,rcv}}_packets",
)
INFINIBAND_PORT_ERRORS_TOTAL = counter(
    "infiniband_port_errors_total",
    "node device port kind",
    "Errors; kind is symbol, receive, receive_remote, transmit_discard, link_integrity or buffer_overrun, and so on.",
    source=f"{_SYSFS}/counters, hw_counters",
)
INFINIBAND_PORT_WAIT_TICKS_TOTAL = counter(
    "infiniband_port_wait_ticks_total",
    "node device port",
    "Ticks in which data waited for credits.",
    source=f"{_SYSFS}/counters/port_xmit_wait",
)
