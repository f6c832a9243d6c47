"""Intents: columns of what is asked, kept for as long as what they are made of stays the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from power.model import NOBODY, Bools, Floats, Intent, Ints, Mode
from power.policies.checkpoints import writing
from power.policies.columns import Active, Columns
from power.policies.masks import Masks
from power.policies.signals import Signals
from power.policies.standing import Bounds, Emergency, Hold

Kept = TypeVar("Kept", NDArray[Any], tuple[NDArray[Any], ...], tuple[Floats, Ints], tuple[Floats, Ints, Bools])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What stands beside policies, and how all of it is named: policies first, then holds, then emergencies."""

    names: tuple[str, ...]
    holds: tuple[Hold, ...]
    emergencies: tuple[Emergency, ...]

    @property
    def numbered_holds(self) -> list[tuple[int, Hold]]:
        """Holds with their rows among the names."""
        first = len(self.names) - len(self.emergencies) - len(self.holds)
        return list(enumerate(self.holds, first))

    @property
    def numbered_emergencies(self) -> list[tuple[int, Emergency]]:
        """Emergencies with their rows among the names."""
        return list(enumerate(self.emergencies, len(self.names) - len(self.emergencies)))


class Intents:
    """Makes intents for one fleet."""

    def __init__(self, masks: Masks, floor_ratio: float) -> None:
        self._masks = masks
        self._floor_ratio = floor_ratio
        self._kept: dict[str, tuple[object, Any, tuple[str, ...]]] = {}
        self._bounds: Bounds | None = None
        self._bounds_number = 0

    def use(self, bounds: Bounds | None) -> None:
        """Take these bounds. Devices tell theirs each time anew; what counts is whether they changed."""
        before, self._bounds = self._bounds, bounds
        if bounds is before:
            return
        if (
            bounds is None
            or before is None
            or not all(
                np.array_equal(getattr(bounds, name), getattr(before, name), equal_nan=True) for name in Bounds.__slots__
            )
        ):
            self._bounds_number += 1

    def make(
        self, key: str, actives: Sequence[Active], pinned: Pinned, *, signals: Signals, at: float, columns: Columns, mode: Mode
    ) -> Intent:
        """The intent of these policies; `key` names the series of intents that this is one of."""
        by_kind: dict[str, list[Active]] = {}
        for active in actives:
            by_kind.setdefault(active.policy.ask.kind, []).append(active)
        masks, jobs, bounds = self._masks, self._masks.jobs, self._bounds_number

        def keep(what: str, kinds: Sequence[str], make: Callable[[list[Active]], Kept], *more: object) -> Kept:
            chosen = sorted((active for kind in kinds for active in by_kind.get(kind, ())), key=lambda active: active.row)
            inputs = (tuple(active.key for active in chosen), *more)
            return self._keep(f"{key} {what}", inputs, lambda: make(chosen), columns)

        crises = keep("crises", ("emergency",), lambda chosen: _crises(columns, chosen, pinned), pinned, jobs)
        urgent = crises >= 0
        floors = keep("floor", ("emergency",), lambda _: self._floors(urgent), pinned, jobs, bounds)
        pins, pins_name = keep("pinned", ("emergency",), lambda _: _pins(pinned, masks, urgent), pinned, jobs)
        gpu_cap, gpu_name = keep(
            "gpu_cap",
            ("gpu_cap", "limit", "emergency"),
            lambda chosen: _gpu_caps(columns, chosen, crises, floors, (pins, pins_name)),
            pinned,
            bounds,
            jobs,
        )
        node_cap, node_name = keep(
            "node_cap", ("node_cap",), lambda chosen: _node_caps(columns, chosen, pinned), pinned, bounds, jobs
        )
        limit, limit_name, guaranteed = keep("limit", ("limit", "energy"), columns.limit_watts, pinned.names)
        return Intent(
            names=pinned.names,
            limit_watts=limit,
            limit_name=limit_name,
            guaranteed=guaranteed,
            gpu_cap_watts=gpu_cap,
            gpu_cap_name=gpu_name,
            node_cap_watts=node_cap,
            node_cap_name=node_name,
            priority=keep("priority", ("priority",), columns.priorities, jobs),
            group=keep("group", ("jobs",), columns.groups, jobs),
            keep=writing(by_kind.get("jobs", ()), masks, signals.checkpoints, at),
            pinned_watts=pins,
            pinned_name=pins_name,
            clock_mhz=keep("clock", ("gpu_clock",), columns.clocks, jobs),
            floor_watts=floors,
            urgent=urgent,
            mode=mode,
        )

    def _keep(self, what: str, inputs: object, make: Callable[[], Kept], columns: Columns) -> Kept:
        """What was made last time, with its notes, if it was made of the same."""
        kept = self._kept.get(what)
        if kept is not None and kept[0] == inputs:
            columns.notes.extend(kept[2])
            found: Kept = kept[1]
            return found
        before = len(columns.notes)
        made = make()
        for array in made if isinstance(made, tuple) else (made,):
            array.flags.writeable = False  # it is given out again and again
        self._kept[what] = (inputs, made, tuple(columns.notes[before:]))
        return made

    def _floors(self, urgent: Bools) -> Floats:
        fleet = self._masks.fleet
        if self._bounds is None:
            return np.full(len(fleet.gpus), np.nan)
        lowest, highest = self._bounds.gpu_min_watts, self._bounds.gpu_max_watts
        floors: Floats = np.where(urgent[fleet.gpu_node], lowest, np.fmax(lowest, self._floor_ratio * highest))
        return floors


def _crises(columns: Columns, actives: list[Active], pinned: Pinned) -> Ints:
    """Which emergency each server is in: somebody's order, else a policy's; nobody's for none."""
    found = np.full(len(columns.masks.fleet.nodes), NOBODY, np.int64)
    for active in reversed(actives):
        found[columns.nodes(active)] = active.row
    for number, emergency in reversed(pinned.numbered_emergencies):
        found[columns.masks.nodes(emergency.scope)] = number
    return found


def _pins(pinned: Pinned, masks: Masks, urgent: Bools) -> tuple[Floats, Ints]:
    """The lowest of the pins of each GPU. In an emergency none holds: everything goes to its lowest limit."""
    watts = np.full(len(masks.fleet.gpus), np.nan)
    name = np.full(watts.size, NOBODY, np.int64)
    for number, hold in pinned.numbered_holds:
        if hold.of == "gpu":
            rows = masks.gpus(hold.scope)
            rows = rows[~(watts[rows] <= hold.watts) & ~urgent[masks.fleet.gpu_node[rows]]]
            watts[rows], name[rows] = hold.watts, number
    return watts, name


def _gpu_caps(
    columns: Columns, actives: list[Active], crises: Ints, floors: Floats, pins: tuple[Floats, Ints]
) -> tuple[Floats, Ints]:
    """The caps of policies, not below the floor; over them pins, over these emergencies."""
    cap, name = columns.gpu_caps(actives)
    cap = np.where(cap < floors, floors, cap)
    held = ~np.isnan(pins[0])
    cap[held], name[held] = pins[0][held], pins[1][held]
    crisis = crises[columns.masks.fleet.gpu_node]
    urgent = crisis != NOBODY
    # The floor of a server in an emergency is the lowest limit that its GPUs take.
    cap = np.where(urgent & ~np.isnan(floors), floors, cap)
    return cap, np.where(urgent, crisis, name)


def _node_caps(columns: Columns, actives: list[Active], pinned: Pinned) -> tuple[Floats, Ints]:
    cap, name = columns.node_caps(actives)
    held = np.full(cap.size, np.inf)
    for number, hold in pinned.numbered_holds:
        if hold.of == "node":
            rows = np.flatnonzero(columns.masks.nodes(hold.scope))
            rows = rows[hold.watts < held[rows]]
            held[rows] = cap[rows] = hold.watts
            name[rows] = number
    return cap, name
