"""Is a trail as it was written?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from power.audit.record import GENESIS, parsed, sealed


class Head(NamedTuple):
    """How far the chain went, kept beside it."""

    number: int
    digest: str


def trail_files(folder: Path) -> list[Path]:
    """The files of a trail, oldest first."""
    return sorted(folder.glob("audit-????-??-??.jsonl"))


def first_number(path: Path) -> int | None:
    """The number of a file's first record."""
    with path.open("rb") as lines:
        record = parsed(next(lines, b""))
    return None if record is None else record.number


def head_of(folder: Path) -> Head | None:
    """What `head` says; None where it is missing or was torn itself, since it is not waited for."""
    try:
        number, digest = (folder / "head").read_text().split()
        return Head(int(number), digest)
    except (OSError, ValueError):
        return None


def verify(folder: Path) -> list[str]:
    """Everything that is wrong with the trail in a folder, with file and line. Reads all of it."""
    return list(_problems(folder))


def _problems(folder: Path) -> Iterator[str]:
    head = head_of(folder)  # before the records: what is written meanwhile must not look as if it were missing
    number, digest, at_head = 0, GENESIS, None
    for where, line in _lines(trail_files(folder)):
        if line is None:
            yield f"{where}: the line is not finished; a crash tears the last one, and the next record cuts it off"
            continue
        record = parsed(line)
        if record is None:
            yield f"{where}: is no record"
            continue
        if not sealed(line):
            yield f"{where}: record {record.number} was changed: its hash is not that of its content"
        if record.number != number + 1:
            yield f"{where}: record {record.number} follows {number}; {_missing(number, record.number)}"
        elif record.previous != digest:
            yield f"{where}: record {record.number} does not follow the record {number} before it"
        number, digest = record.number, record.digest
        at_head = digest if head is not None and number == head.number else at_head
    if head is not None and head.number > number:
        yield f"head: records {number + 1} to {head.number} are missing at the end"
    elif head is not None and at_head not in (None, head.digest):
        yield f"head: record {head.number} is not the one that was written"


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes | None]]:
    """Every line and where it stands; None for one that nobody finished. One that is just being written is left out."""
    for path in files:
        with path.open("rb") as lines:
            for position, line in enumerate(lines, 1):
                is_whole = line.endswith(b"\n")
                if is_whole or path != files[-1] or lines.tell() == path.stat().st_size:
                    yield f"{path.name}:{position}", line if is_whole else None


def _missing(before: int, after: int) -> str:
    return f"{after - before - 1} are missing" if after > before + 1 else "its number was given before"
