"""A whole collector: how long a Linux machine is up and how busy it is, from `/proc`.

The worked example of CONTRIBUTING.md; `tests/examples` runs it through the real frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from collectors.frame import CollectError, Fetched, Source, Tier, Unreachable
from wattstat.catalogue.metric import Samples, gauge

# In Wattstat itself these two would stand in wattstat/catalogue/node.py.
NODE_UPTIME_SECONDS = gauge("node_uptime_seconds", "node", "Time since the machine was started.", source="/proc/uptime")
NODE_LOAD = gauge(
    "node_load_average", "node window", "Runnable processes on average; window is 1m, 5m or 15m.", source="/proc/loadavg"
)

WINDOWS = ("1m", "5m", "15m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one look at `/proc` said; None where it did not."""

    uptime_seconds: float | None
    loads: tuple[float | None, ...]


class Uptime(Source[Reading]):
    """One machine. `root` is where its `/proc` is mounted, so that a test can bring its own."""

    collector: ClassVar[str] = "uptime"

    def __init__(self, node: str, *, root: Path = Path("/proc")) -> None:
        self.target = node
        self.tiers = (Tier("fast", every_seconds=10, timeout_seconds=2),)
        self._root = root

    async def fetch(self, tier: str) -> Fetched:
        """Only this talks. What fails in part is a part's error; what fails as a whole is raised."""
        documents: dict[str, str] = {}
        errors: dict[str, CollectError] = {}
        for name in ("uptime", "loadavg"):
            try:
                documents[name] = await asyncio.to_thread((self._root / name).read_text)
            except OSError as err:
                errors[name] = Unreachable(f"{self._root / name}: {err.strerror}")
        if not documents:
            raise Unreachable(f"{self._root} has neither uptime nor loadavg; is it a mounted /proc?")
        return Fetched(documents=documents, errors=errors)

    def parse(self, tier: str, documents: Mapping[str, Any]) -> Reading:
        """Pure and total: whatever stands in the documents, this returns a reading."""
        uptime = str(documents.get("uptime", "")).split()
        loads = str(documents.get("loadavg", "")).split()
        return Reading(
            uptime_seconds=_number(uptime, 0),
            loads=tuple(_number(loads, position) for position in range(len(WINDOWS))),
        )

    def samples(self, reading: Reading) -> Samples:
        """A None makes no sample: absent is never zero."""
        out = Samples()
        out.add(NODE_UPTIME_SECONDS, reading.uptime_seconds, self.target)
        for window, load in zip(WINDOWS, reading.loads, strict=True):
            out.add(NODE_LOAD, load, self.target, window)
        return out


def _number(words: list[str], position: int) -> float | None:
    """The number at a position, unless there is none, or one that cannot be."""
    try:
        value = float(words[position])
    except (IndexError, ValueError):
        return None
    return value if 0 <= value < float("inf") else None
