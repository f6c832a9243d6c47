"""When groups are evaluated: at steady moments, each group at its own, as Prometheus spreads them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import blake2s

from alerts.model import Clock


class Slots:
    """The moments of one group: multiples of its interval, moved by a share that its name decides."""

    def __init__(self, name: str, interval_seconds: float) -> None:
        share = int.from_bytes(blake2s(name.encode(), digest_size=4).digest()) / 2**32
        self._interval = interval_seconds
        self._offset = round(share * interval_seconds, 3)

    def after(self, now: float) -> float:
        """The next moment."""
        return round(((now - self._offset) // self._interval + 1) * self._interval + self._offset, 3)

    def missed(self, due: float, now: float) -> int:
        """How many moments passed while the one at `due` was worked on."""
        return max(int((now - due) // self._interval), 0)

    async def wait(self, due: float, clock: Clock, stop: asyncio.Event) -> float | None:
        """Wait until `due`, and say which moment it is then; None when `stop` was set.

        When the clock is put back, the moments begin anew from there, so that nobody waits for hours.
        """
        while not stop.is_set():
            left = due - clock()
            if left <= 0:
                return due
            if left > 2 * self._interval:
                due = self.after(clock())
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await stop.wait()
        return None
