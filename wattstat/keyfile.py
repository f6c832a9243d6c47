"""Random keys that processes of one installation share by a file: between web and core, and for sessions of the pages."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

KEY_BYTES = 32


class KeyFileError(Exception):
    """A key that cannot be used. The message says which file, why, and what to do."""


def key(path: Path) -> bytes:
    """The key in a file that only its owner may read; whoever comes first makes it. Raises `KeyFileError`."""
    try:
        if not path.exists():
            _make(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is no text"
        raise KeyFileError(
            f"the key file {path} cannot be used ({reason}); core and web must run as one user that may write its folder"
        ) from err
    if mode & 0o077:
        raise KeyFileError(f"the key file {path} may be read by others (mode {mode:04o}); expected 0600: chmod 600 {path}")
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) < KEY_BYTES:
        raise KeyFileError(
            f"the key file {path} holds no key; expected {2 * KEY_BYTES} hexadecimal digits; remove it and start again"
        )
    return found


def _make(path: Path) -> None:
    """Written whole before it has its name: of two that come at once, one makes it and both read the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)  # noqa: PTH108 - mkstemp gives a name
