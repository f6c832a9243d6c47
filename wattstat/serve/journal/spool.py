"""Boundaries on disk: one small file each, until core has read them. The agent may be killed at any line, and nothing is lost.

Prologs that found no agent leave files of the same form here.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from wattstat.config import Config
from wattstat.serve.journal.boundary import InvalidBoundary, Note, noted

SYSTEM_FOLDER = Path("/var/lib/wattstat-agent")
_MOST_BYTES = 65536

log = structlog.get_logger(__name__)


def folder_of(config: Config) -> Path:
    """Where this agent's spool is."""
    if config.agent.spool is not None:
        return config.agent.spool
    is_installed = SYSTEM_FOLDER.is_dir() and os.access(SYSTEM_FOLDER, os.W_OK)
    return (SYSTEM_FOLDER if is_installed else config.data_dir) / "spool"


@dataclass(kw_only=True)
class Spool:
    """A folder of boundaries by id. Where it cannot be written, that is told once, and memory alone keeps them."""

    folder: Path
    _known: set[str] = field(default_factory=set)
    _looked_at: int = -1
    _is_told: bool = False

    def put(self, note: Note) -> None:
        """Keep a boundary. When this returns it survives the agent; soon after, also a loss of power."""
        self._known.add(note.id)
        path = self._path(note.id)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = path.with_name(f".{path.name}")
            file.write_text(note.model_dump_json(exclude_defaults=True), encoding="utf-8")
            file.replace(path)
        except OSError as error:
            self._tell(error)
            return
        # A slow disk must not hold up a job's start.
        threading.Thread(target=_sync, args=(path,), daemon=True).start()

    def drop(self, boundary_id: str) -> None:
        """Forget a boundary."""
        self._known.discard(boundary_id)
        try:
            self._path(boundary_id).unlink(missing_ok=True)
        except OSError as error:
            self._tell(error)

    def new(self) -> list[Note]:
        """Boundaries in the folder that were not put there by us: from a life before, or from a prolog; oldest first."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            return []
        if changed == self._looked_at:
            return []
        self._looked_at = changed
        return sorted(self._unknown(), key=lambda note: note.wall)

    def _unknown(self) -> Iterator[Note]:
        try:
            # A name that begins with a dot is a file that somebody still writes: it gets its own name when it is whole.
            paths = [path for path in self.folder.glob("[!.]*.json") if path.stem not in self._known]
        except OSError as error:
            self._tell(error)
            return
        for path in paths:
            try:
                if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
                    raise InvalidBoundary(f"no file of ours: expected one of at most {_MOST_BYTES} bytes")
                note = noted(json.loads(path.read_bytes()))
                if note.id != path.stem:
                    raise InvalidBoundary(f"tells of {note.id}: expected the file to be called by its boundary's id")
            except (OSError, ValueError) as error:
                log.warning("a boundary cannot be read and is left out", file=str(path), why=str(error))
                self._known.add(path.stem)
                continue
            self._known.add(note.id)
            yield note

    def _path(self, boundary_id: str) -> Path:
        return self.folder / f"{boundary_id}.json"

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning(
                "starts and ends of jobs are kept in memory only: set agent.spool to a folder that the agent may write",
                folder=str(self.folder),
                why=error.strerror,
            )


def _sync(path: Path) -> None:
    for each in (path, path.parent):
        try:
            descriptor = os.open(each, os.O_RDONLY)
        except OSError:  # read by core and gone already
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
