"""Health of devices: a score from 0 to 100 for each, and everything that took points off. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dashboard import address, alertwords, words
from dashboard.components import parts
from dashboard.components.policylist import Viewed
from dashboard.markup import Markup, table, tag
from dashboard.problem import Level
from wattstat.api.alerts import CATEGORIES, Deduction, HealthView

MOST_DEVICES = 100
MOST_REASONS = 6
GOOD, FAIR = 90, 70
"""From 90 on a device is well, from 70 on it is to be looked at; as CloudIQ words it: good, fair, poor."""

KINDS: Mapping[str, str] = {
    "node": "Servers", "switch": "Switches", "storage": "Storage", "pdu": "PDUs", "rack": "Racks", "site": "Site",
    "manager": "Managers", "scheduler": "Schedulers", "service": "Services",
}  # fmt: skip
_TEXTS: Mapping[str, str] = {
    "components": "what is broken", "configuration": "what is set otherwise", "capacity": "what is nearly full",
    "performance": "what is slow", "security": "what is open",
}  # fmt: skip


def level(score: int) -> Level:
    """How a score is coloured."""
    return Level.OK if score >= GOOD else Level.WARNING if score >= FAIR else Level.CRITICAL


def kind_word(kind: str) -> str:
    return KINDS.get(kind, kind.capitalize())


def figures(found: Sequence[HealthView]) -> list[Markup]:
    """One number for each category: how many devices lose points in it."""
    out = []
    for category in CATEGORIES:
        ill = [device for device in found if device.by_category.get(category)]
        worst = max(ill, key=lambda device: device.by_category[category], default=None)
        note = _TEXTS[category]
        if worst is not None:
            note = f"most: {_name(worst)}, {worst.by_category[category]} points"
        severe = any(each.severity == "critical" for device in ill for each in device.deductions if each.category == category)
        mark = Level.CRITICAL if severe else Level.WARNING if ill else Level.OK
        number = (f"{len(ill):,}", "device" if len(ill) == 1 else "devices")
        out.append(parts.key_figure(category.capitalize(), number, note, level=mark))
    return out


def _name(device: HealthView) -> str:
    return device.name if device.kind == "node" or not device.name else f"{device.kind} {device.name}"


def filters(found: Sequence[HealthView], search: str) -> list[Markup]:
    """A chip for each kind of device, with how many of them lose points."""
    chosen = address.given(search).get("kind", "")
    counts = Counter(device.kind for device in found)
    ill = Counter(device.kind for device in found if device.score < 100)
    ordered = sorted(counts, key=lambda kind: list(KINDS).index(kind) if kind in KINDS else len(KINDS))
    chips = [("", "All", sum(ill.values()), sum(counts.values()))]
    chips += [(kind, kind_word(kind), ill[kind], counts[kind]) for kind in ordered]
    return [
        tag("a", [label, tag("span", _ill_of(few, many), class_="quiet")], data_link=True, class_="chip",
            href=f"/health{address.changed(search, kind=kind or None)}", aria_current="true" if kind == chosen else None)
        for kind, label, few, many in chips
    ]  # fmt: skip


def _ill_of(few: int, many: int) -> str:
    return f"{few:,} of {many:,} lose points" if few else f"{words.plural(many, 'device')}, all at 100"


def listing(found: Sequence[HealthView], seen: Viewed) -> list[Markup | None]:
    """What loses points, worst first, each with its reasons; the others are named below."""
    chosen = address.given(seen.search).get("kind", "")
    shown = [device for device in found if not chosen or device.kind == chosen]
    ill = [device for device in shown if device.score < 100]
    well = [device for device in shown if device.score == 100]
    if not shown:
        return [tag("p", "No device is known.", class_="empty")]
    rows = [_row(device, seen) for device in ill[:MOST_DEVICES]]
    more = len(ill) - MOST_DEVICES
    heading = ("Device", "Health", "What took points off", *(category.capitalize() for category in CATEGORIES))
    return [
        table(heading, rows, class_="table health", aria_label="Devices that lose points") if ill else None,
        tag("p", f"and {more:,} more that lose points", class_="quiet") if more > 0 else None,
        _well(well) if well else None,
    ]


def _row(device: HealthView, seen: Viewed) -> Markup:
    subject = f"{device.kind} {device.name}".strip()
    href = alertwords.way(subject, seen.search)
    name = device.name or kind_word(device.kind)
    mark = level(device.score)
    return tag("tr", [
        tag("th", [tag("a", name, href=href, data_link=True, class_="row-link") if href else name,
                   tag("span", device.kind, class_="below")], scope="row"),
        tag("td", tag("div", [tag("strong", [parts.shape(mark) if mark else None, f"{device.score}"]),
                              parts.bar(device.score / 100, level=mark)], class_="barred score")),
        tag("td", _reasons(device.deductions, seen)),
        *[_points(device.by_category.get(category, 0)) for category in CATEGORIES],
    ], class_=mark.name.lower())  # fmt: skip


def _points(lost: int) -> Markup:
    return tag("td", f"{words.MINUS}{lost}" if lost else tag("span", "0", class_="quiet"), class_="number")


def _reasons(deductions: Sequence[Deduction], seen: Viewed) -> Markup:
    # of many in one category the last take nothing more
    taking = [each for each in deductions if each.points]
    rows = [_reason(each, seen) for each in taking[:MOST_REASONS]]
    if len(deductions) > len(rows):
        rows.append(tag("li", f"and {len(deductions) - len(rows):,} more", class_="quiet"))
    return tag("ul", rows, class_="reasons")


def _reason(each: Deduction, seen: Viewed) -> Markup:
    return tag("li", [
        tag("span", f"{words.MINUS}{each.points}", class_="points"),
        alertwords.mark(each.severity),
        tag("span", [
            tag("a", alertwords.coded(each.what or each.name), data_link=True,
                href=alertwords.to_alert(each.fingerprint, seen.search)),
            tag("span", f" {each.name}, since {words.clock(each.since, seen.now, seen.zone)}", class_="quiet"),
        ]),
    ])  # fmt: skip


def _well(well: Sequence[HealthView]) -> Markup:
    by_kind: dict[str, list[HealthView]] = {}
    for device in well:
        by_kind.setdefault(device.kind, []).append(device)
    groups = [
        tag("p", [tag("strong", f"{kind_word(kind)}: "), ", ".join(_named(device) for device in members[:MOST_DEVICES]),
                  f" and {len(members) - MOST_DEVICES:,} more" if len(members) > MOST_DEVICES else None], class_="wrap")
        for kind, members in by_kind.items()
    ]  # fmt: skip
    title = f"{words.plural(len(well), 'device')} at 100"
    head = tag("summary", [parts.shape(Level.OK), " ", title])
    return tag("details", [head, *groups], class_="well")


def _named(device: HealthView) -> str:
    return device.name or kind_word(device.kind)
