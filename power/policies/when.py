"""When a policy holds. All conditions that are given must hold at once; without any it holds always."""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from power.policies.part import Day, Moment, Part
from wattstat.values import ClockTime

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Percent = Annotated[float, Field(gt=0, le=100)]
NotNegative = Annotated[float, Field(ge=0)]


def _zone(name: str) -> str:
    # A slim machine without any time zone data cannot tell, and refuses nothing.
    known = zoneinfo.available_timezones()
    if known and name not in known:
        raise ValueError(f"{name!r} is no time zone; expected a name such as Europe/Berlin or UTC")
    return name


Zone = Annotated[str, AfterValidator(_zone)]


class Span(Part):
    """Hours of days. A span belongs to the day on which it begins: 22:00 to 06:00 on fri ends on Saturday."""

    days: tuple[Weekday, ...] = ()
    """Days of the week; all unless given."""
    dates: tuple[Day, ...] = ()
    """Only these dates; all unless given."""
    first_date: Day | None = None
    """Not before this date."""
    last_date: Day | None = None
    """Not after this date."""
    start: ClockTime = "00:00"
    """From when, by the clock on the wall."""
    end: ClockTime = "24:00"
    """Until when; before `start` it is on the next day."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start in {self.end, "24:00"}:
            raise ValueError(
                f"begins at {self.start} and ends at {self.end}; expected an end after the start, or before it for the next day"
            )
        if self.first_date and self.last_date and self.last_date < self.first_date:
            raise ValueError(f"ends on {self.last_date} before it begins on {self.first_date}; expected the earlier first")
        return self


class Schedule(Part):
    """Times at which a policy holds: in any of its spans."""

    timezone: Zone | None = None
    """Time zone of the spans; the site's unless given."""
    spans: tuple[Span, ...]
    """The spans."""

    @model_validator(mode="after")
    def _holds_some_time(self) -> Self:
        if not self.spans:
            raise ValueError("has no spans; expected at least one, such as {start: '22:00', end: '06:00'}")
        return self


class Temperature(Part):
    """While it is hot."""

    sensor: Literal["inlet", "exhaust"] = "inlet"
    """The role of the sensors."""
    above: Annotated[float, Field(gt=-50, lt=120)]
    """Degrees Celsius over which it begins to hold."""
    release: float | None = None
    """Degrees under which it ends; 3 below `above` unless given."""
    per: Literal["node", "rack", "scope"] = "rack"
    """Whose hottest sensor counts: each server's for itself, each rack's, or that of all devices in scope."""
    after_seconds: NotNegative = 20
    """How long it must have been hotter: one odd reading is no heat."""
    hold_minutes: NotNegative = 5
    """How long it holds at least."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.release is not None and self.release >= self.above:
            raise ValueError(f"is released at {self.release:g} and begins at {self.above:g}; expected the release below it")
        return self

    @property
    def release_celsius(self) -> float:
        """Where it ends."""
        return self.above - 3 if self.release is None else self.release


class Signal(Part):
    """While a number from outside is high, or low: a price, the grid's carbon intensity, anything that a script posts."""

    name: str
    """price (per kWh), carbon (grams per kWh), or the name under which it is posted."""
    above: float | None = None
    """Begins to hold over this."""
    below: float | None = None
    """Or under this."""
    release: float | None = None
    """Ends when it is back at this; at the same number unless given."""
    after_seconds: NotNegative = 0
    """How long the number must have been there."""
    hold_minutes: NotNegative = 5
    """How long it holds at least."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("needs either `above` or `below`; expected one of the two")
        if self.release is not None and (
            (self.above is not None and self.release > self.above) or (self.below is not None and self.release < self.below)
        ):
            raise ValueError(
                f"is released at {self.release:g}, where it holds already; expected the release on the other side of the "
                f"threshold {self.above if self.below is None else self.below:g}"
            )
        return self


class FeedLost(Part):
    """While servers have lost a feed: half of their power supplies, or more, have no input."""

    servers_percent: Percent = 50
    """Share of the servers of a unit that must have lost it; one server's fault is no lost feed."""
    per: Literal["node", "rack", "scope"] = "rack"
    """What a unit is."""
    after_seconds: NotNegative = 0
    """How long they must have lost it."""
    hold_minutes: NotNegative = 5
    """How long it holds at least: feeds come back in fits."""


class Event(Part):
    """A demand response event: less power from a moment on, for a while, announced before."""

    start: Moment
    """When it begins, such as 2026-07-01T14:00:00Z."""
    minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)]
    """How long it lasts."""
    notice_minutes: Annotated[float, Field(ge=0)] = 10
    """How long before the start it is announced: the baseline is what was drawn before that."""
    baseline_minutes: Annotated[float, Field(gt=0, le=60)] = 10
    """Over how long the baseline is measured."""
    baseline_watts: Annotated[float, Field(gt=0)] | None = None
    """The baseline, where a contract names it."""
    ramp_seconds: NotNegative = 120
    """Over how long power goes down."""
    early_seconds: NotNegative = 60
    """How long before the start it has been reached."""

    @property
    def start_unix(self) -> float:
        """When it begins, as Unix time."""
        return self.start.timestamp()

    @property
    def end_unix(self) -> float:
        """When it ends."""
        return self.start_unix + 60 * self.minutes

    @property
    def notice_unix(self) -> float:
        """When it is announced."""
        return self.start_unix - 60 * self.notice_minutes

    @property
    def down_unix(self) -> float:
        """When power begins to go down: as late as it may, and not before the notice unless there is none to speak of."""
        return self.start_unix - self.early_seconds - self.ramp_seconds


class Demand(Part):
    """While nobody needs much: the GPUs of the scope are little used, on the mean."""

    below_percent: Percent = 20
    """Begins to hold under this utilisation."""
    returns_percent: Percent = 50
    """Ends at once over this: who comes back does not wait."""
    after_minutes: NotNegative = 10
    """How long demand must have been low."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.returns_percent <= self.below_percent:
            raise ValueError(
                f"returns at {self.returns_percent:g} % and ebbs below {self.below_percent:g} %; expected it to return above"
            )
        return self


class When(Part):
    """When it holds. All that is given must hold at once; without any it holds always."""

    schedule: Schedule | None = None
    """At these times."""
    temperature: Temperature | None = None
    """While it is hot."""
    signal: Signal | None = None
    """While a price, the carbon intensity or another number is high or low."""
    feed_lost: FeedLost | None = None
    """While a feed is lost."""
    event: Event | None = None
    """For a demand response event."""
    demand: Demand | None = None
    """While demand ebbs."""

    @property
    def given(self) -> dict[str, Part]:
        """The conditions that are given."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
