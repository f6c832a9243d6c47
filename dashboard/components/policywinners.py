"""Which policy or limit decides the caps of each server: what is desired, what is confirmed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import address, words
from dashboard.components import parts
from dashboard.markup import Children, Markup, table, tag
from dashboard.problems import Level

Document = Mapping[str, Any]
MOST_ROWS = 200
MOST_CHIPS = 12
NOTICED_WATTS = 1.0
FREE = "nobody: as high as it goes"
BACKSTOP = "backstop above its GPUs"


def filters(devices: Sequence[Document], search: str) -> list[Markup]:
    """Who decides how many caps; each a filter."""
    chosen = address.given(search).get("decides", "")
    counts = Counter(winner(each) for each in devices)
    chips = [("", "All", len(devices)), *((name, name, count) for name, count in counts.most_common(MOST_CHIPS))]
    return [
        tag("a", [label, tag("span", f"{count:,}", class_="quiet")], data_link=True, class_="chip",
            href="/policies" + address.changed(search, decides=name or None), aria_current="true" if name == chosen else None)
        for name, label, count in chips
    ]  # fmt: skip


def winner(device: Document) -> str:
    """The name of what decides a device's cap."""
    return device["binding_policy"] or (FREE if device["uuid"] else BACKSTOP)


def rows(devices: Sequence[Document], search: str) -> Children:
    """One line for each server and each that decides there; what is not confirmed yet first."""
    chosen = address.given(search).get("decides", "")
    groups: dict[tuple[str, bool, str], list[Document]] = defaultdict(list)
    for each in devices:
        if not chosen or winner(each) == chosen:
            groups[each["node"], bool(each["uuid"]), winner(each)].append(each)
    if not groups:
        return tag("p", f"{chosen} decides no cap now." if chosen else "No device takes caps yet.", class_="empty")
    ordered = sorted(groups.items(), key=lambda item: (not any(map(differs, item[1])), item[0][0], not item[0][1]))
    body = [_row(node, is_gpu, name, found) for (node, is_gpu, name), found in ordered[:MOST_ROWS]]
    left = len(ordered) - MOST_ROWS
    return [
        table(("Server", "Caps", "Decided by", "Desired", "Confirmed", ""), body, class_="table winners"),
        tag("p", f"and {words.plural(left, 'line')} more; choose above who decides", class_="quiet") if left > 0 else None,
    ]


def differs(device: Document) -> bool:
    """Whether the device does not have what is desired."""
    wanted, there = device["target_watts"], device["confirmed_watts"]
    return wanted is not None and (there is None or abs(wanted - there) > NOTICED_WATTS)


def _row(node: str, is_gpu: bool, name: str, found: Sequence[Document]) -> Markup:
    odd, pending = [each for each in found if each["state"] != "controlled"], sum(map(differs, found))
    states = ", ".join(sorted({each["state"].replace("_", " ") for each in odd}))
    note = parts.badge(Level.WARNING, f"{len(odd)} {states}") if odd else f"{pending} on the way" if pending else ""
    return tag("tr", [
        tag("th", node, scope="row"),
        tag("td", words.plural(len(found), "GPU") if is_gpu else "server"),
        tag("td", name, class_="quiet" if name in {FREE, BACKSTOP} else None),
        tag("td", _span([each["target_watts"] for each in found]), class_="number"),
        tag("td", _span([each["confirmed_watts"] for each in found]), class_="number"),
        tag("td", note, class_="quiet"),
    ])  # fmt: skip


def _span(values: Sequence[float | None]) -> str:
    """`420 W`, or `350 to 420 W`."""
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    low, high = min(known), max(known)
    both = f"{high:,.0f}" if high - low < NOTICED_WATTS else f"{low:,.0f} to {high:,.0f}"
    return f"{both}{words.THIN}W"
