"""What the pages ask: the hall now, and history.

Answers are shared between viewers for a moment, so that ten wall screens cost as much as one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from dashboard import queries
from dashboard.alertdesk import Alerts
from dashboard.components.charts import Chart
from dashboard.devices import STORAGE, SWITCHES, Plant
from dashboard.ledger import ALIVE_METRICS, Alive, Ledger, alive
from dashboard.plantproblems import PLANT
from dashboard.problems import Problem, in_order
from dashboard.shared import Shared
from dashboard.state import OVERVIEW, HallState, hall_state
from dashboard.timerange import Span, parse
from wattstat.api.alerts import AlertDesk
from wattstat.api.energy import EnergyReports
from wattstat.api.live import CoreUnavailable, Live, LiveSnapshot
from wattstat.api.power_calls import PowerCalls
from wattstat.api.power_routes import Rehearse
from wattstat.api.problems import Problem as Refusal
from wattstat.catalogue import Metric
from wattstat.inventory import Inventory
from wattstat.store.protocol import Answer, QueryError, Series, Store

LIVE_SECONDS = 1.0
PLANT_SECONDS = 5.0
INVENTORY_SECONDS = 30.0
PATIENCE_SECONDS = 1.0
"""So long a page that can do without core waits for it; when it did not answer the last time, a fifth of that."""
PREVIEW_SECONDS = 5.0
SWITCH_SECONDS = 5.0
INSTANT_SECONDS = 10.0
RACK_SECONDS = 30.0
# A question costs at most a sixtieth of somebody's time, however large the hall is.
_SPARING, _LONGEST_SECONDS, _MOST_TIMED = 60.0, 300.0, 512
SINCE_SPAN_SECONDS = 6 * 3600
_SINCE_STEP = 60


class Services:
    """Store, core and ledger as the pages use them."""

    def __init__(
        self,
        store: Store,
        live: Live,
        clock: Callable[[], float],
        reports: EnergyReports | None = None,
        power: PowerCalls | None = None,
        *,
        rehearse: Rehearse | None = None,
        alerts: AlertDesk | None = None,
    ) -> None:
        self.clock = clock
        self.power = power
        """Calls to core's desk in the name of whoever looks at the page."""
        self.rehearse = rehearse
        """Lets policies run on the site's past. It asks nobody's role: whoever calls it must."""
        self._store = store
        self._live = live
        self._shared = Shared(clock)
        self._took: dict[str, float] = {}
        self._told: Inventory | None = None
        self._silence = ""
        self.ledger = Ledger(reports, self._shared)
        self.alerts = Alerts(alerts, self._shared)

    async def inventory(self) -> Inventory:
        """Raises `CoreUnavailable`."""
        return await self._shared.get("inventory", INVENTORY_SECONDS, self._read_inventory)

    async def told_inventory(self) -> tuple[Inventory | None, str]:
        """The newest inventory that core has told, None where it told none, and why that is not of now; never waits long."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS / 5 if self._silence else PATIENCE_SECONDS):
                self._told, self._silence = await self.inventory(), ""
        except CoreUnavailable as error:
            self._silence = str(error)
        except TimeoutError:
            self._silence = self._silence or "Core does not answer in time."
        return self._told, self._silence

    async def hall(self) -> HallState:
        """The whole hall now. Raises `CoreUnavailable`."""
        return await self._shared.get("hall", LIVE_SECONDS, self._read_hall)

    async def everything_of(self, name: str) -> LiveSnapshot:
        """All readings of one server. Raises `CoreUnavailable`."""
        return await self._shared.get(("node", name), LIVE_SECONDS, lambda: self._live.hall(node=name))

    async def power_status(self) -> dict[str, Any] | None:
        """How budgets and caps stand, shared between viewers: everybody may look. Raises `CoreUnavailable`, `Refusal`."""
        power = self.power
        return None if power is None else await self._shared.get(("power", "status"), LIVE_SECONDS, lambda: power.get("status"))

    async def power_list(
        self, path: str, seconds: float = LIVE_SECONDS, *, outlasts_acts: bool = False
    ) -> dict[str, Any] | None:
        """What core's desk tells to everybody at a path below /power. Raises `CoreUnavailable`, `Refusal`.

        `outlasts_acts`: it is kept for its time whatever somebody does, for what core must work hard to tell.
        """
        power, group = self.power, "kept" if outlasts_acts else "power"
        return None if power is None else await self._shared.get((group, path), seconds, lambda: power.get(path))

    async def preview(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        """What would be different if this policy were in force; nothing is saved. Raises `CoreUnavailable`, `Refusal`."""
        power = self.power
        if power is None:
            raise Refusal(501, "No power room", "this web process has no way to core's desk")
        body = {"policies": [draft]}
        key = ("preview", json.dumps(body))
        answer = await self._shared.get(key, PREVIEW_SECONDS, lambda: power.ask("POST", "preview", body=body))
        found: dict[str, Any] = answer["preview"]
        return found

    def power_changed(self) -> None:
        """Somebody has acted: what core told before is not shown any more."""
        self._shared.forget(lambda key: isinstance(key, tuple) and key[0] in {"power", "preview"})

    async def alive(self) -> Alive:
        """The jobs that are alive now. Raises `CoreUnavailable`."""
        return await self._shared.get("alive", LIVE_SECONDS, self._read_alive)

    async def zone(self) -> ZoneInfo:
        """The site's time zone. Raises `CoreUnavailable`."""
        return ZoneInfo((await self.inventory()).site.timezone)

    async def chart(self, search: str) -> Chart | None:
        """What a viewer's address says of the charts; None while core, which knows the site's time zone, is silent."""
        now = self.clock()
        view = parse(search, now)
        try:
            zone = await self.zone()
        except CoreUnavailable:
            return None
        revision = f"{view.from_text} {view.to_text}"
        return Chart(span=view.span(now, zone), zone=zone, revision=revision, now=now, is_live=view.to_text == "now")

    async def range(self, expression: str, span: Span) -> Answer:
        """A range query. Raises `QueryError`."""
        key = (expression, span.start, span.end, span.step)
        return await self._shared.get(key, max(5.0, span.step / 2), lambda: self._asked(expression, span))

    async def _asked(self, expression: str, span: Span) -> Answer:
        return plain(await self._store.query_range(expression, span.start, span.end, span.step))

    async def value(self, expression: str, seconds: float) -> float | None:
        """The value of a query for one number now, kept for some seconds; None without data. Raises `QueryError`."""
        answer = await self._shared.get(expression, seconds, lambda: self._store.query(expression))
        return float(answer.series[0].values[-1]) if answer.series and len(answer.series[0].values) else None

    async def instant(self, expression: str, seconds: float = INSTANT_SECONDS) -> tuple[Series, ...]:
        """The series of a query now, kept for some seconds; for more where it took long. Raises `QueryError`."""
        kept = max(seconds, min(_LONGEST_SECONDS, _SPARING * self._took.get(expression, 0.0)))
        return await self._shared.get(("instant", expression), kept, lambda: self._timed(expression))

    async def _timed(self, expression: str) -> tuple[Series, ...]:
        began = self.clock()
        answer = plain(await self._store.query(expression)).series
        if len(self._took) >= _MOST_TIMED:
            self._took.clear()
        self._took[expression] = self.clock() - began
        return answer

    async def storage(self) -> Plant:
        """The storage clusters now. Raises `CoreUnavailable`."""
        return await self._shared.get("storage", LIVE_SECONDS, lambda: self._read_plant(STORAGE))

    async def switches(self) -> Plant:
        """The switches now, without their ports: of these history is asked, which can sort them. Raises `CoreUnavailable`."""
        return await self._shared.get("switches", SWITCH_SECONDS, lambda: self._read_plant(SWITCHES))

    async def dated(self, found: Iterable[Problem]) -> list[Problem]:
        """The problems with since when each holds, as far as history knows."""
        listed = list(found)
        kinds = sorted({p.kind for p in listed if p.since is None and p.kind in queries.SINCE})
        end = self.clock() // _SINCE_STEP * _SINCE_STEP
        span = Span(start=end - SINCE_SPAN_SECONDS, end=end, step=_SINCE_STEP)
        answers = await asyncio.gather(*(self._runs(kind, span) for kind in kinds))
        runs = dict(zip(kinds, answers, strict=True))
        return in_order(_dated(problem, runs.get(problem.kind, ()), span) for problem in listed)

    async def _runs(self, kind: str, span: Span) -> tuple[Series, ...]:
        try:
            return (await self.range(queries.SINCE[kind], span)).series
        except QueryError:
            return ()  # the list is worth more than its dates

    async def _read_inventory(self) -> Inventory:
        return Inventory.model_validate(await self._live.inventory())

    async def _read_alive(self) -> Alive:
        return alive(await self._live.hall(ALIVE_METRICS))

    async def _read_plant(self, metrics: Sequence[Metric]) -> Plant:
        snapshot, collectors, inventory = await asyncio.gather(
            self._live.hall(metrics), self._live.collectors(), self.inventory()
        )
        return Plant(snapshot=snapshot, collectors=tuple(collectors), inventory=inventory)

    async def _read_hall(self) -> HallState:
        snapshot, collectors, inventory, plant = await asyncio.gather(
            self._live.hall(OVERVIEW), self._live.collectors(), self.inventory(), self._plant()
        )
        power, racks_off = await asyncio.gather(self._power_if_told(), self._racks_off())
        return hall_state(snapshot, inventory, collectors, power, plant, racks_off=racks_off)

    async def _racks_off(self) -> dict[str, float]:
        """By how much meter and sum of each rack differ, where history knows."""
        try:
            found = await self.instant(queries.RACK_DIFFERENCE, RACK_SECONDS)
        except QueryError:
            return {}
        return {one.labels["rack"]: one.values[-1] for one in found if "rack" in one.labels}

    async def _plant(self) -> LiveSnapshot:
        return await self._shared.get("plant", PLANT_SECONDS, lambda: self._live.hall(PLANT))

    async def _power_if_told(self) -> dict[str, Any] | None:
        try:
            return await self.power_status()
        except (CoreUnavailable, Refusal):
            return None  # the hall is worth more than what is said of its caps


def _dated(problem: Problem, runs: Iterable[Series], span: Span) -> Problem:
    if problem.since is not None:
        return problem
    for series in runs:
        if _is_of(series, problem):
            began = run_began(series, span)
            return problem if began is None else replace(problem, since=began, at_least=began <= span.start)
    return problem


def _is_of(series: Series, problem: Problem) -> bool:
    labels = series.labels
    if problem.budget:
        return f"{labels.get('kind')}:{labels.get('budget')}" == problem.budget
    if problem.place and not problem.node:
        return problem.place in {labels.get("switch"), labels.get("storage")}
    return labels.get("node") == problem.node and (not problem.gpu or labels.get("gpu") == problem.gpu)


def run_began(series: Series, span: Span) -> float | None:
    """When the unbroken run of points that lasts until the end of the span began; None where there is no such run."""
    began: float | None = None
    expected = span.end
    for at in reversed(series.times):
        if expected - at > 2 * span.step:  # one missing point is a late scrape, not a recovery
            break
        began = expected = at
    return began


def plain(answer: Answer) -> Answer:
    """The same answer with lists of floats: a store may answer in arrays, which have no truth value and no JSON."""
    series = tuple(replace(each, times=_floats(each.times), values=_floats(each.values)) for each in answer.series)
    return replace(answer, series=series)


def _floats(column: Sequence[float]) -> list[float]:
    return column.tolist() if hasattr(column, "tolist") else list(column)
