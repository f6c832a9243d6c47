"""What `wattstat check-config` finds about routes: whether what they name is there, and who is told nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from wattstat.document import InvalidDocument, Loc, Problem, dotted, read

if TYPE_CHECKING:
    from wattstat.config import Config
    from wattstat.config.alerts import Alerts


def check_routing(settings: Alerts) -> Iterator[Problem]:
    """What is wrong with the routing file, and receivers of it that the settings lack."""
    from alerts.delivery.reader import read_routing
    from alerts.delivery.receivers import lacking, not_here

    if settings.routing is None:
        return
    try:
        routing = read_routing(settings.routing, ZoneInfo("UTC"))
    except InvalidDocument as err:
        yield from err.problems
        return
    if not settings.receivers or settings.alertmanagers:
        return  # nobody is told here, or the first receiver stands in for those that are lacking
    file = read(settings.routing)
    for name in lacking(routing.receivers, settings.receivers):
        loc = next((loc for loc, named in _named(file.data, ()) if named == name), ("route",))
        what, _, advice = not_here(name).partition("; ")
        yield Problem(place=file.place(loc), setting=dotted(loc, file.data), what=what, advice=advice)


def who_is_told(config: Config) -> Iterator[str]:
    """What is no mistake and yet not what somebody may think: receivers that no route names."""
    from alerts.delivery.reader import BUILT_IN, read_routing
    from alerts.delivery.receivers import lacking

    settings = config.alerts
    if not settings.receivers or settings.alertmanagers:
        return
    routed = read_routing(settings.routing or BUILT_IN, ZoneInfo("UTC")).receivers
    told, first = set(routed) & set(settings.receivers), next(iter(settings.receivers))
    missing = lacking(routed, settings.receivers)
    if missing:
        told.add(first)
        yield f"alerts for {' and '.join(missing)} go to {first}: no entry of alerts.receivers has such a name"
    waiting = list(told)
    while waiting:
        for duty in settings.receivers[waiting.pop()].on_call:
            if duty.receiver not in told:
                told.add(duty.receiver)
                waiting.append(duty.receiver)
    known = " and ".join(sorted(routed - {"nobody", "null"}))
    for name in settings.receivers:
        if name not in told:
            where = settings.routing or "the built-in routing"
            yield f"{name} is never told of an alert: {where} knows {known}; name it so, or route to it: docs/alerting.md"


def _named(data: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The receivers that routes of a file name, with their places."""
    route = data.get("route") if not loc and isinstance(data, Mapping) else data
    here: Loc = loc or ("route",)
    if not isinstance(route, Mapping):
        return
    if isinstance(name := route.get("receiver"), str):
        yield (*here, "receiver"), name
    for place, each in enumerate(route.get("routes") or ()):
        yield from _named(each, (*here, "routes", place))
