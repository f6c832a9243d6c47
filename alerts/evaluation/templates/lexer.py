"""A template's text as pieces: plain text, and actions between `{{` and `}}` as tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple


class TemplateError(ValueError):
    """A template that cannot be read, or uses what is not supported; the message names it."""


Kind = Literal["word", "field", "variable", "string", "number", "char", "mark", "space"]


class Token(NamedTuple):
    """One token of an action. `text` is what stands there; of a field and a variable the name."""

    kind: Kind
    text: str


class Text(NamedTuple):
    """Text between actions, as it is printed."""

    text: str


class Action(NamedTuple):
    """What stands between `{{` and `}}`."""

    tokens: tuple[Token, ...]
    source: str


_OPEN = re.compile(r"\{\{(?P<trim>-(?=\s))?")
_COMMENT = re.compile(r"\s*/\*.*?\*/(?P<close>\s*-\}\}|\}\})", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<close>\s-\}\}|\}\})
    |(?P<space>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.)+')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.]))
    |(?P<variable>\$\w*)
    |(?P<field>\.[^\W\d]\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)


def pieces(text: str) -> Iterator[Text | Action]:
    """Text and actions in turn, white space trimmed where an action says so. Raises `TemplateError`."""
    position, trim = 0, False
    while (opened := _OPEN.search(text, position)) is not None:
        before = text[position : opened.start()]
        before = before.lstrip(_BLANKS) if trim else before
        if opened["trim"]:
            before = before.rstrip(_BLANKS)
        if before:
            yield Text(before)
        comment = _COMMENT.match(text, opened.end())
        if comment is not None:
            position, trim = comment.end(), "-" in comment["close"]
            continue
        tokens, position, trim = _action(text, opened.end())
        yield Action(tokens, text[opened.start() : position])
    rest = text[position:]
    rest = rest.lstrip(_BLANKS) if trim else rest
    if rest:
        yield Text(rest)


_BLANKS = " \t\r\n"


def _action(text: str, position: int) -> tuple[tuple[Token, ...], int, bool]:
    """The tokens up to `}}`, where that ends, and whether the text behind it is trimmed."""
    begin = position
    tokens: list[Token] = []
    while True:
        found = _TOKEN.match(text, position)
        if found is None:
            where = text[begin:].split("\n", 1)[0][:60]
            what = f"unexpected {text[position]!r}" if position < len(text) else "unclosed action: `}}` is missing"
            raise TemplateError(f"{what} in `{{{{{where}`")
        position = found.end()
        kind = found.lastgroup
        if kind == "close":
            return _without_outer_space(tokens), position, "-" in found["close"]
        part = found[0]
        if kind in {"variable", "field"}:
            part = part[1:]
        tokens.append(Token(kind, part))  # type: ignore[arg-type]


def _without_outer_space(tokens: list[Token]) -> tuple[Token, ...]:
    inner = slice(
        1 if tokens and tokens[0].kind == "space" else 0,
        -1 if len(tokens) > 1 and tokens[-1].kind == "space" else None,
    )
    return tuple(tokens[inner])
