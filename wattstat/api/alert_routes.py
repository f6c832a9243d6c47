"""The public calls about alerts: what fires and why, history, silences, receivers; and the health of every device."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, tzinfo
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import Field

from wattstat.access import Role
from wattstat.api import access
from wattstat.api.alerts import SEVERITIES, AlertDesk, AlertsRefused, AlertsUnavailable, AlertView, NoSuchAlert
from wattstat.api.problems import Problem
from wattstat.api.times import EXPECTED, BadTime, Span, moment, rfc3339, span
from wattstat.document import Strict
from wattstat.store.protocol import QueryError

_TIMES = frozenset({
    "active_at", "fired_at", "ended_at", "starts_at", "ends_at", "notified_at", "since", "last_evaluation", "heartbeat_at",
    "unconfirmed_since", "tells_at",
})  # fmt: skip

From = Annotated[str | None, Query(alias="from", description=f"Beginning: {EXPECTED}. Seven days ago unless given.")]
To = Annotated[str | None, Query(description="End, itself not included; written like `from`. Now unless given.")]


class NewSilence(Strict):
    """What shall be quiet, until when, and why."""

    matchers: tuple[str, ...] = Field(min_length=1, examples=[['node="gpu-017"', 'alertname=~"Gpu.*"']])
    """As Alertmanager writes them; all of them must match."""
    ends_at: str = Field(examples=["now+2h", "2026-11-23T18:00:00Z"])
    """When it ends."""
    comment: str
    """Why."""
    starts_at: str | None = None
    """When it begins; now unless given."""


class _Times:
    """Reads times as people write them."""

    def __init__(self, zone: tzinfo, clock: Callable[[], float]) -> None:
        self._zone, self.now = zone, clock

    def span(self, start: str | None, to: str | None) -> Span:
        try:
            return span(start, to, now=self.now(), zone=self._zone)
        except BadTime as err:
            raise Problem(400, "No such time", str(err)) from err

    def moment(self, text: str, name: str) -> float:
        try:
            return moment(text, name=name, now=self.now(), zone=self._zone)
        except BadTime as err:
            raise Problem(400, "No such time", str(err)) from err


def router(desk: AlertDesk, *, zone: tzinfo = UTC, clock: Callable[[], float] = time.time) -> APIRouter:
    """All routes. Dates begin in `zone`, the site's."""
    times = _Times(zone, clock)
    routes = APIRouter(tags=["alerts"])
    _add_alerts(routes, desk, times)
    _add_silences(routes, desk, times)
    _add_what_is_known(routes, desk)
    return routes


def _add_alerts(routes: APIRouter, desk: AlertDesk, times: _Times) -> None:

    @routes.get("/api/alerts", summary="What is firing or pending now, worst first")
    async def alerts(
        *,
        state: Annotated[Literal["firing", "pending"] | None, Query(description="Only in this state.")] = None,
        severity: Annotated[str, Query(description="Only of these severities, separated by commas.")] = "",
        subject: Annotated[str, Query(description="Only of this device: `gpu-017` or `node gpu-017`.")] = "",
        name: Annotated[str, Query(description="Only of this rule or finding.")] = "",
        job: Annotated[str, Query(description="Only those on servers of this job.")] = "",
        quiet: Annotated[
            bool | None, Query(description="Only those that are silenced or inhibited, or only the others.")
        ] = None,
    ) -> Response:
        wanted = _severities(severity)
        found = [
            each
            for each in await _tried(desk.active)
            if state in {None, each.state}
            and (not wanted or each.severity in wanted)
            and (not subject or subject in {each.subject, each.subject.partition(" ")[2]})
            and name in {"", each.name}
            and (not job or job in each.jobs)
            and quiet in {None, bool(each.silenced_by or each.inhibited_by)}
        ]
        return await _listed(found)

    @routes.get("/api/alerts/history", summary="What fired within a span of time, newest first")
    async def history(*, start: From = None, to: To = None) -> Response:
        asked = times.span(start, to)
        return await _listed(await _tried(lambda: desk.history(asked.start, asked.end)), _spoken(asked))

    @routes.get("/api/alerts/noise", summary="The noisiest rules of a span of time")
    async def noise(*, start: From = None, to: To = None) -> dict[str, Any]:
        asked = times.span(start, to)
        return {**_list(await _tried(lambda: desk.noise(asked.start, asked.end))), **_spoken(asked)}

    @routes.get("/api/alerts/status", summary="Whether rules are evaluated and messages go out")
    async def status() -> dict[str, Any]:
        found: dict[str, Any] = _told(await _tried(desk.status))
        return found


def _add_silences(routes: APIRouter, desk: AlertDesk, times: _Times) -> None:
    @routes.get("/api/alerts/silences", summary="Silences: active, to come, and those that ended within a day")
    async def silences() -> dict[str, Any]:
        try:
            found = await desk.silences()
        except AlertsRefused as err:
            raise Problem(503, "Silences are not known right now", str(err)) from err
        return {**_list(found), "problem": (await desk.status()).silences_problem}

    @routes.post("/api/alerts/silences", status_code=201, summary="Keep what matches quiet")
    async def silence(wanted: Annotated[NewSilence, Body()]) -> dict[str, Any]:
        caller = access.require(Role.OPERATOR)
        starts_at = times.now() if wanted.starts_at is None else times.moment(wanted.starts_at, "starts_at")
        ends_at = times.moment(wanted.ends_at, "ends_at")
        made = await _tried(
            lambda: desk.silence(
                wanted.matchers, starts_at=starts_at, ends_at=ends_at, created_by=caller.name, comment=wanted.comment
            )
        )
        found: dict[str, Any] = _told(made)
        return found

    @routes.delete("/api/alerts/silences/{silence_id}", summary="End a silence now")
    async def expire(silence_id: str) -> dict[str, Any]:
        caller = access.require(Role.OPERATOR)
        found: dict[str, Any] = _told(await _tried(lambda: desk.expire(silence_id, by=caller.name)))
        return found


def _add_what_is_known(routes: APIRouter, desk: AlertDesk) -> None:
    @routes.post("/api/alerts/receivers/{name}/test", summary="Send a test message")
    async def try_receiver(name: str) -> dict[str, Any]:
        caller = access.require(Role.OPERATOR)
        return {"receiver": name, "outcome": await _tried(lambda: desk.try_receiver(name, by=caller.name))}

    @routes.get("/api/alerts/runbooks/{name}", summary="A runbook, in Markdown", response_class=PlainTextResponse)
    async def runbook(name: str) -> Response:
        async def found() -> str:
            return desk.runbook(name)

        return PlainTextResponse(await _tried(found), media_type="text/markdown")

    @routes.get("/api/alerts/{fingerprint}/evidence", summary="What speaks for an alert")
    async def evidence(fingerprint: str) -> dict[str, Any]:
        return _list(await _tried(lambda: desk.evidence(fingerprint)))

    @routes.get("/api/health", summary="Every device from 0 to 100, worst first, with what took points off")
    async def health(
        *,
        kind: Annotated[str, Query(description="Only of this kind: node, switch, storage, pdu, rack.")] = "",
        below: Annotated[int, Query(ge=0, le=101, description="Only with a score below this.")] = 101,
    ) -> Response:
        found = await _tried(desk.health)
        return await _listed([each for each in found if kind in {"", each.kind} and each.score < below])


def _severities(text: str) -> set[str]:
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    if wanted - set(SEVERITIES):
        unknown = ", ".join(sorted(wanted - set(SEVERITIES)))
        raise Problem(400, "No such severity", f"severity: there is no {unknown}; expected {', '.join(SEVERITIES)}")
    return wanted


async def _tried(ask: Callable[[], Any]) -> Any:
    try:
        return await ask()
    except NoSuchAlert as err:
        raise Problem(404, "Not found", str(err)) from err
    except AlertsUnavailable as err:
        raise Problem(503, "Alerts are not available", str(err)) from err
    except AlertsRefused as err:
        raise Problem(400, "Cannot be done", str(err)) from err
    except QueryError as err:
        raise Problem(503, "History cannot be asked", str(err)) from err


def _spoken(asked: Span) -> dict[str, Any]:
    return {"from": rfc3339(asked.start), "to": rfc3339(asked.end)}


def _list(found: Sequence[Any]) -> dict[str, Any]:
    items = [_told(each) for each in found]
    return {"items": items, "total": len(items), "next": None}


async def _listed(found: Sequence[Any], beside: Mapping[str, str] | None = None) -> Response:
    """The list as JSON. Ten thousand alerts take more than a second to write, in which everybody else shall be answered."""

    def body() -> str:
        return json.dumps({**_list(found), **(beside or {})}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    return Response(await asyncio.to_thread(body), media_type="application/json")


def _told(value: Any) -> Any:
    """A view as JSON: times as RFC 3339, and for alerts what they say as members of their own."""
    if is_dataclass(value) and not isinstance(value, type):
        document = {
            field.name: rfc3339(member) if field.name in _TIMES else _told(member)
            for field in fields(value)
            for member in (getattr(value, field.name),)
        }
        if isinstance(value, AlertView):
            document["summary"] = value.annotations.get("summary", "")
            document["description"] = value.annotations.get("description", "")
        return document
    if isinstance(value, Mapping):
        return {name: _told(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_told(member) for member in value]
    return value
