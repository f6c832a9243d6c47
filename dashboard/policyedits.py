"""A policy in the making: chosen, filled in, written as YAML, tried, rehearsed, saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard import policytext, policywords
from dashboard.components import policyforms, policyparts, policyrehearsal
from dashboard.components.policylist import Viewed
from dashboard.markup import Children, tag
from dashboard.policytext import Written
from dashboard.services import Services
from wattstat.access import Caller, Role
from wattstat.api.power_calls import PowerCalls
from wattstat.api.problems import Problem

Asked = Mapping[str, str]
DIALOG, ERROR, RESULT, SAVE = "act-dialog-body", "act-dialog-error", "policy-editor-result", "policy-editor-save"

EMPTY: Mapping[str, Any] = {
    "name": "my-policy",
    "owner": "",
    "reason": "",
    "mode": "enforce",
    "scope": {},
    "ask": {"gpu_cap": {"percent": 80}},
}


async def edited(power: PowerCalls, services: Services, seen: Viewed, asked: Asked) -> dict[str, Any]:
    """What follows: parts to fill, and whether they are a new dialogue. Raises `Problem` and `CoreUnavailable`."""
    act, step = asked["act"], asked.get("step", "")
    if act == "new":
        return _dialogue(policyforms.chooser((await power.get("predefined"))["items"]))
    if act == "make":
        return await _made(power, seen, asked)
    if act == "draft":
        return _dialogue(policyforms.editor("New policy", policytext.written(drafted(asked, seen.who))))
    if step in {"look", "save", "rehearse"}:
        return await _tried(power, services, seen, asked, step)
    found = await power.get(f"policies/{safe(asked.get('name', ''))}")
    newest = found["versions"][0]
    return _dialogue(
        policyforms.editor(f"Edit {found['name']}", policytext.written(newest["policy"]), expected=newest["version"])
    )


def safe(name: str) -> str:
    """A name as a part of core's path; what is no name must not lead elsewhere. Raises `Problem`."""
    if not name or not all(letter.isalnum() or letter in "._-" for letter in name) or name.startswith("."):
        raise Problem(422, "Not understood", f"{name[:70]!r} is no name of a policy, a hold or an emergency")
    return name


def drafted(asked: Asked, who: Caller) -> dict[str, Any]:
    """A policy to begin with, from what an address says: `draft=limit&scope=rack:rack-01&watts=16500`.

    The reason stays empty: core asks for it, and it must be somebody's own.
    """
    kind, _, name = asked.get("scope", "").partition(":")
    scope = {kind: name} if kind and name else {}
    ask: dict[str, Any] = dict(EMPTY["ask"])
    if asked.get("draft") in {"limit", "gpu_cap", "node_cap"}:
        try:
            ask = {asked["draft"]: {"watts": float(asked.get("watts", ""))}}
        except ValueError:
            ask = {asked["draft"]: {"percent": 80}}
        if asked["draft"] == "limit" and asked.get("basis") == "guaranteed":
            ask["limit"]["basis"] = "guaranteed"
    called = f"{asked['draft'].replace('_', '-')}-{name or 'site'}".lower() if asked.get("draft") else EMPTY["name"]
    found = {**EMPTY, "name": called, "owner": who.name, "scope": scope, "ask": ask}
    return found if scope else {name: value for name, value in found.items() if name != "scope"}


async def _made(power: PowerCalls, seen: Viewed, asked: Asked) -> dict[str, Any]:
    listed = {each["name"]: each for each in (await power.get("predefined"))["items"]}
    known = listed.get(asked.get("predefined") or asked.get("name", ""))
    if known is None:
        raise Problem(404, "No such policy", f"{asked.get('name', '')[:70]!r} is none of {', '.join(listed)}")
    if asked.get("step") != "do":
        return _dialogue(policyforms.particular(known, seen.who))
    body = {
        "owner": asked.get("owner", ""),
        "name": asked.get("name") or None,
        "reason": asked.get("reason") or None,
        "mode": asked.get("mode", "observe"),
        "scope": policyforms.scope_document(asked.get("scope", "site")),
        "parameters": policyforms.parameters(known, asked),
    }
    made = await power.ask("POST", f"predefined/{known['name']}", body=body)
    return _dialogue(policyforms.editor(f"New policy: {known['title']}", policytext.written(made["policy"])))


async def _tried(power: PowerCalls, services: Services, seen: Viewed, asked: Asked, step: str) -> dict[str, Any]:
    text = asked.get("text", "")
    found = policytext.read(text)
    if found.policy is None:
        return _result(policyforms.troubles(found.troubles, text))
    try:
        if step == "rehearse":
            told = await rehearsed(services, seen.who, found.policy, asked.get("days", "7"))
            return {"parts": {RESULT: policyrehearsal.shown(told, seen.now, seen.zone), ERROR: None}}
        if step == "save" and asked.get("seen") == text:
            return await _saved(power, asked, found)
        return await _looked(power, seen.who, asked, found)
    except Problem as problem:
        if problem.status != 422 or not problem.more.get("problems"):
            raise
        return _result(policyforms.troubles(found.located(problem.more["problems"]), text))


async def _looked(power: PowerCalls, who: Caller, asked: Asked, found: Written) -> dict[str, Any]:
    """What the text would do. Who may not save may look all the same."""
    policy: Mapping[str, Any] = found.policy or {}
    if who.role < Role.AUTHOR:
        told = await power.ask("POST", "preview", body={"policies": [policy]})
        return _result([tag("p", "Saving it needs the role author.", class_="warn"), *policyparts.difference(told["preview"])])
    told = await power.ask("PUT", f"policies/{safe(policy['name'])}", params=_params(asked, look=True), body=policy)
    head = "This is as it was saved last." if told["unchanged"] else "Once it is enabled and enforced:"
    return _result([tag("p", head), *policyparts.difference(told["preview"])], policyforms.save_button(asked["text"]))


async def _saved(power: PowerCalls, asked: Asked, found: Written) -> dict[str, Any]:
    policy: Mapping[str, Any] = found.policy or {}
    told = await power.ask("PUT", f"policies/{safe(policy['name'])}", params=_params(asked, look=False), body=policy)
    waits, name = policywords.waits(told), policy["name"]
    after = f"It {waits}." if waits else "Nothing acts on it yet: enable it, with its difference shown once more."
    body = [
        tag("p", f"{name} is saved: {policywords.state(told)}.", class_="done"),
        tag("p", after, class_="wrap") if waits or told["state"] == "approved" else None,
    ]
    enable = tag("button", "Enable …", type="button", class_="go", data_act="enable", data_name=name)
    buttons = [enable if told["state"] == "approved" and not waits else None, policyparts.cancel("Close", focus=True)]
    return _dialogue(policyparts.dialogue(f"{name} is saved", body, buttons))


async def rehearsed(services: Services, who: Caller, policy: Mapping[str, Any], days: str) -> dict[str, Any]:
    """A policy on the site's own past. It does not go through core, so the role is asked here. Raises `Problem`."""
    if who.role < Role.OPERATOR:
        raise Problem(403, "Not allowed", f"this needs the role operator; {who.name} has {who.role.name.lower()}")
    if services.rehearse is None:
        raise Problem(501, "No rehearsals here", "this web process has no history to rehearse on")
    if days not in {"1", "7", "30"}:
        raise Problem(422, "Not understood", f"days: {days[:20]!r}; expected 1, 7 or 30")
    return await services.rehearse([policy], float(days))


def _params(asked: Asked, *, look: bool) -> dict[str, str]:
    expected = asked.get("expected", "")
    return {"dry_run": "true" if look else "false"} | ({"expected": expected} if expected.isdecimal() else {})


def _dialogue(markup: Children) -> dict[str, Any]:
    return {"parts": {DIALOG: markup}, "fresh": True}


def _result(markup: Children, save: Children = None) -> dict[str, Any]:
    return {"parts": {RESULT: markup, SAVE: save, ERROR: None}}
