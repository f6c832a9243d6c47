"""YAML documents in which every value knows its line, and models read from them.

All problems of a document are collected, so that a person mends them in one go. A problem says where, what is wrong, what was
expected and what to do; it never repeats a value that could be a secret.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict

Loc = tuple[str | int, ...]

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster and not always built
_MOST_VALUES = 2_000_000  # aliases of aliases grow without bound; no inventory comes near


class Strict(BaseModel):
    """A frozen value that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)


class Place(NamedTuple):
    """Where a value stands: a file (or address, or environment variable), line and column counted from 1."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in self if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, or (`warning`) that deserves a look."""

    place: Place
    setting: str
    what: str
    expected: str = ""
    advice: str = ""
    warning: bool = False

    def __str__(self) -> str:
        subject = f"{self.place}: {self.setting}: " if self.setting else f"{self.place}: "
        return subject + "; ".join(
            part for part in (self.what, self.expected and f"expected {self.expected}", self.advice) if part
        )


class InvalidDocument(ValueError):
    """A document that cannot be used, with all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data, and where each key and each value stands."""

    source: str
    data: Any = field(default_factory=dict)
    places: Mapping[Loc, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, loc: Loc) -> Place:
        """Where `loc` stands, or the nearest thing around it that the file has."""
        for length in range(len(loc), -1, -1):
            if (found := self.places.get(loc[:length])) is not None:
                return found
        return Place(self.source)


def read(path: Path) -> Document:
    """Read a YAML file. What cannot be read is a problem of the document, not an exception."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as err:
        return _unreadable(str(path), f"byte {err.start} is no UTF-8", "save the file as UTF-8")
    except FileNotFoundError:
        return _unreadable(str(path), "no such file", "check the path; `wattstat init` writes samples")
    except OSError as err:
        return _unreadable(str(path), f"cannot be read: {err.strerror}", "check the path and its permissions")
    return parse(text, source=str(path))


def parse(text: str, *, source: str) -> Document:
    """Parse YAML text. An empty text is an empty mapping."""
    reader = _Reader(source)
    try:
        loader = _LOADER(text)
        try:
            root = loader.get_single_node()
            data = {} if root is None else reader.value(loader, root, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
        what = f"not YAML: {err.problem or err.context}"
        return Document(
            source=source, problems=(Problem(place=place, setting="", what=what, advice=_yaml_advice(text, place)),)
        )
    except yaml.YAMLError as err:
        return _unreadable(source, f"not YAML: {str(err).splitlines()[0]}", "remove control characters")
    if not isinstance(data, dict):
        problem = Problem(
            place=Place(source, 1, 1), setting="", what="holds no settings", expected="lines of the form `name: value`"
        )
        return Document(source=source, problems=(*reader.problems, problem))
    return Document(source=source, data=data, places=reader.places, problems=tuple(reader.problems))


def dotted(loc: Loc, data: Any = None) -> str:
    """A location as people write it: `nodes[gpu001].bmc.url`, or `nodes[3]` where entry 3 of the data has no name."""
    text = ""
    for part in loc:
        data = _inside(data, part)
        if isinstance(part, int):
            name = data.get("name") if isinstance(data, dict) else None
            text += f"[{name if isinstance(name, str) else part}]"
        else:
            text += f".{part}"
    return text.lstrip(".")


def _inside(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


class _Reader:
    """Makes data of YAML nodes, remembers places, collects what is wrong on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Loc, Place] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._values = 0

    def value(self, loader: Any, node: yaml.Node, loc: Loc) -> Any:
        """The data of a node."""
        self._values += 1
        if id(node) in self._open or self._values > _MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem="an alias that contains itself, or far too many values", problem_mark=node.start_mark
            )
        self.places.setdefault(loc, self._place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(loader, node, loc)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(loader, node, loc)
            return [self.value(loader, item, (*loc, position)) for position, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, loader: Any, node: yaml.MappingNode, loc: Loc) -> dict[Any, Any]:
        self._refuse_duplicates(node, loc)
        loader.flatten_mapping(node)  # `<<: *common`, which inventories use for what servers have in common
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(loader, key_node, loc)
            self.places[*loc, key] = self._place(key_node)
            found[key] = self.value(loader, value_node, (*loc, key))
        return found

    def _key(self, loader: Any, node: yaml.Node, loc: Loc) -> str | int:
        key = self._scalar(loader, node, loc) if isinstance(node, yaml.ScalarNode) else None
        return key if isinstance(key, str | int) and not isinstance(key, bool) else str(node.value)

    def _refuse_duplicates(self, node: yaml.MappingNode, loc: Loc) -> None:
        first: dict[Hashable, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (earlier := first.setdefault(key.value, key)) is not key:
                what = f"stands twice, first on line {earlier.start_mark.line + 1}"
                self._problem(key, (*loc, key.value), what, advice="keep one of the two")

    def _scalar(self, loader: Any, node: yaml.ScalarNode, loc: Loc) -> Any:
        if "\0" in node.value:
            self._problem(node, loc, "holds a NUL character", advice="remove it")
            return None
        try:
            return loader.construct_object(node)
        except yaml.constructor.ConstructorError as err:
            self._problem(node, loc, f"cannot be read: {err.problem}", advice="remove the tag")
        except ValueError:
            self._problem(
                node, loc, "is no valid value of the kind that it looks like", advice="write it in quotes if it is text"
            )
        return None

    def _problem(self, node: yaml.Node, loc: Loc, what: str, *, advice: str) -> None:
        self.problems.append(Problem(place=self._place(node), setting=dotted(loc), what=what, advice=advice))

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)


def _unreadable(source: str, what: str, advice: str) -> Document:
    return Document(source=source, problems=(Problem(place=Place(source), setting="", what=what, advice=advice),))


def _yaml_advice(text: str, place: Place) -> str:
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line is not None and place.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces: YAML takes no tabs"
    return "look at the indentation and the quotes of this line and the one above"


def walk(model: BaseModel, loc: Loc = ()) -> Iterator[tuple[Loc, BaseModel]]:
    """The model and all models in it, with their locations."""
    yield loc, model
    for name in type(model).model_fields:
        value = getattr(model, name)
        items: Iterable[tuple[Loc, Any]] = ()
        if isinstance(value, BaseModel):
            items = [((*loc, name), value)]
        elif isinstance(value, tuple | list):
            items = [((*loc, name, position), item) for position, item in enumerate(value)]
        elif isinstance(value, Mapping):
            items = [((*loc, name, key), item) for key, item in value.items()]
        for inner, item in items:
            if isinstance(item, BaseModel):
                yield from walk(item, inner)
