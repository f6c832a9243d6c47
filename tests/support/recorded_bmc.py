"""A recorded BMC in memory: answers GET from its documents, takes PATCH as a well-behaved one would."""

import asyncio
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from power.model import ActuatorError


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class RecordedBmc:
    """`refusals` are answers to the writes that come next; after them writes are done. `gone` answers nothing at all."""

    documents: dict[str, Any]
    refusals: list[Said] = field(default_factory=list)
    writes: list[tuple[str, str, Any, dict[str, str]]] = field(default_factory=list)
    gets: int = 0
    deaf: bool = False
    """Says yes to every write and does none."""
    gone: bool = False

    async def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Said:
        await asyncio.sleep(0)
        if self.gone:
            raise ActuatorError("no answer in time")
        path = path.partition("?")[0].rstrip("/")
        if method == "GET":
            self.gets += 1
            found = self.documents.get(path)
            return Said(status=404, body={}) if found is None else Said(status=200, body=copy.deepcopy(found))
        self.writes.append((method, path, copy.deepcopy(body), dict(headers or {})))
        if self.refusals:
            return self.refusals.pop(0)
        if method == "PATCH" and not self.deaf:
            _merge(self.documents[path], body or {})
        return Said(status=200, body={})


def refusal(status: int, *ids: str, text: str = "no") -> Said:
    """An answer with messages as an iDRAC words them."""
    entries = [{"MessageId": f"IDRAC.2.9.{each}", "Message": text} for each in ids]
    return Said(status=status, body={"error": {"@Message.ExtendedInfo": entries}})


def _merge(document: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, dict) and isinstance(document.get(name), dict):
            _merge(document[name], value)
        elif isinstance(value, list) and isinstance(document.get(name), list):
            for old, new in zip(document[name], value, strict=False):
                _merge(old, new)
        else:
            document[name] = value
