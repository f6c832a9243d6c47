"""What becomes of an alert from one evaluation to the next, exactly as in Prometheus 2.42. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from alerts.model import Alert, Conditions, Raised


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Of which rule or finding alerts are."""

    group: str
    expression: str = ""
    source: Literal["rule", "finding"] = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one evaluation made of the alerts of one rule, by fingerprint."""

    active: Mapping[str, Alert]
    """All that are pending or firing now."""
    ended: tuple[Alert, ...]
    """What fired and does not any more. What was pending and is gone has never been."""


def step(
    active: Mapping[str, Alert],
    raised: Mapping[str, Raised],
    conditions: Conditions,
    at: float,
    *,
    origin: Origin,
    held: Collection[str] = (),
    is_blind: bool = False,
) -> Step:
    """From the alerts before to those after an evaluation that found `raised`.

    `held` stay as they are though they were not found: nothing is known of them yet. `is_blind`: nothing can be found, and what
    fires is held until it can; here we depart from Prometheus, which would tell that it is over.
    """
    now: dict[str, Alert] = {}
    ended: list[Alert] = []
    for fingerprint, found in raised.items():
        now[fingerprint] = _held_so_far(_seen(active.get(fingerprint), fingerprint, found, at, origin), conditions, at)
    for fingerprint, alert in active.items():
        if fingerprint in raised:
            continue
        if is_blind and alert.state == "firing":
            stays: Alert | None = _unconfirmed(alert, at)
        else:
            stays = alert if fingerprint in held else _fires_on(alert, conditions, at)
        if stays is not None:
            now[fingerprint] = stays
        elif alert.state == "firing":
            ended.append(alert)
    return Step(active=now, ended=tuple(ended))


def _seen(known: Alert | None, fingerprint: str, found: Raised, at: float, origin: Origin) -> Alert:
    """An alert that holds: known ones keep since when."""
    if known is not None:
        return replace(
            known,
            annotations=found.annotations,
            value=found.value,
            evidence=found.evidence,
            keep_firing_since=None,
            unconfirmed_since=None,
            group=origin.group,
            expression=origin.expression,
        )
    return Alert(
        fingerprint=fingerprint,
        labels=found.labels,
        annotations=found.annotations,
        state="pending",
        value=found.value,
        active_at=at,
        group=origin.group,
        expression=origin.expression,
        source=origin.source,
        evidence=found.evidence,
    )


def _held_so_far(alert: Alert, conditions: Conditions, at: float) -> Alert:
    """It fires as soon as it has held for long enough."""
    if alert.state == "pending" and _reached(at - alert.active_at, conditions.for_seconds):
        return replace(alert, state="firing", fired_at=at)
    return alert


def _fires_on(alert: Alert, conditions: Conditions, at: float) -> Alert | None:
    """An alert that does not hold: it fires on for `keep_firing_for`, or is gone."""
    if alert.state != "firing" or conditions.keep_firing_seconds <= 0:
        return None
    since = at if alert.keep_firing_since is None else alert.keep_firing_since
    if _reached(at - since, conditions.keep_firing_seconds):
        return None
    return alert if alert.keep_firing_since is not None else replace(alert, keep_firing_since=since, unconfirmed_since=None)


def _unconfirmed(alert: Alert, at: float) -> Alert:
    """An alert of which nothing is known: `keep_firing_for` begins when data are back and say that it does not hold."""
    if alert.unconfirmed_since is not None:
        return alert
    since = at if alert.keep_firing_since is None else alert.keep_firing_since
    return replace(alert, keep_firing_since=None, unconfirmed_since=since)


def _reached(span: float, wanted: float) -> bool:
    """Compared in whole milliseconds: 0.3 s later is not a hair less than 0.3 s."""
    return round(span * 1000) >= round(wanted * 1000)
