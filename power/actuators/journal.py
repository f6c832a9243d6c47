"""What was set, and what the operator had before, on the disk: a restart goes on with both.

One JSON line a change, appended before the write it belongs to; written anew at each start. A line that cannot be read is left
out: then the cap that is found counts as the operator's, which is safe and is told as adopted.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from power.model import Device, Way

log = structlog.get_logger(__name__)

UNSET = math.nan
LEAST_LINES = 10_000
"""The file is written anew when it has so many lines more than four for each device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A change: what is about to be written, what was confirmed, or that the device was given back.

    `before_watts` is what the operator had. Watts of None are no cap. `to_watts` and `set_watts` are NaN where not told.
    """

    device: Device
    way: Way
    before_watts: float | None = None
    to_watts: float | None = UNSET
    set_watts: float | None = UNSET
    released: bool = False


class Journal:
    """The file. Not safe for two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes: dict[tuple[Device, Way], Note] = {}
        self._lines = 0

    def load(self) -> dict[tuple[Device, Way], Note]:
        """What is known of each device and way; the file is written anew with it. Raises `OSError`."""
        self._notes = {}
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                if (note := _read(line)) is None:
                    start = line[:80].decode(errors="replace")
                    log.warning("a line of the journal of caps cannot be read", file=str(self.path), line=start)
                else:
                    self._keep(note)
            self._write_anew()
        return dict(self._notes)

    def append(self, notes: Sequence[Note]) -> None:
        """Put notes on the disk. Raises `OSError`."""
        if not notes:
            return
        for note in notes:
            self._keep(note)
        self._lines += len(notes)
        if self._lines > LEAST_LINES + 4 * len(self._notes):
            self._write_anew()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(b"".join(map(_line, notes)))
            file.flush()
            os.fsync(file.fileno())

    def _keep(self, note: Note) -> None:
        key = note.device, note.way
        if note.released:
            self._notes.pop(key, None)
        else:
            self._notes[key] = _joined(self._notes.get(key), note)

    def _write_anew(self) -> None:
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(b"".join(map(_line, self._notes.values())))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self._lines = len(self._notes)


def told(watts: float | None) -> bool:
    """Whether a note says something here; None is no cap, which is something."""
    return watts is None or not math.isnan(watts)


def _joined(old: Note | None, new: Note) -> Note:
    """A confirmed write ends the one that was begun; what the operator had is told once and kept."""
    if old is None:
        return new
    return Note(
        device=new.device,
        way=new.way,
        before_watts=old.before_watts,
        to_watts=UNSET if told(new.set_watts) else new.to_watts,
        set_watts=new.set_watts if told(new.set_watts) else old.set_watts,
    )


def _line(note: Note) -> bytes:
    body: dict[str, Any] = {"node": note.device.node, "uuid": note.device.uuid, "way": str(note.way)}
    if note.released:
        body["released"] = True
    else:
        body["before"] = note.before_watts
        body |= {name: watts for name, watts in (("to", note.to_watts), ("set", note.set_watts)) if told(watts)}
    return json.dumps(body, allow_nan=False).encode() + b"\n"


def _read(line: bytes) -> Note | None:
    try:
        return _note(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _note(body: Mapping[str, Any]) -> Note:
    return Note(
        device=Device(str(body["node"]), str(body["uuid"])),
        way=Way(body["way"]),
        before_watts=_watts(body.get("before")),
        to_watts=_watts(body["to"]) if "to" in body else UNSET,
        set_watts=_watts(body["set"]) if "set" in body else UNSET,
        released=body.get("released") is True,
    )


def _watts(value: Any) -> float | None:
    return None if value is None else float(value)
