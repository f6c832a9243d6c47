"""What shows that a link wears out: more errors from hour to hour, a rising bit error ratio, coming and going, falling light.

Pure functions of one port's series. A trend counts when the order of the hours says so (Mann and Kendall), the last hours are
several times what the first ones were, and it goes on: one noisy hour changes neither the order of the others nor their median.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alerts.findings.past import Floats
from alerts.findings.trends import growth, rises, slope

HOUR = 3600.0
LATE_HOURS = 6
LEAST_HOURS = 8
"""Less history than this has no trend."""
SURE = 3.0
"""Mann and Kendall's measure: by chance once in 700 trendless ports, and the factors below must hold, too."""
ERRORS_FACTOR, LEAST_ERRORS = 4.0, 30.0
"""Errors an hour: four times as many as at first, and in the last hours so many that chance cannot explain it."""
RATIO_FACTOR, LEAST_RATIO, LOSES_RATIO = 5.0, 3e-15, 1e-12
"""Bit error ratio after correction: a good link has less than 1e-15; at 1e-12 UFM takes the port out of service."""
FLAP_SPAN, FLAP_SPANS = 6, 3
"""Going down in three separate quarters of a day within two days."""
LIGHT_FALLS_DB = 1.5
"""Light at a receiver varies by some tenths of a decibel with temperature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """One thing that shows it. `factor` says how many times worse it has become."""

    text: str
    factor: float
    expression: str
    limit_expression: str = ""
    unit: str = ""


def errors_rise(times: Floats, counter: Floats, series: str) -> Wear | None:
    """Symbol errors that become more."""
    if not _range(_newest(times, counter)) >= LEAST_ERRORS:
        return None  # nearly all ports of a large fabric
    by_hour = hourly(times[1:], growth(counter), np.sum)
    found = _halves(by_hour)
    if found is None:
        return None
    first, last = found
    late = _late(by_hour)
    is_rising = last >= ERRORS_FACTOR * max(first, 1.0) and np.nansum(late) >= LEAST_ERRORS and _goes_on(by_hour, first)
    if not is_rising or not rises(by_hour) >= SURE:
        return None
    return Wear(
        text=f"{last:,.0f} symbol errors an hour, {first:,.0f} at first, over {_span(by_hour)}.",
        factor=last / max(first, 1.0),
        expression=f"increase({series}[1h])",
        limit_expression=f"{ERRORS_FACTOR * max(first, 1.0):.0f}",
    )


def ratio_rises(times: Floats, ratio: Floats, series: str) -> Wear | None:
    """A bit error ratio that climbs, with the day on which it will lose data."""
    if not np.fmax.reduce(_newest(times, ratio)) >= LEAST_RATIO:
        return None
    by_hour = hourly(times, ratio, np.median)
    found = _halves(by_hour)
    if found is None:
        return None
    first, last = found
    is_rising = last >= max(RATIO_FACTOR * first, LEAST_RATIO) and _goes_on(by_hour, first)
    if not is_rising or not rises(by_hour) >= SURE:
        return None
    when = _until(by_hour, last)
    return Wear(
        text=f"A bit error ratio of {last:.0e} after correction, {first:.0e} at first, over {_span(by_hour)}{when}.",
        factor=last / max(first, 1e-16),
        expression=series,
        limit_expression=f"{LOSES_RATIO:g}",
        unit="ratio",
    )


def flaps(times: Floats, downs: Floats, series: str) -> Wear | None:
    """A link that goes down now and then: each time an accident, together none. `downs` are counts between the times."""
    if not np.nansum(downs) >= FLAP_SPANS:
        return None
    by_hour = hourly(times[1:], downs, np.sum)
    count = len(by_hour) // FLAP_SPAN * FLAP_SPAN
    spans = np.nansum(by_hour[len(by_hour) - count :].reshape(-1, FLAP_SPAN), axis=1) if count else np.zeros(0)
    if (spans > 0).sum() < FLAP_SPANS:
        return None
    return Wear(
        text=f"It went down {np.nansum(by_hour):.0f} times, in {(spans > 0).sum()} different quarters of a day.",
        factor=float((spans > 0).sum()),
        expression=f"increase({series}[6h])",
        limit_expression="1",
    )


def light_falls(times: Floats, dbm: Floats, series: str) -> Wear | None:
    """Less and less light arrives: a dirty or bent fibre, a laser that ages."""
    if not _range(dbm) >= LIGHT_FALLS_DB:
        return None
    by_hour = hourly(times, dbm, np.median)
    found = _halves(by_hour)
    if found is None:
        return None
    first, last = found
    if not (first - last >= LIGHT_FALLS_DB and rises(-by_hour) >= SURE):
        return None
    return Wear(
        text=f"Its receiver gets {last:.1f} dBm of light, {first:.1f} at first, over {_span(by_hour)}.",
        factor=10 ** ((first - last) / 10),
        expression=series,
        limit_expression=f"{first - LIGHT_FALLS_DB:.1f}",
    )


def hourly(times: Floats, values: Floats, by: Callable[[Floats], float]) -> Floats:
    """Values by hour, counted back from the last moment; NaN for an hour of which nothing is known."""
    back = np.minimum(((times[-1] - times) / HOUR).astype(np.int64), 10_000)
    hours = int(back.max()) + 1
    found = np.full(hours, np.nan)
    for hour in range(hours):
        mine = values[back == hour]
        known = mine[~np.isnan(mine)]
        if len(known):
            found[hours - 1 - hour] = by(known)
    known_from = np.flatnonzero(~np.isnan(found))
    return found[known_from[0] :] if len(known_from) else found[:0]


def _newest(times: Floats, values: Floats) -> Floats:
    """The last six hours."""
    return values[int(np.searchsorted(times, times[-1] - LATE_HOURS * HOUR)) :]


def _range(values: Floats) -> float:
    return float(np.fmax.reduce(values) - np.fmin.reduce(values))


def _late(by_hour: Floats) -> Floats:
    """The last quarter of the time: three hours at least; six at most, so that two good days do not hide a bad evening."""
    return by_hour[-min(LATE_HOURS, max(3, len(by_hour) // 4)) :]


def _halves(by_hour: Floats) -> tuple[float, float] | None:
    """What was usual in the first half and in the last hours; None where too little is known."""
    if np.isfinite(by_hour).sum() < LEAST_HOURS:
        return None
    first, last = by_hour[: len(by_hour) // 2], _late(by_hour)
    if np.isnan(first).all() or np.isnan(last).all():
        return None
    # Of the last hours the lower of two middle ones: three noisy hours of six are no trend yet.
    return float(np.nanmedian(first)), float(np.nanquantile(last, 0.5, method="lower"))


def _goes_on(by_hour: Floats, first: float) -> bool:
    """Whether the newest two hours are worse than the first ones, too."""
    newest = by_hour[~np.isnan(by_hour)][-2:]
    return bool((newest > 2 * first).all())


def _until(by_hour: Floats, last: float) -> str:
    """When the ratio reaches what takes a port out of service, if it goes on like this."""
    per_hour = slope(np.arange(len(by_hour), dtype=np.float64), np.log10(np.maximum(by_hour, 1e-17)))
    if last >= LOSES_RATIO or not per_hour > 0:
        return ""
    hours = (math.log10(LOSES_RATIO) - math.log10(last)) / per_hour
    told = f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    return f"; if it goes on like this it loses data ({LOSES_RATIO:g}) in {told}"


def _span(by_hour: Floats) -> str:
    return f"{len(by_hour)} hours"
