"""What decisions were made of, each value once, in files named by their content."""

from __future__ import annotations

import io
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from power.audit.files import sync_folder
from power.audit.packing import Packed, PackingError, pack, unpack
from power.audit.trail import AuditError

APART = frozenset({"power.model:Fleet", "power.model:Intent", "power.control.layout:Layout"})
"""Values that stay the same while others that hold them change, in files of their own. Who asks whether two of them are the
same object (the allocator's memory does, of the fleet) gets the same answer when they are read again."""
PARTS_IN_MEMORY = 16
MOST_BYTES = 2 << 30
"""Some fifty thousand decisions about a hundred GPUs, some hundreds about eighty thousand."""
AFTER_PRUNING = 0.9
"""Share of the most that stays when there was more, so that the next value need not look again."""


class Inputs:
    """A folder of values. A value that is kept again costs no room: a fleet stays the same for days."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """Nothing is made before the first value. What was not used for longest goes when there is more than `most_bytes`."""
        self.folder = folder
        self.most_bytes = most_bytes
        self._held: int | None = None
        self._newest: dict[str, tuple[object, str]] = {}
        self._loaded: OrderedDict[str, Any] = OrderedDict()

    def keep(self, value: object) -> str:
        """Put a value on disk; returns its digest. Raises `AuditError`."""
        try:
            return self._keep(value)
        except OSError as err:
            raise AuditError(
                f"{self.folder}: inputs of a decision cannot be kept ({err.strerror}); make room on the disk"
            ) from err
        except PackingError as err:
            raise AuditError(f"{self.folder}: inputs of a decision cannot be kept: {err}") from err

    def digest(self, value: object) -> str:
        """The digest under which a value would be kept; of its parts those that are kept apart are. Raises `AuditError`."""
        try:
            return pack(value, self._elsewhere).digest
        except (OSError, PackingError) as err:
            raise AuditError(f"{self.folder}: the digest cannot be taken: {err}") from err

    def load(self, digest: str) -> Any:
        """A value that was kept. Raises `AuditError` when it is gone, damaged or not what it was."""
        path = self._path(digest)
        try:
            packed = _read(path)
            if packed.digest != digest:
                raise AuditError(f"{path}: was changed: its content has another digest; take it from a backup")
            return unpack(packed, self._part)
        except FileNotFoundError as err:
            raise AuditError(f"{path}: is gone: it was pruned, or taken away") from err
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
            raise AuditError(f"{path}: cannot be read ({err}); take it from a backup") from err

    def prune(self, most_bytes: int) -> int:
        """Take away what was not used for longest until at most so many bytes stay; returns how many files went."""
        files = [(entry.stat(), Path(entry.path)) for entry in os.scandir(self.folder)] if self.folder.is_dir() else []
        held = sum(found.st_size for found, _ in files)
        gone = 0
        for found, path in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if held <= most_bytes:
                break
            path.unlink(missing_ok=True)
            held -= found.st_size
            gone += 1
        self._held = held
        return gone

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.npz"

    def _is_kept(self, path: Path) -> bool:
        try:
            os.utime(path)  # what is in use is not pruned
        except FileNotFoundError:
            return False
        return True

    def _keep(self, value: object) -> str:
        kind, newest = _kind(value), self._newest.get(_kind(value))
        if newest is not None and newest[0] is value and self._is_kept(self._path(newest[1])):
            return newest[1]
        packed = pack(value, self._elsewhere)
        digest = packed.digest
        self._write(packed, self._path(digest))
        if kind in APART:
            self._newest[kind] = value, digest
        return digest

    def _elsewhere(self, part: object) -> str | None:
        return self._keep(part) if _kind(part) in APART else None

    def _part(self, digest: str) -> Any:
        """A part that is kept apart: the same object for everybody who has it."""
        if digest not in self._loaded:
            self._loaded[digest] = self.load(digest)
            if len(self._loaded) > PARTS_IN_MEMORY:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(digest)
        return self._loaded[digest]

    def _make_room(self, size: int) -> None:
        if self._held is None:
            self.prune(self.most_bytes)
        held = (self._held or 0) + size
        if held > self.most_bytes:
            self.prune(int(self.most_bytes * AFTER_PRUNING) - size)
            held = (self._held or 0) + size
        self._held = held

    def _write(self, packed: Packed, path: Path) -> None:
        if self._is_kept(path):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        content = _compressed(packed)
        self._make_room(len(content))
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)


def _kind(value: object) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _compressed(packed: Packed) -> bytes:
    """In NumPy's format .npz. The fastest compression: columns of watts hardly shrink further with the best."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("text.npy", _npy(np.frombuffer(packed.text.encode(), np.uint8)))
        for position, array in enumerate(packed.arrays):
            archive.writestr(f"a{position}.npy", _npy(array))
    return into.getvalue()


def _npy(array: Any) -> bytes:
    into = io.BytesIO()
    np.lib.format.write_array(into, np.asarray(array), allow_pickle=False)
    return into.getvalue()


def _read(path: Path) -> Packed:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
        text = archive["text"].tobytes().decode()
        return Packed(text=text, arrays=tuple(archive[f"a{position}"] for position in range(len(archive.files) - 1)))
