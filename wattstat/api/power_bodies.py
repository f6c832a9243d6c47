"""What calls about power carry in their bodies; read by the web process and again by core."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from wattstat.document import Strict


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; expected a few words: who comes after you will ask why")
    return value.strip()


Reason = Annotated[str, AfterValidator(_said), Field(max_length=500)]
Minutes = Annotated[float, Field(gt=0, le=60 * 24 * 366)]
ScopeWords = str | dict[str, Any]


class Why(Strict):
    """Why something is done."""

    reason: Reason
    """A few words for the trail."""


class Approval(Strict):
    """What is approved."""

    version: int | None = None
    """The version that was read; what waits now unless given, such as that the policy be disabled."""


class HoldBody(Strict):
    """A pin of devices."""

    scope: ScopeWords
    """`site`, or such as `rack/r01` or `node/gpu[001-004]`; or an object as policies have it."""
    watts: Annotated[float, Field(gt=0)]
    """What each device of the scope is pinned at."""
    of: Literal["gpu", "node"] = "gpu"
    """Whether GPUs or whole servers are pinned."""
    reason: Reason
    """A few words for the trail."""
    minutes: Minutes
    """After how long it ends by itself."""


class EmergencyBody(Strict):
    """Lowest limits at once."""

    scope: ScopeWords
    """`site`, or such as `feed/A`, `row/1`, `rack/r01`; or an object as policies have it."""
    reason: Reason
    """A few words for the trail."""
    confirm: str = ""
    """The name of the scope, typed again: `r01` for `rack/r01`, `site` for the site. Not needed for a dry run."""
    minutes: Minutes | None = None
    """After how long it ends by itself; when somebody ends it unless given."""


class GiveBackBody(Strict):
    """Devices that go back to what their operator had set."""

    scope: ScopeWords = "site"
    """`site`, or such as `rack/r01`; whole servers."""
    reason: Reason
    """A few words for the trail."""


class PreviewBody(Strict):
    """What is to be tried."""

    policies: Annotated[tuple[dict[str, Any], ...], Field(max_length=100)] = ()
    """Policies that would be in force; each replaces the saved one of its name."""
    without: tuple[str, ...] = ()
    """Names of policies that would not be in force."""


class SimulateBody(Strict):
    """What is to be rehearsed."""

    days: Annotated[float, Field(gt=0, le=31)] = 7
    """How many days of the site's own history, up to now."""
    policies: Annotated[tuple[dict[str, Any], ...], Field(max_length=100)] = ()
    """Policies that are not saved yet; only where the address names none."""


class SignalBody(Strict):
    """A number that policies look at."""

    value: float
    """The number."""
    minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] = 15
    """How long it counts, unless another comes: one that nobody posts any more is not known."""


class CheckpointBody(Strict):
    """A job writes a checkpoint from now on."""

    job_id: str
    """The job's id."""
    scheduler: str = "slurm"
    """Its scheduler, as jobs are listed."""
    seconds: Annotated[float, Field(gt=0, le=900)] = 60
    """How long."""


class MakeBody(Strict):
    """A predefined policy, made particular."""

    owner: str
    """Who answers for it."""
    name: str | None = None
    """What it is called; as the predefined one unless given."""
    reason: str | None = None
    """Why; what the predefined one says unless given."""
    mode: Literal["observe", "advise", "enforce"] = "observe"
    """How far it goes."""
    scope: dict[str, Any] = Field(default_factory=dict)
    """For which devices; the whole site unless given."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Its numbers, by name."""
