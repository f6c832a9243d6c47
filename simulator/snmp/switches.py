"""The agents of simulated switches: what SmartFabric OS10, Enterprise SONiC and MLNX-OS show of a switch by SNMP."""

from __future__ import annotations

from collections.abc import Callable

from simulator.faults import Faults
from simulator.plant.model import Plant, SwitchState
from simulator.snmp import chassis, sensors
from simulator.snmp.ber import Value, counter32, counter64, gauge32, identifier, integer, octets, ticks
from simulator.snmp.responder import Responder

PORT = 161
Shown = dict[str, Value]

_IF, _IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
_LLDP = "1.0.8802.1.1.2.1"
_ETHERNET, _INFINIBAND = 6, 199
_UP, _DOWN = 1, 2
_INTERFACE_NAME = 5
_OBJECTS = {
    "os10": "1.3.6.1.4.1.674.11000.5000.100.2.1.33",
    "sonic": "1.3.6.1.4.1.4413.1.2.1.2.40",
    "mlnx-os": "1.3.6.1.4.1.33049.1.1.1.9700",
}


class SwitchAgent:
    """A switch's agent on the switch's address; silent while the switch is gone."""

    def __init__(self, plant: Plant, switch_name: str, faults: Faults, community: str) -> None:
        self._plant = plant
        self._name = switch_name
        self._faults = faults
        self._responder = Responder(self._render, community=community)
        self._responder.away = self._away

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._responder.port

    @property
    def requests(self) -> int:
        """How many requests it had."""
        return self._responder.requests

    async def start(self, port: int = PORT) -> None:
        """Listen on the switch's address; on any free port where 0 is asked for."""
        await self._responder.start(self._plant.switch(self._name).address, port)

    async def stop(self) -> None:
        """Stop listening."""
        await self._responder.stop()

    def _render(self) -> Shown:
        return shown(self._plant.switch(self._name), self._plant.now)

    def _away(self) -> bool:
        return not self._plant.switch(self._name).up or self._faults.find(self._name, "switch_gone") is not None


def shown(switch: SwitchState, now: float) -> Shown:
    """Everything that the agent of a switch shows at a moment."""
    found = _system(switch, now) | _ports(switch, now) | _neighbours(switch)
    return found | _OWN[switch.system](switch)


def if_index(switch: SwitchState, port: int) -> int:
    """The ifIndex of the port in that place of the list: SONiC counts lanes, and its first port is Ethernet0."""
    found = switch.ports[port]
    return int(found.name.removeprefix("Ethernet")) + 1 if switch.system == "sonic" else found.index


def _system(switch: SwitchState, now: float) -> Shown:
    described = {
        "os10": "Dell EMC Networking OS10 Enterprise.\r\nSystem Description: OS10 Enterprise.\r\n"
        f"OS Version: {switch.version}.\r\nSystem Type: {switch.model}",
        "sonic": f"SONiC Software Version: SONiC.{switch.version} - HwSku: {switch.model.replace(' ', '-')}"
        " - Distribution: Debian 11.11",
        "mlnx-os": f"Mellanox {switch.model},MLNX-OS,SWv{switch.version}",
    }
    load = round(100 * switch.cpu_ratio)
    return {
        "1.3.6.1.2.1.1.1.0": octets(described[switch.system]),
        "1.3.6.1.2.1.1.2.0": identifier(_OBJECTS[switch.system]),
        "1.3.6.1.2.1.1.3.0": ticks(now - switch.started_at),
        "1.3.6.1.2.1.1.5.0": octets(switch.name),
        "1.3.6.1.2.1.2.1.0": integer(len(switch.ports)),
        **{f"1.3.6.1.2.1.25.3.3.1.2.{196608 + core}": integer(load) for core in range(4)},
    }


def _ports(switch: SwitchState, now: float) -> Shown:
    found: Shown = {}
    kind = _INFINIBAND if switch.fabric == "infiniband" else _ETHERNET
    for place, port in enumerate(switch.ports):
        index = if_index(switch, place)
        changed = max(min(port.changed_at, now) - switch.started_at, 0)
        found |= {
            f"{_IF}.2.{index}": octets(port.name),
            f"{_IF}.3.{index}": integer(kind),
            f"{_IF}.7.{index}": integer(_UP if port.wanted else _DOWN),
            f"{_IF}.8.{index}": integer(_UP if port.up else _DOWN),
            # Recorded Enterprise SONiC tells seconds where hundredths are asked for.
            f"{_IF}.9.{index}": ticks(changed / 100 if switch.system == "sonic" else changed),
            f"{_IF}.10.{index}": counter32(port.receive_bytes),
            f"{_IF}.13.{index}": counter32(port.receive_discards),
            f"{_IF}.14.{index}": counter32(port.receive_errors),
            f"{_IF}.16.{index}": counter32(port.transmit_bytes),
            f"{_IF}.19.{index}": counter32(port.transmit_discards),
            f"{_IF}.20.{index}": counter32(port.transmit_errors),
            f"{_IFX}.1.{index}": octets(port.name),
            f"{_IFX}.6.{index}": counter64(port.receive_bytes),
            f"{_IFX}.7.{index}": counter64(port.receive_packets),
            f"{_IFX}.8.{index}": counter64(0),
            f"{_IFX}.9.{index}": counter64(0),
            f"{_IFX}.10.{index}": counter64(port.transmit_bytes),
            f"{_IFX}.11.{index}": counter64(port.transmit_packets),
            f"{_IFX}.12.{index}": counter64(0),
            f"{_IFX}.13.{index}": counter64(0),
            # The speed that is set, link or not.
            f"{_IFX}.15.{index}": gauge32(port.speed / 1e6),
            f"{_IFX}.18.{index}": octets(port.alias),
        }
    return found


def _neighbours(switch: SwitchState) -> Shown:
    """Only Ethernet has LLDP; an adapter announces its name, and nobody announces anything over a dead link."""
    found: Shown = {}
    if switch.fabric != "ethernet":
        return found
    for place, port in enumerate(switch.ports):
        index = if_index(switch, place)
        found[f"{_LLDP}.3.7.1.3.{index}"] = octets(port.name)
        if port.up and port.peer and port.peer_port:
            row = f"100.{index}.1"
            found |= {
                f"{_LLDP}.4.1.1.6.{row}": integer(_INTERFACE_NAME),
                f"{_LLDP}.4.1.1.7.{row}": octets(port.peer_port),
                f"{_LLDP}.4.1.1.8.{row}": octets(port.peer_port),
                f"{_LLDP}.4.1.1.9.{row}": octets(port.peer),
            }
    return found


def _sonic(switch: SwitchState) -> Shown:
    return sensors.sonic(switch, [if_index(switch, place) for place in range(len(switch.ports))])


_OWN: dict[str, Callable[[SwitchState], Shown]] = {
    "os10": chassis.os10,
    "sonic": _sonic,
    "mlnx-os": sensors.mlnx_os,
}
