"""What people's calls need of the loop that runs: the desk asks, whoever runs the loop answers.

Calls come from other threads than the loop's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from power.model import Device
from power.policies.scope import Scope
from power.policies.standing import Emergency, Hold, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Everything that would stand: what is not in it would not be there any more."""

    standings: tuple[Standing, ...]
    holds: tuple[Hold, ...]
    emergencies: tuple[Emergency, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One device's cap before and after; None: no cap. `why` names the policy or limit that decides it afterwards."""

    device: Device
    before_watts: float | None
    after_watts: float | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A limit that cannot be held: what its devices take at least is `deficit_watts` above it, and now `before_watts` above."""

    limit: str
    deficit_watts: float
    before_watts: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be different. `watts_before` and `watts_after`: what all servers together could draw under their caps.

    `jobs`: ids of those that hold a GPU whose cap changes. `misfits`: what new policies name that is not there, or ask of
    devices that do not take it.
    """

    changes: tuple[Change, ...] = ()
    watts_before: float | None = None
    watts_after: float | None = None
    lacks: tuple[Lack, ...] = ()
    jobs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()

    @property
    def raises(self) -> bool:
        """Whether anything may draw more than before."""
        return any(
            change.after_watts is None or (change.before_watts is not None and change.after_watts > change.before_watts)
            for change in self.changes
            if change.before_watts is not None
        )


class Busy(Exception):
    """Not now; the message says why and what to do."""


class Steering(Protocol):
    """Whoever runs the loop. Every call works on what is in memory: within a second for the largest site."""

    def status(self) -> Mapping[str, Any]:
        """The answer of /api/power/status."""

    def preview(self, wish: Wish) -> Preview:
        """What would be different if this stood instead of what stands. Changes nothing."""

    def devices(self, scope: Scope) -> int | None:
        """How many servers and GPUs a scope means now; 0 where it names what is not there, None while nobody knows yet."""

    def give_back(self, scope: Scope, why: str, *, dry_run: bool) -> Preview:
        """Give devices what their operator had before the first cap from here, as far as every envelope holds.

        Raises `Busy` where that cannot be done now.
        """

    def brake(self, emergencies: Sequence[Emergency]) -> None:
        """All emergencies that no database has (yet): they hold beside those of the repository, until the next call."""

    def changed(self) -> None:
        """Policies, holds or emergencies are not what they were: decide again at once."""
