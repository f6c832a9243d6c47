"""A node's journal out of the JSON that its agent sends: pure and total; what is not as agreed is left out and counted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from wattstat.journal import Boundary, Edge, Entry, Gpu, GpuCounts, NodeJournal

_COUNTS = tuple(each.name for each in fields(GpuCounts))
# More joules than a node draws in ten thousand years: what says more is no reading.
_MOST = 1e16
_EDGES = {edge.value: edge for edge in Edge}
_BOUNDARY_TEXTS = ("instance", "user", "account", "partition", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReading:
    """What a document said; `journal` is None where it was none. `unknown` counts what was left out."""

    journal: NodeJournal | None = None
    cursor: int = 0
    unknown: int = 0


@dataclass(kw_only=True)
class _Strange:
    """Counts what was not to be understood."""

    count: int = 0

    def note(self) -> None:
        self.count += 1


def parse(document: Any, *, node: str, now: float) -> JournalReading:
    """The journal of `node`, its ages counted back from `now` (Unix seconds)."""
    if not isinstance(document, Mapping):
        return JournalReading(unknown=1)
    boot, cursor = document.get("boot"), document.get("cursor")
    if not isinstance(boot, str) or not boot or not isinstance(cursor, int) or isinstance(cursor, bool) or cursor < 0:
        return JournalReading(unknown=1)
    strange = _Strange()
    journal = NodeJournal(
        node=node,
        boot=boot,
        gpus=tuple(_gpus(document, strange)),
        entries=_entries(document, now, strange),
        boundaries=tuple(_boundaries(document, now, strange)),
        complete=document.get("complete") is True,
    )
    return JournalReading(journal=journal, cursor=cursor, unknown=strange.count)


def _gpus(document: Mapping[str, Any], strange: _Strange) -> Iterator[Gpu]:
    for entry in _list(document, "gpus", strange):
        uuid, index = _uuid(entry), _whole(entry.get("index")) if isinstance(entry, Mapping) else None
        if not uuid or index is None:
            strange.note()
            continue
        model = entry.get("model")
        yield Gpu(
            uuid=uuid,
            index=index,
            minor=_whole(entry.get("minor")),
            model=model if isinstance(model, str) else "",
            memory_bytes=_number(entry.get("memory_bytes")),
            slices=_numbers(entry.get("slices")),
            mig_uuids=_texts(entry.get("mig_uuids")),
        )


def _entries(document: Mapping[str, Any], now: float, strange: _Strange) -> tuple[Entry, ...]:
    ages = [_number(age) for age in _list(document, "ages", strange)]
    gpus = _rows(document, len(ages), strange)
    cpus = _columns(_mapping(document, "cpus", strange).items(), len(ages), strange)
    shares = _columns(_shares(document, strange), len(ages), strange)
    entries = []
    for row, age in enumerate(ages):
        if age is None:
            strange.note()
            continue
        entries.append(
            Entry(
                at=now - age,
                gpus=gpus[row],
                cpus={name: value for name, values in cpus.items() if (value := values[row]) is not None},
                shares={key: value for key, values in shares.items() if (value := values[row]) is not None},
            )
        )
    return tuple(sorted(entries, key=lambda entry: entry.at))


def _rows(document: Mapping[str, Any], count: int, strange: _Strange) -> list[dict[str, GpuCounts]]:
    """The GPUs' counters of every entry. Columns stand in the order of `gpus`, whatever of it was understood."""
    listed = document.get("gpus")
    uuids = [_uuid(entry) for entry in listed] if isinstance(listed, list) else []
    found: list[dict[str, dict[str, Any]]] = [{} for _ in range(count)]
    table = _mapping(document, "counts", strange)
    for name in _COUNTS:
        rows = table.get(name, [])
        if not isinstance(rows, list) or (rows and len(rows) != count):
            strange.note()
            continue
        for target, row in zip(found, rows, strict=False):
            if not isinstance(row, list) or len(row) != len(uuids):
                strange.note()
                continue
            for uuid, value in zip(uuids, row, strict=True):
                number = _number(value)
                if number is not None and uuid:
                    target.setdefault(uuid, {})[name] = int(number) if name == "resets" else number
                elif value is not None:
                    strange.note()
    return [{uuid: GpuCounts(**values) for uuid, values in row.items()} for row in found]


def _columns(named: Any, count: int, strange: _Strange) -> dict[Any, list[float | None]]:
    """Columns of as many values as there are entries."""
    found = {}
    for key, values in named:
        if not isinstance(values, list) or len(values) != count:
            strange.note()
            continue
        found[key] = [_number(value) for value in values]
    return found


def _shares(document: Mapping[str, Any], strange: _Strange) -> Iterator[tuple[tuple[str, str], Any]]:
    for entry in _list(document, "shares", strange):
        uuid, holder = (entry.get("uuid"), entry.get("holder")) if isinstance(entry, Mapping) else (None, None)
        if isinstance(uuid, str) and isinstance(holder, str) and uuid and holder:
            yield (uuid, holder), entry.get("seconds")
        else:
            strange.note()


def _boundaries(document: Mapping[str, Any], now: float, strange: _Strange) -> Iterator[Boundary]:
    for entry in _list(document, "boundaries", strange):
        found = _boundary(entry, now) if isinstance(entry, Mapping) else None
        if found is None:
            strange.note()
        else:
            yield found


def _boundary(entry: Mapping[str, Any], now: float) -> Boundary | None:
    must = [entry.get(name) for name in ("id", "scheduler", "job_id")]
    if not all(isinstance(text, str) and text for text in must):
        return None
    edge = entry.get("edge")
    age, gpus = _number(entry.get("age")), entry.get("gpus")
    if not isinstance(edge, str) or edge not in _EDGES or age is None:
        return None
    texts = {name: text for name in _BOUNDARY_TEXTS if isinstance(text := entry.get(name), str)}
    resets = _numbers(entry.get("resets"))
    return Boundary(
        id=str(must[0]),
        edge=_EDGES[edge],
        at=now - age,
        scheduler=str(must[1]),
        job_id=str(must[2]),
        gpus=tuple(uuid for uuid in gpus if isinstance(uuid, str)) if isinstance(gpus, list) else (),
        joules=_numbers(entry.get("joules")),
        resets={uuid: int(count) for uuid, count in resets.items()},
        **texts,
    )


def _list(document: Mapping[str, Any], name: str, strange: _Strange) -> Sequence[Any]:
    value = document.get(name)
    if isinstance(value, list):
        return value
    strange.note()
    return ()


def _mapping(document: Mapping[str, Any], name: str, strange: _Strange) -> Mapping[str, Any]:
    value = document.get(name)
    if isinstance(value, Mapping):
        return value
    strange.note()
    return {}


def _uuid(entry: Any) -> str:
    uuid = entry.get("uuid") if isinstance(entry, Mapping) else None
    return uuid if isinstance(uuid, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(value: Any) -> float | None:
    """A number of 0 or more: nothing in a journal can be less."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _MOST and not math.isnan(value) else None


def _numbers(value: Any) -> dict[str, float]:
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: number for name, entry in items if (number := _number(entry)) is not None}


def _texts(value: Any) -> dict[str, str]:
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: text for name, text in items if isinstance(text, str)}
