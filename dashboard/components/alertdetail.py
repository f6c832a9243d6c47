"""One alert in full: what, where, since when, who was told, what speaks for it, what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from dashboard import address, alertwords
from dashboard.components.policylist import Viewed
from dashboard.components.policyparts import button
from dashboard.markup import Children, Markup, tag
from wattstat.access import Role
from wattstat.api.alerts import AlertView, EvidenceLine

_OWN_LABELS = frozenset({"alertname", "severity", "component", "category", "job", "instance"})
_MOST_JOBS = 12


def head(alert: AlertView, seen: Viewed) -> list[Markup]:
    """Name, severity, what may be done."""
    return [
        tag("div", [tag("h2", alert.name), alertwords.badge(alert.severity, _state(alert))], class_="name-line"),
        tag("div", [
            button("Silence …", "silence", seen.who, Role.OPERATOR, alert=alert.fingerprint)
            if alert.state != "resolved" else None,
            tag("button", "Copy link", type="button", class_="step", data_copy=alertwords.to_alert(alert.fingerprint, "")),
        ], class_="acts"),
    ]  # fmt: skip


def _state(alert: AlertView) -> str:
    word = alertwords.severity_word(alert.severity)
    return {"pending": f"{word}, pending", "resolved": f"{word}, over"}.get(alert.state, word)


def body(alert: AlertView, known: Mapping[str, AlertView], seen: Viewed) -> list[Markup | None]:
    """Where and since when; what it says; what belongs to it."""
    href = alertwords.way(alert.subject, seen.search)
    place = alertwords.where(alert)
    facts: list[Markup] = [
        tag("span", tag("a", place, href=href, data_link=True) if href else place),
        tag("span", f"{alertwords.since_when(alert, seen.now, seen.zone)} ({alertwords.lasting(alert, seen.now)})"),
        tag("span", alertwords.told(alert, seen.now, seen.zone)),
        *[tag("span", [f"{label} ", value], class_="quiet") for label, value in _labels(alert)],
    ]
    doubt = alertwords.unconfirmed(alert, seen.now, seen.zone)
    return [
        tag("div", facts, class_="facts"),
        tag("p", f"{doubt[:1].upper()}{doubt[1:]}; it is held until data are back.", class_="doubt") if doubt else None,
        # Its words are those of when it fires: "for 10 minutes" is not true before.
        tag("p", "When it fires it will say:", class_="quiet") if alert.state == "pending" else None,
        tag("p", alertwords.coded(alertwords.description(alert)), class_="says"),
        _causes(alert, known, seen),
        _jobs(alert, seen),
        _ways(alert),
    ]


def _labels(alert: AlertView) -> list[tuple[str, str]]:
    """Labels that the line above does not say already."""
    said = f"{alertwords.where(alert)} "
    return [(label, value) for label, value in sorted(alert.labels.items()) if label not in _OWN_LABELS and value not in said]


def _causes(alert: AlertView, known: Mapping[str, AlertView], seen: Viewed) -> Markup | None:
    found = [known[cause] for cause in alert.inhibited_by if cause in known]
    if not found:
        return None
    links = [
        tag("a", f"{cause.name} {alertwords.where(cause)}", data_link=True,
            href=f"/alerts{address.changed(seen.search, alert=cause.fingerprint)}")
        for cause in found
    ]  # fmt: skip
    return tag("p", ["Caused by ", *_joined(links)], class_="wrap")


def _joined(links: Sequence[Markup]) -> list[Markup | str]:
    out: list[Markup | str] = []
    for number, link in enumerate(links):
        out += [", ", link] if number else [link]
    return out


def _jobs(alert: AlertView, seen: Viewed) -> Markup | None:
    if not alert.jobs:
        return None
    links = [tag("a", job, href=address.to_job(job, None, seen.search), data_link=True) for job in alert.jobs[:_MOST_JOBS]]
    more = f" and {len(alert.jobs) - _MOST_JOBS:,} more" if len(alert.jobs) > _MOST_JOBS else None
    return tag("p", ["Jobs on it: ", *_joined(links), more], class_="wrap")


def _ways(alert: AlertView) -> Markup | None:
    """The page that the rule itself names; the host of its address is this one."""
    given = urlsplit(alert.annotations.get("dashboard_url", ""))
    path = given.path + (f"?{given.query}" if given.query else "")
    if not path.startswith("/") or path.startswith("//"):
        return None
    return tag("p", tag("a", f"Open {path}", href=path, data_link=True, class_="quiet"))


def evidence(lines: Sequence[EvidenceLine], alert: AlertView) -> Children:
    """What was seen, in sentences; the chart stands below."""
    if not lines:
        text = "The rule's expression says no more than that it holds." if alert.expression else "Nothing more is known."
        return tag("p", text, class_="empty")
    return tag("ul", [_line(line) for line in lines], class_="evidence-lines")


def _line(line: EvidenceLine) -> Markup:
    expression = None
    if line.expression:
        compared = f"  compared with  {line.limit_expression}" if line.limit_expression else ""
        expression = tag("details", [tag("summary", "PromQL"), tag("pre", line.expression + compared, tabindex=0,
                                                                   aria_label="PromQL")])  # fmt: skip
    return tag("li", [tag("span", line.text), expression])
