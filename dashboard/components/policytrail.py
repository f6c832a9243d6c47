"""Holds, and the newest acts on the trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import policywords, words
from dashboard.components import parts
from dashboard.components.policylist import Viewed, below
from dashboard.components.policyparts import button
from dashboard.markup import Children, Markup, table, tag
from dashboard.problems import Level
from wattstat.access import Role

Document = Mapping[str, Any]


def holds(found: Sequence[Document] | None, seen: Viewed) -> Markup:
    """The holds that there are; None where nobody could tell them."""
    if found is None:
        return tag("p", "The holds could not be read; those that were in force still are.", class_="empty")
    if not found:
        return tag("p", "Nothing is held: policies and limits decide every cap.", class_="empty")
    return table(("Held", "At", "Until", "By", ""), [_hold(each, seen) for each in found], class_="table holds")


def _hold(hold: Document, seen: Viewed) -> Markup:
    number = hold["id"]
    what = "each server" if hold["of"] == "node" else "each GPU"
    waits = None if hold["counts"] else parts.badge(Level.WARNING, f"waits for a second person: {hold['needs_second']}")
    release = button("Release …", "release", seen.who, Role.OPERATOR, name=number)
    approve = None if hold["counts"] else button("Approve …", "approve-hold", seen.who, Role.APPROVER, name=number)
    return tag("tr", [
        tag("th", [policywords.scope(hold["scope"]), tag("span", waits, class_="below wrap") if waits else None], scope="row"),
        tag("td", [f"{hold['watts']:,.0f}{words.THIN}W", below(what)]),
        tag("td", policywords.moment(hold["expires"], seen.now, seen.zone)),
        tag("td", [hold["owner"], below(hold["reason"])], class_="wrap"),
        tag("td", [approve, release], class_="act-cell"),
    ])  # fmt: skip


def verified(found: Document | None) -> Markup:
    """Whether the trail is as it was written."""
    if found is None:
        return tag("span", "not checked", class_="quiet")
    if found["whole"]:
        return parts.badge(Level.OK, "chain whole")
    return parts.badge(Level.CRITICAL, "chain broken")


def trail(records: Sequence[Document], check: Document | None, seen: Viewed) -> Children:
    """The newest acts of people, newest first."""
    broken = [parts.notice("The trail is not as it was written.", each) for each in (check or {}).get("problems", ())[:5]]
    if not records:
        return [*broken, tag("p", "Nobody has asked for anything yet.", class_="empty")]
    rows = [_record(each, seen) for each in records]
    return [*broken, table(("When", "Who", "What", "Why"), rows, class_="table trail")]


def _record(record: Document, seen: Viewed) -> Markup:
    was_refused = record["kind"] == "order refused"
    act, subject = record.get("what", record["kind"]), record.get("subject", "")
    # `enable policy`, `policy night-cap`
    what = f"{act} {subject.removeprefix(act.rpartition(' ')[2]).strip()}".strip()
    why = record.get("why" if was_refused else "reason") or words.NOTHING
    who = ", ".join(part for part in (record.get("role"), record.get("via")) if part)
    return tag("tr", [
        tag("td", policywords.moment(record["at"], seen.now, seen.zone)),
        tag("td", [record.get("caller", ""), below(who)]),
        tag("td", [what, tag("span", "refused", class_="below refused") if was_refused else None]),
        tag("td", why, class_="wrap"),
    ])  # fmt: skip
