"""CapDrifting: a cap that slips, slowly enough that nothing else tells.

Three ways, each of which a single look would miss: the value read back moves away from the one that was set, watt by watt; more
is drawn on average than the cap allows; or somebody changes it again and again, and each time it is put right.
A cap that was just changed drifts nowhere: compared is only what has stood still.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Floats, Key, Past, Table
from alerts.findings.trends import growth, rises
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine

NAME = "CapDrifting"
SUMMARY = "A power cap slips away from what was set"
SPAN_SECONDS, STEP_SECONDS = 6 * 3600.0, 600.0
GAP_RATIO, GAP_WATTS = 0.01, 3.0
"""Devices round caps to whole watts, servers' controllers to a few."""
OVER_RATIO, OVER_WATTS, OVER_SPAN = 0.04, 8.0, 3
"""Devices hold their caps to some 2 %; means of ten minutes, in so many of them in a row."""
SURE = 3.0
"""Mann and Kendall's measure of a trend: by chance once in 700."""
TIMES, HOURS = 3, 3
"""Found changed so often, in so many different hours of the last six."""

VOICE = Voice(name=NAME, severity="warning", component="power", category="configuration", summary=SUMMARY)
_DEVICE = "node gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Six hours in steps of ten minutes, by (node, gpu); gpu is empty for a server's own cap."""

    target: Table
    confirmed: Table
    highest: Table
    """The highest cap within each step."""
    power: Table
    """The mean within each step."""
    drifts: Table


def finder(past: Past) -> Finding[Facts]:
    """Ask every ten minutes, as often as there is a new mean."""
    return Finding(
        name=NAME,
        every_seconds=600,
        conditions=Conditions(for_seconds=0, keep_firing_seconds=3600),
        summary=SUMMARY,
        past=past,
        fetch=fetch,
        judge=judge,
    )


async def fetch(past: Past, at: float) -> Facts:
    """What is wanted, what was read back and what is drawn."""

    async def table(expression: str) -> Table:
        return await past.table(expression, _DEVICE, at, seconds=SPAN_SECONDS, step=STEP_SECONDS)

    gpus = await table('avg_over_time(wattstat_gpu_power_watts{window="1s",scope="gpu"}[10m])')
    servers = await table('avg_over_time(wattstat_node_power_watts{source="system"}[10m])')
    return Facts(
        target=await table("wattstat_cap_target_watts"),
        confirmed=await table("wattstat_cap_confirmed_watts"),
        highest=await table("max_over_time(wattstat_cap_confirmed_watts[15m])"),
        power=Table(times=gpus.times, rows={**gpus.rows, **servers.rows}),
        drifts=await table("wattstat_cap_drift_total"),
    )


def judge(facts: Facts) -> list[Raised]:
    """One alert a device, with all that shows it."""
    found: dict[Key, list[EvidenceLine]] = defaultdict(list)
    for key, line in _seen(facts):
        found[key].append(line)
    return [_told(facts, key, lines) for key, lines in found.items()]


def _seen(facts: Facts) -> Iterator[tuple[Key, EvidenceLine]]:
    for key, confirmed in facts.confirmed.rows.items():
        where = f'{{node="{key[0]}",gpu="{key[1]}"}}'
        for line in (
            slips(facts.target[key], confirmed, where),
            exceeds(facts.power[key], facts.highest[key], key, where),
        ):
            if line is not None:
                yield key, line
    for key, drifts in facts.drifts.rows.items():
        where = f'{{node="{key[0]}",gpu="{key[1]}"}}'
        if (line := recurs(drifts, where)) is not None:
            yield key, line


def slips(target: Floats, confirmed: Floats, where: str) -> EvidenceLine | None:
    """What was read back moves away from a target that stands still."""
    since = _still(target)
    gap = np.abs(confirmed - target)[since:]
    known = gap[~np.isnan(gap)]
    if len(known) < 6 or np.isnan(gap[-1]):
        return None
    last, wanted = float(known[-1]), float(target[-1])
    if last < max(GAP_WATTS, GAP_RATIO * wanted) or last <= float(known[0]) or not rises(gap) >= SURE:
        return None
    hours = (len(gap) - 1) * STEP_SECONDS / 3600
    return EvidenceLine(
        text=f"Set to {wanted:.0f} W {hours:.1f} hours ago and not since, it reads {confirmed[-1]:.0f} W and moves on.",
        expression=f"wattstat_cap_confirmed_watts{where}",
        limit_expression=f"wattstat_cap_target_watts{where}",
        unit="watts",
    )


def exceeds(power: Floats, highest: Floats, key: Key, where: str) -> EvidenceLine | None:
    """Half an hour of means above the highest cap of the time."""
    over = power > np.maximum(highest * (1 + OVER_RATIO), highest + OVER_WATTS)
    if not over[-OVER_SPAN:].all():
        return None
    mine = f'wattstat_gpu_power_watts{{node="{key[0]}",gpu="{key[1]}",window="1s",scope="gpu"}}'
    whole = f'wattstat_node_power_watts{{node="{key[0]}",source="system"}}'
    return EvidenceLine(
        text=f"It draws {power[-1]:.0f} W on average under a cap of {highest[-1]:.0f} W, for half an hour.",
        expression=f"avg_over_time({mine if key[1] else whole}[10m])",
        limit_expression=f"wattstat_cap_confirmed_watts{where}",
        unit="watts",
    )


def recurs(drifts: Floats, where: str) -> EvidenceLine | None:
    """It was found changed again and again, and put right each time."""
    found = growth(drifts)
    per_hour = round(3600 / STEP_SECONDS)
    count = len(found) // per_hour * per_hour
    hours = np.nansum(found[len(found) - count :].reshape(-1, per_hour), axis=1)
    if np.nansum(found) < TIMES or (hours > 0).sum() < HOURS:
        return None
    return EvidenceLine(
        text=f"In six hours it was found changed {np.nansum(found):.0f} times, in {(hours > 0).sum()} of the hours.",
        expression=f"increase(wattstat_cap_drift_total{where}[1h])",
        limit_expression="1",
    )


def _still(target: Floats) -> int:
    """From where on the target has been what it is now."""
    different = np.flatnonzero(~(np.abs(target - target[-1]) < 0.5))
    return int(different[-1]) + 1 if len(different) else 0


def _told(facts: Facts, key: Key, lines: list[EvidenceLine]) -> Raised:
    node, gpu = key
    name = f"The cap of GPU {gpu} of {node}" if gpu else f"The cap of {node}"
    target, confirmed = facts.target[key][-1], facts.confirmed[key][-1]
    return VOICE.say(
        {"node": node, "gpu": gpu},
        f"{name} slips. {' '.join(line.text for line in lines)} Its budgets are charged with what was read back. `wattstat "
        f"power audit --device {node}` names who set what; then look at the server's own power policy, and set the cap anew.",
        value=float(confirmed - target) if not np.isnan(confirmed - target) else float(len(lines)),
        page=f"/node/{node}",
        evidence=lines,
    )
