"""What another limit would do: the question, which caps change, what that costs, whether it can be held. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import address, whatif, words
from dashboard.components import energyreport, parts, powerbudgets
from dashboard.markup import Markup, tag
from dashboard.powerproblems import set_by
from dashboard.problem import Level

Document = Mapping[str, Any]

BASES = (("measured", "Measured power"), ("guaranteed", "Worst case"))
_SOURCE = (
    "Work: if these GPUs train all the time; those that wait lose less. By power-limit sweeps of BERT training on A40 and "
    "V100; the loss may be four times less or more."
)
_MINUS = "\N{MINUS SIGN}"
_HEADINGS = (
    ("Server", ""), ("GPUs", "number"), ("GPU caps before", "number"), ("after", "number"), ("Server cap before", "number"),
    ("after", "number"), ("Decided by", ""),
)  # fmt: skip
_STEPS = 400
_SHOWN_SERVERS = 12
_SHOWN_JOBS = 8


def form(budget: Document, question: whatif.Asked, search: str) -> Markup:
    """A handle on the budget's own scale, and a field for who knows the number."""
    end = powerbudgets.full(budget)
    step = _nice(end / _STEPS)
    at = question.watts if question.watts is not None else whatif.reference(budget) or budget["power_watts"]
    share = whatif.reference(budget)
    about = f"{words.percent(at / share)} of the limit now" if share else "no limit now"
    slider = tag("input", type="range", name="slide", min="0", max=f"{end:.0f}", step=f"{step:g}", value=f"{at:.0f}",
                 aria_label=f"Limit of {budget['kind']} {budget['name']} in watts", aria_valuetext=words.watts(at))  # fmt: skip
    field = tag("input", type="text", name="watts", value=question.text or f"{at:.0f}", inputmode="text", autocomplete="off",
                aria_label="Limit in watts, kilowatts or percent", size="9")  # fmt: skip
    switch = energyreport.switch("basis", BASES, question.basis, search, "Held against", path="/power")
    reset = tag("a", "Reset", href="/power" + address.changed(search, watts=None, basis=None), data_link=True, class_="step")
    return tag("form", [
        tag("div", [
            tag("span", ["If ", tag("strong", f"{budget['kind']} {budget['name']}"), " were limited to"]), field,
            tag("span", about, class_="quiet"), tag("button", "Try", type="submit", class_="step"),
            reset if question.text else None, tag("span", class_="spring"), tag("span", "held against", class_="quiet"), switch,
        ], class_="question"),
        tag("div", [powerbudgets.scale(budget), slider], class_="slide"),
    ], data_whatif=True, class_="whatif")  # fmt: skip


def _nice(watts: float) -> float:
    """The next of 10, 50, 100, 500 … above it: nobody sets a limit to the watt."""
    return next((size for power in range(1, 7) for size in (10.0**power, 5 * 10.0**power) if size >= watts), 1e7)


def nothing_asked() -> Markup:
    text = "Move the handle, or type watts, kilowatts or a percentage: nothing is changed, only worked out."
    return tag("p", text, class_="empty")


def answer(found: Document, status: Document, budget: Document, question: whatif.Asked, search: str) -> list[Markup]:
    """The verdict, four numbers, servers before and after, and the way to make a policy of it."""
    changes: Sequence[Document] = found["changes"]
    cost = whatif.cost(changes, status["devices"])
    out = [verdict(found, budget, question), tag("div", _figures(found, cost, search), class_="figures four")]
    out += [tag("p", text, class_="check") for text in found["notes"]]
    if changes:
        out.append(servers(changes, found["total_changes"], search))
    if cost is not None:
        beyond = " Some caps are lower than anybody has measured." if cost.beyond else ""
        out.append(tag("p", _SOURCE + beyond, class_="quiet"))
    make = tag("a", "Make it a policy", href=whatif.way_to_policies(budget, question, search), data_link=True, class_="step")
    return [
        *out,
        tag("p", [make, tag("span", "a draft; nothing counts until it is saved and enabled", class_="quiet")], class_="ways"),
    ]


def verdict(found: Document, budget: Document, question: whatif.Asked) -> Markup:
    """One line: can it be held?"""
    limit, watts = whatif.reference(budget), question.watts or 0.0
    lacks = [each for each in found["deficits"] if each["deficit_watts"] > each["before_watts"]]
    if lacks:
        worst = max(lacks, key=lambda each: each["deficit_watts"])
        others = f", and {len(lacks) - 1} more" if len(lacks) > 1 else ""
        text = f"at the lowest caps {worst['limit']} could still draw {words.watts(worst['deficit_watts'])} too much{others}"
        return _verdict(
            Level.CRITICAL, "Cannot be held for certain:", f"{text}. Such a policy is refused.{_least(lacks, budget, watts)}"
        )
    if limit is not None and watts >= limit and not found["total_changes"]:
        text = (
            f"{words.watts(limit)} by {set_by(budget)} is lower, and the lowest counts"
            if watts > limit
            else "it is the limit now"
        )
        return _verdict(Level.OK, "Changes nothing:", text)
    if not found["total_changes"]:
        power = budget["power_watts"]
        text = f"{words.watts(power)} is drawn, and no cap need move now; from now on none could draw more"
        return _verdict(Level.OK, "Can be held:", text)
    return _verdict(Level.OK, "Can be held", f"by moving {words.plural(found['total_changes'], 'cap')}")


def _least(lacks: Sequence[Document], budget: Document, watts: float) -> str:
    """The lowest limit of this budget that can be held."""
    own = next((each for each in lacks if each["limit"] == f"{budget['kind']} {budget['name']}"), None)
    return "" if own is None else f" The least that can be held is {words.watts(watts + own['deficit_watts'])}."


def _verdict(level: Level, head: str, text: str) -> Markup:
    return tag("p", [parts.shape(level), tag("strong", head), tag("span", text)], class_=f"verdict {level.name.lower()}")


def _figures(found: Document, cost: whatif.Cost | None, search: str) -> list[Markup]:
    before, after, jobs = found["watts_before"], found["watts_after"], found["jobs"]
    lowered, raised = found["lowered"], found["raised"]
    saved = "not bounded" if before is None or after is None else f"{_signed(after - before)} of {words.watts(before)}"
    work = (words.NOTHING, "") if cost is None else (_MINUS + _percent(cost.value), "%")
    between = (
        "no GPU gets a lower cap" if cost is None
        else f"{_MINUS}{_percent(cost.low)} to {_MINUS}{_percent(cost.high)}{words.THIN}% of {words.plural(cost.gpus, 'GPU')}"
    )  # fmt: skip
    links = [tag("a", job, href=address.to_job(job, None, search), data_link=True) for job in jobs[:_SHOWN_JOBS]]
    listed = [piece for link in links for piece in (link, " ")]
    more = [f"and {len(jobs) - _SHOWN_JOBS} more"] if len(jobs) > _SHOWN_JOBS else []
    return [
        parts.key_figure("Caps that change", (f"{found['total_changes']:,}", ""), f"{lowered:,} down, {raised:,} up"),
        parts.key_figure("Worst case of all servers", words.split(after, "W"), saved),
        parts.key_figure("Work", work, between),
        parts.key_figure("Jobs touched", (f"{len(jobs):,}", ""), [*listed, *more] if jobs else "none holds a GPU that changes"),
    ]  # fmt: skip


def _signed(watts: float) -> str:
    return ("+" if watts > 0 else _MINUS if watts < 0 else "±") + words.watts(abs(watts))


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.0f}" if ratio >= 0.0995 else f"{ratio * 100:.1f}"


def servers(changes: Sequence[Document], total: int, search: str) -> Markup:
    """Servers whose caps change, before and after; those that lose most first."""
    by_node: defaultdict[str, list[Document]] = defaultdict(list)
    for each in changes:
        by_node[each["node"]].append(each)
    ranked = sorted(by_node.items(), key=lambda pair: (_difference(pair[1]), pair[0]))
    rows = [_row(node, mine, search) for node, mine in ranked]
    head = [tag("th", text, scope="col", class_=kind or None) for text, kind in _HEADINGS]
    told = len(changes)
    left = f"{total - told:,} more changes are not listed." if total > told else ""

    def made(some: Sequence[Markup]) -> Markup:
        whole = tag("table", [tag("thead", tag("tr", head)), tag("tbody", some)], class_="table", aria_label="Changes")
        return tag("div", whole, class_="table-box")

    out = [made(rows[:_SHOWN_SERVERS])]
    if len(rows) > _SHOWN_SERVERS:
        hidden = rows[_SHOWN_SERVERS:]
        out.append(tag("details", [tag("summary", f"{words.plural(len(hidden), 'more server')}"), made(hidden)]))
    return tag("div", [*out, tag("p", left, class_="quiet") if left else None])


def _difference(mine: Sequence[Document]) -> float:
    return sum((each["after_watts"] or 0.0) - (each["before_watts"] or 0.0) for each in mine if each["uuid"])


def _row(node: str, mine: Sequence[Document], search: str) -> Markup:
    gpus, server = [each for each in mine if each["uuid"]], [each for each in mine if not each["uuid"]]
    why = sorted({"this limit" if each["why"] == whatif.NAME else each["why"] for each in mine if each["why"]})
    return tag("tr", [
        tag("th", tag("a", node, href=address.to_node(node, search), data_link=True, class_="row-link"), scope="row"),
        tag("td", f"{len(gpus)}" if gpus else words.NOTHING, class_="number"),
        tag("td", words.span(each["before_watts"] for each in gpus), class_="number"),
        tag("td", words.span(each["after_watts"] for each in gpus), class_="number"),
        tag("td", _cap(server, "before_watts"), class_="number"),
        tag("td", _cap(server, "after_watts"), class_="number"),
        tag("td", ", ".join(why)),
    ])  # fmt: skip


def _cap(server: Sequence[Document], which: str) -> str:
    if not server:
        return words.NOTHING
    return "none" if server[0][which] is None else words.watts(server[0][which])
