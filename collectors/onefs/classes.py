"""What `statistics/summary/protocol` tells, totalled by protocol and class: is it the data that is slow, or the metadata?"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.onefs.keys import PROTOCOLS
from wattstat.members import Json, between, member, objects, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Operations of one class by one protocol, a second."""

    rate: float
    latency_seconds: float | None


def parse(document: Json) -> dict[tuple[str, str], Operations]:
    """Operations of clients by protocol and class. Pure and total; rows of the cluster's own protocols are left out."""
    found: dict[tuple[str, str], Operations] = {}
    for each in objects(member(document, "protocol")):
        key = text(each.get("protocol")), text(each.get("class"))
        rate = between(0, each.get("operation_rate"), 1e12)
        if key[0] in PROTOCOLS and key[1] and rate is not None and key not in found:
            micros = between(0, each.get("time_avg"), 3.6e9) if rate else None
            found[key] = Operations(rate=rate, latency_seconds=micros / 1e6 if micros else None)
    return found
