"""What a BMC's own log says of caps that it cannot hold: PWR2400 and PWR2306 are the proof.

Entries are told apart by their names and not by their times: a BMC's clock may be years off. Those that are there at the first
look are from before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from power.actuators.bmc import Line
from wattstat.members import Body, link, member, objects, text

CANNOT_HOLD = frozenset({"PWR2400", "PWR2306"})
LOOK_SECONDS = 300.0
"""A page of a log was recorded to take 18 s: it is not looked at with every reading."""
PAGE = "$top=50"


@dataclass(kw_only=True, eq=False)
class Complaints:
    """The logs of one BMC. `newest` is what was found at the last looks, and when by the monotonic clock."""

    line: Line
    monotonic: Callable[[], float] = time.monotonic
    newest: tuple[float, str] | None = None
    _seen: dict[str, set[str]] = field(default_factory=dict)
    _looked_at: float = float("-inf")

    async def look(self, logs: tuple[str, ...]) -> None:
        """Look for new entries, if that was not done a short time ago. Raises `ActuatorError`."""
        now = self.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        for entries in logs:
            page = await self.line.get(f"{entries}?{PAGE}")
            if page is None:
                continue
            found = {_name(entry): entry for entry in objects(page.get("Members")) if _id(entry) in CANNOT_HOLD}
            new = [entry for name, entry in found.items() if name not in self._seen.get(entries, set(found))]
            self._seen.setdefault(entries, set()).update(found)
            if new:
                self.newest = now, f"{_id(new[0])}: {text(new[0].get('Message'))}"


def _id(entry: Body) -> str:
    """Without registry and version; Dell has it in either member."""
    names = (text(entry.get("MessageId")), text(member(entry, "Oem", "Dell", "MessageID")))
    return next((name.rpartition(".")[2] for name in names if name), "")


def _name(entry: Body) -> str:
    return f"{link(entry)} {text(entry.get('Created'))}"
