"""What resolving gives, and what it must remember for the next time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Any

from power.model import Bools, Floats, Intent
from power.policies.standing import Standing


class Holds(StrEnum):
    """What is with a policy now."""

    YES = "holds"
    WAITING = "waits"
    """Its conditions are not met."""
    ENDED = "ended"
    """It has expired, or its event is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What is with one policy now.

    `counts`: it is enabled, in mode enforce, and holds; else what it touches is what it would touch. `gpus`, `nodes`, `limits`:
    for how many it asks something; `binds`: for how many of these nobody asks more. `until`: when that changes by the clock.
    """

    standing: Standing
    state: Holds
    counts: bool
    why: str = ""
    until: float = inf
    gpus: int = 0
    nodes: int = 0
    limits: int = 0
    binds: int = 0

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.standing.policy.name

    @property
    def is_for_nothing(self) -> bool:
        """Whether it holds and there is nothing that it could be for. A job that has ended is no mistake."""
        touches = self.gpus or self.nodes or self.limits
        return self.state is Holds.YES and not touches and not self.standing.policy.scope.follows_jobs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trigger:
    """Which units of a condition are on, in columns of units.

    `past`: since when the value is past its threshold (NaN: it is not); `since`: since when it is on.
    """

    units: tuple[str, ...]
    on: Bools
    past: Floats
    since: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Joules over seconds: a baseline in the making, or the energy used in a period that began at `start`."""

    joules: float = 0.0
    seconds: float = 0.0
    start: float = 0.0


def _empty() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """What the next moment must know of this one. Immutable: the same memory and inputs give the same result."""

    at: float | None = None
    monotonic: float | None = None
    steady: float = 0.0
    """Seconds that passed since the first moment; the wall's jumps are not in it."""
    triggers: Mapping[tuple[str, str], Trigger] = field(default_factory=_empty)
    """By policy and condition."""
    baselines: Mapping[tuple[str, str], Measured] = field(default_factory=_empty)
    """By policy and line of the tree."""
    used: Mapping[str, Measured] = field(default_factory=_empty)
    """By policy: energy of its period."""
    energy_joules: Floats | None = None
    """The servers' counters then."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resolved:
    """What is wanted at one moment. `shadow` is what would be if every policy were enabled and enforced.

    `freeze_raises`: the clock on the wall has jumped; nothing may be raised this time. `notes` say what could not be done.
    """

    intent: Intent
    shadow: Intent
    in_force: tuple[InForce, ...]
    notes: tuple[str, ...]
    memory: Memory
    freeze_raises: bool = False
    next_change: float = inf
