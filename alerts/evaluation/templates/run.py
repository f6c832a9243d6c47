"""Templates carried out.

`query` cannot ask while a template runs: it looks its text up in answers that were fetched before, and where there is none it
says so (`Asks`). Who renders fetches them, for all alerts at once, and renders again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alerts.evaluation.templates.functions import FUNCTIONS, Sample, Wrong, checked, truth
from alerts.evaluation.templates.go_text import kind_of, plain
from alerts.evaluation.templates.tree import (
    Branch,
    Constant,
    Dot,
    Function,
    Group,
    Leave,
    Loop,
    Node,
    Operand,
    Pipeline,
    Plain,
    Shown,
    Variable,
)

GIVEN = ("", "labels", "externalLabels", "externalURL", "value")
"""The variables that every template of a rule has; `$` is the data itself."""

_MOST = 1_000_000
"""How long an annotation may become."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A query that could not be answered."""

    why: str


Answers = Mapping[str, list[Sample] | Failed]


class Asks(Exception):  # a request, handled by who renders
    """The template needs the answer to a query first."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What a rule's templates see."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template that was read."""

    source: str
    nodes: tuple[Node, ...]

    @property
    def fixed(self) -> bool:
        """It prints the same whatever it is given."""
        return all(isinstance(node, Plain) for node in self.nodes)

    def render(self, data: Data, answers: Answers) -> str:
        """The text. What fails is said in the text, as Prometheus does it. Raises `Asks`."""
        if self.fixed:
            return "".join(node.text for node in self.nodes if isinstance(node, Plain))
        run = _Run(data, answers)
        try:
            run.nodes(self.nodes, run.data)
        except Wrong as err:
            return f"<error expanding template: {err}>"
        return "".join(run.written)


class _Break(Exception):  # how a range is left
    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class _Root:
    """The data of the whole template, of which fields are asked by name."""

    def __init__(self, data: Data) -> None:
        self.fields: dict[str, Any] = {
            "Labels": data.labels,
            "ExternalLabels": data.external_labels,
            "ExternalURL": data.external_url,
            "Value": data.value,
        }

    def __str__(self) -> str:
        return "{" + " ".join(map(plain, self.fields.values())) + "}"


class _Run:
    """One run of one template."""

    def __init__(self, data: Data, answers: Answers) -> None:
        self.data = _Root(data)
        self.written: list[str] = []
        self._answers = answers
        self._url = data.external_url
        self._length = 0
        given = (self.data, data.labels, data.external_labels, data.external_url, data.value)
        self._variables: list[tuple[str, Any]] = list(zip(GIVEN, given, strict=True))

    def nodes(self, nodes: tuple[Node, ...], dot: Any) -> None:
        """Print what the nodes say."""
        for node in nodes:
            if isinstance(node, Plain):
                self._write(node.text)
            elif isinstance(node, Shown):
                value = self._pipeline(node.pipeline, dot)
                if not node.pipeline.declared:
                    self._write(plain(value))
            elif isinstance(node, Branch):
                self._branch(node, dot)
            elif isinstance(node, Loop):
                self._loop(node, dot)
            else:
                raise _leave(node)

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > _MOST:
            raise Wrong(f"the text is longer than {_MOST:,} characters")
        self.written.append(text)

    def _branch(self, node: Branch, dot: Any) -> None:
        depth = len(self._variables)
        value = self._pipeline(node.pipeline, dot)
        if truth(value):
            self.nodes(node.then, value if node.sets_dot else dot)
        else:
            self.nodes(node.otherwise, dot)
        del self._variables[depth:]

    def _loop(self, node: Loop, dot: Any) -> None:
        depth = len(self._variables)
        pairs = _pairs(self._pipeline(node.pipeline, dot))
        names = node.pipeline.declared
        for key, value in pairs:
            del self._variables[depth:]
            self._variables.extend(zip(names, (key, value) if len(names) > 1 else (value,), strict=False))
            try:
                self.nodes(node.body, value)
            except _Break as left:
                if not left.again:
                    break
        del self._variables[depth:]
        if not pairs:
            self.nodes(node.otherwise, dot)

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.declared[-1:]:
            self._set(name, value, new=not pipeline.assigns)
        return value

    def _set(self, name: str, value: Any, *, new: bool) -> None:
        if new:
            self._variables.append((name, value))
            return
        place = max(place for place, (known, _) in enumerate(self._variables) if known == name)
        self._variables[place] = (name, value)

    def _command(self, command: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        head = command[0]
        if isinstance(head, Function):
            return self._call(head.name, command[1:], dot, final)
        if len(command) > 1 or final is not _NOTHING:
            raise Wrong(f"can't give argument to non-function {_shown(head)}")
        return self._value(head, dot)

    def _value(self, operand: Operand, dot: Any) -> Any:
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Dot):
            return _fields(dot, operand.fields)
        if isinstance(operand, Variable):
            value = next(value for name, value in reversed(self._variables) if name == operand.name)
            return _fields(value, operand.fields)
        if isinstance(operand, Group):
            return _fields(self._pipeline(operand.pipeline, dot), operand.fields)
        return self._call(operand.name, (), dot, _NOTHING)

    def _call(self, name: str, operands: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        if name in {"and", "or"}:
            return self._either(name, operands, dot, final)
        arguments = [self._value(operand, dot) for operand in operands]
        if final is not _NOTHING:
            arguments.append(final)
        fitting = checked(name, FUNCTIONS[name], arguments)
        if name == "query":
            return self._query(fitting[0])
        if name == "externalURL":
            return self._url
        return FUNCTIONS[name].call(*fitting)

    def _either(self, name: str, operands: tuple[Operand, ...], dot: Any, final: Any) -> Any:
        """`and`, `or`: evaluated only as far as needed."""
        value = final
        for operand in operands:
            value = self._value(operand, dot)
            if truth(value) == (name == "or"):
                return value
        if value is _NOTHING:
            raise Wrong(f"wrong number of args for {name}: want at least 1 got 0")
        return value if final is _NOTHING else final

    def _query(self, text: str) -> list[Sample]:
        answer = self._answers.get(text)
        if answer is None:
            raise Asks(text)
        if isinstance(answer, Failed):
            raise Wrong(f"error calling query: {answer.why}")
        return answer


_NOTHING = object()


def _leave(node: Leave) -> _Break:
    return _Break(again=node.again)


def _fields(value: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        value = _field(value, name)
    return value


def _field(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, "")  # a label that is not there is empty
    if isinstance(value, Sample) and name in {"Labels", "Value"}:
        return value.labels if name == "Labels" else value.value
    if isinstance(value, _Root) and name in value.fields:
        return value.fields[name]
    if value is None:
        raise Wrong(f"nil data; no entry for key {name!r}")
    kind = "template.data" if isinstance(value, _Root) else kind_of(value)
    raise Wrong(f"can't evaluate field {name} in type {kind}")


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, list):
        return list(enumerate(value))
    if value is None:
        return []
    raise Wrong(f"range can't iterate over {plain(value)}")


def _shown(operand: Operand) -> str:
    if isinstance(operand, Constant):
        return operand.source
    if isinstance(operand, Variable):
        return ".".join(("$" + operand.name, *operand.fields))
    return "." + ".".join(operand.fields) if isinstance(operand, Dot) else "(…)"
