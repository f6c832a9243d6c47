"""Entries that stand for many: `gpu[001-128]` in a name, `{name}`, `{n}` and `{i}` in the rest, racks filled in order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from wattstat.document import Document, Loc, Place, Problem, dotted

_GROUP = re.compile(r"\[([^\]]*)\]")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_TEMPLATE = re.compile(r"\{(name|n|i)([+-]\d+)?\}")
_MOST = 100_000  # entries of one pattern: more is a slip of the pen


# What may be a pattern, and the member that names it.
KINDS = {
    "breakers": "name",
    "racks": "name",
    "nodes": "name",
    "rows": "name",
    "loads": "name",
    "groups": "name",
    "switches": "name",
    "storage": "name",
    "pdus": "name",
    "links": "node",
}


class Named(NamedTuple):
    """A name that a pattern makes, and its (last) number as written, empty where it has none."""

    name: str
    number: str


def expand(pattern: str) -> list[Named]:
    """The names of a pattern: `r[01-02]` is r01, r02; `[1-3,7]` lists; several groups make all combinations.

    Raises `ValueError` saying what the pattern lacks.
    """
    pieces = _GROUP.split(pattern)
    texts, groups = pieces[0::2], [_numbers(group, pattern) for group in pieces[1::2]]
    if any("[" in text or "]" in text for text in texts):
        raise ValueError(f"{pattern!r} has a bracket without its partner; expected a pattern such as gpu[001-128]")
    total = 1
    for group in groups:
        total *= len(group)
    if total > _MOST:
        raise ValueError(f"{pattern!r} stands for {total} names; expected at most {_MOST}")
    return [Named(_joined(texts, numbers), numbers[-1] if numbers else "") for numbers in product(*groups)]


def write_out(document: Document) -> Document:
    """The document with every pattern replaced by the entries that it stands for. Entries keep the lines of their pattern."""
    for kind in KINDS:
        if isinstance(document.data.get(kind), list):  # else absent, or refused later with the right words
            document = _written_out(document, kind)
    return _members_written_out(_shelves_written_out(document))


def _shelves_written_out(document: Document) -> Document:
    """Patterns among the nodes of storage clusters."""
    clusters = document.data.get("storage")
    if not isinstance(clusters, list):
        return document
    places = {loc: place for loc, place in document.places.items() if not _is_shelf(loc)}
    inside: dict[Loc, list[tuple[Loc, Place]]] = {}
    for loc, place in document.places.items():
        if _is_shelf(loc):
            inside.setdefault(loc[:4], []).append((loc[4:], place))
    problems = list(document.problems)
    written: list[Any] = []
    for position, cluster in enumerate(clusters):
        entries = cluster.get("nodes") if isinstance(cluster, dict) else None
        if not isinstance(entries, list):
            written.append(cluster)
            continue
        nodes: list[Any] = []
        for order, entry in enumerate(entries):
            old: Loc = ("storage", position, "nodes", order)
            try:
                made = list(_shelf(entry))
            except ValueError as err:
                what, _, expected = str(err).partition("; expected ")
                setting, where = dotted((*old[:3], order, "name"), document.data), document.place((*old, "name"))
                problems.append(Problem(place=where, setting=setting, what=what, expected=expected))
                continue
            for rest, place in inside.get(old, ()):
                places.update({(*old[:3], len(nodes) + offset, *rest): place for offset in range(len(made))})
            nodes += made
        written.append({**cluster, "nodes": nodes})
    return replace(document, data={**document.data, "storage": written}, places=places, problems=tuple(problems))


def _is_shelf(loc: Loc) -> bool:
    return loc[:1] == ("storage",) and loc[2:3] == ("nodes",) and len(loc) > 3


def _shelf(entry: Any) -> Iterator[Any]:
    """The storage nodes of an entry: numbers count up, and in each rack one stands above the other."""
    if not isinstance(entry, dict) or not _is_pattern(entry.get("name")):
        yield entry
        return
    standing: Counter[Any] = Counter()
    for position, named in enumerate(expand(entry["name"])):
        node = {**_filled({key: value for key, value in entry.items() if key != "name"}, named), "name": named.name}
        # Values of a wrong type are left as they are, for validation to refuse them with their line.
        if isinstance(node.get("number"), int):
            node["number"] += position
        rack, unit, height = str(node.get("rack")), node.get("unit"), node.get("height", 1)
        if isinstance(unit, int) and isinstance(height, int):
            node["unit"] = unit + standing[rack] * height
        standing[rack] += 1
        yield node


def _is_pattern(name: Any) -> bool:
    return isinstance(name, str) and ("[" in name or "]" in name)


def _members_written_out(document: Document) -> Document:
    """Patterns among the servers of groups. Where a pattern stood, its names stand."""
    groups = document.data.get("groups")
    if not isinstance(groups, list):
        return document
    places, problems = dict(document.places), list(document.problems)
    written: list[Any] = []
    for position, group in enumerate(groups):
        members = group.get("nodes") if isinstance(group, dict) else None
        if not isinstance(members, list):
            written.append(group)
            continue
        names: list[Any] = []
        for order, member in enumerate(members):
            where = document.place(("groups", position, "nodes", order))
            try:
                made = [named.name for named in expand(member)] if isinstance(member, str) else [member]
            except ValueError as err:
                what, _, expected = str(err).partition("; expected ")
                setting = f"groups[{group.get('name', position)}].nodes[{order}]"
                problems.append(Problem(place=where, setting=setting, what=what, expected=expected))
                continue
            places.update({("groups", position, "nodes", len(names) + offset): where for offset in range(len(made))})
            names += made
        written.append({**group, "nodes": names})
    return replace(document, data={**document.data, "groups": written}, places=places, problems=tuple(problems))


def _written_out(document: Document, kind: str) -> Document:
    places = {loc: place for loc, place in document.places.items() if loc[0:1] != (kind,) or len(loc) == 1}
    inside: dict[int, list[tuple[Loc, Place]]] = {}
    for loc, place in document.places.items():
        if loc[0:1] == (kind,) and len(loc) > 1:
            inside.setdefault(int(loc[1]), []).append((loc[2:], place))
    written: list[Any] = []
    problems: list[Problem] = []
    for position, entry in enumerate(document.data[kind]):
        try:
            made = list(_entries(entry, KINDS[kind]))
        except ValueError as err:
            what, _, expected = str(err).partition("; expected ")
            where = document.place((kind, position, KINDS[kind]))
            problems.append(Problem(place=where, setting=f"{kind}[{position}]", what=what, expected=expected))
            continue
        for rest, place in inside.get(position, ()):
            places.update({(kind, len(written) + offset, *rest): place for offset in range(len(made))})
        written += made
    data = {**document.data, kind: written}
    return replace(document, data=data, places=places, problems=(*document.problems, *problems))


def _entries(entry: Any, key: str) -> Iterator[Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get(key), str):
        yield entry
        return
    names = expand(entry[key])
    common = {member: value for member, value in entry.items() if member not in {key, "racks", "per_rack"}}
    spots = list(_spots(entry, len(names)))
    for position, named in enumerate(names):
        yield {**_filled(common, named), key: named.name, **(spots[position] if spots else {})}


def _spots(entry: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Rack and lowest unit of each server of a pattern that fills racks."""
    if "racks" not in entry and "per_rack" not in entry:
        return
    if "rack" in entry:
        raise ValueError("both rack and racks are given; expected one of the two")
    given = entry.get("racks")
    patterns = given if isinstance(given, list) else [given] if isinstance(given, str) else []
    racks = [named.name for pattern in patterns for named in expand(str(pattern))]
    per_rack, unit, height = entry.get("per_rack"), entry.get("unit"), entry.get("height", 1)
    if not racks or not isinstance(per_rack, int) or per_rack < 1:
        raise ValueError("racks and per_rack belong together; expected such as `racks: r[01-16]` and `per_rack: 8`")
    if len(racks) * per_rack < count:
        raise ValueError(
            f"{count} servers do not fit {len(racks)} racks of {per_rack}; expected more racks or a larger per_rack"
        )
    for position in range(count):
        shelf = position % per_rack
        # Values of a wrong type are left as they are, for validation to refuse them with their line.
        fits = isinstance(unit, int) and isinstance(height, int)
        lowest = {"unit": unit + shelf * height} if fits and unit is not None else {}
        yield {"rack": racks[position // per_rack], **lowest}


def _filled(value: Any, named: Named) -> Any:
    if isinstance(value, str):
        return _TEMPLATE.sub(lambda found: _substitute(found, named), value) if "{" in value else value
    if isinstance(value, list):
        return [_filled(item, named) for item in value]
    if isinstance(value, dict):
        if _is_pattern(value.get("name")):  # a pattern within a pattern: its own numbers fill the rest
            return {**value, "name": _filled(value["name"], named)}
        return {key: _filled(item, named) for key, item in value.items()}
    return value


def _substitute(found: re.Match[str], named: Named) -> str:
    what, offset = found.groups()
    if what == "name":
        return named.name
    if not named.number:
        raise ValueError(f"{found.group()} needs a number in the name; expected a name such as gpu[001-128]")
    return named.number if what == "n" else str(int(named.number) + int(offset or 0))


def _numbers(group: str, pattern: str) -> list[str]:
    found: list[str] = []
    for part in group.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{pattern!r} has [{group}]; expected numbers and ranges such as [001-128] or [1-4,7]")
        first, last = match.group(1), match.group(2) or match.group(1)
        if int(last) < int(first):
            raise ValueError(f"{pattern!r} counts down from {first} to {last}; expected the smaller number first")
        if int(last) - int(first) >= _MOST:
            raise ValueError(f"{pattern!r} stands for too many names; expected at most {_MOST}")
        found += [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return found


def _joined(texts: list[str], numbers: tuple[str, ...]) -> str:
    return texts[0] + "".join(number + text for number, text in zip(numbers, texts[1:], strict=True))
