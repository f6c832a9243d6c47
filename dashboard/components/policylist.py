"""The list of policies, and one of them in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from dashboard import address, policytext, policywords, words
from dashboard.components import parts
from dashboard.components.policyparts import button
from dashboard.markup import Children, Markup, table, tag
from dashboard.problems import Level
from wattstat.access import Caller, Role

Document = Mapping[str, Any]
_HOLDS = {"holds": ", holds now", "waits": ", waits", "ended": ", over"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """Who looks, when, where the site's clock is, and the address."""

    who: Caller
    now: float
    zone: tzinfo
    search: str = ""


def listing(policies: Sequence[Document] | None, status: Document, seen: Viewed) -> Markup:
    """All policies, what needs somebody's hand first; None where nobody could tell them."""
    if policies is None:
        return tag("p", "The policies could not be read; those that were in force still are.", class_="empty")
    if not policies:
        return tag("p", "No policy yet: limits of the inventory and breakers hold by themselves.", class_="empty")
    alive = {each["name"]: each for each in status["policies"]}
    chosen = address.given(seen.search).get("policy")
    rows = [_row(each, alive.get(each["name"]), each["name"] == chosen, seen) for each in sorted(policies, key=_order)]
    return table(("Policy", "State", "Asks", "When", "Decides now", "Owner", ""), rows, class_="table policies")


def _order(policy: Document) -> tuple[int, str]:
    first = 0 if policy["waits_for"] else {"enabled": 1, "approved": 2, "draft": 2}.get(policy["state"], 3)
    return first, policy["name"]


def _row(policy: Document, alive: Document | None, is_chosen: bool, seen: Viewed) -> Markup:
    name = policy["name"]
    ends = policywords.moment(policy["expires"], seen.now, seen.zone)
    version = f"version {policy['version']}" + (f", until {ends}" if ends else "")
    return tag("tr", [
        tag("th", [tag("a", name, href=way(name, seen.search), data_link=True, class_="row-link"),
                   below(policy["reason"])], scope="row", class_="name"),
        tag("td", state(policy, alive)),
        tag("td", [policywords.asked(policy["ask"]), below(policywords.scope(policy["scope"]))]),
        tag("td", [policywords.conditions(policy["when"]), below(next_change(alive, seen))]),
        tag("td", _decides(policy, alive), class_="number"),
        tag("td", [policy["owner"], below(version)]),
        tag("td", _next_step(policy, seen.who), class_="act-cell"),
    ], class_="chosen" if is_chosen else None)  # fmt: skip


def below(text: str | None) -> Markup | None:
    """A second, quieter line."""
    return tag("span", text, class_="below") if text else None


def way(name: str | None, search: str) -> str:
    """To a policy's own part of the page."""
    return "/policies" + address.changed(search, policy=name)


def state(policy: Document, alive: Document | None) -> list[Markup | None]:
    """How far it has come, whether it holds, and what it waits for."""
    holds = "" if alive is None or not alive["enabled"] else _HOLDS.get(alive["state"], "")
    works = bool(holds) and alive is not None and alive["counts"]
    mark = tag("span", class_=f"shape {'running' if works else 'ended'}", aria_hidden="true")
    waits = policywords.waits(policy)
    return [
        tag("span", [mark, policywords.state(policy) + holds], class_="badge" + (" on" if works else "")),
        below(policywords.mode(policy)),
        tag("span", parts.badge(Level.WARNING, waits), class_="below wrap") if waits else None,
    ]


def next_change(alive: Document | None, seen: Viewed) -> str | None:
    """When it holds next, or until when it holds."""
    if alive is None:
        return None
    at = policywords.moment(alive["until"], seen.now, seen.zone)
    if at is not None:
        return {"holds": f"holds until {at}", "waits": f"holds next {at}"}.get(alive["state"])
    return alive["why"] or None


def _decides(policy: Document, alive: Document | None) -> Children:
    if alive is None or policy["state"] != "enabled":
        return words.NOTHING
    touched = ", ".join(
        words.plural(alive[kind], one)
        for kind, one in (("gpus", "GPU"), ("nodes", "server"), ("limits", "line"))
        if alive[kind]
    )
    return [words.plural(alive["binding_devices"], "cap"), below(f"of {touched}" if touched else "touches nothing now")]


def _next_step(policy: Document, who: Caller) -> Markup | None:
    """What usually comes next."""
    name = policy["name"]
    if policy["waits_for"]:
        return button("Approve …", "approve", who, Role.APPROVER, name=name, version=awaited(policy))
    step = {"approved": ("Enable …", "enable"), "enabled": ("Disable …", "disable")}.get(policy["state"])
    return None if step is None else button(step[0], step[1], who, Role.OPERATOR, name=name)


def awaited(policy: Document) -> int | None:
    """The version that waits to be approved; None where something else waits, such as that it be disabled."""
    return policy["draft"] if str(policy["waits_for"]["what"]).startswith("version") else None


def one(policy: Document, alive: Document | None, seen: Viewed) -> list[Markup]:
    """A policy with its words, its versions, and all that can be done with it."""
    facts = [
        ("Owner", policy["owner"]),
        ("Reason", policy["reason"]),
        ("Asks", f"{policywords.asked(policy['ask'])}; {policywords.scope(policy['scope'])}"),
        ("When", policywords.conditions(policy["when"])),
        ("Now", next_change(alive, seen) or words.NOTHING),
        ("Expires", policywords.moment(policy["expires"], seen.now, seen.zone) or "never"),
        ("Comes from", "the file that power.policies names" if policy["source"] == "file" else "the pages or the API"),
    ]
    listed = [tag("div", [tag("dt", name), tag("dd", text)]) for name, text in facts]
    return [
        tag("div", state(policy, alive), class_="one-state"),
        tag("div", [
            tag("dl", listed, class_="one-facts"),
            tag("pre", policytext.written(policy["policy"]), class_="yaml", tabindex=0, aria_label="The policy as YAML"),
        ], class_="one-pair"),
        _versions(policy, seen),
    ]  # fmt: skip


def tools(policy: Document, seen: Viewed) -> list[Markup | None]:
    """Everything that can be done with a policy."""
    who, name, at = seen.who, policy["name"], policy["state"]
    version = awaited(policy) if policy["waits_for"] else None
    return [
        button("Approve …", "approve", who, Role.APPROVER, name=name, version=version) if policy["waits_for"] else None,
        button("Turn down …", "reject", who, Role.APPROVER, name=name) if policy["waits_for"] else None,
        button("Enable …", "enable", who, Role.OPERATOR, name=name) if at == "approved" else None,
        button("Disable …", "disable", who, Role.OPERATOR, name=name) if at == "enabled" else None,
        button("Rehearse …", "rehearse", who, Role.OPERATOR, name=name),
        button("Edit …", "edit", who, Role.AUTHOR, name=name),
        button("End …", "end", who, Role.AUTHOR, name=name),
        tag("a", "Close", href=way(None, seen.search), data_link=True, class_="step"),
    ]


def _versions(policy: Document, seen: Viewed) -> Markup:
    rows = [
        tag("tr", [
            tag("th", f"version {each['version']}", scope="row"),
            tag("td", f"{each['author']}, {policywords.moment(each['saved_at'], seen.now, seen.zone)}"),
            tag("td", _approval(each, seen)),
            tag("td", policywords.asked(each["policy"]["ask"])),
        ])
        for each in policy["versions"]
    ]  # fmt: skip
    return table(("Version", "Saved by", "Approved", "Asks"), rows, class_="table versions")


def _approval(version: Document, seen: Viewed) -> str:
    if version["approved_by"]:
        return f"{version['approved_by']}, {policywords.moment(version['approved_at'], seen.now, seen.zone)}"
    return f"needs a second person: {version['needs_second']}" if version["needs_second"] else "by itself: it only lowers power"
