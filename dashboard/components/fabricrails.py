"""Traffic of each rail beside what it could carry, and what hangs on a leaf. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard import address, markup, words
from dashboard.components import parts
from dashboard.components.fabriccables import job_link
from dashboard.fabricharm import Job
from dashboard.fabricstate import Cable
from dashboard.markup import Children, Markup, tag
from dashboard.storagestate import saturation_level

_MOST_SERVERS = 48


def table(receive: Mapping[str, float], transmit: Mapping[str, float], capacity: Mapping[str, float]) -> Markup:
    """A line for each rail."""
    rails = sorted({*receive, *transmit, *capacity}, key=lambda rail: (len(rail), rail))
    if not rails:
        return tag("p", "No rail is known: links in inventory.yaml name them, or the fabric manager does.", class_="empty")
    rows = [
        tag("tr", [
            tag("th", f"Rail {rail}", scope="row"),
            tag("td", _share(receive.get(rail), capacity.get(rail))),
            tag("td", _share(transmit.get(rail), capacity.get(rail))),
            tag("td", words.throughput(capacity.get(rail))),
        ])
        for rail in rails
    ]  # fmt: skip
    head = ("Rail", "To the servers", "From the servers", "Capacity each way")
    return markup.table(head, rows, class_="table rails", aria_label="Traffic by rail")


def _share(flow: float | None, capacity: float | None) -> Markup:
    ratio = None if flow is None or not capacity else flow / capacity
    level = saturation_level(ratio)
    text = words.throughput(flow) + (f" · {words.percent(ratio)}" if ratio is not None else "")
    return tag(
        "div", [tag("span", [text, parts.shape(level) if level else None]), parts.bar(ratio, level=level)], class_="barred"
    )


def leaf(switch: str, cables: Sequence[Cable], jobs: Sequence[Job], search: str) -> Markup:
    """What stops when it stops."""
    nodes = list(dict.fromkeys(cable.node for cable in cables))
    if not nodes:
        return tag("p", f"No cable of a server to {switch} is known.", class_="empty")
    touched = sorted((job for job in jobs if job.nodes & set(nodes)), key=lambda job: (-job.gpus, job.job_id))
    gpus = sum(job.gpus for job in touched)
    rails = sorted({cable.rail for cable in cables if cable.rail is not None})
    what = f" lose{'s' * (len(nodes) == 1)} {_rails(rails) if rails else 'this link'}"
    said: list[Children] = [
        [tag("strong", words.plural(len(nodes), "server")), what],
        [tag("strong", words.plural(len(touched), "running job")), f" with {words.plural(gpus, 'GPU')}"] if touched else
        "no running job is touched",
    ]  # fmt: skip
    servers = [
        tag("a", node, href=address.to_node(node, search), data_link=True, class_="chip") for node in nodes[:_MOST_SERVERS]
    ]
    more = [tag("span", f"and {len(nodes) - _MOST_SERVERS:,} more", class_="quiet")] * (len(nodes) > _MOST_SERVERS)
    rows = [
        tag(
            "tr",
            [tag("th", job_link(job, search), scope="row"), tag("td", job.user), tag("td", f"{job.gpus:,}")],
        )
        for job in touched[:12]
    ]
    listed = (
        markup.table(("Job", "User", "GPUs"), rows, class_="table", aria_label=f"Jobs that {switch} touches") if rows else None
    )
    facts = tag("p", [tag("span", each) for each in said], class_="facts")
    return tag("div", [facts, listed, tag("div", [*servers, *more], class_="chips")], class_="leaf")


def _rails(rails: Sequence[int]) -> str:
    in_a_row = rails[-1] - rails[0] == len(rails) - 1
    if len(rails) == 1:
        return f"rail {rails[0]}"
    return f"rails {rails[0]} to {rails[-1]}" if in_a_row else f"rails {', '.join(map(str, rails))}"
