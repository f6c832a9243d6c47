"""GpuNotFound: a server has fewer GPUs than the inventory says. No rule can know it: the inventory is no metric.

GpuLost tells of a GPU that the agent had seen, GpuMissing of one that the BMC sees and the driver does not. This tells of one
that neither sees: after an exchange, after a power cycle, or in a server that was never whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from alerts.findings.finding import Finding, Voice
from alerts.findings.past import Key, Past
from alerts.model import Conditions, Raised
from wattstat.api.alerts import EvidenceLine
from wattstat.inventory import Inventory

NAME = "GpuNotFound"
SUMMARY = "A server has fewer GPUs than the inventory says"

VOICE = Voice(name=NAME, severity="warning", component="gpu", category="components", summary=SUMMARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counts by server. `seen` are GPUs that answer or are known to be lost: both are there for the agent."""

    expected: Mapping[str, int]
    seen: Mapping[Key, float]
    listed: Mapping[Key, float]
    """GPUs that the BMC lists."""
    reads: Mapping[Key, float]
    """By (node,): 1 where the agent was read."""


def finder(past: Past, inventory: Callable[[], Inventory]) -> Finding[Facts]:
    """Ask every minute; a server that starts has its GPUs within some minutes."""
    return Finding(
        name=NAME,
        every_seconds=60,
        conditions=Conditions(for_seconds=600, keep_firing_seconds=300),
        summary=SUMMARY,
        past=past,
        fetch=partial(fetch, inventory),
        judge=judge,
    )


async def fetch(inventory: Callable[[], Inventory], past: Past, at: float) -> Facts:
    """What the inventory promises, and what the agents of the servers see."""
    reads = await past.now('wattstat_collector_success{collector="agent"}', "target", at)
    return Facts(
        expected={node.name: node.gpus for node in inventory().nodes if node.gpus},
        seen=await past.now("count by (node) (wattstat_gpu_lost)", "node", at),
        listed=await past.now("count by (node) (wattstat_node_gpu_info)", "node", at),
        reads=reads,
    )


def judge(facts: Facts) -> list[Raised]:
    """Servers whose agent answers and sees fewer. One whose agent is silent is another alert's matter."""
    return [
        _told(node, expected, int(facts.seen.get((node,), 0)))
        for node, expected in facts.expected.items()
        if facts.reads.get((node,), 0.0) > 0
        and facts.seen.get((node,), 0.0) < expected
        and facts.listed.get((node,), 0.0) <= facts.seen.get((node,), 0.0)
    ]


def _told(node: str, expected: int, seen: int) -> Raised:
    gone = expected - seen
    return VOICE.say(
        {"node": node},
        f"{node} shows {seen} of its {expected} GPUs to its driver: {gone} {'is' if gone == 1 else 'are'} missing. "
        "Drain it and look with `lspci -d 10de:`; a board that is gone there, too, has no power or no contact. If it never had "
        "more, correct `gpus` in the inventory.",
        value=float(seen),
        page=f"/node/{node}",
        evidence=[
            EvidenceLine(
                text=f"GPUs that its agent sees: {seen} of {expected}.",
                expression=f'count(wattstat_gpu_lost{{node="{node}"}})',
                limit_expression=str(expected),
            )
        ],
    )
