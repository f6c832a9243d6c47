"""The red button: what is on, how far it has come, and the dialogue that starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import policywords, words
from dashboard.components import parts, policyparts
from dashboard.components.policylist import Viewed
from dashboard.markup import Markup, tag
from dashboard.problems import Level
from wattstat.access import Role

Document = Mapping[str, Any]
KINDS = ("feed", "breaker", "row", "rack")
LABELS = {"feed": "Feeds", "breaker": "Breakers", "row": "Rows", "rack": "Racks", "node": "Servers"}
MOST_SERVERS = 500
"""Servers that the list of scopes has; of larger sites it has places only, and the address of the page names a server."""
NOTICED_WATTS = 1.0


def strips(emergencies: Sequence[Document], status: Document, seen: Viewed) -> list[Markup]:
    """One bar for each emergency that is on: where, who, since when, how far it has come, and the way out."""
    return [_strip(each, status["devices"], seen) for each in emergencies]


def _strip(emergency: Document, devices: Sequence[Document], seen: Viewed) -> Markup:
    low, total = progress(emergency["id"], devices)
    since = policywords.unix(emergency["since"])
    held = "" if since is None else f" for {words.duration(seen.now - since)}"
    ends = policywords.moment(emergency["expires"], seen.now, seen.zone)
    done = "no device answers to it yet" if not total else f"{low:,} of {words.plural(total, 'device')} at their lowest"
    return tag("div", [
        tag("div", [
            tag("strong", f"Emergency: {policywords.scope(emergency['scope'])}"),
            tag("span", f"{emergency['owner']}, since {policywords.moment(emergency['since'], seen.now, seen.zone)}{held}: "
                        f"{emergency['reason']}" + (f" (ends by itself {ends})" if ends else "")),
        ], class_="strip-what"),
        tag("div", [parts.bar(low / total if total else None, level=Level.CRITICAL if low < total else Level.OK),
                    tag("span", done, class_="strip-done")], class_="strip-progress"),
        policyparts.button("All clear …", "all-clear", seen.who, Role.OPERATOR, class_="step clear", name=emergency["id"]),
    ], class_="emergency-strip", role="alert", data_emergency_on=True)  # fmt: skip


def progress(number: int, devices: Sequence[Document]) -> tuple[int, int]:
    """How many GPUs have confirmed what an emergency asks, of how many."""
    held = [each for each in devices if each["uuid"] and str(each["binding_policy"]).startswith(f"emergency {number} ")]
    low = [
        each
        for each in held
        if each["confirmed_watts"] is not None and each["confirmed_watts"] <= (each["target_watts"] or 0) + NOTICED_WATTS
    ]
    return len(low), len(held)


def opening(places: Sequence[tuple[str, str]], nodes: Sequence[str], chosen: str = "") -> Markup:
    """The dialogue: where, the difference, the name typed again, the reason, and a button that says what it does."""
    groups = [(LABELS[kind], [f"{kind}/{name}" for each, name in places if each == kind]) for kind in KINDS]
    if len(nodes) <= MOST_SERVERS:
        groups.append((LABELS["node"], [f"node/{name}" for name in nodes]))
    known = {"site", *(scope for _, scopes in groups for scope in scopes)}
    options: list[Markup] = [_option("", "Choose where", chosen), _option("site", "The whole site", chosen)]
    if chosen and chosen not in known:
        options.append(_option(chosen, policywords.scope(chosen), chosen))
    options += [
        tag("optgroup", [_option(scope, policywords.word(scope), chosen) for scope in scopes], label=label)
        for label, scopes in groups
        if scopes
    ]
    where = tag("select", options, name="scope", required=True, autofocus=True, data_look=True)
    reason = tag("input", type="text", name="reason", required=True, maxlength=500, autocomplete="off")
    confirm = tag(
        "input", type="text", name="confirm", required=True, autocomplete="off", spellcheck="false", data_confirm=True
    )
    return policyparts.dialogue(
        "Emergency: lowest limits at once",
        [
            *policyparts.hidden(act="emergency", step="do"),
            tag("p", "Every GPU there goes to the lowest limit that it takes, at once: past policies, holds, rate limits and "
                     "checkpoints. It stays until somebody gives the all-clear.", class_="wrap"),
            tag("div", [
                policyparts.field("Where", where),
                policyparts.field("Reason", reason),
                tag("label", [tag("span", ["Type ", tag("strong", "the name", id="policy-confirm-word"), " to confirm"],
                                  class_="field-name"), confirm], class_="field"),
            ], class_="fields"),
            tag("div", tag("p", "Choose where to see what would change.", class_="empty"), id="policy-difference"),
        ],
        [tag("button", "Lowest limits now", type="submit", class_="alarm"), policyparts.cancel()],
        class_="urgent",
    )  # fmt: skip


def _option(value: str, label: str, chosen: str) -> Markup:
    word = policywords.word(value) if value else None
    return tag("option", label, value=value, selected=value == chosen or None, data_word=word)


def begun(answer: Document) -> Markup:
    """It is on."""
    notes = [parts.notice("Not all is well.", each, Level.WARNING) for each in answer["notes"]]
    where = policywords.scope(answer["scope"])
    sent = f"Orders are on their way to every device of {where}. The bar at the top of the page counts those that confirm. "
    told = tag("p", [sent, tag("strong", "It stays until the all-clear.")], class_="wrap")
    return policyparts.closing(f"The emergency is on: {where}", [told, *notes])
