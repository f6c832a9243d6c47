"""Budgets as bars on one scale each: what is drawn, its peak, the worst case, the limit, what is trip-safe. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard import address, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.powerproblems import is_unsafe, set_by
from dashboard.problem import Level

Budget = Mapping[str, Any]

LEVELS = {
    "over": Level.CRITICAL, "unsafe": Level.CRITICAL, "infeasible": Level.WARNING, "near": Level.WARNING,
    "good": Level.OK, "unlimited": Level.OK,
}  # fmt: skip
STATES = {
    "over": "over its limit", "unsafe": "not trip-safe", "infeasible": "cannot be guaranteed",
    "near": "near its limit", "good": "good", "unlimited": "no limit",
}  # fmt: skip
_HEADINGS = (
    ("Budget", "", ""),
    ("", "", ""),
    ("Power", "number", "What is drawn now, as this limit must carry it: a rack on two feeds in full on both"),
    ("Limit", "number", "The lowest of policies, inventory and breaker"),
    ("Left", "number", "Limit less power"),
    (
        "Worst case",
        "number",
        "What could be drawn at most under the caps that were read back, without telemetry and controller",
    ),
    ("State", "", ""),
    ("Set by", "", "Who set the limit"),
    ("Caps move", "number wide", "Share of the worst case that caps can move"),
    ("No cap", "number wide", "What takes no cap: switches, storage and the like, charged at their most"),
)
_DEPTH = {"site": 0, "feed": 1, "breaker": 2, "row": 1, "rack": 2, "group": 1, "node": 3}
_URGENCY = tuple(STATES)
_TICKS = {"peak": "highest of the control window", "worst": "worst case", "limit": "limit", "trip": "trip-safe: the breaker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a viewer chose, and since when limits are as they are: words by `kind:name`."""

    order: str = "tree"
    chosen: str = ""
    search: str = ""
    since: Mapping[str, str] = field(default_factory=dict)


def key(budget: Budget) -> str:
    """How addresses name it."""
    return f"{budget['kind']}:{budget['name']}"


def chosen(budgets: Sequence[Budget], asked: str) -> Budget | None:
    """The limit that an address names; the site where it names none, or none that there is."""
    found = next((each for each in budgets if key(each) == asked), None)
    return found or next((each for each in budgets if each["kind"] == "site"), None) or next(iter(budgets), None)


def table(budgets: Sequence[Budget], shown: Shown) -> Markup:
    """A line for each limit, in the tree's order or the most pressing first."""
    if not budgets:
        return tag("p", "Nothing is known of any limit yet.", class_="empty")
    is_tree = shown.order != "urgent"
    listed = budgets if is_tree else sorted(budgets, key=_pressing)
    head = [tag("th", text, scope="col", class_=kind or None, title=about or None) for text, kind, about in _HEADINGS]
    rows = [_row(each, shown, is_tree=is_tree) for each in listed]
    whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table budgets", aria_label="Budgets")
    return tag("div", whole, class_="table-box budget-box")


def legend() -> Markup:
    """What the marks of a scale are."""
    ticks = [
        tag(
            "span",
            [tag("span", tag("span", class_=f"tick {name}", style="--f:.5"), class_="scale key-scale"), text],
            class_="key",
        )
        for name, text in _TICKS.items()
    ]
    bar = tag("span", tag("span", class_="fill ok", style="--f:.7"), class_="scale key-scale")
    return tag("div", [tag("span", [bar, "power now"], class_="key"), *ticks], class_="legend")


def _pressing(budget: Budget) -> tuple[int, float]:
    limit, power = budget["limit_watts"], budget["power_watts"]
    return _URGENCY.index(budget["state"]), -(power / limit) if limit else 0.0


def _row(budget: Budget, shown: Shown, *, is_tree: bool) -> Markup:
    mine = key(budget)
    link = tag("a", budget["name"], href="/power" + address.changed(shown.search, budget=mine, watts=None), data_link=True,
               class_="row-link", aria_current="true" if mine == shown.chosen else None)  # fmt: skip
    depth = f"--depth:{_DEPTH.get(budget['kind'], 0) if is_tree else 0}"
    over = budget["headroom_watts"] is not None and budget["headroom_watts"] < 0
    rated = budget["binding"] == "rating"
    return tag("tr", [
        tag("th", [tag("span", budget["kind"], class_="kind"), link], scope="row", class_="limit", style=depth),
        tag("td", scale(budget), class_="scale-cell"),
        tag("td", [_measured(budget), words.watts(budget["power_watts"])], class_="number"),
        tag("td", words.watts(budget["limit_watts"]), class_="number"),
        tag("td", words.watts(budget["headroom_watts"]), class_="number" + (" bad" if over else "")),
        tag("td", words.watts(budget["envelope_watts"]), class_="number" + (" bad" if is_unsafe(budget) else "")),
        tag("td", [_state(budget), _since(budget, shown)]),
        tag("td", "breaker" if rated else set_by(budget) or words.NOTHING),
        tag("td", words.percent(budget["coverage_ratio"]), class_="number wide"),
        tag("td", words.watts(budget["fixed_watts"]) if budget["fixed_watts"] else words.NOTHING, class_="number wide"),
    ], class_="chosen" if mine == shown.chosen else None)  # fmt: skip


def _measured(budget: Budget) -> Markup | None:
    """A sum with parts that nobody measured is marked."""
    share = budget["measured_ratio"]
    if share is None or share > 0.995:
        return None
    return tag(
        "span", "≈ ", class_="quiet", title=f"{words.percent(share)} of it measured; the rest is charged at what it could draw"
    )


def _state(budget: Budget) -> Markup:
    level, text = LEVELS[budget["state"]], STATES[budget["state"]]
    return parts.badge(level, text) if level else tag("span", text, class_="quiet")


def _since(budget: Budget, shown: Shown) -> Markup | None:
    """Since when, and what lacks."""
    lacks = budget["deficit_watts"]
    told = [shown.since.get(key(budget), ""), f"{words.watts(lacks)} too much at the lowest caps" if lacks else ""]
    text = ", ".join(filter(None, told))
    return tag("span", text, class_="quiet beside") if text else None


def ticks(budget: Budget) -> dict[str, float]:
    """What is marked on its scale. Where the breaker is the limit, one mark stands for both."""
    trip, limit = budget["trip_safe_watts"], budget["limit_watts"]
    known = {
        "peak": budget["peak_watts"],
        "worst": budget["envelope_watts"],
        "limit": None if limit == trip else limit,
        "trip": trip,
    }
    return {name: value for name, value in known.items() if value is not None}


def full(budget: Budget) -> float:
    """Where its scale ends: a little above the highest of all."""
    return max([*ticks(budget).values(), budget["power_watts"]], default=0.0) * 1.04


def scale(budget: Budget) -> Markup:
    """From nought to the highest of limit, breaker and worst case: fill is power, ticks are the rest."""
    known, end = ticks(budget), full(budget)
    if not end:
        return tag("span", class_="scale none")
    unsafe = " unsafe" if is_unsafe(budget) else ""
    marks = [
        tag("span", class_=f"tick {name}" + (unsafe if name == "worst" else ""), style=f"--f:{value / end:.4f}",
            title=f"{_TICKS[name]} {words.watts(value)}")
        for name, value in known.items()
    ]  # fmt: skip
    said = [
        f"power {words.watts(budget['power_watts'])}",
        *(f"{_TICKS[name]} {words.watts(value)}" for name, value in known.items()),
    ]
    # a worst case that is too high is no matter of what is drawn: its own mark says it
    level = {"over": Level.CRITICAL, "near": Level.WARNING}.get(budget["state"], Level.OK)
    fill = tag("span", class_=f"fill {level.name.lower()}", style=f"--f:{budget['power_watts'] / end:.4f}")
    return tag("span", [fill, *marks], class_="scale", role="img", aria_label=", ".join(said))
