"""Policies `/policies`: what is wanted of whom, who decides each cap, holds, the trail; and the emergency button.

The page shows; `policyacts` asks. Everything that acts shows its difference first, in a dialogue, and asks once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard import address, policyacts, words
from dashboard.components import frame, parts, policyemergency, policylist, policyparts, policytrail, policywinners
from dashboard.components.policylist import Viewed
from dashboard.components.policyparts import button
from dashboard.markup import Children, Markup, filled, tag
from dashboard.policyedits import safe
from dashboard.problems import Level
from dashboard.services import Services
from wattstat.access import Caller, Role
from wattstat.api.access import caller
from wattstat.api.live import CoreUnavailable
from wattstat.api.problems import Problem

TRAIL_RECORDS = 30
_TRAIL_SECONDS = 30.0  # core looks through the trail for orders among writes
_VERIFY_SECONDS = 600.0  # the whole trail is read for it
Documents = Mapping[str, Any]


def layout() -> Component:
    """The frame, filled by the callbacks; the dialogue stands empty until a button asks something."""

    def body(panel_id: str) -> Component:
        return html.Div(frame.skeleton(), id=f"{panel_id}-body")

    return html.Div(
        [
            dcc.Interval(id="policies-tick", interval=10_000),
            dcc.Store(id="policies-beat"),
            dcc.Store(id="policies-fill"),
            dcc.Store(id="policies-asked"),
            dcc.Store(id="policies-said"),
            dcc.Store(id="policies-opened"),
            html.Div([html.H1("Policies")], id="policies-head", className="page-head"),
            html.Div(id="policies-notice", className="notices"),
            html.Div(id="policies-emergencies", className="notices"),
            html.Div(id="policies-one", className="notices"),
            frame.panel("Policies", body("policies-list"), panel_id="policies-panel", tools=html.Div(id="policies-tools")),
            html.Div([
                frame.panel("Who decides each cap",
                            [html.Div(id="policies-filters", className="chips"), body("policies-winners")],
                            panel_id="policies-winners-panel"),
                html.Div([
                    frame.panel("Holds", body("policies-holds"), panel_id="policies-holds-panel",
                                tools=html.Div(id="policies-hold-tools")),
                    frame.panel("Trail", body("policies-trail"), panel_id="policies-trail-panel",
                                tools=html.Div(id="policies-trail-tools")),
                ], className="column"),
            ], className="policy-pair"),
            policyparts.place("policies", "wattstat power"),
        ],
        className="page policies-page",
    )  # fmt: skip


def register(app: Dash, services: Services) -> None:
    """What is shown, and what is asked. Both in the name of whoever looks at the page."""

    @app.callback(
        Output("policies-fill", "data"), Input("policies-beat", "data"), Input("url", "search"), Input("policies-said", "data")
    )
    async def present(_beat: int | None, search: str | None, _said: Any) -> dict[str, str]:
        try:
            found = await documents(services, search or "")
            zone = await services.zone()
        except CoreUnavailable as error:
            return filled(without(parts.blind(error)))
        except Problem as error:
            return filled(without(parts.notice(f"{error.title}.", error.detail)))
        if found is None:
            return filled(without(parts.notice("No power room.", "This web process has no way to core's desk.")))
        return filled(bodies(found, Viewed(who=caller(), now=services.clock(), zone=zone, search=search or "")))

    @app.callback(Output("policies-said", "data"), Input("policies-asked", "data"), prevent_initial_call=True)
    async def act(asked: dict[str, Any] | None) -> dict[str, Any]:
        given = {str(name): str(value) for name, value in (asked or {}).items() if value is not None}
        try:
            zone: tzinfo = await services.zone()
        except CoreUnavailable:
            zone = policyacts.UNKNOWN_ZONE  # core may come back for the act itself, and only times are written by it
        said = await policyacts.answer(services, given, caller(), zone)
        services.power_changed()
        return said.to_json() | {"to": given.get("at", "")}


async def documents(services: Services, search: str) -> Documents | None:
    """Everything that the page shows; what cannot be told is among `missing`. Raises `CoreUnavailable` and `Problem`."""
    status = await services.power_status()
    if status is None:
        return None
    chosen = address.given(search).get("policy", "")
    asked = {
        "policies": services.power_list("policies"),
        "holds": services.power_list("hold"),
        "emergencies": services.power_list("emergency"),
        "trail": services.power_list(f"audit?kind=order&limit={TRAIL_RECORDS}", _TRAIL_SECONDS),
        "refused": services.power_list("audit?kind=order%20refused&limit=10", _TRAIL_SECONDS),
        "check": services.power_list("audit/verify", _VERIFY_SECONDS, outlasts_acts=True),
        "one": _chosen(services, chosen),
    }
    answers = dict(zip(asked, await asyncio.gather(*asked.values(), return_exceptions=True), strict=True))
    # The database or the trail may be away; who must stop a fire needs the rest of the page all the same.
    told = {name: answer if isinstance(answer, dict) else None for name, answer in answers.items()}
    lists = {name: None if (answer := told[name]) is None else answer["items"] for name in ("policies", "holds", "emergencies")}
    records = [record for name in ("trail", "refused") for record in (told[name] or {}).get("items", [])]
    return {
        "status": status,
        "policies": lists["policies"],
        "holds": lists["holds"],
        "emergencies": status["emergencies"] if lists["emergencies"] is None else lists["emergencies"],
        "trail": sorted(records, key=lambda record: -record["number"])[:TRAIL_RECORDS],
        "check": told["check"],
        "one": told["one"],
        "missing": list(dict.fromkeys(_why(answer) for answer in answers.values() if isinstance(answer, BaseException))),
    }


async def _chosen(services: Services, name: str) -> dict[str, Any] | None:
    return await services.power_list(f"policies/{safe(name)}") if name else None


def _why(error: BaseException) -> str:
    """What is told of something that core could not tell. Whatever is no refusal is a fault of ours, and raised."""
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, CoreUnavailable):
        return str(error)
    raise error


def without(told: Markup) -> dict[str, Children]:
    """The page where nothing can be shown. The red button stays: its dialogue says what can be done."""
    heading = tag("div", tag("h1", "Policies"), class_="name-line")
    return {"policies-head": [heading, _alarm(caller())], "policies-notice": told}


def _alarm(who: Caller) -> Markup:
    return tag("div", button("Emergency …", "emergency", who, Role.OPERATOR, class_="alarm"), class_="alarm-place")


def bodies(found: Documents, seen: Viewed) -> dict[str, Children]:
    """What each panel holds."""
    status, devices = found["status"], found["status"]["devices"]
    return {
        "policies-head": head(status, found["policies"], seen),
        "policies-notice": notices(found),
        "policies-emergencies": policyemergency.strips(found["emergencies"], status, seen),
        "policies-one": _one(found, seen),
        "policies-tools": button("New policy …", "new", seen.who, policyacts.ROLES["new"]),
        "policies-list-body": policylist.listing(found["policies"], status, seen),
        "policies-filters": policywinners.filters(devices, seen.search) if devices else None,
        "policies-winners-body": policywinners.rows(devices, seen.search),
        "policies-hold-tools": button("New hold …", "hold", seen.who, policyacts.ROLES["hold"]),
        "policies-holds-body": policytrail.holds(found["holds"], seen),
        "policies-trail-tools": policytrail.verified(found["check"]),
        "policies-trail-body": policytrail.trail(found["trail"], found["check"], seen),
    }


def head(status: Documents, policies: Any, seen: Viewed) -> list[Markup | None]:
    """How far power is steered, who looks, and the red button."""
    who = seen.who
    modes = {"observe": "observing: nothing is written", "advise": "advising: nothing is written", "enforce": "enforcing"}
    waiting = sum(bool(each["waits_for"]) for each in policies or ())
    facts = [
        tag("span", modes.get(status["mode"], status["mode"])),
        tag("span", "this core leads" if status["leader"]["leads"] else "this core does not lead"),
        tag("span", f"{words.plural(waiting, 'policy', 'policies')} waiting for a second person") if waiting else None,
        tag("span", [f"you are {who.name}, {who.role.name.lower()} ", _login(who.via)]),
    ]
    return [
        tag("div", tag("h1", "Policies"), class_="name-line"),
        _alarm(who),
        tag("div", facts, class_="facts"),
    ]


def _login(via: str) -> Markup:
    """The way in for another token, and the way out of a session."""
    if via == "session":
        return tag("form", tag("button", "Log out", type="submit", class_="plain"), method="post", action="/logout",
                   class_="inline")  # fmt: skip
    return tag("a", "Log in", href="/login?next=/policies")


def notices(found: Documents) -> Children:
    """What keeps policies from doing anything."""
    status = found["status"]
    out = [parts.notice("Not all is known.", each, Level.WARNING) for each in found["missing"]]
    if status["mode"] != "enforce":
        text = "Set power.mode to enforce and restart; until then policies only show what they would do."
        out.append(parts.notice(f"power.mode is {status['mode']}.", text, Level.WARNING))
    if not status["ready"]:
        out.append(parts.notice("Looking around.", "Core has just started and has not decided yet.", Level.WARNING))
    return out


def _one(found: Documents, seen: Viewed) -> Markup | None:
    policy = found["one"]
    if policy is None:
        return None
    alive = next((each for each in found["status"]["policies"] if each["name"] == policy["name"]), None)
    heading = tag("header", [tag("h2", policy["name"]), tag("div", policylist.tools(policy, seen), class_="tools")],
                  class_="panel-head")  # fmt: skip
    return tag("section", [heading, *policylist.one(policy, alive, seen)], class_="panel one", aria_label=policy["name"])
