"""From text to a template. What Prometheus knows and we do not is refused by its name, as are mistakes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from alerts.evaluation.templates.functions import FUNCTIONS
from alerts.evaluation.templates.lexer import Action, TemplateError, Text, Token, pieces
from alerts.evaluation.templates.run import GIVEN, Template
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
from wattstat.explain import nearest

_CONSTANTS = {"true": True, "false": False, "nil": None}
_REFUSED = {
    "define": "templates in templates are not supported; write the text out",
    "template": "templates in templates are not supported; write the text out",
    "block": "templates in templates are not supported; write the text out",
    "tmpl": "templates in templates are not supported; write the text out",
    "toTime": "toTime() is not supported; humanizeTimestamp writes the same",
    "call": "call() is not supported",
    "js": "js() is not supported",
    "safeHtml": "safeHtml() is for console pages; alerts are plain text",
    "args": "args() is for templates in templates, which are not supported",
    "graphLink": "graphLink() points at Prometheus' own pages; write a URL with urlquery",
    "tableLink": "tableLink() points at Prometheus' own pages; write a URL with urlquery",
    "pathPrefix": "pathPrefix() is for console pages; use externalURL",
}
_CONTROL = frozenset({"if", "else", "end", "range", "with", "break", "continue"})


def parse(text: str) -> Template:
    """The template of a text. Raises `TemplateError`."""
    return Template(source=text, nodes=_Parser(pieces(text)).whole())


class _Parser:
    """Reads the pieces of one template. `scope` are the variables that are known."""

    def __init__(self, given: Iterator[Text | Action]) -> None:
        self._pieces = given
        self._scope: list[str] = [*GIVEN]
        self._loops = 0

    def whole(self) -> tuple[Node, ...]:
        nodes, end = self._nodes()
        if end is not None:
            raise TemplateError(f"unexpected {end.source}: nothing is open that it could belong to")
        return nodes

    def _nodes(self) -> tuple[tuple[Node, ...], Action | None]:
        """The nodes up to an `else` or an `end`, and that."""
        nodes: list[Node] = []
        for piece in self._pieces:
            if isinstance(piece, Text):
                nodes.append(Plain(piece.text))
                continue
            word = piece.tokens[0].text if piece.tokens and piece.tokens[0].kind == "word" else ""
            if word in {"else", "end"}:
                return tuple(nodes), piece
            nodes.append(self._node(word, piece))
        return tuple(nodes), None

    def _node(self, word: str, action: Action) -> Node:
        if word in {"if", "with", "range"}:
            return self._block(word, action, action.tokens[1:])
        if word in {"break", "continue"}:
            if not self._loops or len(action.tokens) > 1:
                raise TemplateError(f"{action.source}: {word} stands alone, inside a range")
            return Leave(again=word == "continue")
        return Shown(_Commands(action, action.tokens, self._scope).pipeline())

    def _block(self, word: str, action: Action, tokens: Sequence[Token]) -> Branch | Loop:
        depth = len(self._scope)
        pipeline = _Commands(action, tokens, self._scope, in_range=word == "range").pipeline()
        self._loops += word == "range"
        body, end = self._nodes()
        self._loops -= word == "range"
        otherwise: tuple[Node, ...] = ()
        if end is not None and end.tokens[0].text == "else":
            del self._scope[depth + len(pipeline.declared) :]
            otherwise, end = self._else(word, end)
        if end is None:
            raise TemplateError(f"{action.source} has no {{{{ end }}}}")
        if len(end.tokens) > 1:
            raise TemplateError(f"{end.source}: expected {{{{ end }}}}")
        del self._scope[depth:]
        if word == "range":
            return Loop(pipeline, body, otherwise)
        return Branch(pipeline, body, otherwise, sets_dot=word == "with")

    def _else(self, word: str, action: Action) -> tuple[tuple[Node, ...], Action | None]:
        rest = _after_space(action.tokens[1:])
        if not rest:
            return self._nodes()
        # `else if` is an if within the else, and shares its end.
        if word == "if" and rest[0] == Token("word", "if"):
            return (self._block("if", action, rest[1:]),), Action((Token("word", "end"),), "{{end}}")
        raise TemplateError(f"{action.source}: expected {{{{ else }}}}" + (" or {{ else if … }}" if word == "if" else ""))


def _after_space(tokens: Sequence[Token]) -> Sequence[Token]:
    return tokens[1:] if tokens and tokens[0].kind == "space" else tokens


class _Commands:
    """Reads the pipeline of one action."""

    def __init__(self, action: Action, tokens: Sequence[Token], scope: list[str], *, in_range: bool = False) -> None:
        self._source = action.source
        self._tokens = list(_after_space(tokens))
        self._scope = scope
        self._in_range = in_range
        self._at = 0

    def pipeline(self) -> Pipeline:
        """All of the action."""
        declared, assigns = self._declared()
        commands = self._commands()
        if self._at < len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._at].text!r}")
        if not assigns:
            self._scope.extend(declared)
        return Pipeline(commands, declared, assigns, self._source)

    def _error(self, what: str) -> TemplateError:
        return TemplateError(f"{self._source}: {what}")

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _skip_space(self) -> bool:
        token = self._peek()
        if token is None or token.kind != "space":
            return False
        self._at += 1
        return True

    def _declared(self) -> tuple[tuple[str, ...], bool]:
        """Variables in front of `:=` or `=`."""
        text = "".join(" " if token.kind == "space" else f"${token.text}" if token.kind == "variable" else token.text
                       for token in self._tokens)  # fmt: skip
        found = _DECLARATION.match(text)
        if found is None:
            return (), False
        names = tuple(name for name in (found["first"], found["second"]) if name is not None)
        if len(names) > 1 and not self._in_range:
            raise self._error("too many declarations; two variables are for range only")
        unknown = next((name for name in names if found["sign"] == "=" and name not in self._scope), None)
        if unknown is not None:
            raise self._error(f"undefined variable ${unknown}")
        while self._tokens[self._at].text not in {":=", "="}:
            self._at += 1
        self._at += 1
        self._skip_space()
        return names, found["sign"] == "="

    def _commands(self) -> tuple[tuple[Operand, ...], ...]:
        """Commands up to the end or a closing parenthesis."""
        commands: list[tuple[Operand, ...]] = []
        while True:
            command = self._command()
            if not command:
                raise self._error("missing value for command" if not commands else "missing value behind `|`")
            if commands and isinstance(command[0], Constant | Dot):
                raise self._error(f"non executable command in pipeline stage {len(commands) + 1}")
            commands.append(command)
            token = self._peek()
            if token is None or token.text != "|" or token.kind != "mark":
                return tuple(commands)
            self._at += 1

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        self._skip_space()
        while (token := self._peek()) is not None and not (token.kind == "mark" and token.text in {"|", ")"}):
            operands.append(self._operand())
            token = self._peek()
            if not self._skip_space() and token is not None and token.text not in {"|", ")"}:
                raise self._error(f"unexpected {token.text!r}; a space is missing, or something is not supported")
        if len(operands) > 1 and operands[0] == Function("printf") and isinstance(operands[1], Constant):
            self._refuse_indexes(operands[1])
        return tuple(operands)

    def _refuse_indexes(self, template: Constant) -> None:
        if _BY_INDEX.search(str(template.value)):
            raise self._error("arguments of printf by number, and widths from arguments (`%[1]d`, `%*d`), are not supported")

    def _operand(self) -> Operand:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "mark" and token.text == "(":
            commands = self._commands()
            closing = self._peek()
            if closing is None or closing.text != ")":
                raise self._error("a closing parenthesis is missing")
            self._at += 1
            return Group(Pipeline(commands, source=self._source), self._fields())
        if token.kind == "mark" and token.text == ".":
            return Dot()
        if token.kind == "field":
            return Dot((token.text, *self._fields()))
        if token.kind == "variable":
            if token.text not in self._scope:
                raise self._error(f"undefined variable ${token.text}")
            return Variable(token.text, self._fields())
        if token.kind == "word":
            return self._word(token.text)
        if token.kind in {"string", "number", "char"}:
            return Constant(_constant(token), token.text)
        raise self._error(f"unexpected {token.text!r}")

    def _word(self, word: str) -> Operand:
        if word in _CONSTANTS:
            return Constant(_CONSTANTS[word], word)
        if word in _CONTROL:
            raise self._error(f"unexpected {word!r}")
        if word in _REFUSED:
            raise self._error(_REFUSED[word])
        if word not in FUNCTIONS:
            meant = nearest(word, FUNCTIONS)
            raise self._error(f"function {word!r} not defined" + (f"; did you mean {meant}?" if meant else ""))
        return Function(word)

    def _fields(self) -> tuple[str, ...]:
        """Fields that follow without a space."""
        found: list[str] = []
        while (token := self._peek()) is not None and token.kind == "field":
            found.append(token.text)
            self._at += 1
        return tuple(found)


_BY_INDEX = re.compile(r"%[-+# 0]*(?:\d+)?(?:\.\d*)?[\[*]")
_DECLARATION = re.compile(r"\s*\$(?P<first>\w+)\s*(?:,\s*\$(?P<second>\w+)\s*)?(?P<sign>:=|=)(?!=)")


def _constant(token: Token) -> str | int | float:
    """The value of a literal, as Go reads it."""
    if token.kind == "string":
        return token.text[1:-1] if token.text[0] == "`" else _unquoted(token.text)
    if token.kind == "char":
        rune = _unquoted(token.text)
        if len(rune) != 1:
            raise TemplateError(f"malformed character constant: {token.text}; text stands in double quotes")
        return ord(rune)
    try:
        return int(token.text.replace("_", ""), 0)
    except ValueError:
        pass
    try:
        return float(token.text.replace("_", ""))
    except ValueError:
        raise TemplateError(f"bad number: {token.text}") from None


def _unquoted(text: str) -> str:
    """A Go literal's value: its escapes are a subset of Python's."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError) as err:
        raise TemplateError(f"invalid syntax in the string {text}") from err
    return str(value)
