"""Expositions that were compared by eye with what a device had said.

WATTSTAT_GOLDEN=write writes them anew; look at each difference before committing it.
"""

import os
from pathlib import Path

from wattstat.exposition import Exposition
from wattstat.hall import Block, BlockKey, Hall


def exposition(samples) -> str:
    """The text of samples; fails where a series comes twice."""
    hall = Hall(clock=lambda: 0.0)
    hall.post(Block(key=BlockKey("golden", "", ""), samples=tuple(samples), taken_at=0.0, interval_seconds=60.0))
    assert not hall.duplicates
    assert len(hall.snapshot()) == len(list(samples))
    return Exposition().render(hall.snapshot()).decode()


def check(path: Path, samples) -> None:
    """The exposition is the one in the file."""
    written = exposition(samples)
    if os.environ.get("WATTSTAT_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")
