"""What a template consists of, once it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, a number, true, false or nil."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`, with the fields behind it."""

    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`, with the fields behind it."""

    name: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """A pipeline in parentheses, with the fields behind it."""

    pipeline: Pipeline
    fields: tuple[str, ...] = ()


Operand = Constant | Dot | Variable | Function | Group


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, of which each hands its result to the next as last argument; `declared` are the variables that get it."""

    commands: tuple[tuple[Operand, ...], ...]
    declared: tuple[str, ...] = ()
    assigns: bool = False
    """It sets a variable that exists (`=`) instead of a new one (`:=`)."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Plain:
    """Text."""

    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A pipeline whose value is printed."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`if` and `with`: what is done when the pipeline's value is there, and when not. `with` sets the dot."""

    pipeline: Pipeline
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    sets_dot: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """`range`."""

    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or, with `again`, `continue`."""

    again: bool


Node = Plain | Shown | Branch | Loop | Leave
