"""Silences: who wants to hear nothing of what, until when, and why. What an Alertmanager keeps has the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from alerts.delivery.matchers import Labels, Matcher, all_match, read_matchers
from alerts.delivery.store import StoredSilence
from wattstat.api.alerts import AlertsRefused, NoSuchAlert, SilenceView

HERE = "wattstat"
SHOWN_SECONDS = 86_400.0
"""How long a silence is shown after its end."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence with its matchers read."""

    kept: StoredSilence
    matchers: tuple[Matcher, ...]

    def holds(self, labels: Labels, at: float) -> bool:
        """Whether it keeps an alert of these labels quiet at a moment."""
        return self.kept.starts_at <= at < self.kept.ends_at and all_match(self.matchers, labels)


class Silences:
    """Those that are kept here. Changes are returned as what has to be written."""

    def __init__(self, stored: Sequence[StoredSilence]) -> None:
        self._kept = {each.id: Silence(each, _read(each.matchers)) for each in stored}

    def holding(self, labels: Labels, at: float) -> tuple[str, ...]:
        """Ids of those that keep an alert quiet."""
        return tuple(each for each, silence in self._kept.items() if silence.holds(labels, at))

    def is_silenced(self, labels: Labels, at: float) -> bool:
        """Whether any does."""
        return any(silence.holds(labels, at) for silence in self._kept.values())

    def views(self, at: float) -> list[SilenceView]:
        """All that are active or to come, and those that ended within a day; the first to end first."""
        kept = sorted(self._kept.values(), key=lambda each: each.kept.ends_at)
        return [view_of(each.kept, at) for each in kept if each.kept.ends_at > at - SHOWN_SECONDS]

    def put(self, silence: StoredSilence) -> None:
        """Take over one that is on disk."""
        self._kept[silence.id] = Silence(silence, _read(silence.matchers))

    def ended(self, silence_id: str, at: float, by: str) -> StoredSilence:
        """The silence as it shall stand when it ends now. Raises `NoSuchAlert`, `AlertsRefused`."""
        found = self._kept.get(silence_id)
        if found is None:
            raise NoSuchAlert(f"there is no silence {silence_id!r}; `wattstat alerts silences` lists them")
        if found.kept.ends_at <= at:
            raise AlertsRefused(f"the silence {silence_id!r} has ended already")
        starts_at = min(found.kept.starts_at, at)
        return replace(found.kept, starts_at=starts_at, ends_at=at, comment=f"{found.kept.comment} (ended by {by})")


def checked(matchers: Sequence[str], *, starts_at: float, ends_at: float, comment: str, now: float) -> tuple[Matcher, ...]:
    """The matchers of a silence that may be. Raises `AlertsRefused` saying what was expected."""
    try:
        read = tuple(matcher for text in matchers for matcher in read_matchers(text))
    except ValueError as err:
        raise AlertsRefused(str(err)) from err
    if not read:
        raise AlertsRefused(
            'a silence without a matcher would keep everything quiet; expected at least one, such as node="gpu-017"'
        )
    if all(matcher.matches({}) for matcher in read):
        raise AlertsRefused(
            "these matchers match alerts without any labels, and so nearly all; expected one that asks for a value, "
            'such as node="gpu-017" or alertname=~"Gpu.+"'
        )
    if not comment.strip():
        raise AlertsRefused("a silence needs a comment: why, so that others know; expected a few words")
    if ends_at <= now:
        raise AlertsRefused("the silence would end in the past; expected an end to come")
    if ends_at <= starts_at:
        raise AlertsRefused("the silence would end before it begins; expected a later end")
    return read


def view_of(silence: StoredSilence, at: float, where: str = HERE) -> SilenceView:
    """What people see of it."""
    return SilenceView(
        id=silence.id,
        matchers=silence.matchers,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        created_by=silence.created_by,
        comment=silence.comment,
        state=_state(silence.starts_at, silence.ends_at, at),
        at=where,
    )


def _state(starts_at: float, ends_at: float, at: float) -> Literal["pending", "active", "expired"]:
    if ends_at <= at:
        return "expired"
    return "pending" if at < starts_at else "active"


def _read(texts: Sequence[str]) -> tuple[Matcher, ...]:
    return tuple(matcher for text in texts for matcher in read_matchers(text))


def is_readable(silence: StoredSilence) -> bool:
    """Whether its matchers are such as we know."""
    try:
        _read(silence.matchers)
    except ValueError:
        return False
    return True
