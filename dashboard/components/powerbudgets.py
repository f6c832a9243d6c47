"""Budgets as bars on one scale each: what is drawn, its peak, the worst case, the limit, what is trip-safe. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import address, words
from dashboard.components import parts
from dashboard.markup import Markup, tag
from dashboard.problems import Level

Budget = Mapping[str, Any]

LEVELS = {
    "over": Level.CRITICAL, "unsafe": Level.CRITICAL, "infeasible": Level.WARNING, "near": Level.WARNING,
    "good": Level.OK, "unlimited": Level.OK,
}  # fmt: skip
STATES = {
    "over": "over its limit", "unsafe": "worst case over the breaker", "infeasible": "cannot be guaranteed",
    "near": "near its limit", "good": "good", "unlimited": "no limit",
}  # fmt: skip
_DEPTH = {"site": 0, "feed": 1, "breaker": 2, "row": 1, "rack": 2, "group": 1}
_URGENCY = tuple(STATES)


def table(budgets: Sequence[Budget], *, order: str, chosen: str, search: str) -> Markup:
    """A line for each limit, in the tree's order or the most pressing first. `chosen`: `kind:name` of the charted one."""
    if not budgets:
        return tag("p", "Nothing is known of any limit yet.", class_="empty")
    listed = sorted(budgets, key=_pressing) if order == "urgent" else budgets
    headings = ("Limit", "", "Power", "Headroom", "Worst case", "State", "Set by", "Caps move", "Takes no cap")
    head = [tag("th", text, scope="col", class_=None if position in {0, 1, 5, 6} else "number")
            for position, text in enumerate(headings)]  # fmt: skip
    rows = [_row(each, chosen, search, is_tree=order != "urgent") for each in listed]
    return tag("div", tag("table", [tag("thead", tag("tr", head)), tag("tbody", rows)], class_="table budgets",
                          aria_label="Budgets"), class_="table-box")  # fmt: skip


def _pressing(budget: Budget) -> tuple[int, float]:
    limit, power = budget["limit_watts"], budget["power_watts"]
    return _URGENCY.index(budget["state"]), -(power / limit) if limit else 0.0


def _row(budget: Budget, chosen: str, search: str, *, is_tree: bool) -> Markup:
    key, level, state = f"{budget['kind']}:{budget['name']}", LEVELS[budget["state"]], STATES[budget["state"]]
    link = tag("a", budget["name"], href="/power" + address.changed(search, budget=key), data_link=True, class_="row-link",
               aria_current="true" if key == chosen else None)  # fmt: skip
    depth = f"--depth:{_DEPTH.get(budget['kind'], 0) if is_tree else 0}"
    over = budget["headroom_watts"] is not None and budget["headroom_watts"] < 0
    return tag("tr", [
        tag("th", [tag("span", budget["kind"], class_="kind"), link], scope="row", class_="limit", style=depth),
        tag("td", scale(budget), class_="scale-cell"),
        tag("td", words.watts(budget["power_watts"]), class_="number"),
        tag("td", words.watts(budget["headroom_watts"]), class_="number" + (" bad" if over else "")),
        tag("td", words.watts(budget["envelope_watts"]), class_="number"),
        tag("td", parts.badge(level, state) if level else tag("span", state, class_="quiet")),
        tag("td", budget["binding"] or words.NOTHING),
        tag("td", words.percent(budget["coverage_ratio"]), class_="number"),
        tag("td", words.watts(budget["fixed_watts"]) if budget["fixed_watts"] else words.NOTHING, class_="number"),
    ], class_="chosen" if key == chosen else None)  # fmt: skip


def scale(budget: Budget) -> Markup:
    """From nought to the highest of limit, breaker and worst case: fill is power, ticks are the rest."""
    known = {
        "peak": budget["peak_watts"], "worst": budget["envelope_watts"], "limit": budget["limit_watts"],
        "trip": budget["trip_safe_watts"],
    }  # fmt: skip
    full = max([value for value in (*known.values(), budget["power_watts"]) if value is not None], default=0.0) * 1.04
    if not full:
        return tag("span", class_="scale none")
    said = {"peak": "peak of the window", "worst": "worst case", "limit": "limit", "trip": "trip-safe"}
    ticks = [
        tag("span", class_=f"tick {name}", style=f"--f:{value / full:.4f}", title=f"{said[name]} {words.watts(value)}")
        for name, value in known.items()
        if value is not None
    ]
    label = ", ".join(
        [f"power {words.watts(budget['power_watts'])}"]
        + [f"{said[name]} {words.watts(value)}" for name, value in known.items() if value is not None]
    )
    fill = tag("span", class_=f"fill {LEVELS[budget['state']].name.lower()}", style=f"--f:{budget['power_watts'] / full:.4f}")
    return tag("span", [fill, *ticks], class_="scale", role="img", aria_label=label)
