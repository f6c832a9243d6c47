"""What goes wrong, and when: each seed draws the moments and the servers, then faults come and go by the virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from power.model import Bools
from power.scenarios.plant import Plant
from power.scenarios.scenario import Fault

CONTROLLER = frozenset({"kill", "pause", "twin", "partition", "disk_full", "corrupt_state"})
"""Faults that hit whoever controls, not the hall."""
FINE_SECONDS = 12.0
FINE_STEP = 0.1
BRAKE_SECONDS = 15.0
"""How long a server that lost supplies keeps its clocks at a quarter."""
BRAKE_RATIO = 0.25
CLOSE_TO_ONE_RACK = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """One fault of one seed."""

    kind: str
    start: float
    end: float
    mask: Bools
    """Servers; for `rogue` servers x GPUs."""
    amount: float
    share: float


class Faults:
    """All faults of a run."""

    def __init__(self, plant: Plant) -> None:
        """Draw moments and servers."""
        self._plant = plant
        rng = plant.fault_rng
        self.drawn = tuple(_draw(fault, plant, rng) for fault in plant.scenario.faults for _ in range(fault.times))
        self._on: set[int] = set()
        self._rogue_at: dict[int, float] = {}

    @property
    def controllers(self) -> tuple[Drawn, ...]:
        """Those that hit controllers."""
        return tuple(each for each in self.drawn if each.kind in CONTROLLER)

    def step(self, now: float) -> float:
        """How long the next step may be: short around what moves power at once."""
        starts = [each.start for each in self.drawn if each.kind == "feed_loss"]
        starts += self._plant.scenario.load.starts
        return FINE_STEP if any(start - 1 <= now < start + FINE_SECONDS for start in starts) else 1.0

    def advance(self, now: float) -> None:
        """Switch on and off what is due."""
        for number, fault in enumerate(self.drawn):
            if fault.kind in CONTROLLER:
                continue
            is_due = fault.start <= now < fault.end
            if is_due != (number in self._on):
                self._on ^= {number}
                _SWITCHES[fault.kind](self._plant, fault, is_due)
            if is_due and fault.kind == "rogue" and now >= self._rogue_at.get(number, 0.0):
                self._rogue_at[number] = now + fault.amount
                self._plant.devices.reset(fault.mask)
            if is_due and fault.kind == "feed_loss" and now >= fault.start + BRAKE_SECONDS:
                self._plant.devices.brake_ratio[:] = 1.0


def _draw(fault: Fault, plant: Plant, rng: np.random.Generator) -> Drawn:
    start = float(rng.uniform(*fault.at))
    hall = plant.hall
    count = round(fault.share * hall.nodes)
    chosen = np.zeros(hall.nodes, bool)
    if fault.kind in {"rack_dark", "unlicensed"}:
        chosen = hall.rack_of_node == rng.integers(0, hall.rack_of_node.max() + 1)
    elif fault.kind != "rogue":
        chosen[rng.permutation(hall.nodes)[:count]] = True
    else:
        chosen = rng.random((hall.nodes, hall.gpus)) < fault.share
    end = start + fault.seconds if fault.seconds else np.inf
    return Drawn(kind=fault.kind, start=start, end=end, mask=chosen, amount=fault.amount, share=fault.share)


def _set_loss(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.telemetry.loss = fault.share if on else 0.0


def _set_spikes(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.telemetry.spiking = fault.share if on else 0.0


def _set_late(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.telemetry.late_seconds = int(fault.amount) if on else 0


def _set_reverts(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.devices.reverts_after[fault.mask] = fault.amount if on else np.inf


def _set_timeouts(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.devices.answer_seconds[fault.mask] = fault.amount if on else 0.0


def _set_feed(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.feed_alive[0] = not on
    braked = fault.mask & (plant.fault_rng.random(len(fault.mask)) < fault.amount)
    plant.devices.brake_ratio[:] = np.where(braked & on, BRAKE_RATIO, 1.0)


def _jump(plant: Plant, fault: Drawn, on: bool) -> None:
    plant.wall_offset += fault.amount if on else 0.0


def _nothing(plant: Plant, fault: Drawn, on: bool) -> None:
    """What comes by itself while the fault lasts."""


def _mask(where: str, name: str) -> Callable[[Plant, Drawn, bool], None]:
    def switch(plant: Plant, fault: Drawn, on: bool) -> None:
        column = getattr(getattr(plant, where), name)
        column[fault.mask] = on

    return switch


_SWITCHES: Mapping[str, Callable[[Plant, Drawn, bool], None]] = {
    "loss": _set_loss,
    "rack_dark": _mask("telemetry", "dark"),
    "frozen": _mask("telemetry", "frozen"),
    "half": _mask("telemetry", "halved"),
    "spike": _set_spikes,
    "late": _set_late,
    "reordered": _mask("telemetry", "reordered"),
    "sentinel": _mask("telemetry", "nonsense"),
    "refuse": _mask("devices", "refuses"),
    "unlicensed": _mask("devices", "refuses"),
    "lie": _mask("devices", "lies"),
    "revert": _set_reverts,
    "timeout": _set_timeouts,
    "rogue": _nothing,
    "feed_loss": _set_feed,
    "wall_jump": _jump,
}
