"""A controller in a process of its own: `python -m tests.power.guard.lease_child URL NAME TTL JOURNAL`.

It ticks its lease, and notes when it would write to a device, with which token; nought where it may not.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from power.guard.lease import Lease, open_engine


def main() -> None:
    """Until it is killed."""
    url, name, ttl, journal = sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])
    lease = Lease(open_engine(url, ttl), name, ttl)
    with journal.open("a", encoding="utf-8", buffering=1) as file:
        while True:
            lease.tick()
            fence = lease.fence
            # The monotonic clock is the same for all processes of a machine.
            file.write(f"{time.monotonic()} {fence.token if fence else 0}\n")
            time.sleep(ttl / 20)


if __name__ == "__main__":
    main()
