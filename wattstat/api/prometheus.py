"""The Prometheus HTTP API on whichever store is configured; Grafana's data source and promtool speak to it."""

from __future__ import annotations

import asyncio
import functools
import math
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import promql_parser
from fastapi import APIRouter, Request, Response

from wattstat import __version__
from wattstat.api import prometheus_json as written
from wattstat.api.alerts import AlertDesk
from wattstat.catalogue import ALL
from wattstat.store.protocol import QueryError, Store

COMPATIBLE_WITH = "2.42.0"
"""The Prometheus version whose behaviour the API and the embedded store's PromQL follow."""

_STATUS = {"bad_data": 400, "execution": 422, "timeout": 503, "canceled": 503, "unavailable": 503, "not_found": 404}


class Parameters:
    """A request's parameters, from its address and from a form in its body."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def optional(self, name: str) -> str | None:
        return next((value for value in self.all(name) if value), None)

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise QueryError(f'invalid parameter "{name}": it is missing or empty')
        return value

    def moment(self, name: str) -> float | None:
        """A time as Unix seconds; given as number or as RFC 3339."""
        text = self.optional(name)
        return None if text is None else _moment(name, text)

    def limit(self) -> int:
        """How many items are wanted at most; 0 is all."""
        text = self.optional("limit") or "0"
        if not text.isdecimal():
            raise QueryError(f'invalid parameter "limit": expected a whole number, got {text!r}')
        return int(text)


def _moment(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if abs(number) < 1e12:
            return number
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise QueryError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp') from None


_UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d+){unit})?" for unit in _UNITS))


def _duration(name: str, text: str) -> float:
    """Seconds of a number or of a duration such as 1h30m."""
    try:
        seconds = float(text)
    except ValueError:
        match = _DURATION.fullmatch(text)
        parts = {} if match is None else {unit: int(count) for unit, count in match.groupdict().items() if count}
        seconds = sum(count * _UNITS[unit] for unit, count in parts.items()) if parts else math.nan
    if not math.isfinite(seconds) or abs(seconds) >= 1e12:
        raise QueryError(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration')
    return seconds


Answering = Callable[[Parameters], Awaitable[bytes]]


async def _parameters(request: Request) -> Parameters:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if request.method == "POST":
        pairs += parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)
    return Parameters(pairs)


def router(store: Store, desk: AlertDesk | None = None) -> APIRouter:
    """All routes below `/api/v1`. Without `desk` there are no rules and no alerts."""
    routes = APIRouter(prefix="/api/v1", tags=["prometheus"])
    answers = _Answers(store, desk)
    table: tuple[tuple[str, str, Answering], ...] = (
        ("/query", "Evaluate at one moment (query, time)", answers.query),
        ("/query_range", "Evaluate over a range (query, start, end, step)", answers.query_range),
        ("/format_query", "A query, laid out (query)", answers.format_query),
        ("/series", "Series that match any selector (match[], start, end)", answers.series),
        ("/labels", "Names of labels (match[], start, end)", answers.labels),
        ("/query_exemplars", "Exemplars, of which there are none", answers.nothing),
    )
    for path, summary, answer in table:
        routes.add_api_route(path, _endpoint(answer), methods=["GET"], summary=summary, operation_id=answer.__name__)
        # The same by POST, for queries too long for an address; told once in the documentation.
        routes.add_api_route(path, _endpoint(answer), methods=["POST"], include_in_schema=False)
    fixed: tuple[tuple[str, str, Answering], ...] = (
        ("/metadata", "Type and help of metrics (metric, limit)", answers.metadata),
        ("/rules", "Rule groups", answers.rules),
        ("/alerts", "Active alerts", answers.alerts),
        ("/status/buildinfo", "Which Prometheus this is compatible with", answers.buildinfo),
    )
    for path, summary, answer in fixed:
        routes.add_api_route(path, _endpoint(answer), methods=["GET"], summary=summary, operation_id=answer.__name__)

    @routes.get("/label/{name}/values", summary="Values of a label (match[], start, end)")
    async def label_values(name: str, request: Request) -> Response:
        return await _endpoint(functools.partial(answers.label_values, name))(request)

    return routes


def _endpoint(answer: Answering) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body, status = await answer(await _parameters(request)), 200
        except QueryError as err:
            body, status = written.failure(err.kind, str(err)), _STATUS.get(err.kind, 500)
        return Response(body, status_code=status, media_type="application/json")

    return endpoint


class _Answers:
    """What each route answers."""

    def __init__(self, store: Store, desk: AlertDesk | None) -> None:
        self._store = store
        self._desk = desk

    async def query(self, given: Parameters) -> bytes:
        at = given.moment("time")
        found = await self._store.query(given.required("query"), time.time() if at is None else at)
        return await asyncio.to_thread(written.query_answer, found)

    async def query_range(self, given: Parameters) -> bytes:
        start, end = (_moment(name, given.required(name)) for name in ("start", "end"))
        step = _duration("step", given.required("step"))
        found = await self._store.query_range(given.required("query"), start, end, step)
        return await asyncio.to_thread(written.query_answer, found)

    async def format_query(self, given: Parameters) -> bytes:
        try:
            return written.success(promql_parser.parse(given.required("query")).prettify())
        except ValueError as err:
            raise QueryError(f'invalid parameter "query": parse error: {err}') from err

    async def series(self, given: Parameters) -> bytes:
        selectors = given.all("match[]")
        if not selectors:
            raise QueryError("no match[] parameter provided")
        start, end = given.moment("start"), given.moment("end")
        forever = float("inf")
        found = await self._store.series(selectors, -forever if start is None else start, forever if end is None else end)
        return written.success(found)

    async def labels(self, given: Parameters) -> bytes:
        found = await self._store.labels(given.all("match[]"), given.moment("start"), given.moment("end"))
        return written.success(found)

    async def label_values(self, name: str, given: Parameters) -> bytes:
        found = await self._store.label_values(name, given.all("match[]"), given.moment("start"), given.moment("end"))
        return written.success(found)

    async def metadata(self, given: Parameters) -> bytes:
        wanted, limit = given.optional("metric"), given.limit()
        found: dict[str, Any] = {
            name: [{"type": metric.kind.value, "help": metric.help, "unit": ""}]
            for name, metric in ALL.items()
            if wanted in {None, name}
        }
        return written.success(dict(list(found.items())[: limit or None]))

    async def rules(self, given: Parameters) -> bytes:
        groups = [] if self._desk is None else await self._desk.rule_groups()
        kind = {None: None, "alert": "alerting", "record": "recording"}.get(given.optional("type"), "")
        if kind == "":
            raise QueryError(f'invalid parameter "type": expected alert or record, got {given.optional("type")!r}')
        if kind is not None:
            groups = [{**group, "rules": [rule for rule in group["rules"] if rule["type"] == kind]} for group in groups]
            groups = [group for group in groups if group["rules"]]
        return written.success({"groups": groups})

    async def alerts(self, _: Parameters) -> bytes:
        return written.success({"alerts": [] if self._desk is None else await self._desk.prometheus_alerts()})

    async def nothing(self, _: Parameters) -> bytes:
        return written.success([])

    async def buildinfo(self, _: Parameters) -> bytes:
        about = {"version": COMPATIBLE_WITH, "revision": f"wattstat-{__version__}", "branch": "", "buildUser": ""}
        return written.success({**about, "buildDate": "", "goVersion": ""})
