"""Does a policy fit what stands in the hall? Names, and what devices take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from power.model import Fleet
from power.policies.columns import Active, Columns
from power.policies.masks import Masks
from power.policies.model import Policy
from power.policies.scope import words
from power.policies.standing import Bounds
from wattstat.document import Document, Loc, Problem, dotted
from wattstat.explain import alternatives, nearest


def check(
    policies: Sequence[Policy],
    fleet: Fleet,
    bounds: Bounds | None,
    *,
    document: Document | None = None,
    floor_ratio: float = 0.5,
) -> list[Problem]:
    """Everything that no policy can know by itself to be wrong. `document` tells the lines, for policies of a file.

    What may be right tomorrow is a warning.
    """
    masks = Masks(fleet)
    columns = Columns(masks, bounds)
    found = []
    for position, policy in enumerate(policies):
        base: Loc = ("policies", position) if document is not None else ()
        where = document or Document(source=policy.name, data=policy.to_json())
        found += [
            Problem(
                place=where.place((*base, *loc)),
                setting=dotted((*base, *loc), where.data),
                what=what,
                expected=expected,
                advice=advice,
                # A server that is off shows no GPUs; tomorrow there may be one of that model.
                warning=loc == ("scope", "gpu_model"),
            )
            for loc, what, expected, advice in (*_names(policy, masks), *_bounds(policy, columns, floor_ratio))
        ]
    return found


_Found = tuple[Loc, str, str, str]


def _names(policy: Policy, masks: Masks) -> Iterator[_Found]:
    fleet = masks.fleet
    known = {
        "rack": frozenset(fleet.racks) | {limit.name for limit in fleet.tree.limits if limit.kind == "rack"},
        "node": frozenset(fleet.nodes),
        **{
            kind: frozenset(limit.name for limit in fleet.tree.limits if limit.kind == kind)
            for kind in ("feed", "breaker", "row", "group")
        },
    }
    for kind, names in policy.scope.given.items():
        if kind == "gpu_model":
            models = sorted(set(fleet.gpu_model))
            for name in names:
                if models and not any(words(name) <= words(model) for model in models):
                    yield (
                        ("scope", kind),
                        f"no GPU has {name!r} in its name",
                        alternatives(models),
                        "use words of one of these names",
                    )
        elif kind in known:
            for name in names:
                if name not in known[kind]:
                    yield ("scope", kind), f"there is no {kind} {name!r}", *_meant(name, kind, known[kind])


def _meant(name: str, kind: str, known: frozenset[str]) -> tuple[str, str]:
    meant = nearest(name, known)
    expected = alternatives(sorted(known)) or f"a {kind} of the inventory, which has none"
    return expected, f"did you mean {meant}?" if meant else f"add it to the inventory, or name another {kind}"


def _bounds(policy: Policy, columns: Columns, floor_ratio: float) -> Iterator[_Found]:
    """Caps that devices cannot have. A cap above what they take is none, and fits."""
    bounds, active = columns.bounds, Active(row=0, policy=policy)
    if bounds is None or policy.scope.follows_jobs:
        return
    if (ask := policy.ask.gpu_cap) is not None:
        rows = columns.gpus(active)
        floors = np.fmax(bounds.gpu_min_watts, floor_ratio * bounds.gpu_max_watts)[rows]
        asked = columns.gpu_amount(policy, ask, rows)
        if (asked < floors).any():
            what = f"asks for {np.nanmin(asked):g} W of GPUs that no policy caps below {np.nanmax(floors[asked < floors]):g} W"
            yield (
                ("ask", "gpu_cap"),
                what,
                f"at least {np.nanmax(floors):g} W",
                f"work per joule falls below {floor_ratio:.0%} of the highest limit; emergencies go lower",
            )
    if (cap := policy.ask.node_cap) is not None:
        rows = columns.nodes(active)
        lowest = bounds.node_cap_min_watts[rows]
        asked = columns.node_amount(policy, cap, rows)
        if (asked < lowest).any():
            what = f"asks for {np.nanmin(asked):g} W of servers that take no cap below {np.nanmax(lowest[asked < lowest]):g} W"
            yield (
                ("ask", "node_cap"),
                what,
                f"at least {np.nanmax(lowest):g} W",
                "use a gpu_cap: GPUs go lower than whole servers",
            )
