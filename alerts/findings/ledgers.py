"""LedgerLeaking: energy of a server begins to go missing from the books.

The rule LedgerUnbalanced speaks when 1 % of a day is missing: at a leak of 2 % that takes half a day. This looks at the pace:
how much of what the meter counts now is posted to nobody, from how fast the day's share moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Floats, Key, Past, Table
from alerts.findings.trends import rises, slope
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine

NAME = "LedgerLeaking"
SUMMARY = "A server's energy begins to go missing from the books"
SPAN_SECONDS, STEP_SECONDS = 3 * 3600.0, 600.0
DAY_HOURS = 24.0
LEAK_RATIO = 0.02
"""Of what is drawn now: twice what the rule allows of a day, so that it would speak within the day."""
MOVED_RATIO = 0.001
"""And the day's share must have moved by this: a tenth of what the rule allows, ten times the rounding of meters."""
RECENT_SECONDS, GOES_ON_RATIO = 3600.0, 0.5
"""In the last hour the leak must go on at this share of its pace: what went wrong for an hour and is over is told by nobody."""
SURE = 4.0
"""Mann and Kendall's measure of a trend; a share that walks to and fro by rounding stays well below."""

VOICE = Voice(name=NAME, severity="warning", component="energy", category="configuration", summary=SUMMARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Three hours of what is missing of a day, by (node,), and how many seconds the ledger had to guess in the last hour."""

    residual: Table
    guessed: Mapping[Key, float]


def finder(past: Past) -> Finding[Facts]:
    """Ask every ten minutes."""
    return Finding(
        name=NAME,
        every_seconds=600,
        conditions=Conditions(for_seconds=600, keep_firing_seconds=3600),
        summary=SUMMARY,
        past=past,
        fetch=fetch,
        judge=judge,
    )


async def fetch(past: Past, at: float) -> Facts:
    """Three hours of the day's share."""
    return Facts(
        residual=await past.table("wattstat_ledger_residual_ratio", "node", at, seconds=SPAN_SECONDS, step=STEP_SECONDS),
        guessed=await past.now("increase(wattstat_ledger_hole_seconds_total[1h])", "node", at),
    )


def judge(facts: Facts) -> list[Raised]:
    """Every server whose energy leaks."""
    leaks = {key: leak(facts.residual.times, row) for key, row in facts.residual.rows.items()}
    return [_told(facts, key, ratio) for key, ratio in leaks.items() if ratio is not None]


def leak(times: Floats, residual: Floats) -> float | None:
    """The share of what is drawn now that is posted to nobody; None where the day's share stands still.

    Positive: too little is posted; negative: too much. Of a day that began with core the share moves faster, and the leak is
    taken for larger than it is: then the share itself is soon above the rule's limit.
    """
    known = residual[~np.isnan(residual)]
    if len(known) < 0.75 * len(residual):
        return None
    # Each full hour the oldest one leaves the day, and the share jumps: medians of slopes do not mind.
    pace = slope(times, residual) * 3600 * DAY_HOURS
    moved = float(np.median(known[-3:]) - np.median(known[:3]))
    is_sure = abs(rises(residual)) >= SURE
    if abs(pace) < LEAK_RATIO or abs(moved) < MOVED_RATIO or not is_sure or pace * moved < 0:
        return None
    newest = times >= times[-1] - RECENT_SECONDS
    goes_on = slope(times[newest], residual[newest]) * 3600 * DAY_HOURS / pace >= GOES_ON_RATIO
    is_healing = abs(float(known[-1])) < abs(float(known[0]))
    return pace if goes_on and not is_healing else None


def _told(facts: Facts, key: Key, ratio: float) -> Raised:
    (node,) = key
    residual = float(facts.residual[key][~np.isnan(facts.residual[key])][-1])
    guessed = facts.guessed.get(key, 0.0)
    what = "is posted to nobody" if ratio > 0 else "is posted that its meter did not count"
    because = f" In the last hour {guessed / 60:.0f} minutes had no readings and were guessed." if guessed >= 60 else ""
    return VOICE.say(
        {"node": node},
        f"About {abs(ratio):.1%} of what {node} draws {what}, for hours; of the whole day it is {residual:.2%} by now (1 % is "
        f"the limit).{because} `wattstat energy balance --node {node}` shows the hours; then compare the server's meter "
        "with its GPUs' counters.",
        value=ratio,
        page=f"/node/{node}",
        evidence=[
            EvidenceLine(
                text=f"The day's share moves by {ratio / DAY_HOURS:.2%} an hour.",
                expression=f'wattstat_ledger_residual_ratio{{node="{node}"}}',
                limit_expression="0.01" if ratio > 0 else "-0.01",
                unit="ratio",
            ),
            EvidenceLine(
                text=f"{guessed:.0f} seconds of the last hour were guessed.",
                expression=f'increase(wattstat_ledger_hole_seconds_total{{node="{node}"}}[1h])',
                unit="seconds",
            ),
        ],
    )
