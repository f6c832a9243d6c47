"""What a policy would have done on the site's own past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from dashboard import policywords, words
from dashboard.components import parts
from dashboard.markup import Markup, table, tag
from dashboard.problems import Level

Document = Mapping[str, Any]
_WIDTH, _HEIGHT = 640, 140
MOST_ROWS = 12


def shown(found: Document, now: float, zone: tzinfo) -> list[Markup | None]:
    """Energy, peak, throughput, time over budget, and the curve."""
    before, after = found["joules_before"], found["joules_after"]
    hours = sum(each["gpu_hours"] for each in found["work"])
    lost = sum(each["gpu_hours"] * each["lost_ratio"] for each in found["work"])
    over = [sum(each[f"over_{when}_seconds"] for each in found["limits"]) for when in ("before", "after")]
    facts = [
        ("Energy", f"{words.energy(before)} → {words.energy(after)}"),
        ("Peak", f"{words.watts(found['peak_before_watts'])} → {words.watts(found['peak_after_watts'])}"),
        ("Work lost", words.percent(lost / hours) if hours else words.NOTHING),
        ("Time over limits", f"{words.duration(over[0])} → {words.duration(over[1])}"),
    ]
    start, end = (policywords.moment(found[name], now, zone) for name in ("start", "end"))
    hall = f"{start} to {end}, {words.plural(found['nodes'], 'server')}, {words.plural(found['gpus'], 'GPU')}"
    return [
        tag("p", [tag("strong", "Rehearsal"), f" on the site's own past: {hall}"]),
        tag("div", [tag("div", [tag("span", name, class_="label"), tag("strong", value)]) for name, value in facts],
            class_="difference-facts"),
        curve(found["points"]),
        _limits(found["limits"]),
        _work(found["work"]),
        tag("p", f"Power was recorded in {words.percent(found['recorded_ratio'])} of the time; in "
                 f"{words.percent(found['hidden_ratio'])} of the busy time GPUs were at their limit and may have wanted more.",
            class_="quiet wrap"),
        *[parts.notice("Note.", each, Level.WARNING) for each in found["notes"]],
    ]  # fmt: skip


def curve(points: Sequence[Sequence[float | None]]) -> Markup | None:
    """Power before and after over time."""
    known = [value for point in points for value in point[1:] if value is not None]
    if len(points) < 2 or not known:
        return None
    top, first, last = max(known) * 1.05 or 1.0, points[0][0] or 0.0, points[-1][0] or 0.0
    width = (last - first) or 1.0

    def path(column: int) -> str:
        pieces, broken = [], True
        for point in points:
            value = point[column]
            if value is None:
                broken = True
                continue
            x, y = _WIDTH * ((point[0] or 0.0) - first) / width, _HEIGHT * (1 - value / top)
            pieces.append(f"{'M' if broken else 'L'}{x:.1f} {y:.1f}")
            broken = False
        return "".join(pieces)

    lines = [tag("path", None, d=path(1), class_="before"), tag("path", None, d=path(2), class_="after")]
    drawn = tag("svg", lines, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", preserveAspectRatio="none", role="img",
                aria_label="Power before and after")  # fmt: skip
    key = tag("p", [tag("span", "as it was", class_="key before"), tag("span", "with the policy", class_="key after"),
                    tag("span", f"scale to {words.watts(top)}", class_="quiet")], class_="curve-key")  # fmt: skip
    return tag("div", [drawn, key], class_="curve")


def _limits(limits: Sequence[Document]) -> Markup | None:
    crossed = [each for each in limits if each["over_before_seconds"] or each["over_after_seconds"]]
    if not crossed:
        return None
    rows = [
        tag("tr", [
            tag("th", f"{each['kind']} {each['name']}", scope="row"),
            tag("td", words.duration(each["over_before_seconds"]), class_="number"),
            tag("td", words.duration(each["over_after_seconds"]), class_="number"),
            tag("td", words.watts(each["peak_after_watts"]), class_="number"),
        ])
        for each in crossed[:MOST_ROWS]
    ]  # fmt: skip
    return table(("Limit", "Over it before", "after", "Peak after"), rows, class_="table rehearsed")


def _work(work: Sequence[Document]) -> Markup | None:
    if not work:
        return None
    rows = [
        tag("tr", [
            tag("th", each["name"], scope="row"),
            tag("td", f"{each['gpu_hours']:,.1f}", class_="number"),
            tag("td", words.percent(each["lost_ratio"]), class_="number"),
            tag("td", f"{words.percent(each['low'])} to {words.percent(each['high'])}", class_="number"),
        ])
        for each in work[:MOST_ROWS]
    ]  # fmt: skip
    return table(("Kind of work", "GPU hours", "Lost", "Between"), rows, class_="table rehearsed")
