"""Files that only grow: written whole or not at all, on disk before the call returns."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 16


class AppendFile:
    """A file that is appended to. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        """Open or make it."""
        is_new = not path.exists()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if is_new:
            sync_folder(path.parent)

    def append(self, data: bytes) -> None:
        """Write all of it and wait until it is on disk; when that fails, what was there before is all that stays."""
        before = os.fstat(self._descriptor).st_size
        try:
            self.write(data)
            self.sync()
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise

    def write(self, data: bytes) -> None:
        """Write all of it: a nearly full disk takes a part first, and refuses the rest."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Wait until it is on disk."""
        os.fsync(self._descriptor)

    def cut(self, size: int) -> None:
        """Take away what stands behind `size`."""
        os.ftruncate(self._descriptor, size)
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class Lock:
    """Held by one process at a time, and let go when that ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take it. Raises `BlockingIOError` when somebody else has it."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let it go."""
        os.close(self._descriptor)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed entry of a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lines_backward(path: Path) -> Iterator[bytes]:
    """The complete lines of a file from its last to its first, without newlines. What follows the last newline is left out."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        rest: bytes | None = None  # of the line whose beginning was not seen yet; None before the last newline
        while end > 0:
            start = max(end - _BLOCK, 0)
            file.seek(start)
            pieces = file.read(end - start).split(b"\n")
            end = start
            if rest is not None:
                pieces[-1] += rest
            elif len(pieces) == 1:
                continue
            else:
                pieces.pop()
            rest = pieces[0]
            yield from reversed(pieces[1:])
        if rest is not None:
            yield rest
