"""MetricReports: many readings in one request, where the licence allows them. An accelerator, never a requirement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from collectors.redfish.reader import Reader
from collectors.redfish.tree import Tree
from wattstat.members import Body, last_segment, member, objects, text

# NVIDIA's report on a GPU baseboard, and Dell's on GPUs in slots.
HGX_REPORT = re.compile(r"^HGX_PlatformEnvironmentMetrics")
DELL_GPU_REPORT = re.compile(r"^GPUMetrics$")
# An iDRAC pushes its reports every minute unless told otherwise.
PUSHED_SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A row of a report. `source` is the sensor that it comes from: its address, or Dell's FQDD of the device."""

    id: str
    source: str
    value: str
    timestamp: str


async def report(reader: Reader, tree: Tree, wanted: re.Pattern[str]) -> Body | None:
    """The report whose name matches, as it was pushed, else asked for; which reports there are is looked up once."""
    if not reader.bmc.metric_reports or tree.reports is None:
        return None
    if reader.bmc.stream is not None:
        pushed = next((name for name in reader.bmc.stream.reports if wanted.search(name)), "")
        body = reader.bmc.stream.newest(pushed, within_seconds=PUSHED_SECONDS)
        if body is not None:
            return body
    key = f"{tree.reports} {wanted.pattern}"
    known = reader.bmc.found
    if key not in known:
        known[key] = next((uri for uri in await reader.members(tree.reports) if wanted.search(last_segment(uri))), None)
    return await reader.get(known[key])


def rows(body: Body | None) -> Iterator[Metric]:
    """The newest value of each metric and source. What the device marks as stale is left out.

    Timestamps only order rows of one report: baseboards show the year 2020, for nobody sets their clock.
    """
    newest: dict[tuple[str, str], Metric] = {}
    for each in objects(member(body, "MetricValues")):
        if member(each, "Oem", "Nvidia", "MetricValueStale") is True:
            continue
        found = Metric(
            id=text(each.get("MetricId")),  # may be empty: some firmware identifies a metric by its property only
            source=text(member(each, "Oem", "Dell", "FQDD")) or text(each.get("MetricProperty")).partition("#")[0],
            value=text(each.get("MetricValue")),
            timestamp=text(each.get("Timestamp")),
        )
        before = newest.get((found.id, found.source))
        if before is None or before.timestamp <= found.timestamp:
            newest[found.id, found.source] = found
    return iter(newest.values())
