"""Alerts of the past as a site's Prometheus wrote them down: runs of its series ALERTS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alerts.memory import Episode
from alerts.model import Alert, fingerprint
from wattstat.store.protocol import Series, Store

MOST_STEPS = 1_000
LEAST_STEP_SECONDS = 15.0
_OWN = {"__name__", "alertstate"}


async def of_peer(store: Store, active: Sequence[Alert], start: float, end: float) -> list[Episode]:
    """What fired between two moments, as exact as the steps of one query. Raises `QueryError`.

    `active` are the alerts that fire now: they have words, which ALERTS has not.
    """
    step = max((end - start) / MOST_STEPS, LEAST_STEP_SECONDS)
    answer = await store.query_range('ALERTS{alertstate="firing"}', start, end, step)
    known = {alert.fingerprint: alert for alert in active}
    return [episode for series in answer.series for episode in episodes(series, known.get(_print(series)), step, end)]


def _print(series: Series) -> str:
    return fingerprint({name: value for name, value in series.labels.items() if name not in _OWN})


def episodes(series: Series, now: Alert | None, step: float, end: float) -> Iterator[Episode]:
    """Each unbroken run of points is one episode; the last goes on where the alert fires now."""
    labels = {name: value for name, value in series.labels.items() if name not in _OWN}
    if "alertname" not in labels:
        return
    for first, last in _runs(list(series.times), step):
        is_on = now is not None and now.state == "firing" and end - last < 2 * step
        alert = Alert(
            fingerprint=fingerprint(labels),
            labels=labels,
            annotations=now.annotations if now is not None else {},
            state="firing",
            value=now.value if is_on and now is not None else float("nan"),
            active_at=first,
            fired_at=first,
            expression=now.expression if now is not None else "",
            group=now.group if now is not None else "",
        )
        yield Episode(alert=alert, ended_at=None if is_on else last + step)


def _runs(times: Sequence[float], step: float) -> Iterator[tuple[float, float]]:
    begin = last = None
    for at in times:
        if last is None or begin is None or at - last > 1.5 * step:
            if begin is not None and last is not None:
                yield begin, last
            begin = at
        last = at
    if begin is not None and last is not None:
        yield begin, last
