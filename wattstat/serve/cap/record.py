"""What must outlive the agent: who may write, whose value stands behind each cap, and what is safe.

Two small files, each replaced whole and synced before anything is written to a GPU. The token has a file of its own, so that a
stale controller stays locked out even where the other file is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wattstat.config import Config
from wattstat.serve.journal.spool import SYSTEM_FOLDER

NO_FENCE = -1
DEAD_MAN_SECONDS = 60.0
_MOST_BYTES = 262_144

log = structlog.get_logger(__name__)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Token(_Kept):
    """The highest fencing token that was accepted, and whose it is."""

    fence: Annotated[int, Field(ge=NO_FENCE)] = NO_FENCE
    holder: str = ""


class Held(_Kept):
    """What we set on a GPU."""

    previous_watts: float | None = None
    """What the operator had before us; None where that is not known, and then nobody gives it back."""
    commanded_watts: float | None = None
    earlier_watts: float | None = None
    """What stood there when that was commanded: an agent killed in between finds this one still in force."""
    clock_mhz: float | None = None
    releasing: bool = False


class Record(_Kept):
    """What is known of this node's GPUs. `forgotten`: a file was lost, so values found here may be an old cap of ours."""

    dead_man_seconds: float = DEAD_MAN_SECONDS
    safe_watts: dict[str, float] = Field(default_factory=dict)
    held: dict[str, Held] = Field(default_factory=dict)
    fired_at: float | None = None
    forgotten: bool = False


def folder_of(config: Config) -> Path:
    """Where this agent keeps it."""
    if config.agent.cap_state is not None:
        return config.agent.cap_state
    is_installed = SYSTEM_FOLDER.is_dir() and os.access(SYSTEM_FOLDER, os.W_OK)
    return (SYSTEM_FOLDER if is_installed else config.data_dir) / "caps"


Kind = TypeVar("Kind", Token, Record)


@dataclass(kw_only=True)
class Store:
    """The two files in a folder."""

    folder: Path
    _saved: dict[str, Token | Record] = field(default_factory=dict)

    def load(self) -> tuple[Token, Record, tuple[str, ...]]:
        """What was kept, and the names of what could not be read; such a file is put aside, not written over."""
        token, record = self._read("fence", Token), self._read("caps", Record)
        lost = tuple(name for name, kept in (("fence", token), ("caps", record)) if kept is None)
        return token or Token(), record or Record(forgotten=True), lost

    def save(self, token: Token, record: Record) -> None:
        """Keep what has changed. When this returns it survives a loss of power. Raises `OSError`."""
        # The token first: who holds an older one must be locked out before anything of the new one is there.
        for name, kept in (("fence", token), ("caps", record)):
            if self._saved.get(name) != kept:
                self._write(name, kept)
                self._saved[name] = kept

    def _read(self, name: str, kind: type[Kind]) -> Kind | None:
        path = self.folder / f"{name}.json"
        try:
            with path.open("rb") as file:
                found = kind.model_validate(_checked(file.read(_MOST_BYTES + 1)))
        except FileNotFoundError:
            return kind()
        except (OSError, ValueError) as error:
            words = str(error) if not isinstance(error, ValidationError) else f"{error.error_count()} members are wrong"
            log.error("what was noted of caps is lost", file=str(path), why=words)  # noqa: TRY400 - no trace: a file is bad
            self._put_aside(path)
            return None
        self._saved[name] = found
        return found

    def _put_aside(self, path: Path) -> None:
        try:
            path.replace(path.with_suffix(".unreadable"))
        except OSError as error:
            log.warning("the unreadable file stays where it is", file=str(path), why=error.strerror)

    def _write(self, name: str, kept: Token | Record) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        body = kept.model_dump(mode="json")
        path, fresh = self.folder / f"{name}.json", self.folder / f".{name}.new"
        try:
            with fresh.open("wb") as file:
                file.write(json.dumps({"sha256": _digest(body), "body": body}).encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _checked(text: bytes) -> Any:
    if len(text) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes")
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("sha256") != _digest(document.get("body")):
        raise ValueError("its checksum is not that of its contents")
    return document["body"]
