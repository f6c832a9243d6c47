"""A line of the audit trail: how it is written, hashed and read again."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

GENESIS = "0" * 64
"""What the first record of all names as its predecessor's hash."""
_NUMBER = re.compile(rb'\{"number":(\d+),')
_SEAL = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_SEAL_LENGTH = len(',"hash":""}') + 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line. `digest` is the SHA-256 of the line without itself; `previous` that of the line before."""

    number: int
    at: float
    """Unix time."""
    kind: str
    body: Mapping[str, Any]
    previous: str
    digest: str

    def document(self) -> dict[str, Any]:
        """As the API and the command line show it."""
        return {
            "number": self.number,
            "at": _rfc3339(self.at),
            "kind": self.kind,
            **self.body,
            "previous": self.previous,
            "hash": self.digest,
        }

    def concerns(self, device: str) -> bool:
        """Whether it is about this server or this GPU (`node/uuid`)."""
        told = str(self.body.get("device", ""))
        return device in (told, self.body.get("node")) or told.startswith(f"{device}/")


def written(number: int, at: float, kind: str, body: Mapping[str, Any], previous: str) -> tuple[bytes, Record]:
    """The line of a record, with its newline, and the record. Raises `ValueError` for a body that JSON cannot hold."""
    inner = _json(body)
    head = f'{{"number":{number},"at":"{_rfc3339(at)}","kind":{json.dumps(kind)},"body":{inner},"previous":"{previous}"'
    digest = hashlib.sha256(f"{head}}}".encode()).hexdigest()
    line = f'{head},"hash":"{digest}"}}\n'.encode()
    return line, Record(number=number, at=at, kind=kind, body=json.loads(inner), previous=previous, digest=digest)


def parsed(line: bytes) -> Record | None:
    """The record of a line, None when it is none. Whether its hash is right is another question: see `sealed`."""
    try:
        found = json.loads(line)
        return Record(
            number=int(found["number"]),
            at=datetime.fromisoformat(found["at"]).timestamp(),
            kind=str(found["kind"]),
            body=dict(found["body"]),
            previous=str(found["previous"]),
            digest=str(found["hash"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


class Wanted(NamedTuple):
    """What a reader looks for. Most lines are told apart without reading them as JSON, which costs ten times as much."""

    after: int = 0
    before: int | None = None
    kind: str | None = None
    device: str | None = None

    def of(self, line: bytes) -> Record | None:
        """The record of a line if it is wanted."""
        found = _NUMBER.match(line)
        if found is None or not self._in_range(int(found.group(1))):
            return None
        if self.kind is not None and f'"kind":{json.dumps(self.kind)}'.encode() not in line:
            return None
        if self.device is not None and json.dumps(self.device, ensure_ascii=False)[1:-1].encode() not in line:
            return None
        record = parsed(line)
        if record is None or (self.kind is not None and record.kind != self.kind):
            return None
        return record if self.device is None or record.concerns(self.device) else None

    def _in_range(self, number: int) -> bool:
        return number > self.after and (self.before is None or number < self.before)


def sealed(line: bytes) -> bool:
    """Whether a line is as it was written: its hash is that of the rest of it."""
    line = line.rstrip(b"\n")
    seal = _SEAL.fullmatch(line[-_SEAL_LENGTH:])
    return seal is not None and hashlib.sha256(line[:-_SEAL_LENGTH] + b"}").hexdigest().encode() == seal.group(1)


def _json(body: Mapping[str, Any]) -> str:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except ValueError:  # NaN is a value that nobody read, infinite a cap that nobody set: both are null
        return json.dumps(_finite(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except TypeError as err:
        raise ValueError(str(err)) from err


def _plain(value: Any) -> Any:
    """What JSON does not know, in its words."""
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, np.ndarray):
        return _finite(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return _finite({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value)
    raise TypeError(
        f"a {type(value).__name__} cannot be written into the audit trail; expected numbers, texts, lists, mappings"
    )


def _finite(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
