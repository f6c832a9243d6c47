"""Mutation testing: small lies are told to a module one at a time, and its tests must notice each of them.

A mutant is the module's syntax tree with one change. It is run in this process in place of the module, together with fresh
copies of whatever imports it, against plain test functions (no fixtures), which end at the first failure.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import itertools
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {
    "minimum": "maximum",
    "maximum": "minimum",
    "fmin": "fmax",
    "fmax": "fmin",
    "min": "max",
    "max": "min",
    "floor": "ceil",
    "any": "all",
    "all": "any",
    "zeros": "ones",
    "ones": "zeros",
    "at_least": "at_most",
    "at_most": "at_least",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of a module."""

    path: Path
    line: int
    what: str
    code: types.CodeType

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of all mutants of a module."""

    killed: int
    survivors: tuple[Mutant, ...]

    @property
    def ratio(self) -> float:
        return self.killed / max(1, self.killed + len(self.survivors))


class _Slow(BaseException):
    """A mutant that takes too long; no `except Exception` keeps it alive."""


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a module. Annotations, docstrings, messages and imports are left alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passive = _passive(tree)
    for number, node in enumerate(list(ast.walk(tree))):
        changes = [] if number in passive else list(_changes(node))
        for change, what, line in [*changes, *_dropped(node)]:
            yield Mutant(path=path, line=line, what=what, code=_changed(tree, node, change, path))


def _changed(tree: ast.Module, node: ast.AST, change: Callable[[Any], None], path: Path) -> types.CodeType:
    """The code with one node changed; the tree is as before afterwards."""
    kind, members = node.__class__, dict(node.__dict__)
    for name, value in members.items():
        if isinstance(value, list):
            setattr(node, name, list(value))
    change(node)
    try:
        return compile(ast.fix_missing_locations(tree), str(path), "exec")
    finally:
        node.__class__ = kind
        node.__dict__.clear()
        node.__dict__.update(members)


def run(path: Path, tests: Sequence[str], refreshed: Sequence[str] = (), *, seconds: float = 10.0) -> Outcome:
    """Test all mutants of a module. `refreshed` are modules that import it, in the order of their imports.

    `tests` are the names of test modules; those go last and are loaded anew for each mutant too.
    """
    module = ".".join(path.relative_to(_root(path)).with_suffix("").parts)
    with _running(module, None, (*refreshed, *tests), seconds) as failure:
        assert failure is None, f"the tests fail without any mutation: {failure}"
    killed, survivors = 0, []
    for mutant in mutants(path):
        with _running(module, mutant, (*refreshed, *tests), seconds) as failure:
            if failure is None:
                survivors.append(mutant)
            else:
                killed += 1
    return Outcome(killed=killed, survivors=tuple(survivors))


@contextmanager
def _running(module: str, mutant: Mutant | None, others: Sequence[str], seconds: float) -> Iterator[BaseException | None]:
    """The failure of the first test that fails with a mutant in place of its module; everything is put back afterwards."""
    names = [module, *others]
    before = {name: sys.modules.get(name) for name in names}
    parents = {name: _attribute(name) for name in names}
    try:
        yield _failure(module, mutant, others, seconds)
    finally:
        for name, was in before.items():
            if was is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = was
        for name, was in parents.items():
            if was is not None:
                setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], was)


def _failure(module: str, mutant: Mutant | None, others: Sequence[str], seconds: float) -> BaseException | None:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            with _time_limit(seconds):
                _load(module, mutant.code if mutant else None)
                for name in others:
                    loaded = _load(name, None)
                    if name.rpartition(".")[2].startswith("test_"):
                        _run_tests(loaded)
        except (Exception, pytest.fail.Exception, _Slow) as failure:  # noqa: BLE001 - whatever a mutant does shows that it was noticed
            return failure
    return None


_CODE: dict[str, Any] = {}


def _load(name: str, code: types.CodeType | None) -> types.ModuleType:
    """A fresh module of this name, of its source or of other code."""
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    module = types.ModuleType(name)
    module.__file__, module.__spec__ = found.origin, found
    if name not in _CODE:
        _CODE[name] = compile(Path(found.origin).read_text(encoding="utf-8"), found.origin, "exec")
    sys.modules[name] = module
    exec(code or _CODE[name], module.__dict__)
    parent, _, last = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
    return module


def _run_tests(module: types.ModuleType) -> None:
    for name, test in list(vars(module).items()):
        if not name.startswith("test_") or not inspect.isfunction(test):
            continue
        for arguments in _cases(test):
            test(**arguments)


def _cases(test: Callable[..., object]) -> Iterator[dict[str, Any]]:
    """The calls of a test, as `pytest.mark.parametrize` has them."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    columns = []
    for mark in marks:
        given = mark.args[0]
        names = [name.strip() for name in given.split(",")] if isinstance(given, str) else list(given)
        rows = [each if len(names) > 1 else (each,) for each in mark.args[1]]
        columns.append([dict(zip(names, row, strict=True)) for row in rows])
    for parts in itertools.product(*columns):
        yield {name: value for part in parts for name, value in part.items()}


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Of processor time, so that a busy machine kills nobody; the timer of wall time belongs to pytest's own limit."""

    def over(*_: object) -> None:
        raise _Slow

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _attribute(name: str) -> Any:
    parent, _, last = name.rpartition(".")
    return getattr(sys.modules.get(parent), last, None)


def _root(path: Path) -> Path:
    return next(parent for parent in path.parents if (parent / "pyproject.toml").exists())


def _passive(tree: ast.Module) -> set[int]:
    """Numbers, in the order of `ast.walk`, of nodes that say nothing about what the module does."""
    silent: set[int] = set()
    order = {id(node): number for number, node in enumerate(ast.walk(tree))}
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            parts.append(node.returns)
            parts += node.decorator_list
        elif isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        elif isinstance(node, ast.JoinedStr):
            parts.append(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.append(node.value)
        elif _is_logging(node):
            parts.append(node)
        silent |= {order[id(each)] for part in parts if part is not None for each in ast.walk(part)}
    return silent


def _is_logging(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "_log"
    )


Change = tuple[Callable[[Any], None], str, int]


def _changes(node: ast.AST) -> Iterator[Change]:
    """All changes of one node, in place."""
    line = getattr(node, "lineno", 0)
    for change, what in (*_of_operators(node), *_of_values(node), *_of_branches(node)):
        yield change, what, line


_Found = Iterator[tuple[Callable[[Any], None], str]]


def _of_operators(node: ast.AST) -> _Found:
    if isinstance(node, ast.Compare):
        for number, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                yield _compare(number, other), f"{type(operator).__name__} became {other.__name__}"
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        found = OPERATORS[type(node.op)]
        yield _set(op=found()), f"{type(node.op).__name__} became {found.__name__}"
    elif isinstance(node, ast.BoolOp):
        swapped = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield _set(op=swapped()), f"{type(node.op).__name__} became {swapped.__name__}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        yield _drop_operator, f"{type(node.op).__name__} was dropped"


def _of_values(node: ast.AST) -> _Found:
    if isinstance(node, ast.Constant):
        yield from _of_constants(node)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield _set(attr=NAMES[node.attr]), f"{node.attr} became {NAMES[node.attr]}"
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield _set(id=NAMES[node.id]), f"{node.id} became {NAMES[node.id]}"


def _of_constants(node: ast.Constant) -> _Found:
    value = node.value
    if isinstance(value, bool):
        yield _set(value=not value), f"{value} became {not value}"
    elif isinstance(value, int | float):
        yield _set(value=value + 1), f"{value} became {value + 1}"
        if value:
            yield _set(value=0), f"{value} became 0"


def _of_branches(node: ast.AST) -> _Found:
    if isinstance(node, ast.If | ast.IfExp):
        for value in (True, False):
            yield _set(test=ast.Constant(value=value)), f"the condition became {value}"
    elif _is_where(node):
        yield _swap_where, "the two values of where were swapped"


def _is_where(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "where"
        and len(node.args) == 3
    )


def _set(**values: Any) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        for name, value in values.items():
            setattr(node, name, value)

    return change


def _compare(number: int, operator: type[ast.cmpop]) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        node.ops[number] = operator()

    return change


def _drop_operator(node: Any) -> None:
    """The operand alone: an expression that is always that."""
    operand = node.operand
    node.__class__ = ast.IfExp
    node.test, node.body, node.orelse = ast.Constant(value=True), operand, ast.Constant(value=None)


def _swap_where(node: Any) -> None:
    node.args[1], node.args[2] = node.args[2], node.args[1]


def _dropped(node: ast.AST) -> Iterator[Change]:
    """Statements of this node that do something, left out one by one."""
    body = getattr(node, "body", None)
    if isinstance(node, ast.ClassDef | ast.Module) or not isinstance(body, list):
        return
    for position, statement in enumerate(body):
        if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Return) and not _says_nothing(statement):
            yield _pass(position), f"{ast.unparse(statement)[:60]!r} was dropped", statement.lineno


def _pass(position: int) -> Callable[[Any], None]:
    def change(node: Any) -> None:
        node.body[position] = ast.Pass()

    return change


def _says_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and (isinstance(statement.value, ast.Constant) or _is_logging(statement.value))
