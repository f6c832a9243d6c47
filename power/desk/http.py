"""The desk's calls in core's HTTP server, for the web process. Who asks is believed only with core's key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from power.audit.trail import AuditError
from power.desk.desk import Desk
from power.desk.pin_calls import PinCalls
from power.desk.policy_calls import PolicyCalls
from power.desk.refusal import Refusal
from power.desk.signal_calls import SignalCalls
from power.policies.database import StoreError
from power.policies.records import Conflict, NeedsSecond, Refused, Unknown
from wattstat import corecall, explain
from wattstat.access import Caller, Role
from wattstat.api.power_bodies import (
    Approval,
    CheckpointBody,
    EmergencyBody,
    GiveBackBody,
    HoldBody,
    MakeBody,
    PreviewBody,
    SignalBody,
    Why,
)
from wattstat.document import Document, InvalidDocument, Strict

Body = TypeVar("Body", bound=Strict)


class Asked:
    """One call: who, about what."""

    def __init__(self, request: web.Request, caller: Caller, body: Any) -> None:
        self.caller = caller
        self._request = request
        self._body = body

    @property
    def name(self) -> str:
        """The policy that the address names."""
        return self._request.match_info["name"]

    @property
    def number(self) -> int:
        """The hold or emergency that the address names."""
        return int(self._request.match_info["number"])

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be done. What is neither yes nor no is not taken for no."""
        given = self._request.query.get("dry_run", "false").lower()
        if given not in {"true", "1", "false", "0"}:
            raise Refusal(422, "Not understood", f"dry_run: {given[:40]!r}; expected true or false")
        return given in {"true", "1"}

    @property
    def json(self) -> Any:
        """The body as it came."""
        return self._body

    def text(self, name: str) -> str:
        """A parameter of the address."""
        return self._request.query.get(name, "")

    def whole(self, name: str) -> int | None:
        """A parameter of the address that is a whole number."""
        given = self.text(name)
        if given and not given.isdecimal():
            raise Refusal(422, "Not understood", f"{name}: {given[:40]!r}; expected a whole number")
        return int(given) if given else None

    def body(self, kind: type[Body]) -> Body:
        """The body, read."""
        found, problems = explain.model_of(kind, Document(source="body", data={} if self._body is None else self._body))
        if found is None:
            raise InvalidDocument(problems)
        return found

    def why(self) -> Why:
        """The reason, from the body or from the address."""
        return self.body(Why) if self._body is not None else _reason(self.text("reason"))


Answering = Callable[[Asked], Mapping[str, Any]]


def routes(desk: Desk, key: bytes) -> list[web.RouteDef]:
    """All routes, under /power."""
    policies, pins, signals = PolicyCalls(desk), PinCalls(desk), SignalCalls(desk)
    one, hold, emergency = "/power/policies/{name}", r"/power/hold/{number:\d+}", r"/power/emergency/{number:-?\d+}"
    look, operate, write, approve = Role.VIEWER, Role.OPERATOR, Role.AUTHOR, Role.APPROVER
    table: tuple[tuple[str, str, Role, Answering], ...] = (
        ("GET", "/power/status", look, lambda _: desk.status()),
        ("GET", "/power/policies", look, lambda it: policies.listed(it.text("state"))),
        ("GET", one, look, lambda it: policies.shown(it.name, it.whole("version"))),
        ("POST", "/power/preview", look, lambda it: policies.preview(it.body(PreviewBody))),
        ("PUT", one, write, lambda it: _save(policies, it)),
        ("DELETE", one, write, lambda it: policies.end(it.name, it.why(), it.caller, dry_run=it.dry_run)),
        (
            "POST",
            f"{one}/approve",
            approve,
            lambda it: policies.approve(it.name, it.body(Approval), it.caller, dry_run=it.dry_run),
        ),
        ("POST", f"{one}/reject", approve, lambda it: policies.reject(it.name, it.why(), it.caller, dry_run=it.dry_run)),
        ("POST", f"{one}/enable", operate, lambda it: policies.enable(it.name, it.caller, dry_run=it.dry_run)),
        ("POST", f"{one}/disable", operate, lambda it: policies.disable(it.name, it.why(), it.caller, dry_run=it.dry_run)),
        ("GET", "/power/hold", look, lambda _: pins.holds()),
        ("POST", "/power/hold", operate, lambda it: pins.hold(it.body(HoldBody), it.caller, dry_run=it.dry_run)),
        ("DELETE", hold, operate, lambda it: pins.release(it.number, it.why(), it.caller, dry_run=it.dry_run)),
        ("POST", f"{hold}/approve", approve, lambda it: pins.approve_hold(it.number, it.caller, dry_run=it.dry_run)),
        ("GET", "/power/emergency", look, lambda _: pins.emergencies()),
        ("POST", "/power/emergency", operate, lambda it: pins.emergency(it.body(EmergencyBody), it.caller, dry_run=it.dry_run)),
        ("DELETE", emergency, operate, lambda it: pins.all_clear(it.number, it.why(), it.caller, dry_run=it.dry_run)),
        ("POST", "/power/give-back", approve, lambda it: pins.give_back(it.body(GiveBackBody), it.caller, dry_run=it.dry_run)),
        ("GET", "/power/signals", look, lambda _: signals.signals()),
        (
            "PUT",
            "/power/signals/{name}",
            operate,
            lambda it: signals.signal(it.name, it.body(SignalBody), it.caller, dry_run=it.dry_run),
        ),
        (
            "POST",
            "/power/checkpoint",
            operate,
            lambda it: signals.checkpoint(it.body(CheckpointBody), it.caller, dry_run=it.dry_run),
        ),
        ("GET", "/power/predefined", look, lambda _: signals.predefined()),
        ("POST", "/power/predefined/{name}", look, lambda it: signals.made(it.name, it.body(MakeBody))),
        ("GET", "/power/audit", look, lambda it: _audit(desk, it)),
        ("GET", "/power/audit/verify", look, lambda _: desk.verify()),
    )
    # Threads of its own: those of everything else may all be waiting, for a database or for an act that is under way.
    urgent = ThreadPoolExecutor(2, thread_name_prefix="emergency")
    pools = {("POST", "/power/emergency"): urgent}
    return [
        web.route(method, path, _answering(answer, needs, key, pools.get((method, path))))
        for method, path, needs, answer in table
    ]


def _save(policies: PolicyCalls, asked: Asked) -> Mapping[str, Any]:
    return policies.save(asked.name, asked.json, asked.caller, expected=asked.whole("expected"), dry_run=asked.dry_run)


def _audit(desk: Desk, asked: Asked) -> Mapping[str, Any]:
    return desk.audit(
        kind=asked.text("kind"),
        device=asked.text("device"),
        caller=asked.text("caller"),
        limit=asked.whole("limit") or 100,
        cursor=asked.text("cursor"),
    )


def _answering(
    answer: Answering, needs: Role, key: bytes, pool: Executor | None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A route's handler. Without a pool of its own it answers in the threads that all share."""

    async def handler(request: web.Request) -> web.Response:
        try:
            asked = Asked(request, _caller(request, needs, key), await _body(request))
            # Disk and database block; the loop that holds the caps must not wait for them.
            return _json(await asyncio.get_running_loop().run_in_executor(pool, answer, asked))
        except Refusal as refusal:
            return _json(refusal.document(), refusal.status)
        except (InvalidDocument, Refused, StoreError, AuditError) as err:
            told = _refusal(err)
            return _json(told.document(), told.status)

    return handler


def _refusal(err: InvalidDocument | Refused | StoreError | AuditError) -> Refusal:
    """What the parts below say, as a problem document."""
    if isinstance(err, InvalidDocument):
        problems = [str(problem) for problem in err.problems]
        return Refusal(422, "Not understood", "; ".join(problems), problems=problems)
    kinds: tuple[tuple[type[Exception], int, str], ...] = (
        (Unknown, 404, "Not found"),
        (NeedsSecond, 403, "A second person is needed"),
        (Conflict, 409, "Not possible now"),
        (StoreError, 503, "The database of policies is not available"),
        (AuditError, 503, "The audit trail is not available"),
    )
    status, title = next(((status, title) for kind, status, title in kinds if isinstance(err, kind)), (409, "Refused"))
    return Refusal(status, title, str(err))


def _caller(request: web.Request, needs: Role, key: bytes) -> Caller:
    """Who asks. Raises `Refusal`: the web process has asked too, but this is the last door before the devices."""
    try:
        found = corecall.caller(request.headers, key)
    except corecall.NotTrusted as err:
        raise Refusal(403, "Not believed", str(err)) from err
    if found is corecall.NOBODY and request.method != "GET":
        detail = f"core takes orders from its own web process alone, by the header {corecall.KEY_HEADER}; ask that"
        raise Refusal(401, "Who are you?", detail)
    if found.role < needs:
        detail = f"this needs the role {needs.name.lower()}; {found.name} has {found.role.name.lower()}"
        raise Refusal(403, "Not allowed", detail)
    return found


async def _body(request: web.Request) -> Any:
    text = await request.text()
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as err:
        raise Refusal(400, "Not understood", f"the body is no JSON: {err}") from err


def _reason(text: str) -> Why:
    found, problems = explain.model_of(Why, Document(source="address", data={"reason": text}))
    if found is None:
        raise InvalidDocument(problems)
    return found


def _json(document: Mapping[str, Any], status: int = 200) -> web.Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    return web.Response(text=json.dumps(document), status=status, content_type=kind)
