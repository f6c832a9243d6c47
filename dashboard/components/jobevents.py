"""What happened to a run: limits and caps, what held its GPUs down, errors. From history. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from dashboard import words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import Level, is_harmful
from dashboard.timerange import Span
from wattstat.api.energy import GpuOfJob
from wattstat.store.protocol import Series

_MOST_PLACES = 3
_MOST_EVENTS = 60
# A limit is a setting in whole watts; what differs less is how a float was carried.
_SAME_WATTS = 0.5
# The XIDs that jobs meet, after NVIDIA's catalogue; the others are named by their number.
_XIDS = {
    "13": "graphics engine exception", "31": "memory page fault", "43": "stopped processing", "45": "preemptive clean-up",
    "48": "double-bit memory error", "62": "micro-controller halted", "63": "memory row remapped", "64": "row remapping failed",
    "74": "NVLink error", "79": "fallen off the bus", "92": "many single-bit memory errors", "94": "contained memory error",
    "95": "uncontained memory error", "119": "GSP does not answer", "120": "GSP error", "121": "chip-to-chip link error",
}  # fmt: skip
_CRITICAL_XIDS = frozenset({"48", "62", "64", "79", "95", "119", "120"})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the store says of a run's servers. `throttled` and `xids` hold only what is above zero."""

    span: Span
    throttled: Sequence[Series] = ()
    xids: Sequence[Series] = ()
    lost: Sequence[Series] = ()
    limits: Sequence[Series] = ()
    caps: Sequence[Series] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line. `end` is None for what is a moment; `share` is how much of the GPUs' time it took."""

    start: float
    end: float | None
    what: str
    where: tuple[str, ...]
    level: Level = Level.OK
    share: float | None = None


def events(history: History, gpus: Sequence[GpuOfJob]) -> list[Event]:
    """In the order in which they began."""
    names = {each.uuid: f"{each.node} · GPU {each.index}" for each in gpus}
    found = [
        *_throttles(history, names),
        *_xids(history, names),
        *_lost(history, names),
        *_limits(history, names),
        *_caps(history),
    ]
    return sorted(found, key=lambda event: (event.start, -event.level, event.what))


def _of_run(series: Iterable[Series], names: dict[str, str]) -> Iterator[tuple[Series, str]]:
    for one in series:
        if (name := names.get(one.labels.get("uuid", ""))) and len(one.times):
            yield one, name


def _throttles(history: History, names: dict[str, str]) -> Iterator[Event]:
    """One line a reason: it comes and goes within seconds."""
    by_reason: dict[str, list[tuple[Series, str]]] = defaultdict(list)
    for one, name in _of_run(history.throttled, names):
        by_reason[one.labels["reason"]].append((one, name))
    whole = (history.span.end - history.span.start) * len(names)
    for reason, found in by_reason.items():
        held = sum(sum(one.values) for one, _ in found) * history.span.step
        yield Event(
            start=min(one.times[0] for one, _ in found),
            end=max(one.times[-1] for one, _ in found),
            what=f"Held down by {words.throttle(reason)}",
            where=tuple(name for _, name in found),
            level=Level.WARNING if is_harmful(reason) else Level.OK,
            share=min(1.0, held / whole) if whole else None,
        )


def _xids(history: History, names: dict[str, str]) -> Iterator[Event]:
    for one, name in _of_run(history.xids, names):
        xid = one.labels["xid"]
        meaning = f", {_XIDS[xid]}" if xid in _XIDS else ""
        for start, _ in runs(one, history.span.step):
            level = Level.CRITICAL if xid in _CRITICAL_XIDS else Level.WARNING
            yield Event(start=start, end=None, what=f"XID {xid}{meaning}", where=(name,), level=level)


def _lost(history: History, names: dict[str, str]) -> Iterator[Event]:
    for one, name in _of_run(history.lost, names):
        for start, end in runs(one, history.span.step):
            yield Event(start=start, end=end, what="GPU did not answer", where=(name,), level=Level.CRITICAL)


def _limits(history: History, names: dict[str, str]) -> Iterator[Event]:
    """Changes of the limit in force; those of one moment are one line."""
    changes: dict[tuple[float, float, float], list[str]] = defaultdict(list)
    for one, name in _of_run(history.limits, names):
        for (_, before), (at, after) in zip(_points(one), _points(one)[1:], strict=False):
            if abs(after - before) > _SAME_WATTS:
                changes[at, round(before), round(after)].append(name)
    for (at, before, after), where in changes.items():
        what = f"Power limit of each GPU from {words.watts(before)} to {words.watts(after)}"
        yield Event(start=at, end=None, what=what, where=tuple(where))


def _points(one: Series) -> list[tuple[float, float]]:
    return list(zip(one.times, one.values, strict=True))


def _caps(history: History) -> Iterator[Event]:
    found: dict[tuple[float, float, float], list[str]] = defaultdict(list)
    for one in history.caps:
        for start, end in runs(one, history.span.step):
            watts = next(value for at, value in _points(one) if at == start)
            found[start, end, round(watts)].append(one.labels.get("node", ""))
    for (start, end, watts), nodes in found.items():
        yield Event(start=start, end=end, what=f"Server capped at {words.watts(watts)}", where=tuple(nodes))


def runs(one: Series, step: float) -> list[tuple[float, float]]:
    """Beginning and end of each unbroken run of points; one missing point is a late scrape."""
    found: list[tuple[float, float]] = []
    for at in one.times:
        if found and at - found[-1][1] <= 2 * step:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


def listed(found: Sequence[Event], now: float, zone: tzinfo) -> Markup:
    """The table of events, or that there were none."""
    if not found:
        text = "No limit was changed, nothing held the GPUs down, and no error was counted."
        return tag("div", [parts.shape(Level.OK), tag("span", text)], class_="all-well")
    rows = [
        tag("tr", [
            tag("td", _when(event, now, zone)), tag("td", [parts.shape(event.level), " ", event.what], class_="event"),
            tag("td", _where(event.where), title=", ".join(event.where)),
            tag("td", "" if event.share is None else f"{_percent(event.share)} of the GPUs' time", class_="number"),
        ])
        for event in found[:_MOST_EVENTS]
    ]  # fmt: skip
    more = len(found) - _MOST_EVENTS
    head = [tag("th", name, scope="col", class_=kind) for name, kind in
            (("When", None), ("What", None), ("Where", None), ("How much", "number"))]  # fmt: skip
    body = [tag("thead", tag("tr", head)), tag("tbody", rows)]
    rest = tag("p", f"and {more:,} more", class_="quiet") if more > 0 else None
    table = tag("div", tag("table", body, class_="table", aria_label="During the run"), class_="table-box")
    return Markup(table + (rest or ""))


def _when(event: Event, now: float, zone: tzinfo) -> str:
    begin = words.clock(event.start, now, zone)
    if event.end is None or event.end <= event.start:
        return begin
    return f"{begin} to {words.clock(event.end, now, zone)}"


def _where(where: tuple[str, ...]) -> str:
    return (
        ", ".join(where) if len(where) <= _MOST_PLACES else words.plural(len(where), "server" if _is_server(where) else "GPU")
    )


def _is_server(where: tuple[str, ...]) -> bool:
    return " · " not in where[0]


def _percent(ratio: float) -> str:
    return f"<1{words.THIN}%" if 0 < ratio < 0.01 else words.percent(ratio)
