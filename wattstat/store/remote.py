"""Any Prometheus-compatible server as store: Prometheus, Thanos, Mimir, VictoriaMetrics."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import aiohttp
import numpy as np

from wattstat.store.protocol import Answer, QueryError, Series

POINTS_A_REQUEST = 1_000
"""How many points a series one request asks for; a longer range is split, so that no request is heavy for the server."""

MAX_POINTS = 11_000
"""How many points a series a query may have in all, as in Prometheus itself."""

REQUESTS_AT_ONCE = 4

Parameters = list[tuple[str, str]]
Json = dict[str, Any]

# Split, these would mean the start and the end of each part.
_BOUND_TO_RANGE = re.compile(r"@\s*(start|end)\s*\(")


class RemoteStore:
    """History on another server; implements `Store`. What the server says, errors and warnings, is passed on."""

    def __init__(self, url: str, *, authorization: str | None = None, timeout_seconds: float = 30) -> None:
        self._url = url.rstrip("/")
        self._headers = {} if authorization is None else {"Authorization": authorization}
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def query(self, expression: str, at: float | None = None) -> Answer:
        """Evaluate at one moment; now, by the server's clock, when None. Raises `QueryError`."""
        parameters = [("query", expression)] + ([] if at is None else [("time", _number(at))])
        return _answer(await self._ask("POST", "query", parameters))

    async def query_range(self, expression: str, start: float, end: float, step: float) -> Answer:
        """Evaluate at start, start+step, … end, in parts of at most 1,000 points a series. Raises `QueryError`."""
        spans = _spans(start, end, step, POINTS_A_REQUEST if not _BOUND_TO_RANGE.search(expression) else MAX_POINTS + 1)

        def parameters(first: float, last: float) -> Parameters:
            return [("query", expression), ("start", _number(first)), ("end", _number(last)), ("step", _number(step))]

        asked = [asyncio.ensure_future(self._ask("POST", "query_range", parameters(*span))) for span in spans]
        try:
            return _joined([_answer(body) for body in await asyncio.gather(*asked)])
        finally:
            for request in asked:
                request.cancel()  # when one part fails, the others are in vain

    async def series(self, selectors: Sequence[str], start: float, end: float) -> list[dict[str, str]]:
        """Label sets of the series that match any selector. Raises `QueryError`."""
        body = await self._ask("GET", "series", _matching(selectors, start, end))
        return [{str(name): str(value) for name, value in labels.items()} for labels in body["data"]]

    async def labels(self, selectors: Sequence[str], start: float | None = None, end: float | None = None) -> list[str]:
        """Names of labels. Raises `QueryError`."""
        return [str(name) for name in (await self._ask("GET", "labels", _matching(selectors, start, end)))["data"] or ()]

    async def label_values(
        self, name: str, selectors: Sequence[str], start: float | None = None, end: float | None = None
    ) -> list[str]:
        """Values of a label. Raises `QueryError`."""
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise QueryError(f'invalid label name: "{name}"')
        body = await self._ask("GET", f"label/{name}/values", _matching(selectors, start, end))
        return [str(value) for value in body["data"] or ()]

    async def rule_groups(self) -> list[Json]:
        """The rule groups that the server evaluates, as its `/api/v1/rules` has them; none where it has no rules at all.

        Raises `QueryError`.
        """
        groups: list[Json] = (await self._ask("GET", "rules", []))["data"].get("groups") or []
        return groups

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, method: str, path: str, parameters: Parameters) -> Json:
        """The server's successful answer. Raises `QueryError` with the server's own words where it has some."""
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)
        address = f"{self._url}/api/v1/{path}"
        given: dict[str, Any] = {"data": aiohttp.FormData(parameters)} if method == "POST" else {"params": parameters}
        try:
            async with self._turns, self._session.request(method, address, **given) as response:
                return _body(await response.read(), response.status, address)
        except TimeoutError as err:
            raise QueryError(f"{address} did not answer within {self._timeout.total:g} s", kind="timeout") from err
        except aiohttp.ClientError as err:
            raise QueryError(f"{address} cannot be asked: {err}", kind="unavailable") from err


def _body(content: bytes, status: int, address: str) -> Json:
    """The JSON of a successful answer. Raises `QueryError`."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict) or "status" not in body:
        start = content[:100].decode(errors="replace")
        raise QueryError(f"{address} answered HTTP {status} with something else than its JSON: {start!r}", kind="unavailable")
    if body["status"] != "success":
        raise QueryError(str(body.get("error", f"HTTP {status}")), kind=str(body.get("errorType") or "execution"))
    return body


def _spans(start: float, end: float, step: float, points: int) -> list[tuple[float, float]]:
    """The range in parts whose first moments are steps of the whole. Raises `QueryError` where Prometheus would."""
    if step <= 0:
        raise QueryError("zero or negative query resolution step widths are not accepted. Try a positive integer")
    if end < start:
        raise QueryError('invalid parameter "end": end timestamp must not be before start time')
    start_ms, end_ms, step_ms = (round(value * 1000) for value in (start, end, step))
    count = (end_ms - start_ms) // max(step_ms, 1) + 1
    if count - 1 > MAX_POINTS:
        raise QueryError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
        )
    firsts = range(start_ms, end_ms + 1, step_ms * points)
    return [(first / 1000, min(first + step_ms * (points - 1), end_ms) / 1000) for first in firsts]


def _number(value: float) -> str:
    return f"{value:.3f}"


def _matching(selectors: Sequence[str], start: float | None, end: float | None) -> Parameters:
    bounds = [
        (name, _number(value)) for name, value in (("start", start), ("end", end)) if value is not None and np.isfinite(value)
    ]
    return [("match[]", selector) for selector in selectors] + bounds


def _answer(body: Json) -> Answer:
    data = body["data"]
    kind, result = data["resultType"], data["result"]
    warnings = [*(body.get("warnings") or ()), *(body.get("infos") or ())]
    if body.get("isPartial"):  # VictoriaMetrics' word for it
        warnings.append("the server answered from a part of its data only")
    if kind in {"scalar", "string"}:
        text = result[1] if kind == "string" else ""
        series: tuple[Series, ...] = (_series({}, [[result[0], "0" if kind == "string" else result[1]]]),)
    else:
        text = ""
        series = tuple(_series(each["metric"], each.get("values") or [each["value"]]) for each in result)
    return Answer(kind=kind, series=series, warnings=tuple(warnings), text=text)


def _series(labels: Mapping[str, str], points: Sequence[Sequence[Any]]) -> Series:
    times = np.array([point[0] for point in points], np.float64)
    values = np.array([float(point[1]) for point in points], np.float64)
    return Series(labels=dict(labels), times=cast("Sequence[float]", times), values=cast("Sequence[float]", values))


def _joined(parts: Sequence[Answer]) -> Answer:
    """The parts of a range one behind the other."""
    if len(parts) == 1:
        return parts[0]
    pieces: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    for part in parts:
        for series in part.series:
            pieces.setdefault(tuple(sorted(series.labels.items())), []).append(series)

    def whole(found: list[Series]) -> Series:
        times = np.concatenate([piece.times for piece in found])
        values = np.concatenate([piece.values for piece in found])
        return Series(labels=found[0].labels, times=cast("Sequence[float]", times), values=cast("Sequence[float]", values))

    warnings = tuple(dict.fromkeys(warning for part in parts for warning in part.warnings))
    return Answer(kind="matrix", series=tuple(whole(pieces[labels]) for labels in sorted(pieces)), warnings=warnings)
