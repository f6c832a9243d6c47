"""Forms in the dialogue: a policy from a known one or as YAML, and a hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard import policywords, words
from dashboard.components import policyparts
from dashboard.components.policyparts import cancel, dialogue, field, hidden
from dashboard.markup import Children, Markup, tag
from dashboard.policytext import Trouble
from wattstat.access import Caller

Document = Mapping[str, Any]
PARAMETER = "parameter."
"""Before the names of a predefined policy's own numbers, which may be called as our fields are."""
_SCOPE_NOTE = "site, or such as rack/r01 or node/gpu[001-004]"


def chooser(predefined: Sequence[Document]) -> Markup:
    """What a policy may begin from."""
    items = [
        tag("li", tag("button", [tag("strong", each["title"]), tag("span", each["text"], class_="quiet")],
                      type="button", class_="choice", data_act="make", data_step="open", data_name=each["name"]))
        for each in predefined
    ]  # fmt: skip
    blank = tag("li", tag("button", [tag("strong", "Something else"), tag("span", "Write it as YAML", class_="quiet")],
                          type="button", class_="choice", data_act="draft"))  # fmt: skip
    return dialogue("New policy", tag("ul", [*items, blank], class_="choices"), cancel())


def particular(predefined: Document, who: Caller) -> Markup:
    """A predefined policy's numbers. Nothing is saved by it."""
    modes = [tag("option", label, value=value) for value, label in
             (("enforce", "enforce it"), ("advise", "only advise"), ("observe", "only observe"))]  # fmt: skip
    fields = [
        field("Name", tag("input", type="text", name="name", value=predefined["name"], required=True, autofocus=True)),
        field("Owner", tag("input", type="text", name="owner", value=who.name, required=True), "who answers for it"),
        field("For", tag("input", type="text", name="scope", value="site", required=True), _SCOPE_NOTE),
        field("Do", tag("select", modes, name="mode")),
        field("Reason", tag("input", type="text", name="reason", maxlength=500), predefined["text"]),
        *[_parameter(each) for each in predefined["parameters"]],
    ]
    go = tag("button", "Write it", type="submit", class_="go")
    return dialogue(predefined["title"], [*hidden(act="make", step="do", predefined=predefined["name"]),
                                          tag("div", fields, class_="fields")], [go, cancel()])  # fmt: skip


def _parameter(each: Document) -> Markup:
    usual = each["default"]
    value = "" if usual is None else ", ".join(map(str, usual)) if isinstance(usual, list) else f"{usual}"
    label = each["name"].replace("_", " ")
    control = tag("input", type="text", name=PARAMETER + each["name"], value=value, required=bool(each["required"]))
    return field(label[:1].upper() + label[1:], control, each["text"])


def parameters(predefined: Document, given: Mapping[str, str]) -> dict[str, Any]:
    """What somebody filled in, as the API takes it."""
    found = {}
    for each in predefined["parameters"]:
        text = given.get(PARAMETER + each["name"], "").strip()
        if text:
            found[each["name"]] = _listed(text) if isinstance(each["default"], list) else _value(text)
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def scope_document(text: str) -> dict[str, list[str]]:
    """`rack/r01,r02` as policies have it; what is no scope is left for core to refuse."""
    kind, _, names = text.strip().partition("/")
    return {} if text.strip() == "site" else {kind: [name.strip() for name in names.split(",")]}


def editor(title: str, text: str, *, expected: int | None = None) -> Markup:
    """A policy as YAML. It can be saved once its difference has been shown."""
    area = tag("textarea", text, name="text", rows=max(12, text.count("\n") + 3), spellcheck="false", autofocus=True,
               aria_label="The policy as YAML", data_editor=True, required=True)  # fmt: skip
    days = tag("select", [tag("option", label, value=value) for value, label in
                          (("1", "last day"), ("7", "last 7 days"), ("30", "last 30 days"))],
               name="days", aria_label="Rehearse on the")  # fmt: skip
    return dialogue(title, tag("div", [
        tag("div", [*hidden(act="edit", expected=expected), area], class_="editor-text"),
        tag("div", tag("p", "Show the difference to see what it would do; then it can be saved.", class_="empty"),
            id="policy-editor-result", class_="editor-result", aria_live="polite"),
    ], class_="editor-pair"), [
        tag("button", "Show the difference", type="submit", name="step", value="look", class_="go"),
        tag("span", [tag("button", "Rehearse", type="submit", name="step", value="rehearse", class_="step"), days],
            class_="joined"),
        tag("span", None, id="policy-editor-save"),
        cancel(),
    ], class_="wide")  # fmt: skip


def save_button(text: str) -> list[Markup]:
    """Saves this text and no other."""
    return [*hidden(seen=text), tag("button", "Save", type="submit", name="step", value="save", class_="go")]


def troubles(found: Iterable[Trouble], text: str) -> Markup:
    """What is wrong, each with its line; a click leads there."""
    lines = text.splitlines()
    items = [
        tag("li", [
            tag("button", f"line {each.line}", type="button", class_="step", data_line=each.line) if each.line else None,
            tag("span", [each.what, _quoted(lines, each.line)]),
        ])
        for each in found
    ]  # fmt: skip
    return tag("div", [tag("strong", "This is no policy yet"), tag("ul", items, class_="troubles")], role="alert")


def _quoted(lines: Sequence[str], line: int | None) -> Markup | None:
    return tag("code", lines[line - 1].strip()) if line and line <= len(lines) and lines[line - 1].strip() else None


def hold(scope: str = "") -> Markup:
    """Pin devices for a time."""
    kinds = [tag("option", label, value=value) for value, label in (("gpu", "each GPU"), ("node", "each server"))]
    fields = [
        field("Hold", tag("input", type="text", name="scope", value=scope or None, required=True, autofocus=True), _SCOPE_NOTE),
        field("What", tag("select", kinds, name="of")),
        field("Watts", tag("input", type="number", name="watts", min=1, step="any", required=True), "of each of them"),
        field("Minutes", tag("input", type="number", name="minutes", min=1, step="any", value=60, required=True),
              "then it ends by itself"),
        policyparts.reason(focus=False),
    ]  # fmt: skip
    go = tag("button", "Show the difference", type="submit", class_="go")
    return dialogue("New hold", [*hidden(act="hold", step="look"), tag("div", fields, class_="fields")], [go, cancel()])


def hold_checked(asked: Mapping[str, str], answer: Document) -> Markup:
    """What the hold would change; one more press makes it."""
    watts, minutes = float(asked["watts"]), float(asked["minutes"])
    waits = answer["needs_second"]
    told: Children = [
        *hidden(act="hold", step="do", **{name: asked[name] for name in ("scope", "of", "watts", "minutes", "reason")}),
        tag("p", f"{'Each server' if asked['of'] == 'node' else 'Each GPU'} of {policywords.scope(asked['scope'])} at "
                 f"{watts:,.0f}{words.THIN}W for {words.duration(60 * minutes)}: {asked['reason']}", class_="wrap"),
        tag("p", f"It will wait for a second person: {waits}.", class_="wrap warn") if waits else None,
        *policyparts.difference(answer["preview"]),
    ]  # fmt: skip
    go = tag("button", "Hold", type="submit", class_="go", autofocus=True)
    return dialogue("New hold", told, [go, cancel()])
