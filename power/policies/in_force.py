"""What is with each policy: whether it holds, what it touches, and where nobody asks more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from power.model import Intent, Ints, Mode
from power.policies.columns import Active, Columns
from power.policies.conditions import Met
from power.policies.resolved import Holds, InForce
from power.policies.standing import Standing


def counts(standing: Standing) -> bool:
    """Whether a policy is one that is done, and not only shown."""
    return standing.enabled and standing.policy.mode is Mode.ENFORCE


def in_force(
    standing: Sequence[Standing],
    met: Sequence[Met],
    actives: Sequence[Active],
    intents: tuple[Intent, Intent],
    columns: Columns,
) -> tuple[InForce, ...]:
    """What is with each policy; `intents` are the one that counts and the one of everything."""
    binds, would_bind = (_binding(intent) for intent in intents)
    by_row = {active.row: active for active in actives}
    found = []
    for row, (each, how) in enumerate(zip(standing, met, strict=True)):
        does = counts(each) and how.state is Holds.YES
        active = by_row.get(row)
        gpus, nodes, limits = (0, 0, 0) if active is None else _touched(active, columns)
        found.append(
            InForce(
                standing=each,
                state=how.state,
                counts=does,
                why=how.why,
                until=how.until,
                gpus=gpus,
                nodes=nodes,
                limits=limits,
                binds=int((binds if does else would_bind)[row]),
            )
        )
    return tuple(found)


def _touched(active: Active, columns: Columns) -> tuple[int, int, int]:
    """GPUs, servers and lines of the tree that an active policy asks something of."""
    kind = active.policy.ask.kind
    if kind == "energy" or (kind == "limit" and active.policy.scope.place is not None):
        return 0, 0, columns.limits(active).size
    if kind in {"node_cap", "emergency"}:
        return 0, columns.nodes(active).size, 0
    return columns.gpus(active).size, 0, 0


def _binding(intent: Intent) -> Ints:
    """For how many GPUs, servers and lines each name is the most restrictive."""
    names = np.concatenate([intent.gpu_cap_name, intent.node_cap_name, intent.limit_name])
    found: Ints = np.bincount(names[names >= 0], minlength=len(intent.names))
    return found
