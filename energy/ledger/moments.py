"""Times that are not quite sure: what schedulers and nodes say about when something began or ended."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

# Schedulers state whole seconds, cut off: the true time lies in the second that begins there.
WHOLE_SECOND = 0.5
# A run that a scheduler first mentions cannot have begun long before its last word without it; this is how late it may be.
LATE_WORD_SECONDS = 60.0


class Moment(NamedTuple):
    """A time, and by how many seconds it may be off."""

    at: float
    slack: float = 0.0


NEVER = Moment(inf)


def whole_second(at: float, shift: float = 0.0) -> Moment:
    return Moment(at - shift + WHOLE_SECOND, WHOLE_SECOND) if at == int(at) else Moment(at - shift)


def within(moment: Moment, before: float | None, now: float) -> Moment:
    """What is first told of now has happened, and not long before the last word, which did not tell of it.

    Where a scheduler says otherwise, its clock is not ours: then it was in between, nobody knows when.
    """
    since = moment.at if before is None else before
    if fits(moment, since, now):
        return Moment(min(moment.at, now), moment.slack)
    since = min(since, now)
    return Moment((since + now) / 2, (now - since) / 2)


def fits(moment: Moment, before: float, now: float) -> bool:
    return before - LATE_WORD_SECONDS <= moment.at - moment.slack <= now
