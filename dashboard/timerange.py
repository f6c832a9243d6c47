"""What the URL says: time range in Grafana's grammar, refresh, the map's metric, kiosk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import parse_qs

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}
_RELATIVE = re.compile(r"now(?:-(\d{1,6})([smhdwMy]))?(?:/([hdM]))?")
_REFRESH = re.compile(r"(\d{1,4})([smh])")
_STEPS = (10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
_POINTS = 720  # a panel is about so many pixels wide; more points cost time and show nothing

DEFAULT_FROM = "now-6h"
DEFAULT_TO = "now"
DEFAULT_REFRESH = "10s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range for a store, in Unix seconds. Start and end are multiples of the step, so that neighbours share answers."""

    start: float
    end: float
    step: float

    def with_points(self, most: int) -> Span:
        """The same time in at most so many steps."""
        step = next((step for step in _STEPS if step >= self.step and (self.end - self.start) / step <= most), _STEPS[-1])
        return Span(start=self.start // step * step, end=self.end // step * step, step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a viewer chose. `note` says what in the URL could not be read and what is shown instead."""

    from_text: str = DEFAULT_FROM
    to_text: str = DEFAULT_TO
    refresh_text: str = DEFAULT_REFRESH
    metric: str = ""
    kiosk: bool = False
    note: str = ""

    @property
    def refresh_seconds(self) -> int:
        """0 when the viewer switched refreshing off."""
        matched = _REFRESH.fullmatch(self.refresh_text)
        return max(1, int(matched[1]) * _SECONDS[matched[2]]) if matched else 0

    def moments(self, now: float, zone: tzinfo = UTC) -> tuple[float, float]:
        """Beginning and end at this moment, in Unix seconds."""
        start, end = moment(self.from_text, now, zone), moment(self.to_text, now, zone)
        if start is None or end is None:
            raise ValueError(f"not a time range: {self.from_text} to {self.to_text}")
        return start, end

    def span(self, now: float, zone: tzinfo = UTC) -> Span:
        """The range at this moment, aligned to a step that gives at most some 720 points."""
        start, end = self.moments(now, zone)
        step = next((step for step in _STEPS if (end - start) / step <= _POINTS), _STEPS[-1])
        return Span(start=start // step * step, end=end // step * step, step=step)


def moment(text: str, now: float, zone: tzinfo = UTC) -> float | None:
    """Unix seconds of `now-6h`, `now-1M/M`, milliseconds (as Grafana writes) or an ISO time; None for anything else."""
    if matched := _RELATIVE.fullmatch(text):
        if matched[3] == "M" and matched[2] in {None, "M"}:
            return start_of_month(now, zone, back=int(matched[1] or 0))
        at = now - int(matched[1] or 0) * _SECONDS[matched[2] or "s"]
        return _rounded_down(at, matched[3], zone) if matched[3] else at
    if re.fullmatch(r"\d{9,14}", text):
        return int(text) / 1000
    try:
        at_time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at_time if at_time.tzinfo else at_time.replace(tzinfo=zone)).timestamp()


def start_of_month(now: float, zone: tzinfo = UTC, *, back: int = 0) -> float:
    """Midnight of the site on the first of this month, or of one before: months are not all as long."""
    today = datetime.fromtimestamp(now, zone)
    year, month = divmod(today.year * 12 + today.month - 1 - back, 12)
    return datetime(max(1970, year), month + 1, 1, tzinfo=zone).timestamp()


def _rounded_down(at: float, unit: str, zone: tzinfo) -> float:
    if unit == "M":
        return start_of_month(at, zone)
    local = datetime.fromtimestamp(at, zone).replace(minute=0, second=0, microsecond=0)
    return (local.replace(hour=0) if unit == "d" else local).timestamp()


def start_of_day(now: float, zone: tzinfo = UTC) -> float:
    """Midnight of the site."""
    return _rounded_down(now, "d", zone)


def parse(search: str, now: float) -> View:
    """The view of a URL's query. What cannot be read falls back to its default and is named in `note`."""
    given = {name: values[-1] for name, values in parse_qs(search.lstrip("?")).items()}
    from_text, to_text = given.get("from", DEFAULT_FROM), given.get("to", DEFAULT_TO)
    refresh_text = given.get("refresh", DEFAULT_REFRESH)
    notes: list[str] = []
    start, end = moment(from_text, now), moment(to_text, now)
    if start is None or end is None or end - start < timedelta(minutes=1).total_seconds():
        notes.append(f"“{from_text}” to “{to_text}” is no time range like now-6h to now; the last 6 hours are shown instead.")
        from_text, to_text = DEFAULT_FROM, DEFAULT_TO
    if refresh_text not in {"", "off"} and not _REFRESH.fullmatch(refresh_text):
        notes.append(f"“{refresh_text}” is no refresh like 10s; {DEFAULT_REFRESH} is used instead.")
        refresh_text = DEFAULT_REFRESH
    return View(
        from_text=from_text,
        to_text=to_text,
        refresh_text=refresh_text,
        metric=given.get("metric", ""),
        kiosk=given.get("kiosk", "") in {"1", "true", "tv"},
        note=" ".join(notes),
    )
