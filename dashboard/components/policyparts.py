"""What the dialogues of pages that act share: buttons that say which role is needed, reasons, refusals, differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import words
from dashboard.components import frame, parts
from dashboard.markup import Children, Markup, table, tag
from dashboard.problems import Level
from wattstat.access import Caller, Role
from wattstat.api.live import CoreUnavailable
from wattstat.api.problems import Problem

MOST_ROWS = 40
Document = Mapping[str, Any]


def button(label: str, act: str, who: Caller, needs: Role, *, class_: str = "step", **data: str | int | None) -> Markup:
    """A button that opens a dialogue; shut, and saying what is needed, for who may not."""
    given = {f"data_{name}": value for name, value in data.items()}
    if who.role >= needs:
        return tag("button", label, type="button", class_=class_, data_act=act, **given)
    told = f"needs the role {needs.name.lower()}; you are {who.name}, {who.role.name.lower()}"
    return tag(
        "button",
        [label, tag("span", f"needs {needs.name.lower()}", class_="needs")],
        type="button", class_=f"{class_} shut", disabled=True, title=told,
    )  # fmt: skip


def hidden(**values: str | int | None) -> list[Markup]:
    """Fields of a form that nobody sees."""
    return [tag("input", type="hidden", name=name, value=value) for name, value in values.items() if value is not None]


def field(label: str, control: Markup, note: str = "") -> Markup:
    """A labelled control."""
    return tag("label", [tag("span", label, class_="field-name"), control, tag("span", note, class_="quiet") if note else None],
               class_="field")  # fmt: skip


def reason(*, focus: bool = True) -> Markup:
    """Why, for the trail."""
    control = tag("input", type="text", name="reason", required=True, maxlength=500, autocomplete="off", autofocus=focus)
    return field("Reason", control, "stands in the trail")


def dialogue(title: str, body: Children, buttons: Children, *, fields: Children = None, class_: str = "") -> Markup:
    """A form in the dialogue. What core refuses is filled in above its buttons."""
    return tag("form", [
        tag("h2", title, id="act-dialog-title"),
        tag("div", tag("div", body, class_="dialog-scroll"), class_="dialog-content"),
        tag("div", fields, class_="fields") if fields else None,
        tag("div", None, id="act-dialog-error"),
        tag("div", buttons, class_="dialog-buttons"),
    ], class_=f"dialogue {class_}".strip(), data_act_form=True)  # fmt: skip


def place(page: str, otherwise: str) -> Component:
    """Where a page's dialogues open; it stands empty until a button asks something. `otherwise` is the command for the same."""
    body = html.Div(id="act-dialog-body")
    asks: dict[str, Any] = {"data-asked": f"{page}-asked", "data-otherwise": otherwise}
    return html.Dialog(body, id="act-dialog", **frame.aria(labelledby="act-dialog-title"), **asks)


def cancel(label: str = "Cancel", *, focus: bool = False) -> Markup:
    return tag("button", label, type="button", class_="step", data_close=True, autofocus=focus)


def closing(title: str, body: Children) -> Markup:
    """What was done, or why nothing can be."""
    return dialogue(title, body, cancel("Close", focus=True))


def refusal(error: Problem | CoreUnavailable) -> Markup:
    """What core says, in full."""
    if isinstance(error, CoreUnavailable):
        return parts.notice("Core does not answer.", str(error))
    return parts.notice(f"{error.title}.", error.detail)


def difference(preview: Document) -> list[Markup]:
    """What would be different: watts, caps by server, jobs, and what cannot be held."""
    before, after = preview.get("watts_before"), preview.get("watts_after")
    facts = [
        _fact("Caps lowered", f"{preview['lowered']:,}"),
        _fact("Caps raised", f"{preview['raised']:,}", warn=preview["raised"] > 0),
        _fact("Jobs touched", f"{len(preview['jobs']):,}"),
    ]
    if before is not None and after is not None:
        delta = f"{'+' if after > before else chr(0x2212)}{words.watts(abs(after - before))}"
        facts.insert(0, _fact("Most that could be drawn", f"{words.watts(before)} → {words.watts(after)}", delta))
    out = [tag("div", facts, class_="difference-facts")] if preview["total_changes"] else []
    if not preview["total_changes"]:
        out.append(tag("p", "No cap would change now.", class_="empty"))
    out += [
        parts.notice(f"{each['limit']} lacks {words.watts(each['deficit_watts'])}.", each["why"] or
                     "Its devices take more than that at their lowest caps.")
        for each in preview["deficits"]
    ]  # fmt: skip
    out += [parts.notice("Note.", each, Level.WARNING) for each in preview["notes"]]
    if preview["total_changes"]:
        out.append(_changes(preview))
    if preview["jobs"]:
        shown = ", ".join(preview["jobs"][:20]) + (" …" if len(preview["jobs"]) > 20 else "")
        out.append(tag("p", [tag("strong", "Jobs touched: "), shown], class_="quiet"))
    return out


def _fact(label: str, value: str, note: str = "", *, warn: bool = False) -> Markup:
    return tag("div", [tag("span", label, class_="label"), tag("strong", value, class_="warn" if warn else None),
                       tag("span", note, class_="quiet") if note else None])  # fmt: skip


def _changes(preview: Document) -> Markup:
    groups = Counter(
        (each["node"], bool(each["uuid"]), each["before_watts"], each["after_watts"], each["why"])
        for each in preview["changes"]
    )
    rows = [
        tag("tr", [
            tag("th", node, scope="row"),
            tag("td", words.plural(count, "GPU") if is_gpu else "server"),
            tag("td", _cap(old), class_="number"),
            tag("td", "→" if new is None or old is None else "↓" if new < old else "↑", class_="turn"),
            tag("td", _cap(new), class_="number"),
            tag("td", _decider(why), class_="quiet"),
        ])
        for (node, is_gpu, old, new, why), count in list(groups.items())[:MOST_ROWS]
    ]  # fmt: skip
    left = preview["total_changes"] - sum(list(groups.values())[:MOST_ROWS])
    head = ("Server", "Caps", "Before", "", "After", "Decided by")
    return tag("div", [
        table(head, rows, class_="table difference", aria_label="Caps before and after"),
        tag("p", f"and {words.plural(left, 'cap')} more", class_="quiet") if left > 0 else None,
    ])  # fmt: skip


def _decider(name: str) -> str:
    """What is only tried has the number 0."""
    return next((f"this {kind}" for kind in ("emergency", "hold") if name.startswith(f"{kind} 0 ")), name)


def _cap(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f}{words.THIN}W"
