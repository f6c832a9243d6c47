"""What the dialogues of policies ask for, step by step: core's answer first, the act afterwards, in the viewer's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from dashboard import policyedits, policywords
from dashboard.components import policyemergency, policyforms, policyparts, policyrehearsal
from dashboard.components.policylist import Viewed
from dashboard.markup import Children, Markup, filled, tag
from dashboard.services import Services
from wattstat.access import Caller, Role
from wattstat.api.live import CoreUnavailable
from wattstat.api.power_calls import PowerCalls
from wattstat.api.problems import Problem

Asked = Mapping[str, str]
UNKNOWN_ZONE = UTC
DIALOG, ERROR, SAVE = "act-dialog-body", "act-dialog-error", "policy-editor-save"
LOOKING = "looks at the difference"
"""Given as the reason where the API wants one for a dry run; nothing of that is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An act on one thing: what it is called, and how core is asked. `sends`: where the reason goes; empty: it needs none."""

    title: str
    button: str
    method: str
    path: str
    sends: str = ""
    note: str = ""


STEPS: Mapping[str, Step] = {
    "enable": Step(title="Enable {name}", button="Enable", method="POST", path="policies/{name}/enable"),
    "disable": Step(title="Disable {name}", button="Disable", method="POST", path="policies/{name}/disable", sends="body",
                    note="A policy that is enforced stays in force until a second person approves this."),
    "end": Step(title="End {name}", button="End it for good", method="DELETE", path="policies/{name}", sends="params",
                note="It is taken off the list. A policy that is enforced stays until a second person approves this."),
    "approve": Step(title="Approve {name}", button="Approve", method="POST", path="policies/{name}/approve"),
    "reject": Step(title="Turn down {name}", button="Turn down", method="POST", path="policies/{name}/reject", sends="body"),
    "release": Step(title="Release hold {name}", button="Release", method="DELETE", path="hold/{name}", sends="params"),
    "approve-hold": Step(title="Approve hold {name}", button="Approve", method="POST", path="hold/{name}/approve"),
    "all-clear": Step(title="All clear for emergency {name}", button="All clear", method="DELETE", path="emergency/{name}",
                      sends="params", note="Caps rise slowly afterwards, as far as limits and policies allow."),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the browser does: fills these parts; `fresh`: they are a new dialogue."""

    parts: Mapping[str, Children]
    fresh: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the page's store."""
        return {"fill": filled(self.parts), "fresh": self.fresh}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Core's desk for one viewer at one moment."""

    services: Services
    power: PowerCalls
    seen: Viewed

    async def ask(self, method: str, path: str, *, look: bool, params: Asked | None = None, body: Any = None) -> dict[str, Any]:
        """Ask in the viewer's name; with `look` nothing is done. Raises `Problem` and `CoreUnavailable`."""
        return await self.power.ask(method, path, params={**(params or {}), "dry_run": "true" if look else "false"}, body=body)


async def answer(services: Services, asked: Asked, who: Caller, zone: tzinfo) -> Said:
    """The dialogue that follows. What core refuses is told in full."""
    if services.power is None:
        return _new(policyparts.closing("No power room", tag("p", "This web process has no way to core's desk.")))
    desk = Desk(services=services, power=services.power, seen=Viewed(who=who, now=services.clock(), zone=zone))
    act = asked.get("act", "")
    try:
        if act in STEPS:
            return await _step(desk, act, asked)
        if act in _ACTS:
            return await _ACTS[act](desk, asked)
    except (Problem, CoreUnavailable) as error:
        told = policyparts.refusal(error)
        is_within = asked.get("step", "") in {"look", "do", "save", "rehearse"}
        # What was checked is refused now: it must be looked at again before it can be saved.
        return Said(parts={ERROR: told, SAVE: None}) if is_within else _new(policyparts.closing("Not possible", told))
    return _new(policyparts.closing("Nothing to do", tag("p", f"This page knows no {act!r}.")))


def _new(dialogue: Markup) -> Said:
    return Said(parts={DIALOG: dialogue}, fresh=True)


async def _step(desk: Desk, act: str, asked: Asked) -> Said:
    """Difference first; then, with a reason where one is needed, the act."""
    step, name, look = STEPS[act], asked.get("name", ""), asked.get("step") != "do"
    title = step.title.format(name=name)
    reason = {"reason": asked.get("reason") or LOOKING} if step.sends else {}
    version = asked.get("version")
    body: dict[str, Any] | None = dict(reason) if step.sends == "body" else None
    if act == "approve":
        body = {"version": int(version)} if version else {}
    found = await desk.ask(step.method, step.path.format(name=policyedits.safe(name)), look=look,
                           params=reason if step.sends == "params" else None, body=body)  # fmt: skip
    if not look:
        return _new(policyparts.closing(title, _done(found)))
    shown = [
        *policyparts.hidden(act=act, step="do", name=name, version=version),
        tag("p", step.note, class_="wrap") if step.note else None,
        *policyparts.difference(found["preview"]),
    ]
    go = tag("button", step.button, type="submit", class_="go", autofocus=not step.sends)
    fields = policyparts.reason() if step.sends else None
    return _new(policyparts.dialogue(title, shown, [go, policyparts.cancel()], fields=fields))


def _done(found: Mapping[str, Any]) -> Children:
    waits = policywords.waits(found)
    if waits:
        return [tag("p", "Nothing has changed yet.", class_="done"), tag("p", f"It {waits}.", class_="wrap")]
    is_on = "state" in found
    return tag("p", f"Done: it is {policywords.state(found)}." if is_on else "Done.", class_="done")


async def _hold(desk: Desk, asked: Asked) -> Said:
    if asked.get("step") not in {"look", "do"}:
        return _new(policyforms.hold(asked.get("scope", "")))
    try:
        watts, minutes = float(asked.get("watts", "")), float(asked.get("minutes", ""))
    except ValueError as err:
        raise Problem(422, "Not understood", "watts and minutes must be numbers") from err
    body = {"scope": asked.get("scope", ""), "watts": watts, "minutes": minutes, "of": asked.get("of", "gpu"),
            "reason": asked.get("reason", "")}  # fmt: skip
    look = asked["step"] == "look"
    found = await desk.ask("POST", "hold", look=look, body=body)
    if look:
        return _new(policyforms.hold_checked({"of": "gpu", "reason": "", **asked}, found))
    waits = found["needs_second"]
    told = f"It waits for a second person: {waits}." if waits else "Done: it is held."
    return _new(policyparts.closing("New hold", tag("p", told, class_="done wrap")))


async def _emergency(desk: Desk, asked: Asked) -> Said:
    scope, step = asked.get("scope", ""), asked.get("step", "")
    if step not in {"look", "do"}:
        places, servers, trouble = await _places(desk.services)
        return Said(parts={DIALOG: policyemergency.opening(places, servers, scope), ERROR: trouble}, fresh=True)
    if step == "look":
        found = await desk.ask("POST", "emergency", look=True, body={"scope": scope, "reason": LOOKING})
        return Said(parts={"policy-difference": policyparts.difference(found["preview"]),
                           "policy-confirm-word": found["confirm"], ERROR: None})  # fmt: skip
    body = {"scope": scope, "reason": asked.get("reason", ""), "confirm": asked.get("confirm", "").strip()}
    return _new(policyemergency.begun(await desk.ask("POST", "emergency", look=False, body=body)))


async def _places(services: Services) -> tuple[list[tuple[str, str]], list[str], Markup | None]:
    """Kinds and names of the places of an emergency, servers, and what is away: the whole site can be chosen all the same."""
    try:
        status = await services.power_status() or {}
    except (Problem, CoreUnavailable) as error:
        return [], [], policyparts.refusal(error)
    places = [(each["kind"], each["name"]) for each in status.get("budgets", ())]
    return places, sorted({each["node"] for each in status.get("devices", ())}), None


async def _rehearse(desk: Desk, asked: Asked) -> Said:
    name = policyedits.safe(asked.get("name", ""))
    found = await desk.power.get(f"policies/{name}")
    told = await policyedits.rehearsed(desk.services, desk.seen.who, found["policy"], asked.get("days", "7"))
    body = policyrehearsal.shown(told, desk.seen.now, desk.seen.zone)
    return _new(policyparts.dialogue(f"Rehearsal of {name}", body, policyparts.cancel("Close", focus=True), class_="wide"))


async def _edited(desk: Desk, asked: Asked) -> Said:
    return Said(**await policyedits.edited(desk.power, desk.services, desk.seen, asked))


_ACTS: Mapping[str, Callable[[Desk, Asked], Awaitable[Said]]] = {
    "hold": _hold,
    "emergency": _emergency,
    "rehearse": _rehearse,
    "new": _edited,
    "make": _edited,
    "draft": _edited,
    "edit": _edited,
}

ROLES: Mapping[str, Role] = {"new": Role.AUTHOR, "hold": Role.OPERATOR, "emergency": Role.OPERATOR}
"""What the page's own buttons need; core asks again."""
