"""What stands besides its words: policies with their versions, holds, emergencies; and the bounds that devices tell."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, Self

from power.model import Floats, View
from power.policies.model import Policy
from power.policies.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A version of a policy, and whether it is enabled. What is not enabled is computed only to show what it would do."""

    policy: Policy
    version: int = 1
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A pin: these devices stay at these watts, whatever policies say. `of` tells whether GPUs or servers are pinned."""

    id: int
    scope: Scope
    watts: float
    owner: str
    reason: str
    expires: float
    of: Literal["gpu", "node"] = "gpu"

    @property
    def name(self) -> str:
        """What a device that is bound by it is told to be bound by."""
        return f"hold {self.id} by {self.owner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Lowest limits at once for these devices, until somebody ends it."""

    id: int
    scope: Scope
    owner: str
    reason: str
    since: float
    expires: float = inf

    @property
    def name(self) -> str:
        """What a device that is bound by it is told to be bound by."""
        return f"emergency {self.id} by {self.owner}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """What devices take, in columns as in `View`."""

    gpu_min_watts: Floats
    gpu_max_watts: Floats
    gpu_default_watts: Floats
    node_cap_min_watts: Floats
    node_cap_max_watts: Floats

    @classmethod
    def of(cls, view: View) -> Self:
        """Those of a view."""
        return cls(**{name: getattr(view, name) for name in cls.__slots__})
