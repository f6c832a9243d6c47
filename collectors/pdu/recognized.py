"""Which MIB a PDU speaks: by its sysObjectID, within what the inventory says, and by what tables there are."""

from __future__ import annotations

from collectors.frame.errors import BadPayload
from collectors.pdu.apc import APC, APC_OLD
from collectors.pdu.dialect import Dialect, Tables
from collectors.pdu.generic import GENERIC
from collectors.pdu.raritan import RARITAN
from collectors.pdu.servertech import SENTRY3, SENTRY4
from collectors.snmp import Snmp, text

SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0"
# Server Technology's newer models run the software of Raritan, and speak its MIB.
_BY_OBJECT_ID: tuple[tuple[str, tuple[Dialect, ...]], ...] = (
    ("1.3.6.1.4.1.13742.6", (RARITAN,)),
    ("1.3.6.1.4.1.1718.4", (SENTRY4,)),
    ("1.3.6.1.4.1.1718.3", (SENTRY3,)),
    ("1.3.6.1.4.1.318", (APC, APC_OLD)),
)
_BY_KIND: dict[str, tuple[Dialect, ...]] = {
    "raritan": (RARITAN,),
    "apc": (APC, APC_OLD),
    "servertech": (SENTRY4, SENTRY3, RARITAN),
    "generic": (GENERIC,),
}


async def recognized(snmp: Snmp, kind: str | None) -> tuple[Dialect, Tables]:
    """The MIB, and its tables that are read seldom. Raises a `CollectError`."""
    object_id = text((await snmp.get([SYS_OBJECT_ID])).get(SYS_OBJECT_ID)).strip(".")
    candidates = _candidates(object_id, kind)
    for dialect in candidates:
        known = {name: await snmp.columns(table) for name, table in dialect.known.items()}
        if any(ask.indexes for ask in dialect.asked(known).values()):
            return dialect, known
    tried = ", ".join(dialect.name for dialect in candidates)
    raise BadPayload(
        f"{snmp.address}: measures nothing that is known (sysObjectID {object_id or 'is not told'}; tried {tried}); expected "
        "PDU2-MIB, PowerNet-MIB, Sentry3-MIB, Sentry4-MIB, or watts in ENTITY-SENSOR-MIB: check that its user may read all"
    )


def _candidates(object_id: str, kind: str | None) -> tuple[Dialect, ...]:
    """The device's own word first, where the inventory does not contradict it."""
    by_word = next(
        (found for prefix, found in _BY_OBJECT_ID if object_id == prefix or object_id.startswith(f"{prefix}.")), (GENERIC,)
    )
    if kind is None:
        return by_word
    allowed = _BY_KIND[kind]
    return tuple(dialect for dialect in by_word if dialect in allowed) or allowed
