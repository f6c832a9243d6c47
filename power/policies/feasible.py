"""Can everything be held at once? Where not: by how many watts, and who asks for it.

The least that servers can be brought to is what they draw at most with every GPU at its floor (the lowest limit that it
takes, and not below the share that policies may cap to), with pinned GPUs at their pins, and with servers whose GPUs nobody has
read at their nameplate. What takes no cap is charged whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from power.model import Fleet, Floats
from power.policies.columns import Active, Columns
from power.policies.in_force import counts
from power.policies.masks import Masks
from power.policies.measured import JOULES_PER_KWH, period_of
from power.policies.model import Policy
from power.policies.schedule import zone_of
from power.policies.signals import NO_JOBS, JobTable
from power.policies.standing import Bounds, Hold, Standing

_ROUNDING_WATTS = 1e-6
_INVENTORY = "the inventory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deficit:
    """A limit that cannot be held.

    `policies` ask for it (none: the inventory does), `holds` keep something from going lower.
    """

    kind: str
    name: str
    limit_watts: float
    minimum_watts: float
    fixed_watts: float = 0.0
    servers: int = 0
    policies: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()

    @property
    def deficit_watts(self) -> float:
        """How much is missing."""
        return self.minimum_watts - self.limit_watts

    def __str__(self) -> str:
        fixed = f" ({self.fixed_watts:,.0f} W of it take no cap)" if self.fixed_watts else ""
        held = f"; {', '.join(self.holds)} keep them from less" if self.holds else ""
        return (
            f"{self.kind} {self.name}: {', '.join(self.policies) or _INVENTORY} allows {self.limit_watts:,.0f} W, and its "
            f"{self.servers} servers take at least {self.minimum_watts:,.0f} W{fixed}: {self.deficit_watts:,.0f} W are "
            f"missing{held}; expected at least {self.minimum_watts:,.0f} W; allow more, or take servers away"
        )


def deficits(
    policies: Sequence[Standing],
    fleet: Fleet,
    bounds: Bounds | None,
    *,
    at: float,
    holds: Sequence[Hold] = (),
    jobs: JobTable = NO_JOBS,
    node_watts: Floats | None = None,
    timezone: str = "UTC",
    floor_ratio: float = 0.5,
) -> tuple[Deficit, ...]:
    """Every limit that cannot be held if all policies that are enforced hold at once, the largest deficit first.

    Of `policies` those count that are enabled, in mode enforce, and not over: whether they hold just now or by night only.
    `jobs` matter for limits on jobs and partitions, `node_watts` (what servers draw now) for shares of a baseline.
    """
    masks = Masks(fleet)
    masks.use(jobs)
    columns = Columns(masks, bounds)
    floors = _floors(masks, bounds, holds, floor_ratio)
    least = _least(fleet, floors)
    carried = fleet.tree.load(least)
    ordered = sorted((each for each in policies if counts(each) and not _is_over(each.policy, at)), key=_name)
    asked = [
        (each.policy, row, watts)
        for number, each in enumerate(ordered)
        for row, watts in _asked(each.policy, number, columns, at=at, node_watts=node_watts, timezone=timezone)
    ]
    asked_by_line: dict[int, list[tuple[str, float]]] = {}
    for policy, row, watts in asked:
        asked_by_line.setdefault(row, []).append((policy.name, watts))
    found = [*_on_lines(masks, asked_by_line, carried, holds), *_on_jobs(ordered, columns, floors)]
    return tuple(sorted(found, key=lambda each: (-each.deficit_watts, each.kind, each.name)))


def _on_lines(
    masks: Masks, asked: dict[int, list[tuple[str, float]]], carried: Floats, holds: Sequence[Hold]
) -> Iterator[Deficit]:
    allowed = np.fmin(masks.line_watts("only budget"), masks.line_watts("trip_safe"))
    for row, here in asked.items():
        allowed[row] = np.fmin(allowed[row], min(watts for _, watts in here))
    for row in map(int, np.flatnonzero(carried > allowed + _ROUNDING_WATTS)):
        line, here = masks.fleet.tree.limits[row], asked.get(row, [])
        yield Deficit(
            kind=line.kind,
            name=line.name,
            limit_watts=float(allowed[row]),
            minimum_watts=float(carried[row]),
            fixed_watts=line.fixed_watts,
            servers=int(masks.members(row).size),
            policies=tuple(name for name, watts in here if watts < carried[row]),
            holds=tuple(hold.name for hold in holds if masks.nodes(hold.scope)[masks.members(row)].any()),
        )


def _on_jobs(policies: Sequence[Standing], columns: Columns, floors: Floats) -> Iterator[Deficit]:
    """Limits on what is no line of the tree: its GPUs get equal caps, none of them below its floor."""
    for number, each in enumerate(policies):
        ask = each.policy.ask.limit
        if ask is None or ask.watts is None or each.policy.scope.place is not None:
            continue
        rows = columns.gpus(Active(row=number, policy=each.policy))
        highest = float(np.nanmax(floors[rows], initial=0.0)) if rows.size else 0.0
        if highest * rows.size > ask.watts + _ROUNDING_WATTS:
            yield Deficit(
                kind="GPUs of",
                name=str(each.policy.scope),
                limit_watts=ask.watts,
                minimum_watts=highest * rows.size,
                servers=int(np.unique(columns.masks.fleet.gpu_node[rows]).size),
                policies=(each.policy.name,),
            )


def _name(standing: Standing) -> str:
    return standing.policy.name


def _is_over(policy: Policy, at: float) -> bool:
    event = policy.when.event
    return at >= policy.expires_unix or (event is not None and at >= event.end_unix)


def _asked(
    policy: Policy, number: int, columns: Columns, *, at: float, node_watts: Floats | None, timezone: str
) -> Iterator[tuple[int, float]]:
    """Lines of the tree and what the policy allows each at the least."""
    active = Active(row=number, policy=policy)
    limit, energy, event = policy.ask.limit, policy.ask.energy, policy.when.event
    if energy is not None:
        period = period_of(energy, zone_of(energy.timezone or timezone), at)
        if period is not None:
            watts = energy.kwh * JOULES_PER_KWH / (period[1] - period[0])
            yield from ((int(row), watts) for row in columns.limits(active))
    elif limit is not None and limit.percent is not None and limit.of == "baseline":
        load = None if node_watts is None else columns.masks.fleet.tree.load(node_watts)
        for row in columns.limits(active):
            baseline = (event.baseline_watts if event is not None else None) or (np.nan if load is None else load[row])
            if np.isfinite(baseline):
                yield int(row), float(baseline * limit.percent / 100)
    else:
        rows, watts_of = columns.limits_of(active)
        yield from ((int(row), float(watts)) for row, watts in zip(rows, watts_of, strict=True) if np.isfinite(watts))


def _floors(masks: Masks, bounds: Bounds | None, holds: Sequence[Hold], floor_ratio: float) -> Floats:
    """The lowest limit of each GPU; NaN where nobody has read what it takes."""
    gpus = len(masks.fleet.gpus)
    if bounds is None:
        return np.full(gpus, np.nan)
    floors: Floats = np.fmax(bounds.gpu_min_watts, floor_ratio * bounds.gpu_max_watts)
    pinned = np.full(gpus, np.inf)
    for hold in holds:
        if hold.of == "gpu":
            rows = masks.gpus(hold.scope)
            pinned[rows] = np.fmin(pinned[rows], hold.watts)
    within = np.fmin(np.fmax(pinned, bounds.gpu_min_watts), bounds.gpu_max_watts)
    found: Floats = np.where(np.isinf(pinned), floors, within)
    return found


def _least(fleet: Fleet, floors: Floats) -> Floats:
    sums = fleet.by_node(floors)
    has = np.bincount(fleet.gpu_node, minlength=len(fleet.nodes)) > 0
    by_gpus = np.where(has, fleet.rest_watts + fleet.loss * sums, np.nan)
    least: Floats = np.fmin(fleet.nameplate_watts, by_gpus)
    return least
