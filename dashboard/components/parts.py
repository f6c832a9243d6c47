"""Badges, ages, bars, numbers: what every panel is filled with."""

from __future__ import annotations

from dashboard import words
from dashboard.markup import Children, Markup, tag
from dashboard.problems import Level
from wattstat.api.live import CoreUnavailable

_WORDS = {Level.OK: "OK", Level.WARNING: "Warning", Level.CRITICAL: "Critical"}


def shape(level: Level) -> Markup:
    """Colour and shape of a level; the word stands beside it or in its label."""
    return tag("span", class_=f"shape {level.name.lower()}", role="img", aria_label=_WORDS[level])


def badge(level: Level, text: str = "") -> Markup:
    """Colour, shape and word."""
    mark = tag("span", class_=f"shape {level.name.lower()}", aria_hidden="true")
    return tag("span", [mark, text or _WORDS[level]], class_=f"badge {level.name.lower()}")


def age(seconds: float | None, stamp: float, *, late_after: float = 30) -> Markup:
    """How old what a panel shows is. The browser counts on from here and marks the panel when it is late."""
    if seconds is None:
        return tag("span", "no data", class_="age late")
    return tag(
        "span", f"{words.duration(seconds)} ago", class_="age",
        data_age=f"{seconds:.1f}", data_stamp=f"{stamp:.1f}", data_late=f"{late_after:.0f}",
    )  # fmt: skip


def bar(ratio: float | None, *, level: Level = Level.OK, mark: float | None = None) -> Markup:
    """A thin bar from 0 to 1; hatched without a value."""
    if ratio is None:
        return tag("span", class_="bar none")
    pieces = [tag("span", class_="fill", style=_fraction(ratio))]
    if mark is not None:
        pieces.append(tag("span", class_="mark", style=_fraction(mark)))
    return tag("span", pieces, class_=f"bar {level.name.lower()}")


def _fraction(value: float) -> str:
    return f"--f:{min(1.0, max(0.0, value)):.3f}"


def key_figure(
    label: str,
    number: tuple[str, str],
    note: Children,
    *,
    level: Level = Level.OK,
    extra: Markup | None = None,
    bound: str = "",
) -> Markup:
    """One of the big numbers: label, number and unit, what it means. `bound` (≥) marks a lower bound."""
    value, unit = number
    return tag("div", [
            tag("div", [label, badge(level) if level else None], class_="label"),
            tag("div", [tag("span", bound, class_="bound") if bound else None, tag("span", value, class_="number"),
                 tag("span", unit, class_="unit") if unit else None],
                class_="value",
            ),
            tag("div", extra, class_="extra"),
            tag("div", note, class_="note"),
        ],
        class_=f"figure {level.name.lower()}",
    )  # fmt: skip


def blind(error: CoreUnavailable) -> Markup:
    """Core is silent: nothing on the page is live any more."""
    return notice("No live data.", f"{error} What is shown below is the last that was known.")


def notice(title: str, text: str, level: Level = Level.CRITICAL) -> Markup:
    """A line across the page: what is not as it should be, and what to do."""
    return tag(
        "div", [shape(level), tag("strong", title), tag("span", text)], class_=f"notice {level.name.lower()}", role="alert"
    )
