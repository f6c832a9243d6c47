"""DeviceUnwatched: something stands in the inventory, and nobody reads it. No rule can know it: the inventory is no metric.

WattstatTargetFails tells of a target that does not answer. This tells of a device that is no target of anybody: without an
address, or left out of what is collected. It draws power, and no sum has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Past
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine
from wattstat.inventory import Inventory

NAME = "DeviceUnwatched"
SUMMARY = "A device of the inventory is read by nobody"
PATIENCE_SECONDS = 1800.0
"""After a start: the slowest tiers of collectors have had their turn."""

VOICE = Voice(name=NAME, severity="info", component="collectors", category="configuration", summary=SUMMARY)
# Whatever bears a device's name was read from it, or about it: targets by their own names, others by what speaks of them.
_TELLING = {
    "target": "group by (target) (last_over_time(wattstat_collector_success[1h]))",
    "node": "group by (node) (last_over_time(wattstat_node_power_watts[1h]) or last_over_time(wattstat_gpu_power_watts[1h]))",
    "switch": "group by (switch) (last_over_time(wattstat_switch_port_up[1h]) or last_over_time(wattstat_switch_up[1h]))",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Devices as (label, name), and the names that were heard of within the hour."""

    devices: tuple[tuple[str, str], ...]
    heard: frozenset[str]


def finder(past: Past, inventory: Callable[[], Inventory], *, since: float) -> Finding[Facts]:
    """Ask every ten minutes; `since` is when this process began to look."""
    return Finding(
        name=NAME,
        every_seconds=600,
        conditions=Conditions(for_seconds=600),
        summary=SUMMARY,
        past=past,
        fetch=partial(fetch, inventory, since),
        judge=judge,
    )


async def fetch(inventory: Callable[[], Inventory], since: float, past: Past, at: float) -> Facts:
    """Everything that stands somewhere, and everything that was heard of."""
    if at < since + PATIENCE_SECONDS:
        return Facts(devices=(), heard=frozenset())
    heard = [name for label, query in _TELLING.items() for (name,) in await past.now(query, label, at)]
    return Facts(devices=tuple(_devices(inventory())), heard=frozenset(heard))


def _devices(inventory: Inventory) -> Iterator[tuple[str, str]]:
    yield from (("node", each.name) for each in inventory.nodes)
    yield from (("switch", each.name) for each in inventory.switches)
    yield from (("storage", each.name) for each in inventory.storage)
    yield from (("pdu", each.name) for each in inventory.pdus)


def judge(facts: Facts) -> list[Raised]:
    """Devices that nobody has heard of. A history in which nobody was heard of at all is no history of ours."""
    if not facts.heard:
        return []
    return [_told(label, name) for label, name in facts.devices if name not in facts.heard]


def _told(label: str, name: str) -> Raised:
    return VOICE.say(
        {label: name},
        f"{label} {name} stands in the inventory and no collector reads it: what it draws is in no sum. Give it an address "
        "there (`bmc`, `agent`, `snmp`, `rest`), or say in `collectors` who reads it; `wattstat targets` lists what is read.",
        value=1.0,
        page="/nodes",
        evidence=[
            EvidenceLine(
                text="No reading of the last hour bears its name.",
                expression=f'group by (target) (wattstat_collector_success{{target="{name}"}})',
            )
        ],
    )
