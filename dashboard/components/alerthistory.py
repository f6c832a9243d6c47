"""What fired over the chosen time: a line for each rule, which rules are noisy, and the silences. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dashboard import alertwords, words
from dashboard.components import parts
from dashboard.components.policylist import Viewed
from dashboard.components.policyparts import button
from dashboard.markup import Markup, table, tag
from dashboard.problem import Level
from wattstat.access import Role
from wattstat.api.alerts import AlertView, RuleNoise, SilenceView

MOST_RULES = 24
MOST_BARS = 80
"""Episodes of one rule that are drawn each by itself; what lies nearer together than anybody sees is one bar before that."""
MOST_NOISY = 15
MOST_OVER = 12
MOST_SILENCES = 30
Episode = tuple[AlertView, float, int]
"""The first alert of a bar, the bar's end, and how many alerts it stands for."""
_SEEN = 1 / 600
_TICKS = 5


def timeline(history: Iterable[AlertView], start: float, end: float, seen: Viewed) -> Markup:
    """One line a rule, worst and most frequent first; a bar for each time it fired."""
    by_rule: defaultdict[str, list[AlertView]] = defaultdict(list)
    for alert in history:
        if alertwords.is_trouble(alert):
            by_rule[alert.name].append(alert)
    if not by_rule:
        return tag("p", "Nothing fired in this time.", class_="empty")
    ordered = sorted(by_rule.values(), key=lambda found: (alertwords.rank(found[0].severity), -len(found), found[0].name))
    rows = [_rule(found, start, end, seen) for found in ordered[:MOST_RULES]]
    if len(ordered) > MOST_RULES:
        rows.append(tag("div", f"and {words.plural(len(ordered) - MOST_RULES, 'rule')} more", class_="more quiet"))
    return tag("div", [*rows, _axis(start, end, seen)], class_="timeline")


def _rule(found: Sequence[AlertView], start: float, end: float, seen: Viewed) -> Markup:
    severity, name = found[0].severity, found[0].name
    bars = [_bar(each, start, end, seen) for each in episodes(found, start, end)]
    return tag("div", [
        tag("span", [alertwords.mark(severity), tag("span", name, title=name)], class_="name"),
        tag("span", bars, class_=f"track {alertwords.level(severity).name.lower()}"),
        tag("span", f"{len(found):,} {alertwords.TIMES}", class_="number quiet"),
    ], class_="line")  # fmt: skip


def episodes(found: Iterable[AlertView], start: float, end: float) -> list[Episode]:
    """When a rule fired."""
    gap = (end - start) * _SEEN
    out: list[Episode] = []
    for alert in sorted(found, key=_began):
        until = end if alert.ended_at is None else min(end, alert.ended_at)
        if until <= start:
            continue
        if out and _began(alert) <= out[-1][1] + gap:
            first, last, count = out[-1]
            out[-1] = (first, max(last, until), count + 1)
        else:
            out.append((alert, until, 1))
    return out[-MOST_BARS:]


def _began(alert: AlertView) -> float:
    return alert.active_at if alert.fired_at is None else alert.fired_at


def _bar(episode: Episode, start: float, end: float, seen: Viewed) -> Markup:
    first, last, count = episode
    span = max(1.0, end - start)
    left = max(0.0, (_began(first) - start) / span)
    width = max(_SEEN, (last - max(start, _began(first))) / span)
    when = f"{words.clock(_began(first), seen.now, seen.zone)} for {words.duration(last - _began(first))}"
    what = alertwords.where(first) if count == 1 else words.plural(count, "alert")
    return tag("a", tag("span", f"{what}, {when}", class_="unseen"), href=alertwords.to_alert(first.fingerprint, seen.search),
               data_link=True, title=f"{what}, {when}", style=f"--from:{left:.4f};--width:{width:.4f}")  # fmt: skip


def _axis(start: float, end: float, seen: Viewed) -> Markup:
    moments = [start + (end - start) * number / (_TICKS - 1) for number in range(_TICKS)]
    ticks = [tag("span", words.clock(at, seen.now, seen.zone)) for at in moments]
    return tag("div", [tag("span"), tag("span", ticks, class_="ticks"), tag("span")], class_="line axis", aria_hidden="true")


def lately(history: Iterable[AlertView], seen: Viewed) -> Markup:
    """What is over, newest first: what one finds in the morning."""
    over = sorted((one for one in history if one.ended_at is not None), key=lambda one: -(one.ended_at or 0))
    found = [one for one in over if alertwords.is_trouble(one)]
    if not found:
        return tag("p", "Nothing ended in this time.", class_="empty")
    rows = [
        tag("tr", [
            tag("td", [alertwords.mark(one.severity), " ", tag("a", alertwords.where(one), data_link=True, class_="row-link",
                       href=alertwords.to_alert(one.fingerprint, seen.search))]),
            tag("td", [alertwords.summary(one), " ", tag("span", one.name, class_="rule")]),
            tag("td", alertwords.since(one, seen.now, seen.zone)),
            tag("td", alertwords.lasting(one, seen.now), class_="number"),
        ])
        for one in found[:MOST_OVER]
    ]  # fmt: skip
    more = len(found) - MOST_OVER
    rest = tag("p", f"and {more:,} more", class_="quiet") if more > 0 else None
    listed = table(("Where", "What", "When", "For"), rows, class_="table lately", aria_label="Lately over")
    return tag("div", [listed, rest])


def noise(found: Sequence[RuleNoise]) -> Markup:
    """Rules that speak often: either something is wrong all the time, or the rule is."""
    spoken = [each for each in found if each.fired and each.severity != alertwords.WATCHDOG_SEVERITY][:MOST_NOISY]
    if not spoken:
        return tag("p", "No rule fired in this time.", class_="empty")
    rows = [
        tag("tr", [
            tag("th", [alertwords.mark(each.severity), " ", each.name], scope="row"),
            tag("td", f"{each.fired:,}", class_="number"),
            tag("td", words.duration(each.seconds_firing), class_="number"),
            tag("td", f"{each.notified:,}", class_="number"),
            tag("td", f"{each.silenced:,}" if each.silenced else "", class_="number"),
        ])
        for each in spoken
    ]  # fmt: skip
    return table(("Rule", "Fired", "In all", "Messages", "Silenced"), rows, class_="table noise", aria_label="Noisiest rules")


def not_known(why: str) -> list[Markup]:
    """That silences are not known right now; nothing where they are."""
    return [parts.notice("Silences are not known right now.", f"{why[:1].upper()}{why[1:]}.", Level.WARNING)] if why else []


def silences(found: Sequence[SilenceView], seen: Viewed) -> Markup:
    """Who wants to hear nothing of what, until when, and why."""
    order = {"active": 0, "pending": 1, "expired": 2}
    listed = sorted(found, key=lambda each: (order[each.state], each.ends_at))[:MOST_SILENCES]
    if not listed:
        return tag("p", "Nothing is silenced.", class_="empty")
    rows = [_silence(each, seen) for each in listed]
    return table(("Silenced", "Until", "Who and why", ""), rows, class_="table silences", aria_label="Silences")


def _silence(each: SilenceView, seen: Viewed) -> Markup:
    is_over = each.state == "expired"
    until = words.clock(each.ends_at, seen.now, seen.zone)
    left = {"active": f"{words.duration(each.ends_at - seen.now)} left", "expired": "over",
            "pending": f"from {words.clock(each.starts_at, seen.now, seen.zone)}"}[each.state]  # fmt: skip
    at = "" if each.at == "wattstat" else f", at {each.at}"
    end = None if is_over else button("End …", "expire", seen.who, Role.OPERATOR, name=each.id)
    return tag("tr", [
        tag("th", tag("code", ", ".join(each.matchers)), scope="row"),
        tag("td", [until, tag("span", left, class_="below")]),
        tag("td", [each.comment, tag("span", f"{each.created_by}{at}", class_="below")]),
        tag("td", end, class_="act-cell"),
    ], class_="over" if is_over else None)  # fmt: skip
