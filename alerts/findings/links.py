"""LinkFailingSlowly: a cable, module or port that gets worse over hours and days, long before a limit is reached.

Looked at are two days in hours. What it must be told from: one noisy hour (somebody touched the cable), a cable that has been
tired for weeks and stays so, a switch that was started anew, and counts so small that chance explains them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Floats, Key, Past, Table
from alerts.findings.trends import growth
from alerts.findings.wear import Wear, errors_rise, flaps, light_falls, ratio_rises
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine

NAME = "LinkFailingSlowly"
SUMMARY = "A link gets worse from hour to hour"
SPAN_SECONDS, STEP_SECONDS = 48 * 3600.0, 900.0
REBOOT_RATIO, REBOOT_PORTS = 0.25, 3
"""When so many ports of a switch go down in the same quarter of an hour, it is the switch and not their cables."""

VOICE = Voice(name=NAME, severity="warning", component="fabric", category="components", summary=SUMMARY)
_PORT = "switch port"
_ADAPTER = "node device port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Two days of every port. Keys are (switch, port), of `adapter_…` (node, device, port), of `light` (switch, port, lane)."""

    symbols: Table
    bit_errors: Table
    downs: Table
    light: Table
    adapter_symbols: Table
    cables: Mapping[Key, Key]
    """(node, device) by (switch, port)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A port that fails, with everything that shows it."""

    labels: Mapping[str, str]
    wear: list[Wear]


def finder(past: Past) -> Finding[Facts]:
    """Ask every quarter of an hour: two days do not change faster. It fires on for six hours: links have their better ones."""
    return Finding(
        name=NAME,
        every_seconds=900,
        conditions=Conditions(for_seconds=0, keep_firing_seconds=6 * 3600),
        summary=SUMMARY,
        past=past,
        fetch=fetch,
        judge=judge,
    )


async def fetch(past: Past, at: float) -> Facts:
    """Quarters of hours over two days: counters as they stand, so that each costs one number."""

    async def table(expression: str, labels: str) -> Table:
        return await past.table(expression, labels, at, seconds=SPAN_SECONDS, step=STEP_SECONDS)

    cables = await past.now("wattstat_fabric_link_info", f"{_PORT} node device", at)
    return Facts(
        symbols=await table("wattstat_switch_port_symbol_errors_total", _PORT),
        bit_errors=await table('wattstat_switch_port_bit_error_ratio{kind=~"effective|symbol"}', _PORT),
        downs=await table('wattstat_switch_port_link_faults_total{kind="down"}', _PORT),
        light=await table('wattstat_switch_transceiver_power_dbm{direction="receive"}', f"{_PORT} lane"),
        adapter_symbols=await table('wattstat_infiniband_port_errors_total{kind="symbol"}', _ADAPTER),
        cables={key[:2]: key[2:] for key in cables},
    )


def judge(facts: Facts) -> list[Raised]:
    """Ports of switches; adapters only where the other end of their cable does not say so already."""
    found = {key: Failing(labels={"switch": key[0], "port": key[1]}, wear=wear) for key, wear in _ports(facts).items()}
    ends = {facts.cables.get(key) for key in found}
    raised = [_told(failing, facts.cables.get(key)) for key, failing in found.items()]
    for key, row in facts.adapter_symbols.rows.items():
        wear = errors_rise(facts.adapter_symbols.times, row, _adapter_query(key))
        if wear is not None and key[:2] not in ends:
            labels = dict(zip(_ADAPTER.split(), key, strict=True))
            raised.append(_told(Failing(labels=labels, wear=[wear]), None))
    return raised


def _ports(facts: Facts) -> dict[Key, list[Wear]]:
    found: dict[Key, list[Wear]] = defaultdict(list)
    for key, wear in _wears(facts):
        if wear is not None:
            found[key[:2]].append(wear)
    return found


def _wears(facts: Facts) -> Iterator[tuple[Key, Wear | None]]:
    for key, row in facts.symbols.rows.items():
        yield key, errors_rise(facts.symbols.times, row, _query("wattstat_switch_port_symbol_errors_total", key))
    for key, row in facts.bit_errors.rows.items():
        where = _query("wattstat_switch_port_bit_error_ratio", key, 'kind=~"effective|symbol"')
        yield key, ratio_rises(facts.bit_errors.times, row, where)
    for key, row in flaps_alone(facts.downs).items():
        where = _query("wattstat_switch_port_link_faults_total", key, 'kind="down"')
        yield key, flaps(facts.downs.times, row, where)
    for key, row in facts.light.rows.items():
        where = _query("wattstat_switch_transceiver_power_dbm", key, f'direction="receive",lane="{key[2]}"')
        yield key, light_falls(facts.light.times, row, where)


def flaps_alone(downs: Table) -> dict[Key, Floats]:
    """How often each port went down between two moments, those moments left out at which much of its switch did."""
    ports: dict[str, list[Key]] = defaultdict(list)
    for key in downs.rows:
        ports[key[0]].append(key)
    found: dict[Key, Floats] = {}
    for keys in ports.values():
        counts = np.stack([growth(downs[key]) for key in keys])
        together = (counts > 0).sum(axis=0)
        is_reboot = (together >= REBOOT_PORTS) & (together >= REBOOT_RATIO * len(keys))
        found.update(zip(keys, np.where(is_reboot, 0.0, counts), strict=True))
    return found


def _query(metric: str, key: Key, more: str = "") -> str:
    return f'{metric}{{switch="{key[0]}",port="{key[1]}"{"," + more if more else ""}}}'


def _adapter_query(key: Key) -> str:
    node, device, port = key
    return f'wattstat_infiniband_port_errors_total{{node="{node}",device="{device}",port="{port}",kind="symbol"}}'


def _told(failing: Failing, end: Key | None) -> Raised:
    labels = failing.labels
    if "switch" in labels:
        name, page = f"Port {labels['port']} of {labels['switch']}", f"/fabric?leaf={labels['switch']}"
    else:
        name, page = f"{labels['device']} of {labels['node']}", f"/node/{labels['node']}"
    behind = f" Behind it: {end[1]} of {end[0]}." if end else ""
    worst = max(failing.wear, key=lambda wear: wear.factor)
    return VOICE.say(
        labels,
        f"{name} gets worse: {' '.join(wear.text for wear in failing.wear)}{behind} Clean and reseat both ends when the jobs "
        "on it allow; exchange the cable if it goes on.",
        value=worst.factor,
        page=page,
        evidence=[
            EvidenceLine(text=wear.text, expression=wear.expression, limit_expression=wear.limit_expression, unit=wear.unit)
            for wear in failing.wear
        ],
    )
