"""The audit trail: who did what to which device and why, on disk before it is done, and every line bound to the one before.

One file a day (UTC), each line a record in JSON that names the SHA-256 of the line before it, across files too. What was
changed, taken out or put in later breaks the chain; `head` beside the files says how far it went, so that lines missing at the
end are noticed as well.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from power.audit.files import AppendFile, Lock, lines_backward
from power.audit.record import GENESIS, Record, Wanted, parsed, written
from power.audit.verify import first_number, head_of, trail_files, verify

log = structlog.get_logger(__name__)

ABOUT_ITSELF = "trail"
"""Kind of the records in which the trail tells what it found of itself."""


class AuditError(Exception):
    """A record that could not be put on disk. Nothing may be done that needed it. The message says where, why, what to do."""


class Entry(NamedTuple):
    """What is to be recorded."""

    kind: str
    body: Mapping[str, Any]


class _End(NamedTuple):
    """Where the chain goes on."""

    number: int
    digest: str
    day: str


class Trail:
    """The trail in a folder. One process writes at a time; anybody may read. Safe to call from several threads."""

    def __init__(
        self, folder: Path, clock: Callable[[], float], *, open_file: Callable[[Path], AppendFile] = AppendFile
    ) -> None:
        """Nothing is opened or made before the first record."""
        self.folder = folder
        self._clock = clock
        self._open_file = open_file
        self._mutex = threading.Lock()
        self._lock: Lock | None = None
        self._file: AppendFile | None = None
        self._end: _End | None = None

    def append(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Put one record on disk. Raises `AuditError`."""
        return self.append_many([Entry(kind, body)])[0]

    def append_many(self, entries: Sequence[Entry | tuple[str, Mapping[str, Any]]]) -> tuple[Record, ...]:
        """Put records on disk together, with one wait for the disk: all of them, or none. Raises `AuditError`."""
        with self._mutex:
            try:
                return self._append(entries)
            except OSError as err:
                self._forget()
                what = err.strerror or str(err)
                raise AuditError(
                    f"{self.folder}: the audit trail cannot be written ({what}); no device is changed until it can: "
                    "make room on the disk, or check the folder's permissions"
                ) from err
            except ValueError as err:
                raise AuditError(f"{self.folder}: a record cannot be written: {err}") from err

    def read(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        kind: str | None = None,
        device: str | None = None,
        limit: int = 100,
    ) -> tuple[Record, ...]:
        """Records that match, at most `limit`: with `after` the oldest ones behind that number, else the newest, newest first.

        `device` is a server (with its GPUs), or `node/uuid`. Raises `AuditError` for an unreadable folder.
        """
        wanted = Wanted(after=after or 0, before=before, kind=kind, device=device)
        try:
            lines = self._newest_first(before) if after is None else self._oldest_first(after)
            found = (record for line in lines if (record := wanted.of(line)) is not None)
            return tuple(islice(found, limit))
        except OSError as err:
            raise AuditError(f"{self.folder}: the audit trail cannot be read ({err.strerror}); check its permissions") from err

    def verify(self) -> list[str]:
        """Everything that shows that the trail is not as it was written; empty when it is whole."""
        return verify(self.folder)

    def close(self) -> None:
        """Let others write."""
        with self._mutex:
            self._forget()
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _append(self, entries: Sequence[Entry | tuple[str, Mapping[str, Any]]]) -> tuple[Record, ...]:
        if not entries:
            return ()
        end = self._end or self._recover()
        at = self._clock()
        records, end = self._put(entries, end, at)
        self._end = end
        return records

    def _put(
        self, entries: Sequence[Entry | tuple[str, Mapping[str, Any]]], end: _End, at: float
    ) -> tuple[tuple[Record, ...], _End]:
        lines: list[bytes] = []
        records: list[Record] = []
        number, digest = end.number, end.digest
        for kind, body in entries:
            number += 1
            line, record = written(number, at, kind, body, digest)
            digest = record.digest
            lines.append(line)
            records.append(record)
        # A clock that was set back does not go back to an earlier file: the chain's order is that of the files' names.
        day = max(datetime.fromtimestamp(at, UTC).date().isoformat(), end.day)
        if self._file is None or day != end.day:
            self._change_file(day)
        assert self._file is not None  # noqa: S101 - just opened
        self._file.append(b"".join(lines))
        with contextlib.suppress(OSError):  # the record is on disk; the head only helps to notice what is taken away later
            (self.folder / "head").write_text(f"{number} {digest}\n")
        return tuple(records), _End(number, digest, day)

    def _change_file(self, day: str) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._file = self._open_file(self.folder / f"audit-{day}.jsonl")

    def _recover(self) -> _End:
        """Find the end of the chain; a line that a crash tore is cut off and told."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            try:
                self._lock = Lock(self.folder / "lock")
            except BlockingIOError as err:
                raise AuditError(
                    f"{self.folder}: another process writes this audit trail; stop it, or set `power.audit` to another folder"
                ) from err
        files = trail_files(self.folder)
        torn = self._cut_torn_line(files[-1]) if files else None
        end = _end_of(files)
        told: list[Entry] = []
        if torn is not None:
            what = f"a line of {len(torn)} bytes was not finished and is cut off"
            told.append(Entry(ABOUT_ITSELF, {"found": what, "sha256": sha256(torn).hexdigest()}))
        head = head_of(self.folder)
        if head is not None and head.number > end.number:
            told.append(Entry(ABOUT_ITSELF, {"found": f"records {end.number + 1} to {head.number} are missing"}))
            end = end._replace(number=head.number)  # a number is never given twice
        if told:
            log.warning(
                "the audit trail was not whole", folder=str(self.folder), found=[str(each.body["found"]) for each in told]
            )
            _, end = self._put(told, end, self._clock())
        return end

    def _cut_torn_line(self, path: Path) -> bytes | None:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole == len(content):
            return None
        file = self._open_file(path)
        try:
            file.cut(whole)
        finally:
            file.close()
        return content[whole:]

    def _forget(self) -> None:
        """What is on disk is no longer known: the next record looks first."""
        self._end = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _newest_first(self, before: int | None) -> Iterator[bytes]:
        for path in reversed(trail_files(self.folder)):
            if before is not None and (first := first_number(path)) is not None and first >= before:
                continue
            yield from lines_backward(path)

    def _oldest_first(self, after: int) -> Iterator[bytes]:
        files = trail_files(self.folder)
        for position, path in enumerate(files):
            following = first_number(files[position + 1]) if position + 1 < len(files) else None
            if following is not None and following <= after + 1:
                continue
            with path.open("rb") as lines:
                yield from (line for line in lines if line.endswith(b"\n"))


def _end_of(files: Sequence[Path]) -> _End:
    for path in reversed(files):
        for line in lines_backward(path):
            if (record := parsed(line)) is not None:
                return _End(record.number, record.digest, files[-1].stem.removeprefix("audit-"))
    return _End(0, GENESIS, "")
