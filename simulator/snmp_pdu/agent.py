"""The SNMP agent of a simulated PDU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulator.faults import Faults
from simulator.plant.model import PduState, Plant
from simulator.snmp import Responder, Value, identifier, octets, ticks
from simulator.snmp_pdu import apc, raritan, servertech

COMMUNITY = "public"
_SYSTEM = "1.3.6.1.2.1.1"
_KINDS: Mapping[str, tuple[str, str, Callable[[PduState], dict[str, Value]]]] = MappingProxyType(
    {
        "raritan": ("1.3.6.1.4.1.13742.6", "Raritan PDU", raritan.table),
        "apc": ("1.3.6.1.4.1.318.1.3.4.5", "APC Web/SNMP Management Card", apc.table),
        "servertech": ("1.3.6.1.4.1.1718.4", "Sentry Switched PDU", servertech.table),
    }
)


def agent(plant: Plant, pdu_name: str, faults: Faults, *, community: str = COMMUNITY) -> Responder:
    """An agent that shows a PDU of the plant; what it showed last with `pdu_frozen`, nothing with `pdu_gone`."""
    last: dict[str, Value] = {}

    def render() -> Mapping[str, Value]:
        if faults.find(pdu_name, "pdu_frozen") is None or not last:
            last.clear()
            last.update(shown(plant.pdu(pdu_name), plant.now))
        return last

    def away() -> bool:
        return not plant.pdu(pdu_name).up or faults.find(pdu_name, "pdu_gone") is not None

    responder = Responder(render, community=community)
    responder.away = away
    return responder


def shown(pdu: PduState, uptime_seconds: float) -> dict[str, Value]:
    """Everything that a PDU's agent shows, by dotted identifier. Raises `KeyError` for a kind that is not simulated."""
    object_id, description, table = _KINDS[pdu.kind]
    system = {
        f"{_SYSTEM}.1.0": octets(f"{description} {pdu.model}"),
        f"{_SYSTEM}.2.0": identifier(object_id),
        f"{_SYSTEM}.3.0": ticks(uptime_seconds),
        f"{_SYSTEM}.5.0": octets(pdu.name),
    }
    return system | table(pdu)
