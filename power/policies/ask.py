"""What a policy asks of its devices. One of them each."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from power.model import Basis
from power.policies.part import Day, Part
from wattstat.values import Watts

Percent = Annotated[float, Field(gt=0, le=100)]
Priority = Annotated[int, Field(ge=0, le=100)]


class Amount(Part):
    """Watts, or a share of something."""

    watts: Watts | None = None
    """How many watts."""
    percent: Percent | None = None
    """Or a share, of what `of` says."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.watts is None) == (self.percent is None):
            raise ValueError(
                f"has {'both' if self.watts else 'neither'} watts and percent; expected one of the two".replace(
                    "neither watts and", "neither watts nor"
                )
            )
        if self.watts is not None and "of" in self.model_fields_set:
            raise ValueError("says `of` for watts; expected `of` only beside percent; remove it")
        return self


class LimitAsk(Amount):
    """What all devices of the scope may draw together. Each line of the electrical tree that the scope names gets its own.

    Where the scope is none (a job, a partition), the watts are for its GPUs together, the same for each of them.
    """

    of: Literal["rating", "trip_safe", "budget", "baseline"] = "budget"
    """A share of the breaker's rating, of what is trip-safe, of the inventory's budget (without one: what is trip-safe), or of
    what was drawn before the event (baseline)."""
    basis: Basis = Basis.MEASURED
    """measured: power as measured, the highest within the control window; guaranteed: the most that could be drawn under the
    caps that were read back, which holds without telemetry and controller."""


class GpuCapAsk(Amount):
    """A power limit for each GPU."""

    of: Literal["default", "max"] = "default"
    """A share of the board's default limit, or of the highest that it takes."""


class NodeCapAsk(Amount):
    """A cap for each server as a whole, set in its BMC. It is the backstop: limits of GPUs act faster and gentler."""

    of: Literal["nameplate", "max"] = "nameplate"
    """A share of the server's nameplate, or of the highest cap that it takes."""


class GpuClockAsk(Part):
    """The highest clock of each GPU. It saves energy in work that draws less than any cap, such as decoding."""

    mhz: Annotated[float, Field(ge=100, le=5000)]
    """Megahertz."""


class PriorityAsk(Part):
    """Who is cut first. 0 is cut first, 100 last, 50 is what nobody said anything of."""

    value: Priority | None = None
    """For all of the scope."""
    by: Literal["qos", "partition", "account", "user"] | None = None
    """Or by a property of the job; qos is a pod's PriorityClass too."""
    values: dict[str, Priority] = Field(default_factory=dict, examples=[{"urgent": 80, "scavenger": 10}])
    """The priority for each value of that property; the others keep theirs."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.value is None) == (self.by is None):
            raise ValueError("needs either a value or `by`; expected one of the two")
        if (self.by is None) != (not self.values):
            raise ValueError("`by` and `values` belong together; expected both or none of them")
        return self


class Checkpoints(Part):
    """When jobs write checkpoints, in which no cap of theirs is lowered unless there is an emergency."""

    every_minutes: Annotated[float, Field(gt=0)]
    """How long from the start of one to the start of the next, counted from the job's start."""
    for_seconds: Annotated[float, Field(gt=0, le=900)]
    """How long writing takes."""

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.for_seconds > 0.5 * 60 * self.every_minutes:
            raise ValueError(
                f"{self.for_seconds:g} s in every {self.every_minutes:g} minutes leave no time for cuts; expected at most half"
            )
        return self


class JobsAsk(Part):
    """How jobs are treated."""

    equal: bool | None = None
    """Whether all GPUs of a job get equal caps, for the slowest sets the pace; true unless a policy says otherwise."""
    checkpoints: Checkpoints | None = None
    """When they write checkpoints; jobs may also announce them one by one."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.equal is None and self.checkpoints is None:
            raise ValueError("says nothing; expected `equal` or `checkpoints`")
        return self


class EnergyAsk(Part):
    """An amount of energy for a period. What is left of it is spread evenly over what remains of the period."""

    kwh: Annotated[float, Field(gt=0)]
    """Kilowatt-hours for all devices of the scope together."""
    per: Literal["day", "week", "month"] | None = None
    """For each day, week (from Monday) or month."""
    first_date: Day | None = None
    """Or once, from this day on."""
    last_date: Day | None = None
    """Until the end of this day."""
    timezone: str | None = None
    """Time zone of the days; the site's unless given."""
    basis: Basis = Basis.MEASURED
    """As for `limit`."""

    @model_validator(mode="after")
    def _has_a_period(self) -> Self:
        dates = (self.first_date, self.last_date)
        if self.per is not None and dates != (None, None):
            raise ValueError("has both `per` and dates; expected one of the two")
        if self.per is None and None in dates:
            raise ValueError("has no period; expected `per` (day, week or month), or first_date and last_date")
        if self.first_date and self.last_date and self.last_date < self.first_date:
            raise ValueError(f"ends on {self.last_date} before it begins on {self.first_date}; expected the earlier first")
        return self


class EmergencyAsk(Part):
    """Every GPU to the lowest limit that it takes, at once: past floors, rate limits, pins and checkpoints."""


class Ask(Part):
    """What is asked: exactly one of these."""

    limit: LimitAsk | None = None
    """Watts for all devices of the scope together."""
    gpu_cap: GpuCapAsk | None = None
    """A power limit for each GPU."""
    node_cap: NodeCapAsk | None = None
    """A cap for each server."""
    gpu_clock: GpuClockAsk | None = None
    """The highest clock of each GPU."""
    priority: PriorityAsk | None = None
    """Who is cut first."""
    jobs: JobsAsk | None = None
    """How jobs are treated."""
    energy: EnergyAsk | None = None
    """Kilowatt-hours for a period."""
    emergency: EmergencyAsk | None = None
    """Lowest limits at once."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"asks for {' and '.join(given)}" if given else "asks for nothing"
            raise ValueError(f"{found}; expected one of {', '.join(type(self).model_fields)}; make a policy of each")
        return self

    @property
    def kind(self) -> str:
        """Which of them."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)
