"""Policies from a file with the line of every problem, and from JSON with the same words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from power.policies.model import Policy, PolicyFile
from wattstat import document, explain
from wattstat.document import Document, InvalidDocument, Problem, dotted


def load(path: Path) -> tuple[Policy, ...]:
    """The policies of a file. Raises `InvalidDocument` with everything that is wrong with it."""
    return _policies(document.read(path))


def loads(text: str, *, source: str = "policies") -> tuple[Policy, ...]:
    """The same for a text."""
    return _policies(document.parse(text, source=source))


def from_json(body: Any, *, source: str = "policy") -> Policy:
    """One policy of plain data, as the API gets it. Raises `InvalidDocument` with everything that is wrong with it."""
    if not isinstance(body, dict):
        place = document.Place(source)
        raise InvalidDocument([Problem(place=place, setting="", what="is no policy", expected="an object with a name")])
    policy, problems = explain.model_of(Policy, Document(source=source, data=body))
    if policy is None:
        raise InvalidDocument(explain.collect(problems))
    return policy


def _policies(found: Document) -> tuple[Policy, ...]:
    read, problems = explain.model_of(PolicyFile, found)
    if read is None:
        raise InvalidDocument(explain.collect(problems))
    if twice := list(_twice(read, found)):
        raise InvalidDocument(twice)
    return read.policies


def _twice(read: PolicyFile, found: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for position, policy in enumerate(read.policies):
        if (earlier := first.setdefault(policy.name, position)) != position:
            where, line = ("policies", position, "name"), found.place(("policies", earlier, "name")).line
            what = f"{policy.name} stands twice" + (f", first on line {line}" if line else "")
            yield Problem(place=found.place(where), setting=dotted(where, found.data), what=what, expected="each name once")
