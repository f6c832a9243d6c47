"""Servers by rails: how each link is, by symbol, colour and word. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard import address, words
from dashboard.fabricstate import Cell, Link
from dashboard.markup import Children, Markup, tag

# Symbol and class of each state: colour is never alone.
MARKS = {
    Link.DOWN: ("✕", "critical"),
    Link.SLOW: ("↓", "warning"),
    Link.FLAPS: ("~", "warning"),
    Link.ERRORS: ("!", "warning"),
    Link.UP: ("•", "ok"),
    Link.UNKNOWN: ("?", "none"),
}
_ABOUT = {
    Link.DOWN: "down", Link.SLOW: "slower than the server's other rails", Link.FLAPS: "comes and goes",
    Link.ERRORS: "errors in the last 15 minutes", Link.UP: "up", Link.UNKNOWN: "no data",
}  # fmt: skip


def table(rows: Mapping[str, Sequence[Cell]], search: str) -> Markup:
    """A line for each server, a column for each rail, others behind them."""
    rails = sorted({cell.cable.rail for cells in rows.values() for cell in cells if cell.cable.rail is not None})
    others = sorted({cell.cable.device for cells in rows.values() for cell in cells if cell.cable.rail is None})
    heads = [("Server", "col"), *((f"Rail {rail}", "col") for rail in rails), *((device, "col") for device in others)]
    head = tag("tr", [tag("th", text, scope=scope) for text, scope in heads])
    body = [_row(node, cells, rails, others, search) for node, cells in rows.items()]
    whole = tag("table", [tag("thead", head), tag("tbody", body)], class_="table matrix", aria_label="Links by server and rail")
    return tag("div", whole, class_="table-box")


def _row(node: str, cells: Sequence[Cell], rails: Sequence[int], others: Sequence[str], search: str) -> Markup:
    by_rail: dict[int | str, Cell] = {}
    for cell in cells:
        by_rail[cell.cable.device if cell.cable.rail is None else cell.cable.rail] = cell
    href = address.to_node(node, search)
    keys: list[int | str] = [*rails, *others]
    name = tag("th", tag("a", node, href=href, data_link=True, class_="row-link"), scope="row")
    return tag("tr", [name, *(_cell(by_rail.get(key), href) for key in keys)])


def _cell(cell: Cell | None, href: str) -> Markup:
    if cell is None:
        return tag("td", tag("span", "", class_="link absent", title="no cable is known"))
    symbol, kind = MARKS[cell.link]
    said = spoken(cell)
    body: Children = [tag("span", symbol, aria_hidden="true"), tag("span", _short(cell), class_="speed", aria_hidden="true")]
    link = tag("a", body, href=href, data_link=True, class_=f"link {kind}", title=said, aria_label=said)
    return tag("td", link)


def _short(cell: Cell) -> str:
    return "" if cell.speed is None or cell.link is Link.DOWN else f"{cell.speed / 1e9:g}"


def spoken(cell: Cell) -> str:
    """All of it in words: for who points at it, and who hears it."""
    cable = cell.cable
    where = f"rail {cable.rail}" if cable.rail is not None else cable.device
    facts = [f"{cable.node} {where}", _ABOUT[cell.link]]
    if cell.speed is not None and cell.link is not Link.DOWN:
        is_slow = cell.link is Link.SLOW
        facts.append(words.line_rate(cell.speed) + (f" of {words.line_rate(cell.expected)}" if is_slow else ""))
    if cell.errors >= 1:
        facts.append(f"{cell.errors:,.0f} errors")
    facts.append(" ".join(filter(None, (cable.device, "to", cable.switch, cable.port))))
    return ", ".join(facts)


def legend() -> Markup:
    """What the symbols are."""
    keys = [
        tag("span", [tag("span", symbol, class_=f"link {kind}", aria_hidden="true"), _ABOUT[link]], class_="key")
        for link, (symbol, kind) in MARKS.items()
    ]
    return tag("div", [*keys, tag("span", "numbers are Gb/s", class_="about")], class_="legend")
