"""The plant's ports as UFM Telemetry shows them: Prometheus text with times, or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from simulator.adapters import adapter_guid, is_infiniband
from simulator.plant.model import Plant, Port
from simulator.ufm.documents import digits, switches_of

LANES = 4


class Sampled(NamedTuple):
    """A port as telemetry knows it."""

    guid: str
    number: int
    port: Port


def text(plant: Plant) -> str:
    """Prometheus text, a line for each counter of each port, with the time in milliseconds."""
    stamp = int(plant.now * 1000)
    lines = []
    for guid, number, port in _ports(plant):
        labels = f'node_guid="0x{guid}",port_guid="0x{guid}",port_num="{number}"'
        lines += [f"{name}{{{labels}}} {value} {stamp}" for name, value in _counters(port).items()]
    return "\n".join(lines) + "\n"


def table(plant: Plant) -> str:
    """CSV, a line for each port, with the time in microseconds."""
    lines = [f"timestamp,source_id,node_guid,port_guid,port_num,{','.join(_counters(Port(name='', index=0)))}"]
    for guid, number, port in _ports(plant):
        values = ",".join(str(value) for value in _counters(port).values())
        lines.append(f"{int(plant.now * 1e6)},0x{guid},0x{guid},0x{guid},{number},{values}")
    return "\n".join(lines) + "\n"


def _ports(plant: Plant) -> Iterator[Sampled]:
    """Ports with a link, of switches that answer and of hosts."""
    for switch in switches_of(plant):
        if switch.up:
            yield from (Sampled(digits(switch.guid), port.index, port) for port in switch.ports if port.up)
    for node, found in plant.adapters.items():
        yield from (Sampled(adapter_guid(node, port.name), 1, port) for port in found if port.up and is_infiniband(port))


def _counters(port: Port) -> dict[str, int | float | str]:
    """Words of four octets, and ratios as the tools write them: 15E-255 where there was no error."""
    ratio: float | str = port.bit_error_ratio or "15E-255"
    counters: dict[str, int | float | str] = {
        "PortXmitDataExtended": int(port.transmit_bytes // 4),
        "PortRcvDataExtended": int(port.receive_bytes // 4),
        "PortXmitPktsExtended": int(port.transmit_packets),
        "PortRcvPktsExtended": int(port.receive_packets),
        "SymbolErrorCounterExtended": int(port.symbol_errors),
        "LinkErrorRecoveryCounterExtended": int(port.recoveries),
        "LinkDownedCounterExtended": int(port.link_downs),
        "PortRcvErrorsExtended": int(port.receive_errors),
        "PortXmitDiscardsExtended": int(port.transmit_discards),
        "PortRcvSwitchRelayErrorsExtended": int(port.receive_discards),
        "PortXmitWaitExtended": int(port.wait_ticks),
        "raw_ber": min(0.5, port.bit_error_ratio * 1e6),
        "eff_ber": ratio,
        "symbol_ber": ratio,
        "Module_Temperature": "N/A" if port.optic_celsius is None else round(port.optic_celsius),
    }
    for lane in range(LANES):
        counters[f"rx_power_lane_{lane}"] = "N/A" if port.receive_dbm is None else round(port.receive_dbm, 2)
        counters[f"tx_power_lane_{lane}"] = "N/A" if port.transmit_dbm is None else round(port.transmit_dbm, 2)
    return counters
