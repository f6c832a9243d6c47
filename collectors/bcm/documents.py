"""What CMDaemon answers, as far as we read it. Pure and total.

The manual shows commands more than answers, and versions differ in how they wrap a list; so lists are found bare, below `data`,
and as objects by name, and a member is looked for under each of its names. What is not found is absent.
Source: Base Command Manager 10 and 11, Developer Manual, "CMDaemon REST API"; devices as a BCM 11.0 answers, rows of
monitoring as a 9.0 does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from wattstat.members import Body, as_body, between, flag, member, number, objects, text

# The manager samples every two minutes and sums up seldomer; what missed this is silent.
OLDEST_SECONDS = 900.0
# Its words for servers; others are switches, power strips, chassis.
SERVERS = frozenset({"physicalnode", "headnode", "litenode"})
_MOST_UNITS = 60
_PASSED = {"pass": True, "passed": True, "fail": False, "failed": False}
_NAMES = ("hostname", "name", "device", "entity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device by the manager's name; `kind` is its word for what it is."""

    name: str
    kind: str = ""
    category: str = ""
    rack: str = ""
    unit: int | None = None
    ip: str = ""

    @property
    def is_server(self) -> bool:
        """Whether it is a server that stands in the hall; a category is something only servers have."""
        return self.kind.lower() in SERVERS or (not self.kind and bool(self.category))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the manager sees a device: its word in lower letters (`up`, `down`, `installing`), and what it checked."""

    word: str
    checks: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measurable of an entity: a number, or whether a check was passed. `parameter` is such as gpu0, and may be empty."""

    entity: str
    measurable: str
    parameter: str = ""
    raw: float | None = None
    value: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether a check was passed; None for what is no check."""
        return _PASSED.get(self.value.lower())


def devices(document: Any) -> list[Device]:
    """The devices of `/rest/v1/device`, each once."""
    found: dict[str, Device] = {}
    for name, entry in _named(document):
        place = entry.get("rack")
        rack = text(place) or text(member(place, "rack")) or text(member(place, "name"))
        found.setdefault(
            name,
            Device(
                name=name,
                kind=text(entry.get("type")) or text(entry.get("childType")),
                category=text(entry.get("category")) or text(member(entry, "category", "name")),
                rack=rack,
                unit=_unit(place, entry),
                ip=text(entry.get("ip")),
            ),
        )
    return list(found.values())


def racks(document: Any) -> dict[str, tuple[str, int | None]]:
    """Where devices stand by `/rest/v1/rack`: rack and lowest U by the device's name."""
    found: dict[str, tuple[str, int | None]] = {}
    for rack, entry in _named(document):
        for listed in ("devices", "nodes", "entities"):
            held = entry.get(listed)
            for each in held if isinstance(held, list) else ():
                name = text(each) or _name(as_body(each))
                if name:
                    found.setdefault(name, (rack, _unit(each, as_body(each))))
    return found


def states(document: Any) -> dict[str, State]:
    """How devices are by `/rest/v1/status`."""
    found: dict[str, State] = {}
    for name, entry in _named(document):
        said = text(entry.get("status")) or text(entry.get("state"))
        # The shell's form is "[   UP   ], health check failed".
        word = said.partition(",")[0].strip("[] ").lower()
        if not word:
            continue
        checks: dict[str, bool] = {}
        failed = flag(entry.get("health_check_failed"))
        if failed is None and "health check failed" in f"{said} {text(entry.get('info'))}".lower():
            failed = True
        if failed is not None:
            checks["health"] = not failed
        found.setdefault(name, State(word=word, checks=checks))
    return found


def rows(document: Any) -> list[Row]:
    """The rows of `/rest/v1/monitoring/latest` that are not too old."""
    return [row for entry in _entries(document) if (row := _row(entry)) is not None]


def complaint(document: Any) -> str:
    """What an answer says that is an error and came with HTTP 200."""
    body = as_body(document)
    if "data" in body:
        return ""
    return text(body.get("error")) or text(body.get("errormessage"))


def _row(entry: Body) -> Row | None:
    entity, (name, _, tail) = text(entry.get("entity")), text(entry.get("measurable")).partition(":")
    age = number(entry.get("age"))
    if not entity or not name or (age is not None and age > OLDEST_SECONDS):
        return None
    return Row(
        entity=entity,
        measurable=name,
        parameter=tail or text(entry.get("parameter")),
        raw=number(entry.get("raw")),
        value=text(entry.get("value")),
    )


def _entries(document: Any) -> Iterator[Body]:
    yield from objects(document if isinstance(document, list) else member(document, "data"))


def _named(document: Any) -> Iterator[tuple[str, Body]]:
    """Entries with their names: of a list, of a list below `data`, or of an object by name."""
    inner = member(document, "data") if isinstance(document, dict) and "data" in document else document
    if isinstance(inner, dict):
        for name, entry in inner.items():
            if isinstance(entry, dict):
                yield name, entry
            elif text(entry):
                yield name, {"status": entry}
            elif isinstance(entry, list):
                yield name, {"devices": entry}
        return
    for entry in objects(inner):
        if name := _name(entry):
            yield name, entry


def _name(entry: Body) -> str:
    return next((name for each in _NAMES if (name := text(entry.get(each)))), "")


def _unit(place: Any, entry: Body) -> int | None:
    """The lowest U: beside the rack's name, or of its own."""
    for said in (member(place, "position"), entry.get("rack_position"), entry.get("rackPosition"), entry.get("position")):
        found = between(1, said, _MOST_UNITS)
        if found is not None and found == int(found):
            return int(found)
    return None
